"""The op-support matrix from rows."""

from dataclasses import replace

import pytest

from npubench.records import Accuracy, Failure, FailureClass, Figures, Kind, Result, Stage, Status
from npubench.reporting.op_support import cell, document
from npubench.specs import CaseKind, Precision


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
    assert "| Relu | relu | NPU |  |" in text
    assert "| rk3566 | rknn | rknn-toolkit2 2.5.0 |" in text
    assert r"it said \| no | logs/run/a b.log | 0123456789ab |" in text
    assert "[CPU fallback](logs/run/a%20b.log)" in document(rows, linked=True)


def test_without_operators_there_is_no_matrix():
    assert document([]) is None
    assert document([replace(row(figures=placed("NPU")), case_kind=CaseKind.MODEL)]) is None
