"""Images of the virtual board, built once by `images/build.sh` and known by what builds them."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from npubench.domain.errors import ToolchainError, UsageError
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_file
from npubench.tools import process
from npubench.tools.environments.installer import locked
from npubench_virtual import places, programs

Say = Callable[[str], None]
SCRIPTS = Path(__file__).parent / "images"
_SHA256 = "sha256"
_HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to build the board. `boot_s` is its longest start; `saved`: its state may be restored."""

    name: str
    title: str
    programs: Mapping[str, str]
    build_s: float
    boot_s: float
    saved: bool


KINDS = {
    kind.name: kind
    for kind in (
        Kind("tiny", "busybox and dropbear in memory", programs.BUILD, 600.0, 180.0, True),
        Kind(
            "debian",
            "Debian with systemd and OpenSSH on a disk",
            programs.BUILD | programs.BUILD_DISK | programs.RUN,
            1800.0,
            900.0,
            False,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Image:
    """A built image; `sha256` is that of kernel and initramfs together."""

    kind: Kind
    kernel: Path
    initrd: Path
    disk: Path | None
    sha256: str


def kind(name: str) -> Kind:
    """The kind of that name. Raises UsageError."""
    if name not in KINDS:
        raise UsageError(
            f"there is no image {name!r:.40} of the virtual board: name one of {', '.join(KINDS)}"
        )
    return KINDS[name]


def built(wanted: Kind, say: Say) -> Image:
    """The image, built where it is not there yet; what a killed build left is thrown away.

    Raises ToolchainError naming the log, Interrupted.
    """
    folder = _folder(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder, say):
        if not (folder / _SHA256).exists():
            _build(wanted, folder, say)
    disk = folder / "disk"
    sha256 = (folder / _SHA256).read_text(encoding="ascii").strip()
    return Image(wanted, folder / "kernel", folder / "initrd", disk if disk.exists() else None, sha256)


def find(wanted: Kind) -> Path | None:
    """The folder of the image, if it is built."""
    folder = _folder(wanted)
    return folder if (folder / _SHA256).exists() else None


def _folder(wanted: Kind) -> Path:
    digest = hashlib.sha256(wanted.name.encode())
    for script in sorted(SCRIPTS.iterdir()):
        digest.update(script.read_bytes())
    return places.images() / f"{wanted.name}-{digest.hexdigest()[:_HASH_DIGITS]}"


def _build(wanted: Kind, folder: Path, say: Say) -> None:
    programs.require({**programs.RUN, **wanted.programs})
    say(f"building the image {wanted.name} ({wanted.title}) from Debian's packages, once")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    log = folder.with_name(f"{folder.name}.log")
    log.unlink(missing_ok=True)
    argv = ["sh", str(SCRIPTS / "build.sh"), wanted.name, str(folder), str(places.packages())]
    path = {"PATH": f"{os.environ.get('PATH', '')}:{programs.SYSTEM_PATH}"}
    done = process.run(argv, timeout_s=wanted.build_s, log=log, env=path)
    if done.returncode != 0 or done.timed_out:
        said = last_line(done.output)[-200:]
        why = f"it took more than {wanted.build_s:g} s" if done.timed_out else said
        raise ToolchainError(f"the image {wanted.name} was not built: {why}: see {log}")
    digest = hashlib.sha256()
    for name in ("kernel", "initrd"):
        digest.update(sha256_of_file(folder / name).encode())
    (folder / _SHA256).write_text(digest.hexdigest() + "\n", encoding="ascii")
