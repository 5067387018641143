"""The one way to run a tool on a board: its path, verified files, a folder, and its end understood."""

import math
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

from npubench.domain.errors import BoardError, TransferError
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, FailureClass, Runner, Stage
from npubench.domain.specs import TimingProtocol
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_bundle, sha256_of_file

SHORT_S = 60.0
HASH_S = 120.0
_HASH_LINE = re.compile(r"\\?([0-9a-f]{64}) [ *].*")
# `command -v` says nothing reliable of a path, and a relative one is no use in another folder.
_PATH_OF = """
path_of() {
    case $1 in
        /*) path=$1 ;;
        */*) path=$PWD/$1 ;;
        *) path=$(command -v "$1") ;;
    esac
}
"""
_FIND = f"""{_PATH_OF}
path_of "$1" || {{ printf '%s\\n' "$1 in $PATH"; exit 127; }}
printf '%s\\n' "$path"
[ -f "$path" ] && [ -x "$path" ]
"""
_FOLDER = 'umask 077; folder=${TMPDIR:-/tmp}/npubench-$1; mkdir "$folder" && printf "%s\\n" "$folder"'
_INSIDE = 'cd "$1" && shift && exec "$@"'
_MEMORY = re.compile(
    r"(?i)(?:fail\w*|cannot|can't|unable) (?:to )?(?:re)?(?:alloc|malloc|mmap)\w*|\w*alloc\w*\b.*\bfail"
    r"|out of (?:device )?memory|(?:not enough|no) (?:device )?memory|std::bad_alloc"
)
Parsed = TypeVar("Parsed")
LEAST_US = 1e-3
"""No inference is shorter: a tool that prints 0 is not asked for runs without end."""


def find_tool(names: Sequence[str], option: str, session: Session, log: Path) -> str | Failure:
    """The absolute path of the first of these programs that the board has; raises like `Session.run`.

    A name without a slash is looked for in the PATH of the board's logins.
    """
    looked: list[str] = []
    for name in names:
        done = session.run(_script(_FIND, name), SHORT_S, log)
        found = last_line(done.output, "")
        if done.returncode == 0 and found.startswith("/"):
            return found
        looked.append(found or name)
    message = (
        f"{option} is not on the board: looked for {', '.join(looked)}; install it there, or set"
        f' backend_options.{option} = "/path/to/{option}" in the board\'s TOML'
    )
    return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message[:600])


def upload_verified(
    artifact: Artifact, parts: Sequence[Path], session: Session, log: Path
) -> tuple[PurePosixPath, ...] | Failure:
    """Put the artifact and the files that belong to it on the board, and let the board say what it holds.

    Their paths there, in that order. Raises like `Session.put`.
    """
    if sha256_of_bundle(artifact.path, parts) != artifact.sha256:
        message = f"{artifact.path.name} is no longer the artifact {artifact.sha256}: run with --fresh"
        return Failure(Stage.TRANSFER, FailureClass.WRONG_ARTIFACT, message)
    files = (artifact.path, *parts)
    hashes = [sha256_of_file(file) for file in files]
    # The board's command runs in another folder than npubench, also where both are one machine.
    paths = tuple(session.put(file.absolute(), sha256) for file, sha256 in zip(files, hashes, strict=True))
    completed = session.run(["sha256sum", *map(str, paths)], HASH_S, log)
    on_board = [match[1] for line in completed.output.splitlines() if (match := _HASH_LINE.match(line))]
    if completed.returncode != 0 or len(on_board) != len(paths):
        printed = completed.output.strip()[-200:] or "it printed nothing"
        message = f"sha256sum on the board did not tell what lies there: {printed}"
        return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, message)
    if on_board != hashes:
        message = f"the board holds {', '.join(on_board)}, not the artifact's {', '.join(hashes)}"
        return Failure(Stage.TRANSFER, FailureClass.WRONG_ARTIFACT, message)
    return paths


@contextmanager
def temporary_directory(session: Session, log: Path) -> Iterator[PurePosixPath]:
    """A new folder on the board, for what a tool writes where it runs; gone afterwards.

    Raises TransferError where none can be made, else like `Session.run`.
    """
    done = session.run(_script(_FOLDER, secrets.token_hex(8)), SHORT_S, log)
    folder = last_line(done.output, "")
    if done.returncode != 0 or not folder.startswith("/"):
        raise TransferError(f"no folder can be made on the board for the tool to run in: {folder[:200]}")
    lost = False
    try:
        yield PurePosixPath(folder)
    except BoardError:
        lost = True
        raise
    finally:
        if not lost:
            session.run(["rm", "-rf", folder], SHORT_S, log)


def inside(folder: PurePosixPath, argv: Sequence[str]) -> tuple[str, ...]:
    """The command that runs `argv` in a folder of the board."""
    return _script(_INSIDE, str(folder), *argv)


def explain_memory(tool: str, text: str) -> Failure | None:
    """The failure of a run that says itself that memory could not be had; None when it does not say."""
    for line in text.splitlines():
        if _MEMORY.search(line[:1000]):
            message = f"{tool}: {line.strip()}"[:300]
            return Failure(Stage.MEASURE, FailureClass.OUT_OF_DEVICE_MEMORY, message)
    return None


def run_rounds(
    tool: str,
    call: Callable[[int, float], Parsed | Failure],
    mean_us: Callable[[Parsed], float],
    timing: TimingProtocol,
    deadline_s: float,
) -> list[Parsed] | Failure:
    """Call a tool `timing.rounds` times; each later call is as long as the minimum duration asks.

    `call` gets the runs to time and the seconds that are left. HANG where a round has none any more.
    """
    end = time.monotonic() + deadline_s
    results: list[Parsed] = []
    repeat = timing.repeat
    rounds = max(1, timing.rounds)
    for _ in range(rounds):
        left_s = end - time.monotonic()
        if results and left_s <= 0:
            message = f"{tool} did not end its rounds within {deadline_s:g} s"
            return Failure(Stage.MEASURE, FailureClass.HANG, message)
        result = call(repeat, max(0.0, left_s))
        if isinstance(result, Failure):
            return result
        results.append(result)
        repeat = max(
            timing.repeat, math.ceil(timing.min_duration_s / rounds * 1e6 / max(mean_us(result), LEAST_US))
        )
    return results


def _script(text: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", text, "npubench", *arguments)


VERSION_S = 10.0
_ASK = f"""{_PATH_OF}
for name in "$@"; do
    path_of "$name" && [ -f "$path" ] && [ -x "$path" ] || continue
    printf '%s\\n' "$path"
    sha256sum < "$path"
    exit 0
done
exit 127
"""
_SHA256 = re.compile(r"(?m)^\\?([0-9a-f]{64})\b")
_VERSION = re.compile(r"\d+\.\d+")


def identify_runner(name: str, places: Sequence[str], session: Session) -> Runner:
    """Which file a runner's first place on the board leads to; raises like `Session.run`.

    A place without a slash is looked for in the PATH of the board's logins. Without any, `path` is empty.
    """
    done = session.run(_script(_ASK, *places), SHORT_S)
    lines = [line for line in done.output.splitlines() if line.startswith("/")]
    sha256 = _SHA256.search(done.output)
    if done.returncode != 0 or not lines:
        return Runner(name)
    return Runner(name, lines[0], sha256[1] if sha256 else "")


def runner_version(runner: Runner, session: Session) -> str:
    """What the runner says of its version, in a line; empty where it says nothing that looks like one."""
    done = session.run((runner.path, "--version"), VERSION_S)
    if done.returncode != 0:
        return ""
    lines = (line.strip() for line in done.output.splitlines())
    return next((line[:100] for line in lines if _VERSION.search(line)), "")
