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

SHA256_CHARACTERS = 64
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
    names: dict[str, int] = {}
    rows = [_identity(number, row, names) for number, row in numbered]
    # Written out here: an encoder would give floats back their seventeen digits.
    columns = ",".join(f"[{','.join('null' if v is None else f'{v:.9g}' for v in c)}]" for c in grid.values)
    text = _json({"heads": heads, "names": list(names), "rows": rows})
    return _script(f'{text[:-1]},"columns":[{columns}]}}')


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
            shown: str | int | None = None
            if text is not None:
                own = _is_own(text, row)
                shown = visible(text) if own else texts.setdefault(visible(text), len(texts))
            entry += (labels.setdefault(label, len(labels)), shown)
        packed.append(entry)
    return _script(_json({"labels": list(labels), "texts": list(texts), "rows": packed}))


def _is_own(text: str, row: Result) -> bool:
    """Whether no other row can have the same text, so that keeping it apart would gain nothing."""
    if len(text) < SHA256_CHARACTERS:
        return False
    return any(mark and mark in text for mark in (row.onnx_sha256, row.artifact_sha256, row.log_sha256))


def _brief(row: Result) -> Iterable[tuple[str, str | None]]:
    yield say("Model SHA-256"), row.onnx_sha256
    yield say("Artifact SHA-256"), row.artifact_sha256
    yield say("Run"), row.run_id
    yield say("Log"), row.log_path


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _script(text: str) -> "Markup":
    """JSON that no `</script>` in a name can end."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
