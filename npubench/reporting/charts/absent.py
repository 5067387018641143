"""Cases that a chart cannot draw since they failed: named below it, so that none is missed."""

from collections.abc import Sequence

from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision


def absent_cases(results: Sequence[Result], case_kind: CaseKind, drawn: Sequence[Result]) -> list[str]:
    """`yolox_s INT8 (unsupported_operator)` of every failed row of a board and toolchain that are `drawn`.

    Of several boards, the board's name stands in it, too.
    """
    found = []
    places = {(row.board, row.backend) for row in drawn}
    several = len(places) > 1
    for row in results:
        if row.status is not Status.FAILED or row.case_kind is not case_kind:
            continue
        if (row.board, row.backend) not in places:
            continue
        precision = "" if row.precision is Precision.NONE else f" {row.precision.upper()}"
        board = f", {row.board}" if several else ""
        why = f" ({row.failure.failure_class.value})" if row.failure else ""
        found.append(f"{row.case}{precision}{board}{why}")
    return list(dict.fromkeys(found))
