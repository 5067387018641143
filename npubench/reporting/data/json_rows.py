"""Rows of pages that are too long to be written out: JSON that the page's script draws piece by piece."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Kind, Result
from npubench.domain.text import visible
from npubench.reporting.data.provenance import Facts, graphs_of, own_facts, settings_of
from npubench.reporting.data.translate import say

if TYPE_CHECKING:
    from markupsafe import Markup

    from npubench.reporting.data.tables import Grid

PACKED_FROM = 1001
"""Rows from which a page is packed."""

BRIEF_FROM = 20_001
"""Rows from which a page keeps of each row's provenance only what finds it again."""


def pack_rows(numbered: Sequence[tuple[int, Result]], grid: "Grid") -> "Markup":
    """Columns and rows: number, case, emulated and places of names; figures in base units, null unknown."""
    heads = [
        {"divisor": head.divisor, "digits": head.digits, "class": name, "first": first, "exact": head.exact}
        for head, name, first in zip(grid.headers, grid.classes, grid.firsts, strict=True)
    ]
    names: dict[str, int] = {}
    known: dict[Hashable, tuple[int, ...]] = {}
    rows = []
    for number, row in numbered:
        stage = row.failure.stage if row.failure else None
        alike = (row.board, row.precision, row.verdict, stage, row.skip_reason is None)
        shared = known.get(alike)
        if shared is None:
            shared = known[alike] = tuple(names.setdefault(text, len(names)) for text in _shared(row))
        rows.append((number, visible(row.case), int(row.emulated), *shared))
    # Written out here: an encoder would give floats back their seventeen digits.
    columns = ",".join(f"[{','.join('null' if v is None else f'{v:.9g}' for v in c)}]" for c in grid.values)
    blanks = [
        {at: names.setdefault(visible(word), len(names)) for at, word in words.items()}
        for words in grid.blanks
    ]
    asides = [
        {at: [names.setdefault(visible(text), len(names)) for text in pair] for at, pair in words.items()}
        for words in grid.words
    ]
    text = _json({"heads": heads, "names": list(names), "rows": rows, "blanks": blanks, "asides": asides})
    return _script(f'{text[:-1]},"columns":[{columns}]}}')


def _shared(row: Result) -> tuple[str, str, str, str]:
    """What many rows have the same of: board, precision, class and words of the verdict."""
    if row.failure:
        badge, word = "bad", say("failed: {stage}", stage=say(row.failure.stage.value))
    elif row.skip_reason is not None:
        badge, word = "", say("skipped")
    else:
        badge = f"v-{row.verdict or 'none'}"
        word = say(row.verdict.value) if row.verdict else say("no verdict")
    return visible(row.board), row.precision.upper(), badge, word


def pack_provenance(rows: Sequence[Result]) -> "Markup":
    """Facts of every row: labels, repeated texts and shared sets once; rows as the place of their labels,
    of their graph and setting, then a text (or its place) for every label.
    """
    shapes: dict[tuple[str, ...], int] = {}
    texts: dict[str, int] = {}
    read = own_facts if len(rows) < BRIEF_FROM else _brief
    unique = _unique()
    packed = []
    for row in rows:
        labels, values = zip(*read(row), strict=True)
        entry: list[Any] = [shapes.setdefault(labels, len(shapes)), 0, 0]
        for label, text in zip(labels, values, strict=True):
            if text is None:
                entry.append(None)
                continue
            shown = text if text.isascii() and text.isprintable() else visible(text)
            entry.append(shown if label in unique else texts.setdefault(shown, len(texts)))
        packed.append(entry)
    shared: list[list[list[list[str | None]]]] = []
    if len(rows) < BRIEF_FROM:
        for at, groups in enumerate((graphs_of(rows), settings_of(rows)), 1):
            for entry, number in zip(packed, groups.numbers, strict=True):
                entry[at] = number
            shared.append([_seen(facts) for facts in groups.facts])
    return _script(_json({"shapes": list(shapes), "texts": list(texts), "shared": shared, "rows": packed}))


_UNIQUE = ("Model SHA-256", "Artifact SHA-256", "Started", "Log", "Samples", "Board before", "Board after")
"""Labels of what hardly any two rows have the same text of: keeping it apart would gain nothing."""


def _unique() -> frozenset[str]:
    times = (say("latency, µs"), say("round medians, µs"))
    heads = (f"{before}{say(kind)}" for before in ("", say("Estimate") + ", ") for kind in Kind)
    return frozenset((*map(say, _UNIQUE), *(f"{head} {time}" for head in heads for time in times)))


def _seen(facts: Facts) -> list[list[str | None]]:
    return [[label, None if text is None else visible(text)] for label, text in facts]


def _brief(row: Result) -> Iterable[tuple[str, str | None]]:
    yield say("Model SHA-256"), row.onnx_sha256
    yield say("Artifact SHA-256"), row.artifact_sha256
    yield say("Run"), row.run_id
    yield say("Log"), row.log_path


def _json(value: Any) -> str:
    from msgspec.json import encode

    return encode(value).decode()


def _script(text: str) -> "Markup":
    """JSON that no `</script>` in a name can end."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
