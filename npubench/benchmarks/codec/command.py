"""Engine `command`: a vendor's sample program, declared in the board's file; see `declared`."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import Operation
from npubench.benchmarks.codec.engine import (
    ONE,
    Elapsed,
    EndedError,
    Work,
    elapsed,
    ended,
    failure_of,
    shell,
    with_streams,
)
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.media import expected_sha256
from npubench.benchmarks.codec.settings import Said, command_line, said, spread
from npubench.domain.records import FailureClass
from npubench.storage.hashing import sha256_of_file


def run(work: Work) -> Found:
    """One case by the program that is declared for it."""
    table = work.settings.command_for(work.case.name) or {}
    argv = command_line(table, _values(work, table))
    done = work.session.run(shell(ONE, *argv), work.deadline_s, work.log)
    told = said(table, done.output)
    if told.unsupported is not None and not done.timed_out:
        raise ended(FailureClass.UNSUPPORTED_CODEC, f"{argv[0]}: {told.unsupported}")
    if failure := failure_of(argv[0], done):
        raise EndedError(failure)
    found = _found(work, table, argv[0], told, elapsed(done.output))
    if not table.get("parallel"):
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
        return work.put()
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / f"{work.path.stem}-x{loops}{work.path.suffix}"
        with longer.open("wb") as stream:
            for _ in range(loops):
                stream.write(work.path.read_bytes())
        return str(work.session.put(longer, sha256_of_file(longer)))


def _found(work: Work, table: Mapping[str, Any], program: str, told: Said, clock: Elapsed | None) -> Found:
    case, frames = work.case, _frames(work, table)
    fps = told.fps or spread(told.rates).get("rate_mean")
    if told.frames is None:
        message = f"{program} printed nothing that the pattern for frames finds: see the log"
        raise ended(FailureClass.UNPARSED_OUTPUT, message)
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
