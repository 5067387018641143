"""A toolchain at work in one job's folder: as a command or a container, here or on a build host."""

import contextlib
import math
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from npubench.backends.options import choice, optional_text, text
from npubench.domain.errors import BoardError, Interrupted, UsageError
from npubench.domain.protocols import OpenHost, Session
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.domain.specs import Options
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_file
from npubench.tools import process
from npubench.tools.logs import short_lines, whole_lines
from npubench.tools.process import classify_exit, killed

_VERSION = re.compile(r"\s*([0-9]+(?:\.[0-9]+){1,4}(?:[-.]\w+)*)")

_COMMIT = re.compile(r"\s*([0-9a-f]{7,40})")

_LABELLED = re.compile(r"\s*(version|commit): ?(\S+)")


WHERE = ("image", "engine", "build_host", "command", "network", "shm_size", "memory")

ENGINES = ("docker", "podman")


@dataclass(frozen=True, slots=True)
class Where:
    """Where a toolchain is: in a container image, or a command; here, or on a build host.

    `build_host` names a board description whose transport reaches it. `network`, `shm_size` and
    `memory` are given to the container engine as they are.
    """

    command: str
    image: str | None = None
    engine: str = "docker"
    build_host: str | None = None
    network: str = "none"
    shm_size: str | None = None
    memory: str | None = None


def place_of(options: Options, command: str, shm_size: str | None = None) -> Where:
    """The place that board options name. Raises UsageError."""
    return Where(
        command=text(options, "command", command),
        image=optional_text(options, "image"),
        engine=choice(options, "engine", ENGINES, ENGINES[0]),
        build_host=optional_text(options, "build_host"),
        network=text(options, "network", "none"),
        shm_size=optional_text(options, "shm_size") or shm_size,
        memory=optional_text(options, "memory"),
    )


MOUNT = "/data"
SHORT_S = 60.0
NOT_STARTED = 127
"""Exit code by which shells say that a program is not there."""


class Bench:
    """A toolchain and the folder it works in, on this machine."""

    def __init__(self, where: Where, workdir: Path) -> None:
        self._where = where
        self._workdir = workdir
        self.folder = str(workdir)
        self._to_give_back = os.getuid() != 0
        """Whether what a container leaves there belongs to another than the folder's owner."""

    def mark(self, name: str) -> None:
        """Write an empty file, by the clock that the tool's own files get their times from."""
        (self._workdir / name).touch()

    def run(self, argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
        """Run a tool in the folder; all of it ends at the deadline.

        Exit code 127 stands for a program that is not there.
        """
        if self._where.image is None:
            return self.start(argv, timeout_s, log)
        name = container_name()
        ended = [self._where.engine, "kill", name]
        completed = self.start(container(self._where, name, self.folder, argv), timeout_s, log, ended)
        if self._where.engine == "docker" and self._to_give_back:
            # What root wrote in a container becomes the folder owner's again.
            argv = ["chown", "-R", f"--reference={MOUNT}", MOUNT]
            self.start(container(self._where, container_name(), self.folder, argv), SHORT_S, log, ended)
        return completed

    def start(
        self, argv: Sequence[str], timeout_s: float, log: Path, on_kill: Sequence[str] = ()
    ) -> Completed:
        """The same as a process of the machine itself; `on_kill` ends what that began elsewhere."""
        try:
            return process.run(argv, timeout_s=timeout_s, log=log, cwd=self._workdir, on_kill=on_kill)
        except OSError as error:
            return Completed(tuple(argv), NOT_STARTED, f"{argv[0]}: {error.strerror}\n", 0.0)

    def collect(self) -> None:
        """Bring what the tools wrote to the job's folder; here they wrote into it."""


def container_name() -> str:
    """A name that no other container has."""
    return f"npubench-{uuid.uuid4().hex[:16]}"


def container(where: Where, name: str, folder: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs a tool in a container with `folder` as its working directory.

    Raises UsageError for a folder that cannot be mounted.
    """
    if where.image is None:
        raise ValueError("there is no image to run")
    if ":" in folder:
        raise UsageError(f"a container cannot mount {folder}, whose name holds a colon: choose another --out")
    limits = [
        word
        for option, value in (("--shm-size", where.shm_size), ("--memory", where.memory))
        if value
        for word in (option, value)
    ]
    return [
        where.engine, "run", "--rm", "--name", name, "--network", where.network, *limits,
        "-v", f"{folder}:{MOUNT}", "-w", MOUNT, where.image, *argv,
    ]  # fmt: skip


def identify(where: Where, open_host: OpenHost | None) -> Completed:
    """Ask what is there: the id of the image, or what the command says to `version`.

    Raises UsageError and BoardError like `open_bench`.
    """
    argv = [where.command, "version"]
    if where.image is not None:
        argv = [where.engine, "image", "inspect", "--format", "{{.Id}}", where.image]
    if where.build_host is not None:
        with _session(where.build_host, open_host) as session:
            return session.run(argv, SHORT_S)
    with tempfile.TemporaryDirectory() as folder:
        return Bench(where, Path(folder)).start(argv, SHORT_S, Path(folder) / "version.log")


ENDED_BY_TIMEOUT = 124
KILL_AFTER_S = 10.0
COLLECT_S = 600.0


@contextlib.contextmanager
def open_bench(where: Where, workdir: Path, open_host: OpenHost | None) -> Iterator[Bench]:
    """The toolchain with a copy of what lies in `workdir`. Raises UsageError, and BoardError of a host."""
    if where.build_host is None:
        yield Bench(where, workdir)
        return
    with _session(where.build_host, open_host) as session:
        bench = HostBench(where, workdir, session)
        try:
            bench.send()
            yield bench
        finally:
            bench.tidy(["rm", "-rf", "--", bench.folder])


def _session(build_host: str, open_host: OpenHost | None) -> contextlib.closing[Session]:
    if open_host is None:
        raise UsageError(f"there is no way to build host {build_host!r} from this command: use npubench run")
    return contextlib.closing(open_host(build_host))


class HostBench(Bench):
    """A new folder on the host with copies of the job's files. Raises BoardError."""

    def __init__(self, where: Where, workdir: Path, session: Session) -> None:
        super().__init__(where, workdir)
        self._to_give_back = True
        self._session = session
        self._sent: set[str] = set()
        self.folder = self._must("mktemp", "-d", "-t", "npubench-XXXXXXXXXX").output.strip()
        if not self.folder.startswith("/") or "\n" in self.folder:
            raise BoardError(f"mktemp on the build host answered {self.folder[:80]!r}: check its login shell")

    def send(self) -> None:
        """Send the job's files. Raises BoardError."""
        for file in sorted(path for path in self._workdir.rglob("*") if path.is_file()):
            name = file.relative_to(self._workdir).as_posix()
            there = self._session.put(file, sha256_of_file(file))
            if "/" in name:
                self._must("mkdir", "-p", "--", posixpath.dirname(self._path(name)))
            self._must("cp", "--", str(there), self._path(name))
            self._sent.add(name)

    def tidy(self, argv: Sequence[str], log: Path | None = None) -> None:
        """Run what ends or removes something; a host that is gone keeps it."""
        with contextlib.suppress(BoardError, Interrupted):
            self._session.run(argv, SHORT_S, log)

    def mark(self, name: str) -> None:
        """Write an empty file on the host."""
        self._must("touch", "--", self._path(name))

    def start(
        self, argv: Sequence[str], timeout_s: float, log: Path, on_kill: Sequence[str] = ()
    ) -> Completed:
        """The same on the host."""
        if not on_kill:
            limit = ["timeout", "-k", f"{KILL_AFTER_S:g}", f"{max(1, math.ceil(timeout_s))}"]
            argv = [*limit, "env", "-C", self.folder, *argv]
        ended = False
        try:
            completed = self._session.run(argv, timeout_s + KILL_AFTER_S, log)
            ended = not completed.timed_out
        finally:
            if on_kill and not ended:
                self.tidy(on_kill, log)
        late = completed.returncode == ENDED_BY_TIMEOUT or completed.duration_s >= timeout_s
        return replace(completed, timed_out=completed.timed_out or (completed.returncode != 0 and late))

    def collect(self) -> None:
        """Fetch all files that were not sent. Raises BoardError."""
        packed = f"{self.folder}.tar"
        known = [f"--exclude=./{name}" for name in sorted(self._sent)]
        try:
            pack = ("tar", "-C", self.folder, "--no-wildcards", *known, "-cf", packed, ".")
            self._must(*pack, timeout_s=COLLECT_S)
            local = self._workdir / "collected.tar"
            self._session.get(PurePosixPath(packed), local)
        finally:
            self.tidy(["rm", "-f", "--", packed])
        _unpack(local, self._workdir)
        local.unlink()

    def _path(self, name: str) -> str:
        return posixpath.join(self.folder, name)

    def _must(self, *argv: str, timeout_s: float = SHORT_S) -> Completed:
        completed = self._session.run(argv, timeout_s)
        if completed.timed_out or completed.returncode != 0:
            printed = last_line(completed.output, "no answer")
            raise BoardError(f"{argv[0]} failed on the build host: {printed}: look at its disk and PATH")
        return completed


def _unpack(archive: Path, folder: Path) -> None:
    """Regular files below `folder` with their times; anything else in the archive is left out."""
    root = folder.resolve()
    with tarfile.open(archive) as tar:
        for member in tar:
            target = (root / member.name).resolve()
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not target.is_relative_to(root) or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as stream:
                shutil.copyfileobj(content, stream)
            os.utime(target, (member.mtime, member.mtime))


_OPERATOR = (
    re.compile(r"module 'neuwizard\.operators[\w.]*' has no attribute '([\w.]+)'"),
    re.compile(r"dont support ([\w.]+) opr? in \w+"),
    re.compile(r"\bAx(?:Quantized)?([A-Z]\w*) dont support\s*$"),
    re.compile(
        r"[Uu]nsupported (?:onnx )?op(?:erator)?(?: type)?s?:? '?((?:\w+\.)*[A-Z]\w*)'?(?=$|[\s,.;)])"
    ),
    re.compile(r"[Oo]p(?:erator)? '?((?:\w+\.)*[A-Z]\w*)'? is not supported"),
)
_ENDS = (
    (
        FailureClass.OUT_OF_MEMORY,
        re.compile(r"\bMemoryError\b|std::bad_alloc|[Oo]ut of memory|Cannot allocate memory|\bOOM\b"),
    ),
    (
        FailureClass.CRASH,
        re.compile(
            r"Segmentation fault|core dumped|killed by SIG(?!KILL)[A-Z]+|Aborted\b|Fatal Python error"
        ),
    ),
)
_EXCEPTION = re.compile(r"\s*(?:[\w.]+\.)?(\w*(?:Error|Exception)): ?(.*)")
_RESTRICTION = re.compile(
    r"support|restrict|must |should |expect|only |illegal|invalid|exceed|too (?:large|big|small)"
    r"|not match|mismatch|\b(?:auto_?pad|count_include_pad|pads?|padding|strides?|dilations?|groups?"
    r"|kernel(?:_shape)?|axis|axes|ndim|rank|shapes?|ceil_mode|storage_order|layout|broadcast\w*|attributes?)\b"
)
_KILLED = re.compile(r"killed by SIGKILL")
_DOCKER_FAILED = 125


def unsupported_operators(text: str) -> tuple[str, ...]:
    """Operators that the converter says it lacks, as ONNX calls them, each once."""
    names = [match[1] for line in short_lines(text) for p in _OPERATOR for match in p.finditer(line)]
    return tuple(dict.fromkeys(name.removeprefix("onnx.") for name in names))


Named = Sequence[tuple[FailureClass, re.Pattern[str]]]
"""What stands in a line that names a failure, by its class."""


def named_by(table: Named, lines: Sequence[str], stage: Stage, before: str = "") -> Failure | None:
    """The first failure of the table that a line names, told by that line; None where none does."""
    for failure_class, pattern in table:
        if line := next(filter(pattern.search, lines), None):
            return Failure(stage, failure_class, f"{before}{line.strip()}"[:300])
    return None


def explain(tool: str, text: str) -> Failure | None:
    """The failure that the output itself names; None when it names none."""
    lines = short_lines(text)
    operators = unsupported_operators(text)
    if operators:
        message = f"{tool} does not support {', '.join(operators)}"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)
    if named := named_by(_ENDS, lines, Stage.COMPILE, f"{tool}: "):
        return named
    if killed_line := next(filter(_KILLED.search, lines), None):
        message = f"{tool}: {killed_line.strip()}: nothing says that memory ran out: the next run tries again"
        return Failure(Stage.COMPILE, FailureClass.KILLED, message[:300])
    exceptions = [match for line in lines if (match := _EXCEPTION.fullmatch(line))]
    if not exceptions:
        return None
    name, printed = exceptions[-1][1], exceptions[-1][2].strip()
    restricted = name in {"AssertionError", "NotImplementedError"} or _RESTRICTION.search(printed)
    failure_class = FailureClass.UNSUPPORTED_ATTRIBUTE if restricted else FailureClass.CRASH
    return Failure(Stage.COMPILE, failure_class, f"{tool}: {name}: {printed}"[:300])


def failed_build(tool: str, completed: Completed) -> Failure | None:
    """Why this process cannot have made an artifact; None when nothing speaks against it."""
    in_container = any(word.rpartition("/")[2] in ENGINES for word in completed.argv[:5])
    if completed.returncode == _DOCKER_FAILED and not completed.timed_out and in_container:
        if named := explain(tool, completed.output):
            return named
        message = f"the container could not be started: {_last_line(completed.output)}"
        return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
    failure = classify_exit(
        tool, completed, Stage.COMPILE, "on its host", explain=explain, lines_of=short_lines
    )
    if failure is None:
        return None
    if failure.failure_class is FailureClass.KILLED and completed.out_of_memory:
        return killed(Stage.COMPILE, tool, completed, "on its host")
    # The compilers end with a code of their own where they crash.
    crashed = failure.failure_class is FailureClass.TOOL_ERROR
    return replace(failure, failure_class=FailureClass.CRASH) if crashed else failure


def no_artifact(tool: str, text: str, name: str) -> Failure:
    """The failure of a build that ended well but left no file."""
    if named := explain(tool, text):
        return named
    message = f"{tool} ended without writing {name}: {_last_line(text)}"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _last_line(text: str) -> str:
    return last_line("\n".join(short_lines(text)), limit=200)


_HARMLESS = re.compile(r"Get CMM usage failed")
_DEVICE_MEMORY = re.compile(
    r"(?i)\bcmm\b.*(?:fail|not enough|insufficient|no memory|exhausted)|MemAlloc\w*.*fail|alloc\w* .*fail"
    r"|(?:fail\w*|unable|cannot|can't) (?:to )?\w* ?(?:cmm|memory|mem alloc)"
    r"|out of (?:cmm|memory)|no memory|std::bad_alloc"
)
_MODE = re.compile(
    r"(?i)unknown npu mode|(?:npu[_ ]?mode|virtual npu|vnpu|hard mode)\b.*"
    r"(?:fail|mismatch|not match|conflict|differ|unsupported|not support|wrong|invalid)"
    r"|(?:fail|mismatch|conflict|wrong|invalid)\w*.*(?:npu[_ ]?mode|virtual npu|vnpu|hard mode)\b"
    r"|Assertion .AX_JOINT_Adv_Init\(.*failed"
)
"""run_joint asserts that the NPU starts in the mode of the model, and says no more where it does not."""


def explain_run(tool: str, text: str) -> Failure | None:
    """The failure that the output itself names; None when it names none."""
    lines = [line for line in short_lines(text) if not _HARMLESS.search(line)]
    table = ((FailureClass.WRONG_NPU_MODE, _MODE), (FailureClass.OUT_OF_DEVICE_MEMORY, _DEVICE_MEMORY))
    return named_by(table, lines, Stage.MEASURE, f"{tool}: ")


def wrong_mode(tool: str, wanted: str, seen: str) -> Failure:
    """The failure of a run in another NPU mode than the model was built for."""
    how = "docs/pulsar.md says how the board gets there"
    message = f"{tool} ran in NPU mode {seen}; the model was built for {wanted}: {how}"
    return Failure(Stage.MEASURE, FailureClass.WRONG_NPU_MODE, message)


def parse_version(text: str) -> Mapping[str, str]:
    """`version` and `commit` of `pulsar version` or `pulsar2 version`; empty when it is neither."""
    lines = [line for line in whole_lines(text if text.endswith("\n") else f"{text}\n") if line.strip()]
    found = {match[1]: match[2] for line in lines if (match := _LABELLED.fullmatch(line.rstrip()))}
    if found:
        return found
    for first, second in pairwise(lines):
        version, commit = _VERSION.fullmatch(first.rstrip()), _COMMIT.fullmatch(second.rstrip())
        if version and commit:
            return {"version": version[1], "commit": commit[1]}
    return {}
