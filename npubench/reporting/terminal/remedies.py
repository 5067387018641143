"""What to do about a row that failed, was skipped, is not to be relied on or is doubted: one command each.

A test holds that every class of failure, verdict, doubt and reason to skip has its remedy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from npubench.domain.notes import Note, NoteCode, note_of
from npubench.domain.records import Failure, FailureClass, Result, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.sanity import DoubtClass


class Act(Enum):
    """What kind of command it is."""

    AGAIN = auto()  # the same case once more, or with other options
    ON_BOARD = auto()  # the same on the board, where it was simulated
    SHOW = auto()  # all that is known of the row, and its log
    CUT = auto()  # converted with rewrites and cuts
    SUPPORT = auto()  # where operators run
    CHECK = auto()  # the board asked for its state
    CLEAN = auto()  # room made on the board
    DOCTOR = auto()  # what is usable on this machine
    LIST = auto()  # names that there are
    AGAINST = auto()  # own rows beside published ones


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do in words, and the command that does it; `options` go with it."""

    text: str
    act: Act
    options: tuple[str, ...] = ()


FAILURES: Mapping[FailureClass, Remedy] = {
    FailureClass.NOT_FOUND: Remedy("name a case or a file that is there", Act.LIST),
    FailureClass.INVALID_MODEL: Remedy("mend the model where the log says it is broken", Act.SHOW),
    FailureClass.DYNAMIC_SHAPE: Remedy(
        "fix the input that is open", Act.AGAIN, ("--shape", "INPUT=1x3x224x224")
    ),
    FailureClass.EXTERNAL_DATA: Remedy("put the data files beside the model, then run it again", Act.AGAIN),
    FailureClass.INVALID_CALIBRATION: Remedy(
        "calibrate with data that fit the inputs", Act.AGAIN, ("--calibration", "FOLDER")
    ),
    FailureClass.MISSING_PACKAGE: Remedy("install what is missing; this says how", Act.DOCTOR),
    FailureClass.EXPORT_FAILED: Remedy("read in the log what the exporter refuses", Act.SHOW),
    FailureClass.EXPORT_MISMATCH: Remedy(
        "do not use the file: the log says which output differs from the framework's", Act.SHOW
    ),
    FailureClass.UNSUPPORTED_OPSET: Remedy("export it at an opset that the log names", Act.SHOW),
    FailureClass.UNSUPPORTED_OPERATOR: Remedy("rewrite the operator, or cut it off", Act.CUT),
    FailureClass.UNSUPPORTED_ATTRIBUTE: Remedy("rewrite the operator, or cut it off", Act.CUT),
    FailureClass.UNSUPPORTED_CODEC: Remedy("try another engine", Act.AGAIN, ("--codec-engine", "ffmpeg")),
    FailureClass.OUT_OF_MEMORY: Remedy(
        "close other programs, one case at a time", Act.AGAIN, ("--jobs", "1")
    ),
    FailureClass.KILLED: Remedy(
        "something ended the tool, for want of memory perhaps: one case at a time", Act.AGAIN, ("--jobs", "1")
    ),
    FailureClass.CRASH: Remedy("read the tool's last lines; what it dies of may be cut off", Act.SHOW),
    FailureClass.HANG: Remedy("give it more time", Act.AGAIN, ("--deadline", "3600")),
    FailureClass.NO_ARTIFACT: Remedy("read in the log why the tool wrote nothing", Act.SHOW),
    FailureClass.OUTPUT_MISMATCH: Remedy("do not use it: the log says which output differs", Act.SHOW),
    FailureClass.WRONG_ARTIFACT: Remedy("convert it and bring it to the board anew", Act.AGAIN),
    FailureClass.TRANSFER_FAILED: Remedy("make room on the board, then run it again", Act.CLEAN),
    FailureClass.BOARD_UNREACHABLE: Remedy("see why the board does not answer", Act.CHECK),
    FailureClass.BOARD_LOST: Remedy("see whether the board is back, then run it again", Act.CHECK),
    FailureClass.BOARD_BUSY: Remedy("run it again: it waits for the board", Act.AGAIN),
    FailureClass.WRONG_NPU_MODE: Remedy("set the mode of the NPU that the model was built for", Act.CHECK),
    FailureClass.OUT_OF_DEVICE_MEMORY: Remedy("see what memory the board has, and free it", Act.CHECK),
    FailureClass.UNPARSED_OUTPUT: Remedy(
        "look at what the tool printed, and report it with the log", Act.SHOW
    ),
    FailureClass.TOOL_MISSING: Remedy("install the tool; this says how", Act.DOCTOR),
    FailureClass.TOOL_ERROR: Remedy("read the tool's last lines", Act.SHOW),
}

VERDICTS: Mapping[Verdict, Remedy | None] = {
    Verdict.STABLE: None,
    Verdict.NOISY: Remedy("close other programs, then measure more rounds", Act.AGAIN, ("--rounds", "9")),
    Verdict.DRIFTING: Remedy("warm up for longer, then measure", Act.AGAIN, ("--warmup", "200")),
    Verdict.THROTTLED: Remedy("cool the board, then measure again", Act.AGAIN),
    Verdict.INVALID: Remedy("measure again: the board did not stay as it was", Act.AGAIN),
}

_MEASURE_ANEW = Remedy("", Act.AGAIN)
_LOOK = Remedy("", Act.SHOW)

DOUBTS: Mapping[DoubtClass, Remedy] = {
    DoubtClass.IDENTICAL_FIGURES: _MEASURE_ANEW,
    DoubtClass.IDENTICAL_ARTIFACT: _MEASURE_ANEW,
    DoubtClass.LOW_ACCURACY: Remedy("", Act.AGAIN, ("--calibration", "FOLDER")),
    DoubtClass.WRONG_MACS: _LOOK,
    DoubtClass.BOARD_MOVED: _MEASURE_ANEW,
    DoubtClass.WIDE_SPREAD: Remedy("", Act.AGAIN, ("--rounds", "9")),
    DoubtClass.NO_BOARD_TIME: Remedy("", Act.ON_BOARD),
    DoubtClass.FLOAT_MACS: _LOOK,
    DoubtClass.KERNELS_DIFFER: _LOOK,
    DoubtClass.EARLIER_DEFINITION: _MEASURE_ANEW,
    DoubtClass.FIGURES_DISAGREE: _LOOK,
    DoubtClass.SIMULATION_AS_TIME: _LOOK,
    DoubtClass.UNUSUAL_RATIO: _MEASURE_ANEW,
    DoubtClass.ABOVE_PEAK: _MEASURE_ANEW,
    DoubtClass.FAR_FROM_PUBLISHED: Remedy("", Act.AGAINST),
    DoubtClass.EQUAL_TIMES: _MEASURE_ANEW,
    DoubtClass.EQUAL_CHIPS: Remedy("", Act.CHECK),
    DoubtClass.UNUSUAL_CLOCK: _MEASURE_ANEW,
    DoubtClass.IMPOSSIBLE_SPEED_UP: _MEASURE_ANEW,
    DoubtClass.SLOWER_BATCH: _MEASURE_ANEW,
    DoubtClass.UNLIKELY_SPREAD: _LOOK,
    DoubtClass.NOISY_BOARD: Remedy("", Act.AGAIN, ("--rounds", "9")),
}
"""What to do in words is the doubt's own next step."""

SKIPS: Mapping[NoteCode, Remedy] = {
    NoteCode.NO_SIMULATOR: Remedy("measure it on the board", Act.ON_BOARD),
    NoteCode.NO_COMMAND: Remedy(
        "run it with an engine of npubench, or declare a command (docs/codec.md)",
        Act.AGAIN,
        ("--codec-engine", "pyav"),
    ),
    NoteCode.NO_MODEL_RUN: Remedy("take an engine that runs models", Act.AGAIN, ("--codec-engine", "pyav")),
    NoteCode.NO_PROFILE_SECTION: Remedy("measure it on the board, or import a whole log", Act.ON_BOARD),
    NoteCode.NO_MEASUREMENT: Remedy("measure it on the board", Act.ON_BOARD),
    NoteCode.NO_TIME_IN_TABLE: Remedy("measure it on a board", Act.ON_BOARD),
}
"""For reasons that are notes; another text is a plug-in's, and the log is what there is of it."""

OTHER_SKIP = Remedy("see why in its log", Act.SHOW)

_KEPT = frozenset(
    {
        *("--catalog", "--shape", "--batch-axis", "--checkpoint", "--task", "--seed", "--calibration"),
        *("--calibration-samples", "--cpu-tool", "--codec-engine"),
    }
)
"""Options of the line that a row comes from which decide what its case is: they go with it again."""

_MOST_CASES = 4


def failure_remedy(result: Result, failure: Failure) -> Remedy:
    """What to do about a failure: of an operator's own case there is nothing to cut off."""
    remedy = FAILURES[failure.failure_class]
    if remedy.act is Act.CUT and result.case_kind is not CaseKind.MODEL:
        return Remedy("see where the operator runs, or take another one", Act.SUPPORT)
    return remedy


def skip_remedy(reason: Note | str) -> Remedy:
    """What to do about a row that was skipped."""
    note = note_of(reason) if isinstance(reason, str) else reason
    return SKIPS.get(note.code, OTHER_SKIP) if isinstance(note, Note) else OTHER_SKIP


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command, and for how many of the rows it is."""

    words: tuple[str, ...]
    rows: int
    act: Act


def command_of(remedy: Remedy, rows: Sequence[Result], out: Path) -> Command:
    """What does it for the first of these rows, and for as many of the others as one command can."""
    first = rows[0]
    show = ("npubench", "show", first.case, "--board", first.board, *_precision(first), *_out(out))
    listed = "operators" if first.case_kind is CaseKind.OPERATOR else "models"
    on_board = sum(row.board == first.board for row in rows)
    match remedy.act:
        case Act.AGAIN | Act.ON_BOARD:
            return _again(remedy, rows, out)
        case Act.SHOW:
            return Command(show, 1, remedy.act)
        case Act.CUT:
            cut = ("npubench", "convert", "--cut", "auto", case_word(first), "--board", first.board)
            kept = _kept(first, "--codec-engine")
            return Command((*cut, *_precision(first), *kept, "--out", f"{out}-cut"), 1, remedy.act)
        case Act.SUPPORT:
            return Command(("npubench", "op-support", "--results", str(out)), len(rows), remedy.act)
        case Act.CHECK:
            return Command(("npubench", "board", "check", first.board), on_board, remedy.act)
        case Act.CLEAN:
            return Command(("npubench", "board", "clean", first.board), on_board, remedy.act)
        case Act.DOCTOR:
            return Command(("npubench", "doctor"), len(rows), remedy.act)
        case Act.LIST:
            return Command(("npubench", "list", listed), len(rows), remedy.act)
        case Act.AGAINST:
            against = ("npubench", "results", first.case, "--against", "published", *_out(out))
            return Command(against, sum(row.case == first.case for row in rows), remedy.act)


def _again(remedy: Remedy, rows: Sequence[Result], out: Path) -> Command:
    """The first cases of the board that take the same options, in all the precisions that they have."""
    first = rows[0]
    same = [row for row in rows if _same_line(row, first)]
    words = tuple(dict.fromkeys(map(case_word, same)))[:_MOST_CASES]
    meant = [row for row in same if case_word(row) in words]
    precisions = dict.fromkeys(map(_precision, meant))
    simulated = "--simulate" in first.command and remedy.act is Act.AGAIN
    options = _options(remedy, first)
    command = (
        *("npubench", "run", *words, "--board", first.board),
        *(
            *(word for one in precisions for word in one),
            *_stages(first),
            *_kept(first, *options),
            *options,
        ),
        *(("--simulate",) if simulated else ()),
        *("--fresh", *_out(out)),
    )
    return Command(command, len(meant), remedy.act)


_SHAPE = re.compile(r"--shape (\S+=[0-9]+(?:x[0-9]+)*)(?![^\s,;.)])")


def _options(remedy: Remedy, first: Result) -> tuple[str, ...]:
    """Options of the command; where the run told the shape to give, that one."""
    told = _SHAPE.search(first.failure.message) if first.failure and "--shape" in remedy.options else None
    return ("--shape", told[1]) if told else remedy.options


def _same_line(row: Result, first: Result) -> bool:
    """Whether one command can be for both."""
    of_row, of_first = (
        (one.board, _stages(one), _kept(one), "--simulate" in one.command) for one in (row, first)
    )
    return of_row == of_first


def _stages(row: Result) -> tuple[str, ...]:
    return () if row.case_kind in _FILES else ("--stages", row.case_kind.value)


_FILES = (CaseKind.MODEL, CaseKind.OPERATOR)


def case_word(row: Result) -> str:
    """What names the case on a command line: its file where the row's own line names one."""
    paths = (word for word in row.command if word.endswith((".onnx", ".py")))
    return next((word for word in paths if row.case in (word, Path(word).stem)), row.case)


def _kept(row: Result, *but: str) -> tuple[str, ...]:
    kept: list[str] = []
    words = iter(row.command)
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in _KEPT:
            continue
        given = [word] if equals else [word, *([value] if (value := next(words, None)) is not None else [])]
        kept += [] if name in but else given
    return tuple(kept)


def _precision(row: Result) -> tuple[str, ...]:
    return () if row.precision is Precision.NONE else ("--precision", row.precision.value)


def _out(out: Path) -> tuple[str, str]:
    return "--out", str(out)
