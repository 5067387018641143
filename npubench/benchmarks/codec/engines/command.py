"""Engine `command`: a vendor's sample program, declared in the board's file; see `declared`."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import Operation
from npubench.benchmarks.codec.engines.base import (
    ONE,
    Elapsed,
    Work,
    elapsed,
    failure_of,
    shell,
    with_streams,
)
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.media import expected_sha256
from npubench.benchmarks.codec.settings import Said, Settings, command_line, said, spread
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Completed, Failure, FailureClass, Skip, Stage
from npubench.storage.hashing import sha256_of_file


def undeclared(settings: Settings, case: str) -> Skip | None:
    """Why a case does not apply: no command is declared for it."""
    return _undeclared(case) if settings.command_for(case) is None else None


def _undeclared(case: str) -> Skip:
    return Skip(Note(NoteCode.NO_COMMAND, {"case": str(case)}))


def run(work: Work) -> Found | Failure | Skip:
    """One case by the program that is declared for it; a case without one is skipped."""
    table = work.settings.command_for(work.case.name)
    if table is None:
        return _undeclared(work.case.name)
    argv = command_line(table, _values(work, table))
    done = work.session.run(shell(ONE, *argv), work.deadline_s, work.log)
    told = said(table, done.output)
    if failure := _failure(argv[0], told, done):
        return failure
    found = _found(work, table, argv[0], told, elapsed(done.output))
    if isinstance(found, Failure) or not table.get("parallel"):
        return found
    # The program decodes its input once: a trial is as long as the input.
    return with_streams(work, found, argv[0], lambda _loops: argv, _frames(work, table), once=True)


def _values(work: Work, table: Mapping[str, Any]) -> Mapping[str, str]:
    case = work.case
    return {
        "input": table["input"] if "input" in table else _put(work, int(table.get("loops", 1))),
        "width": str(case.width),
        "height": str(case.height),
        "frames": str(_frames(work, table)),
        "codec": case.codec,
        "threads": str(work.settings.threads),
    }


def _frames(work: Work, table: Mapping[str, Any]) -> int:
    return int(table.get("frames_expected", work.made.frames * int(table.get("loops", 1))))


def _put(work: Work, loops: int) -> str:
    """The input on the board, `loops` times over: a stream that begins with a key frame can follow itself."""
    if loops == 1:
        return str(work.session.put(work.path, work.made.sha256))
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / f"{work.path.stem}-x{loops}{work.path.suffix}"
        with longer.open("wb") as stream:
            for _ in range(loops):
                stream.write(work.path.read_bytes())
        return str(work.session.put(longer, sha256_of_file(longer)))


def _failure(program: str, told: Said, done: Completed) -> Failure | None:
    if told.unsupported is not None and not done.timed_out:
        message = f"{program}: {told.unsupported}"
        return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, message)
    return failure_of(program, done)


def _found(
    work: Work, table: Mapping[str, Any], program: str, told: Said, clock: Elapsed | None
) -> Found | Failure:
    case, frames = work.case, _frames(work, table)
    fps = told.fps or spread(told.rates).get("rate_mean")
    if told.frames is None:
        message = f"{program} printed nothing that the pattern for frames finds: see the log"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    seconds = told.frames / fps if fps else clock.seconds if clock else 0.0
    decodes = case.operation is Operation.DECODE
    reference = expected_sha256(case, work.made, ffmpeg=False) if decodes else None
    # The reference is of one pass over our own input; of anything else nothing is known.
    known = reference if told.sha256 is not None and frames == work.made.frames else None
    # Processor time is of the whole program, its frames' time only of them: the share is over the former.
    share = clock.cpu_s / clock.seconds if clock and clock.cpu_s is not None and clock.seconds else None
    return Found(
        Checked(told.frames, frames, told.sha256, known),
        Timed((told.frames,), (seconds,), frames, share * seconds if share is not None else None),
        Path(program).name,
        threads=None,
        input_sha256=None if "input" in table else work.made.sha256,
        more={
            "command": list(table["argv"]),
            "time_from": "the program's fps" if told.fps else "counters" if fps else "/proc/uptime",
            **spread(told.rates),
        },
    )
