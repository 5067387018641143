"""Rows of pages that are too long to be written out: JSON that the page's script draws piece by piece."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from npubench.records import Result
from npubench.reporting.escapes import visible
from npubench.reporting.provenance import facts_of
from npubench.reporting.words import say

if TYPE_CHECKING:
    from markupsafe import Markup

    from npubench.reporting.columns import Grid

PACKED_FROM = 1001
"""Rows from which a page is packed."""

BRIEF_FROM = 20_001
"""Rows from which a page keeps of each row's provenance only what finds it again."""


def pack_rows(numbered: Sequence[tuple[int, Result]], grid: "Grid") -> "Markup":
    """Columns and rows: names, then figures in base units with null where nothing is known."""
    heads = [
        {"divisor": head.divisor, "digits": head.digits, "class": name, "exact": head.exact}
        for head, name in zip(grid.headers, grid.classes, strict=True)
    ]
    columns = [[None if v is None else float(f"{v:.9g}") for v in values] for values in grid.values]
    names: dict[str, int] = {}
    rows = [_identity(number, row, names) for number, row in numbered]
    return _script({"heads": heads, "names": list(names), "rows": rows, "columns": columns})


def _identity(number: int, row: Result, names: dict[str, int]) -> list[Any]:
    """Number, case, board, emulated, precision, class and words of the verdict, how many warnings."""
    if row.failure:
        badge, word = "bad", say("failed: {stage}", stage=say(row.failure.stage.value))
    elif row.skip_reason is not None:
        badge, word = "", say("skipped")
    else:
        badge = f"v-{row.verdict or 'none'}"
        word = say(row.verdict.value) if row.verdict else say("no verdict")
    shared = [
        names.setdefault(visible(text), len(names))
        for text in (row.board, row.precision.upper(), badge, word)
    ]
    return [number, visible(row.case), int(row.emulated), *shared]


def pack_provenance(rows: Sequence[Result]) -> "Markup":
    """Facts of every row: labels and repeated texts once, rows as pairs of label and text."""
    labels: dict[str, int] = {}
    texts: dict[str, int] = {}
    packed = []
    read = facts_of if len(rows) < BRIEF_FROM else _brief
    for row in rows:
        entry: list[Any] = []
        for label, text in read(row):
            entry.append(labels.setdefault(label, len(labels)))
            if text is None:
                entry.append(None)
            elif _is_own(text, row):
                entry.append(visible(text))
            else:
                entry.append(texts.setdefault(visible(text), len(texts)))
        packed.append(entry)
    return _script({"labels": list(labels), "texts": list(texts), "rows": packed})


def _is_own(text: str, row: Result) -> bool:
    """Whether no other row can have the same text, so that keeping it apart would gain nothing."""
    return any(mark and mark in text for mark in (row.onnx_sha256, row.artifact_sha256, row.log_sha256))


def _brief(row: Result) -> Iterable[tuple[str, str | None]]:
    yield say("Model SHA-256"), row.onnx_sha256
    yield say("Artifact SHA-256"), row.artifact_sha256
    yield say("Run"), row.run_id
    yield say("Log"), row.log_path


def _script(value: Any) -> "Markup":
    """JSON that no `</script>` in a name can end."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
