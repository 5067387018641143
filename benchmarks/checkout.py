"""One revision of npubench as a side of a comparison: its files, its entry points, its processes timed."""

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Used:
    """What one process and all that it waited for took."""

    wall_s: float
    processor_s: float
    """User and system time."""

    peak_bytes: int
    """Resident memory of the largest of its processes; never below that of this program, their parent."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A revision that runs with this interpreter's packages and with a home of its own."""

    name: str
    root: Path
    """Where its `npubench`, `benchmarks` and `tests` lie."""

    work: Path
    """Its home, caches and results."""

    def python(
        self, *words: str, environment: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)
    ) -> Used:
        """Run the interpreter; an exit code that is not among `codes` is an error."""
        argv = [sys.executable, *words]
        started = time.perf_counter()
        with (self.work / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                argv,
                cwd=self.work,
                env={**self.environment, **(environment or {})},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        # Collected already: without this Popen would ask for it again.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            said = (self.work / "stderr").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{self.name}: exit code {process.returncode} of {' '.join(words)}\n{said}")
        return Used(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def npubench(
        self, *words: str, environment: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)
    ) -> Used:
        """Run the command line of this revision."""
        return self.python("-m", "npubench", *words, environment=environment, codes=codes)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make a process of this interpreter find this revision first."""
        home = {
            **{"HOME": str(self.work), "XDG_CACHE_HOME": str(self.work / ".cache")},
            # Whoever measures on this machine meanwhile would be waited for.
            "NPUBENCH_LEASES": str(self.work / "leases"),
        }
        return {**os.environ, **home, "PYTHONPATH": f"{self.work / 'installed'}:{self.root}"}


def checkout(revision: str, folder: Path) -> Checkout:
    """The files of a revision of git; nothing of it stays in the repository."""
    root = folder / "tree"
    root.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", revision], cwd=REPOSITORY, capture_output=True)
    if archive.returncode:
        raise SystemExit(f"{revision}: {archive.stderr.decode(errors='replace').strip()}")
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive.stdout, check=True)
    return _installed(f"before ({revision})", root, folder)


def working_tree(folder: Path) -> Checkout:
    """The files as they are now, committed or not."""
    folder.mkdir(parents=True)
    return _installed("now", REPOSITORY, folder)


def _installed(name: str, root: Path, work: Path) -> Checkout:
    """Write the metadata that an installation would, since entry points name modules that move."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = work / "installed" / "npubench-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: npubench\nVersion: 0\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return Checkout(name, root, work)
