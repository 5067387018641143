"""Answers as records for JSON; a validation as text, CSV and JSON, which all say the same."""

import csv
from io import StringIO

from npubench.domain.text import text_table
from npubench.predict.answer import Answer, Prediction
from npubench.predict.validate import Judged, Total, Validation

COLUMNS = (
    *("line", "chip", "mode", "model", "input", "precision", "metric", "unit"),
    *("value", "predicted", "low", "high", "basis", "refusal", "reason"),
)
_TOTALS = ("basis", "rows", "with a value", "median error", "mean error", "in band", "median ln(high / low)")
_NUMBERS = ("value", "predicted", "low", "high", *_TOTALS[1:])

Cell = str | int | float | None


def record(one: Judged) -> dict[str, Cell]:
    """A row by `COLUMNS`; None where there is nothing."""
    row, answer = one.row, one.answer
    asked: tuple[Cell, ...] = (
        *(row.line, row.chip, row.mode, row.model, row.input, row.precision, row.metric, row.unit),
        row.value,
    )
    if isinstance(answer, Prediction):
        said: tuple[Cell, ...] = (*(answer.value, answer.low, answer.high, str(answer.basis)), None, None)
    else:
        said = (None, None, None, None, str(answer.kind), answer.reason)
    return dict(zip(COLUMNS, (*asked, *said), strict=True))


def to_json(found: Validation) -> dict[str, object]:
    """Rows in their order with all that an answer says, and totals; errors and shares as fractions."""
    return {
        "data_sha256": found.data_sha256,
        "calibration_sha256": found.calibration_sha256,
        "rows": [_detailed(one) for one in found.rows],
        "totals": [_total(one) for one in found.totals],
        "refused": dict(found.refused),
    }


def _detailed(one: Judged) -> dict[str, object]:
    return {**record(one), "source": one.row.source, **_grounds(one.answer)}


def answer_record(answer: Answer) -> dict[str, object]:
    """An answer with all that it rests on, or a refusal with what is lacking and what would settle it."""
    if isinstance(answer, Prediction):
        told: dict[str, object] = {
            "metric": answer.metric,
            "value": answer.value,
            "low": answer.low,
            "high": answer.high,
            "unit": answer.unit,
            "basis": str(answer.basis),
        }
        hashes = {"data_sha256": answer.data_sha256, "calibration_sha256": answer.calibration_sha256}
        return {**told, **_grounds(answer), **{name: sha256 for name, sha256 in hashes.items() if sha256}}
    return {"refusal": str(answer.kind), "reason": answer.reason, **_grounds(answer)}


def _grounds(answer: Answer) -> dict[str, object]:
    if isinstance(answer, Prediction):
        costs = answer.costs
        shares = costs and {"compute": costs.compute, "memory": costs.memory, "fixed": costs.fixed}
        return {"rests_on": list(answer.rests_on), "costs": shares}
    lacking = {one.operator: one.share for one in answer.lacking}
    return {"lacking": lacking, "command": answer.command}


def _total(one: Total) -> dict[str, Cell]:
    return {
        "basis": one.basis,
        "answered": one.answered,
        "scored": one.scored,
        "median_error": one.median_error,
        "mean_error": one.mean_error,
        "in_band": one.in_band,
        "median_log_band": one.median_log_band,
    }


def to_csv(found: Validation) -> str:
    """One line a row, in the order of the file."""
    stream = StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(cell) for name, cell in record(one).items()} for one in found.rows)
    return stream.getvalue()


def _plain(cell: Cell) -> Cell:
    """A cell for CSV: a text that a spreadsheet would run as a formula is quoted."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") and cell else cell


def to_text(found: Validation) -> str:
    """The rows, what was refused, and the totals."""
    names = ("chip", "mode", "model", "input", "precision", "metric", "unit")
    head = (*names, "value", "predicted", "low", "high", "basis or refusal")
    lines = []
    for one in found.rows:
        told = record(one)
        figures = [_figure(told[name]) for name in ("value", "predicted", "low", "high")]
        why = str(told["basis"] or f"{told['refusal']}: {told['reason']}")
        lines.append([*(str(told[name]) for name in names), *figures, why])
    parts = [text_table(head, lines, width=60, right=_NUMBERS), totals_text(found)]
    return "\n\n".join(parts)


def totals_text(found: Validation) -> str:
    """The totals, the refusals and the hashes."""
    rows = [
        [
            *(one.basis, str(one.answered), str(one.scored)),
            *(_percent(share) for share in (one.median_error, one.mean_error, one.in_band)),
            _figure(one.median_log_band),
        ]
        for one in found.totals
    ]
    refused = [f"refused, {kind}: {count}" for kind, count in found.refused]
    hashes = f"data {found.data_sha256[:12] or '-'}, calibration {found.calibration_sha256[:12] or '-'}"
    table = [text_table(_TOTALS, rows, right=_NUMBERS)] if rows else []
    return "\n".join([*table, *refused, hashes])


def _figure(number: Cell) -> str:
    return "-" if number is None else f"{number:.4g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
