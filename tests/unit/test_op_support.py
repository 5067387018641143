"""The op-support matrix from rows."""

from dataclasses import replace

import pytest

from npubench.domain.figures import OutputResolution
from npubench.domain.records import (
    Accuracy,
    Failure,
    FailureClass,
    Figures,
    Kind,
    PlacedLayer,
    Result,
    Stage,
    Status,
)
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.charts.heatmap import heatmap
from npubench.reporting.data.coverage import support
from npubench.reporting.data.op_support import cell, document, placements


def row(case="softmax", op="Softmax", board="rk3566", figures=None, failure=None, chip="RK3566"):
    status = Status.FAILED if failure else Status.OK
    return Result(
        *("key", "run", "now", 1.0, board, chip, "rknn", {"rknn-toolkit2": "2.5.0"}, case, CaseKind.OPERATOR),
        *(Precision.INT8, status),
        op=op,
        operators={op: 1},
        figures=figures,
        failure=failure,
        log_path="logs/run/a b.log",
        log_sha256="0123456789abcdef",
    )


def placed(where, cosine=0.999):
    accuracy = Accuracy(cosine=cosine, psnr_db=None, max_abs=None)
    return Figures(Kind.SIMULATED, placement={"Softmax": where}, accuracy=accuracy)


def failed(failure_class):
    return Failure(Stage.COMPILE, failure_class, "it said | no", ("Softmax",))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (row(figures=placed("NPU")), "NPU"),
        (row(figures=placed("CPU")), "CPU fallback"),
        (row(figures=placed("custom")), "custom"),
        (row(figures=placed("NPU", cosine=0.5)), "wrong result"),
        (row(figures=placed("CPU"), chip="cpu"), "runs"),
        (row(failure=failed(FailureClass.UNSUPPORTED_OPERATOR)), "unsupported"),
        (row(failure=failed(FailureClass.CRASH)), "crash"),
        (row(failure=failed(FailureClass.HANG)), "crash"),
        (row(failure=failed(FailureClass.OUTPUT_MISMATCH)), "wrong result"),
        (row(failure=failed(FailureClass.TOOL_ERROR)), "failed"),
        (row(failure=failed(FailureClass.TOOL_MISSING)), None),
    ],
)
def test_a_cell_says_what_became_of_a_case(result, expected):
    assert cell(result) == expected


def test_the_matrix_has_a_row_a_case_and_a_column_a_board():
    rows = [
        row(figures=placed("CPU")),
        row(board="rv1106", failure=failed(FailureClass.UNSUPPORTED_OPERATOR)),
        row("relu", "Relu", figures=Figures(Kind.SIMULATED, placement={"Relu": "NPU"})),
    ]
    text = document(rows)
    assert "| Softmax | softmax | CPU fallback | unsupported |" in text
    assert "| Relu | 1 | NPU |  |" in text
    assert "| relu |" not in text
    assert "Left out: 1 cases" in text
    assert "| rk3566 | rknn | rknn-toolkit2 2.5.0 |" in text
    assert r"| rv1106 | unsupported | it said \| no | softmax |" in text
    assert "| rk3566 | CPU fallback | left to the CPU: Softmax | softmax |" in text
    linked = document(rows, linked=True)
    assert "[CPU fallback](logs/run/a%20b.log)" in linked
    assert "| relu | [NPU](logs/run/a%20b.log) |" in linked


def test_cases_of_an_operator_are_counted_and_those_with_one_reason_stand_together():
    rows = [
        row("softmax-1", failure=failed(FailureClass.UNSUPPORTED_OPERATOR)),
        row("softmax-2", failure=failed(FailureClass.UNSUPPORTED_OPERATOR)),
        row("softmax-3", figures=placed("NPU")),
    ]
    text = document(rows)
    assert "| Softmax | 3 | 1 NPU, 2 unsupported |" in text
    assert r"| rk3566 | unsupported | it said \| no | softmax-1, softmax-2 |" in text
    assert "| rk3566 | 3 | 1 | 2 |" in text


def test_a_tool_that_does_not_tell_where_is_not_taken_for_a_cpu():
    assert cell(row(figures=Figures(Kind.SIMULATED))) == "converts"


def whole(equal, rounded):
    accuracy = Accuracy(None, None, None, equal=equal, equal_rounded=rounded)
    return replace(placed("NPU"), accuracy=accuracy)


@pytest.mark.parametrize(
    ("equal", "rounded", "expected"),
    [
        (1.0, 1.0, "NPU"),
        # What rounding does not touch (Not, Cast, Shape) has to be right.
        (0.9, 1.0, "wrong result"),
        (0.9, None, "wrong result"),
        # An ArgMax over nearly equal values, and one that answers something else.
        (0.9, 0.95, "NPU"),
        (0.5, 0.95, "wrong result"),
        # The order of TopK's hundred among thousands: most of it is lost by rounding alone, not all.
        (0.3, 0.35, "NPU"),
        (0.01, 0.35, "wrong result"),
    ],
)
def test_integers_are_wrong_when_more_of_them_differ_than_rounding_explains(equal, rounded, expected):
    assert cell(row(figures=whole(equal, rounded))) == expected


def test_outputs_that_are_all_zero_are_wrong_though_they_have_no_cosine():
    zeros = replace(placed("NPU"), accuracy=Accuracy(None, 9.0, 3.0))
    assert "wrong result (nothing but zeros)" in document([row(figures=zeros)])
    assert cell(row(figures=replace(zeros, accuracy=Accuracy(None, None, 1e-7)))) == "NPU"


def test_wrong_integers_are_told_with_what_rounding_alone_keeps():
    text = document([row(figures=whole(0.015, 0.95))])
    assert "wrong result (1.5% equal)" in text
    assert "with its inputs rounded to 8 bits FP32 keeps 95.0%" in text
    both = replace(placed("NPU"), accuracy=Accuracy(0.5, None, None, equal=1.0, equal_rounded=1.0))
    assert "wrong result (0.500)" in document([row(figures=both)])


@pytest.mark.parametrize(("best", "told"), [(0.861, True), (0.9999, False)])
def test_a_wrong_result_that_comes_of_the_output_s_own_steps_says_so(best, told):
    resolution = OutputResolution((1 / 256,), 0.0141, best)
    figures = replace(placed("NPU", cosine=0.86), resolution=resolution)
    text = document([row(figures=figures)])
    assert "wrong result (0.860)" in text
    why = "steps of 0.0039 for values up to 0.014; FP32's own rounded to them have a cosine of 0.861"
    assert (why in text) == told


def test_without_operators_there_is_no_matrix():
    assert document([]) is None
    assert document([replace(row(figures=placed("NPU")), case_kind=CaseKind.MODEL)]) is None


def layered(*units, types=None):
    layers = tuple(PlacedLayer(f"l{at}", ("Softmax",), unit) for at, unit in enumerate(units))
    return replace(placed("NPU"), placement=types or {"Softmax": "NPU"}, layers_on=layers)


def test_an_operator_with_a_layer_on_the_cpu_is_left_to_the_cpu():
    mixed = row(figures=layered("NPU", "CPU", "NPU"))
    assert cell(mixed) == "CPU fallback"
    assert "left to the CPU: Softmax (1 of 3 layers)" in document([mixed])
    # What a tool adds beside it is none of it; what it made of all of it is.
    added = (*layered("NPU").layers_on, PlacedLayer("", ("Reshape",), "CPU"))
    assert cell(row(figures=replace(placed("NPU"), layers_on=added))) == "NPU"
    own = Figures(Kind.SIMULATED, layers_on=(PlacedLayer("", ("exNorm",), "CPU"),))
    assert cell(row(figures=own)) == "CPU fallback"


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_rows_of_a_case_the_worst_stands_whatever_their_order(turned):
    rows = [row(failure=failed(FailureClass.CRASH)), row(figures=placed("NPU")), row(figures=placed("CPU"))]
    text = document(rows[::-1] if turned else rows)
    assert "| Softmax | softmax | crash |" in text
    assert "| rk3566 | Softmax | softmax | 3 | 1 crash, 1 CPU fallback, 1 NPU |" in text
    assert "Rows that do not agree" not in document(rows[1:2])


@pytest.mark.parametrize("turned", [False, True])
def test_the_worst_placement_is_told_by_board_and_layer(turned):
    model = {"case_kind": CaseKind.MODEL, "op": "", "operators": {"Softmax": 2, "Conv": 3}}
    rows = [
        row("a", figures=placed("NPU")),
        row("b", failure=failed(FailureClass.CRASH)),
        row("c", board="rk3588", figures=layered("NPU", "CPU")),
        replace(row("net", board="rk3588", figures=layered("NPU", "CPU", "NPU")), **model),
        replace(row("lost", failure=failed(FailureClass.HANG)), **model),
    ]
    found = placements(rows[::-1] if turned else rows)
    assert {board: one.text for (board, _), one in found["Softmax"].items()} == {
        "rk3566": "crash (2 of 3)",
        "rk3588": "CPU (2 of 5)",
    }
    # Where the tool tells nothing of Conv, nothing is known to be worse.
    assert found["Conv"][("rk3588", "rknn")].place == "runs"
    drawn = heatmap(rows[::-1] if turned else rows, [])
    assert drawn.boards == (("rk3566", "rknn"), ("rk3588", "rknn"))
    ((operator, cells),) = drawn.rows
    assert operator == "Softmax"
    assert [(one.place, one.seen, one.tried) for one in (cell.placed for cell in cells)] == [
        ("crash", 2, 3),
        ("CPU", 2, 5),
    ]
    assert support(rows)["Softmax"] == {"rknn: rk3566": "crash (2 of 3)", "rknn: rk3588": "CPU (2 of 5)"}


def test_a_models_crash_counts_for_the_only_operator_it_has():
    model = {"op": "", "case_kind": CaseKind.MODEL}
    crash = replace(
        row(failure=Failure(Stage.COMPILE, FailureClass.CRASH, "")), operators={"LSTM": 2}, **model
    )
    ran = replace(row("b", figures=placed("NPU")), op="LSTM", operators={"LSTM": 1})
    two = replace(crash, operators={"LSTM": 2, "Add": 1})
    for rows in ([crash, ran, two], [two, ran, crash]):
        (cells,) = placements(rows)["LSTM"].values()
        assert cells.text == "crash (1 of 2)"
        assert "Add" not in placements(rows)
