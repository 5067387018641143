"""Everything that can be wrong with a row has a remedy, and the remedy is a command that there is."""

import ast
from dataclasses import replace
from pathlib import Path

import click
import pytest

import npubench
from npubench.cli import npubench as command_line
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Failure, FailureClass, LogCase, Stage, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.sanity import Doubt, DoubtClass, Strength
from npubench.reporting.terminal.advice import advice_lines, advice_of, doubts_line, marks_of
from npubench.reporting.terminal.remedies import (
    DOUBTS,
    FAILURES,
    OTHER_SKIP,
    SKIPS,
    VERDICTS,
    Remedy,
    command_of,
    failure_remedy,
    skip_remedy,
)
from tests.sample_results import result

SOURCES = Path(npubench.__file__).parent
OUT = Path("runs/of mine")
REMEDIES = [
    *FAILURES.values(), *(one for one in VERDICTS.values() if one), *DOUBTS.values(), *SKIPS.values(), OTHER_SKIP,
]  # fmt: skip
ROWS = [
    result("resnet18"),
    result("softmax_1x1000", case_kind=CaseKind.OPERATOR, precision=Precision.INT8),
    result("gemm", case_kind=CaseKind.CPU, precision=Precision.NONE),
    result("my net", command=("npubench", "run", "models/my net.onnx", "--shape", "x=1x3x8x8", "--seed=4")),
]


def test_every_failure_verdict_and_doubt_has_a_remedy():
    assert set(FAILURES) == set(FailureClass)
    assert set(VERDICTS) == set(Verdict)
    assert set(DOUBTS) == set(DoubtClass)
    assert [one for one in Verdict if VERDICTS[one] is None] == [Verdict.STABLE]
    assert all(remedy.text for remedy in (*FAILURES.values(), *SKIPS.values(), OTHER_SKIP))
    assert all(doubt.next_step for doubt in DoubtClass)


def skip_reasons():
    """Every reason that the sources give for a row without figures: the code of a note, or the code as written."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Skip":
                yield path.name, node.args[0] if node.args else node.keywords[0].value
            elif isinstance(node, ast.keyword) and node.arg == "skip_reason":
                yield path.name, node.value


def test_every_reason_to_skip_has_a_remedy():
    published, codes = NoteCode.NO_TIME_IN_TABLE, set()
    for place, reason in skip_reasons():
        named = [
            one.attr for one in ast.walk(reason) if isinstance(one, ast.Attribute) and one.attr.isupper()
        ]
        named = [name for name in named if name in NoteCode.__members__]
        passed_on = any(
            isinstance(one, ast.Attribute) and one.attr in ("reason", "skip_reason")
            for one in ast.walk(reason)
        )
        assert named or passed_on, f"{place}: {ast.unparse(reason)} is no note"
        codes |= {NoteCode[name] for name in named}
    assert codes | {LogCase("x").skip_reason.code, published} == set(SKIPS)


def parsed(words):
    """What click makes of a command; it is not run."""
    command, rest = command_line, list(words[1:])
    context = click.Context(command_line)
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(context, rest)
    return command.make_context(command.name, rest, parent=context).params


@pytest.mark.parametrize("remedy", dict.fromkeys(REMEDIES), ids=lambda one: f"{one.act.name}{one.options}")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_every_remedy_is_a_command_that_there_is(remedy, row):
    words = command_of(remedy, [row], OUT).words
    assert words[0] == "npubench"
    parsed(words)


def test_a_row_is_run_again_as_it_was():
    again = FAILURES[FailureClass.BOARD_BUSY]
    words = command_of(again, [ROWS[3]], OUT).words
    assert words[2:4] == ("models/my net.onnx", "--board")
    assert words[words.index("--shape") :][:2] == ("--shape", "x=1x3x8x8")
    assert "--seed=4" in words
    assert "--simulate" not in words
    simulated = replace(ROWS[3], command=(*ROWS[3].command, "--simulate"))
    assert "--simulate" in command_of(again, [simulated], OUT).words
    assert "--simulate" not in command_of(SKIPS[NoteCode.NO_SIMULATOR], [simulated], OUT).words


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("net has dynamic shapes, input 'x' [N, 3]: fix them, such as --shape x=1x3x64x64", "x=1x3x64x64"),
        ("fix them, such as --shape image:0=1x3.", "image:0=1x3"),
        ("input 'x' is open", "INPUT=1x3x224x224"),
        ("fix them, such as --shape x=$(reboot)", "INPUT=1x3x224x224"),
    ],
)
def test_the_shape_that_the_run_told_is_the_one_to_give(message, shape):
    failure = Failure(Stage.EXPORT, FailureClass.DYNAMIC_SHAPE, message)
    row = replace(ROWS[0], failure=failure, status=Status.FAILED)
    words = command_of(FAILURES[FailureClass.DYNAMIC_SHAPE], [row], OUT).words
    assert words[words.index("--shape") + 1] == shape


def test_an_option_that_the_remedy_sets_is_not_given_twice():
    row = replace(ROWS[0], command=("npubench", "run", "resnet18", "--calibration", "old"))
    words = command_of(FAILURES[FailureClass.INVALID_CALIBRATION], [row], OUT).words
    assert words.count("--calibration") == 1
    assert "old" not in words


def test_one_command_is_for_all_rows_that_it_can_be_for():
    cases = [f"net{number}" for number in range(6)]
    rows = [result(case, precision=one) for case in cases for one in (Precision.FP32, Precision.INT8)]
    other = result("net0", board="rk3588")
    command = command_of(VERDICTS[Verdict.NOISY], [*rows, other], OUT)
    assert command.words[2:6] == ("net0", "net1", "net2", "net3")
    assert command.rows == 8
    assert [one for one in command.words if one in ("fp32", "int8")] == ["fp32", "int8"]


def test_an_operator_of_its_own_is_not_cut():
    failure = Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, "no")
    assert "--cut" in command_of(failure_remedy(ROWS[0], failure), ROWS[:1], OUT).words
    assert "--cut" not in command_of(failure_remedy(ROWS[1], failure), ROWS[1:2], OUT).words


def test_what_a_plug_in_says_is_seen_in_its_log():
    assert skip_remedy("out of ink") is OTHER_SKIP
    assert isinstance(skip_remedy(Note(NoteCode.NO_SIMULATOR, {"name": "x"})), Remedy)


def troubled():
    failure = Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, "no")
    return [
        result("noisy", verdict=Verdict.NOISY),
        result("fine", verdict=Verdict.STABLE),
        result("bad", status=Status.FAILED, figures=None, failure=failure),
        result(
            "none",
            status=Status.SKIPPED,
            figures=None,
            skip_reason=Note(NoteCode.NO_SIMULATOR, {"name": "p"}),
        ),
    ]


def doubt(strength, *cases):
    next_step = DoubtClass.ABOVE_PEAK.next_step
    return Doubt(
        DoubtClass.ABOVE_PEAK, strength, "local", "onnxruntime", "fp32", cases, "too fast", (), next_step
    )


def test_failures_come_first_and_each_row_has_the_numbers_of_what_is_said_of_it():
    rows = troubled()
    advice = advice_of(rows, [doubt(Strength.STRONG, "fine"), doubt(Strength.WEAK, "noisy")], OUT)
    assert [one.what.split(":")[0] for one in advice] == ["failed", "skipped", "unsteady", "doubtful"]
    assert marks_of(advice, len(rows)) == [" [3]", " [4]", " [1]", " [2]"]
    lines = advice_lines(advice, 80)
    assert lines[0].startswith(
        "[1] failed: unsupported_operator, 1 row: rewrite the operator, or cut it off:"
    )
    assert any(DoubtClass.ABOVE_PEAK.next_step[:30] in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_doubts_are_counted_by_strength_with_where_they_are():
    assert doubts_line([doubt(Strength.WEAK, "a")], Path("out")).startswith("1 weak doubt: npubench results")
    both = [doubt(Strength.STRONG, "a"), doubt(Strength.STRONG, "b"), doubt(Strength.WEAK, "c")]
    assert doubts_line(both, Path("out")).startswith("2 strong doubts, 1 weak doubt: npubench results")
    assert doubts_line([], OUT) == ""


def test_a_folder_with_a_space_is_quoted_where_weak_doubts_are_counted():
    assert doubts_line([doubt(Strength.WEAK, "a")], OUT).endswith("--out 'runs/of mine'")
