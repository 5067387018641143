"""Rows (of `rows.row_of`) as a table that fits a terminal: columns go, names give way, figures stay whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from npubench.domain.figures import Bound, Kind, NoAccuracy, RateFrom
from npubench.domain.layout import Column, Gives, fitted_table, wrapped
from npubench.domain.records import Status
from npubench.domain.specs import SamplesFrom
from npubench.domain.text import columns_of, counted, printable, shortened
from npubench.reporting.data.accuracy import LEAST_COSINE, LEAST_SLICE, WORDS, WRONG
from npubench.reporting.data.figures import SHORT, mark, opposite
from npubench.reporting.data.formatting import closeness, significant
from npubench.reporting.data.rows import Row
from npubench.reporting.data.table import look_up
from npubench.reporting.terminal.advice import Advice, advice_lines, marks_of

_PUBLISHED = "publ. sim. fps"
_COUNTS = "fps counts"
_NUMBERS = frozenset(
    {"p50 us", "p90 us", "p99 us", "mean us", "fps", "cosine", "sim. us", "sim. cosine", _PUBLISHED}
    | {"worst slice", "dead slices"}
)
_DISPENSABLE = (
    *("p90 us", _COUNTS, "fps", "p99 us", "dead slices", "worst slice"),
    *("sim. cosine", "sim. us", _PUBLISHED, "cosine"),
)
"""Columns that give way on a narrow terminal, first ones first; kind and status never do."""

_TIMES = ("p50 us", "mean us", "sim. us")
"""Columns that say of a bound what makes it one; below a table so many are explained, the others counted."""
_EXPLAINED = 5

_WRONG_WORDS = frozenset(WORDS[one] for one in WRONG)
_ALWAYS = frozenset({"case", "board", "precision", "kind", "p50 us", "status"})
_EMULATED = " (emulated)"

_FLEXIBLE = {"case": (18, 5), "board": (14, 8), "status": (18, 4)}
"""Columns whose cells may be shortened, or go on below, and the room that they are to have before others go:
so many columns of the terminal, or a part of its width where that is more."""

_LEAST = {"case": 12, "board": 10}
_OPERATOR, _REASON = 40, 160
"""Columns of an operator's name, and characters of why a row was skipped; `show` has all of them."""

_WORD = 22
"""Columns of the longest word of a status that is kept whole."""

_SHARED = ("board", "precision", "kind")
"""Columns that go first where all rows have the same in them, which is then said in a line."""

_IN_ITS_PLACE = ("mean us", "sim. us", _PUBLISHED)
"""Columns that make the median's needless where no row has one."""

_ALL_OF = "all rows"


def to_text(rows: Sequence[Row], width: int, advice: Sequence[Advice] = (), note: str = "") -> str:
    """A table that fits `width` columns, then what to do about rows by the numbers that they have there.

    Where it is too wide, what all rows share stands in a line, less important columns go, what makes figures
    bounds goes below, and names are shortened in their middle: in this order. Untrusted text is made
    printable: nothing in it reaches the terminal as a control sequence.
    """
    if not rows:
        return "no results"
    columns = _columns_of(rows, marks_of(advice, len(rows)))
    above = _share(columns, width)
    for name in _DISPENSABLE:
        if _wanted(columns, width) <= width:
            break
        columns.pop(name, None)
    below = [*_of_rates(rows, columns)]
    if _wanted(columns, width) > width:
        # What makes a figure a bound goes below the table before names are cut; that it is one stays there.
        times = {name: columns[name] for name in _TIMES if name in columns}
        columns |= {name: [cell.partition(" (")[0] for cell in cells] for name, cells in times.items()}
        below += _of_bounds(columns["case"], times.values())
    table = fitted_table([_column(name, cells) for name, cells in columns.items()], width)
    count = Counter(row["status"] for row in rows)
    totals = ", ".join(f"{count[status.value]} {status.value}" for status in Status)
    last = [*below, f"{counted(len(rows), 'row')}: {totals}", *([note] if note else [])]
    told = [line for text in last for line in wrapped(text, width, "", "    ")]
    advised = ["", *advice_lines(advice, width)] if advice else []
    return "\n".join(
        [*(line for text in above for line in wrapped(text, width)), *table, "", *told, *advised]
    )


def _columns_of(rows: Sequence[Row], marks: Sequence[str]) -> dict[str, list[str]]:
    """All columns with anything in them, and those that are always there."""
    columns = {name: [cell(row) for row in rows] for name, cell in _TEXT_COLUMNS.items()}
    columns["status"] = [f"{cell}{mark}" for cell, mark in zip(columns["status"], marks, strict=True)]
    columns = {name: cells for name, cells in columns.items() if name in _ALWAYS or any(cells)}
    if any(name in columns for name in _IN_ITS_PLACE) and not any(columns["p50 us"]):
        del columns["p50 us"]
    return columns


def _share(columns: dict[str, list[str]], width: int) -> list[str]:
    """Take out of a table that is too wide what all of several rows share; the line that says it."""
    alike = [name for name in _SHARED if len({*columns[name]}) == 1 and len(columns[name]) > 1]
    if not alike or _wanted(columns, width) <= width:
        return []
    return [
        f"{_ALL_OF}: {', '.join(f'{name} {cell}' for name in alike if (cell := columns.pop(name)[0]))}",
        "",
    ]


def _wanted(columns: dict[str, list[str]], width: int) -> int:
    """Columns of the terminal that the table takes, where long names have given way a little."""
    natural = {name: max(map(columns_of, (name, *cells))) for name, cells in columns.items()}
    room = {name: max(least, width // part) for name, (least, part) in _FLEXIBLE.items()}
    return sum(min(one, room.get(name, one)) + 2 for name, one in natural.items()) - 2


def _column(name: str, cells: Sequence[str]) -> Column:
    if name not in _FLEXIBLE:
        return Column(name, [cell or "-" for cell in cells], right=name in _NUMBERS)
    if name != "status":
        return Column(name, cells, Gives.MIDDLE, _LEAST[name])
    words = max(columns_of(word) for cell in cells for word in cell.split() or [""])
    return Column(name, cells, Gives.LINES, min(words, _WORD))


def _of_bounds(cases: Sequence[str], times: Iterable[Sequence[str]]) -> list[str]:
    """Figures with what makes them bounds, where the cells have no room for it."""
    told = [
        f"{case}: {cell}" for cells in times for case, cell in zip(cases, cells, strict=True) if " (" in cell
    ]
    more = (
        [f"... {len(told) - _EXPLAINED} more bounds (--csv: of each row)"] if len(told) > _EXPLAINED else []
    )
    return [*told[:_EXPLAINED], *more]


def _of_rates(rows: Sequence[Row], columns: dict[str, list[str]]) -> Iterator[str]:
    """What the rates come from, in a line, where the column that says it gave way."""
    told = [row for row in rows if _counts(row)]
    if "fps" not in columns or _COUNTS in columns or not told:
        return
    ways = {row["throughput_from"] == RateFrom.MEAN_LATENCY: None for row in told}
    of = " or ".join("from the mean latency" if mean else "the tool's own" for mean in ways)
    calls = sorted({row["sampling"]["samples_per_call"] for row in told})
    many = f"{calls[0]} to {calls[-1]}" if len(calls) > 1 else f"{calls[0]}"
    yield f"fps: {of}; samples a call: {many} (--csv: of each row, and why)"


def _shown(row: Row, name: str, show: Callable[[float], str] = lambda v: significant(v, separator="")) -> str:
    value = look_up(row, name)
    return "" if value is None else show(value)


def _mean(row: Row) -> str:
    """The mean stands in where there is no median, in a column of its own."""
    latency = row["latency_us"]
    return _main(row, latency["mean"]) if latency and latency["p50"] is None else ""


def _main(figures: Row, value_us: float) -> str:
    """A latency in microseconds, as its column says; one that is only a bound with what makes it one."""
    number = significant(value_us, separator="")
    if _bound(figures) is Bound.EXACT:
        return number
    _, opened, reason = str(figures["latency"]).partition(" (")
    return f"{_marked(number, _bound(figures))}{opened}{reason}"


def _bound(figures: Row) -> Bound:
    return Bound(look_up(figures, "bounds.bound") or Bound.EXACT)


def _marked(text: str, bound: Bound) -> str:
    """A further figure, with the mark of its bound."""
    return f"{mark(bound)}{text}" if text else ""


def _counts(row: Row) -> str:
    sampling = row["sampling"]
    if not sampling or row["throughput_fps"] is None:
        return ""
    of = "mean" if row["throughput_from"] == RateFrom.MEAN_LATENCY else "tool"
    return f"{sampling['samples_per_call']}/call, {of}: {SHORT[SamplesFrom(sampling['source'])]}"


def _cosine(kind: str) -> Callable[[Row], str]:
    """A cosine, the share of equal whole numbers, or the word that says why there is none."""

    def cell(row: Row) -> str:
        word = _lacking(row, kind)
        if word in _WRONG_WORDS or look_up(row, "accuracy.kind") != kind:
            return word
        cosine, equal = row["accuracy"]["cosine"], row["accuracy"]["equal"]
        if cosine is None:
            return word if equal is None else f"{closeness(equal, 3)} equal"
        return closeness(cosine)

    return cell


def _lacking(row: Row, kind: str) -> str:
    for figures in (row, row["estimate"]):
        if figures and figures["kind"] == kind and figures["no_accuracy"]:
            return WORDS[NoAccuracy(figures["no_accuracy"])]
    return ""


def _estimate(row: Row) -> str:
    estimate = row["estimate"]
    if not estimate or not estimate["latency_us"] or estimate["kind"] != Kind.SIMULATED:
        return ""
    return _main(estimate, estimate["latency_us"]["mean"])


def _published(row: Row) -> str:
    """A frame rate that a publisher's compiler simulated, apart from what was published of boards."""
    estimate = row["estimate"]
    if not estimate or estimate["kind"] != Kind.PUBLISHED:
        return ""
    return _marked(_shown(estimate, "throughput_fps"), opposite(_bound(estimate)))


def _board(row: Row) -> str:
    return printable(row["board"]) + (_EMULATED if row["emulated"] else "")


def _status(row: Row) -> str:
    failure = row["failure"]
    if failure:
        at_fault = " ".join(shortened(printable(name), _OPERATOR) for name in failure["operators"])
        return printable(f"failed: {failure['stage']}: {failure['class']} {at_fault}".rstrip())
    if row["skip_reason"]:
        return printable(f"skipped: {row['skip_reason']}", _REASON)
    text = " ".join(filter(None, (row["status"], row["verdict"])))
    return printable(f"{text}, low accuracy" if _is_low(row) else text)


def _is_low(row: Row) -> bool:
    """Whether its cosine, its worst slice or what stands in their place is a doubt."""
    cosine, worst = (look_up(row, f"accuracy.{name}") for name in ("cosine", "worst_slice.cosine"))
    words = {_lacking(row, kind) for kind in (Kind.MEASURED, Kind.SIMULATED)}
    few = cosine is not None and cosine < LEAST_COSINE
    return few or (worst is not None and worst < LEAST_SLICE) or bool(words & _WRONG_WORDS)


_TEXT_COLUMNS: dict[str, Callable[[Row], str]] = {
    "case": lambda row: printable(row["case"]),
    "board": _board,
    "precision": lambda row: row["precision"] or "",
    "kind": lambda row: row["kind"] or ("published" if _published(row) else ""),
    "p50 us": lambda row: _shown(row, "latency_us.p50", lambda value: _main(row, value)),
    "p90 us": lambda row: _marked(_shown(row, "latency_us.p90"), _bound(row)),
    "p99 us": lambda row: _marked(_shown(row, "latency_us.p99"), _bound(row)),
    "mean us": _mean,
    "fps": lambda row: _marked(_shown(row, "throughput_fps"), opposite(_bound(row))),
    _COUNTS: _counts,
    "sim. us": _estimate,
    _PUBLISHED: _published,
    "cosine": _cosine("measured"),
    "sim. cosine": _cosine("simulated"),
    "worst slice": lambda row: _shown(row, "accuracy.worst_slice.cosine", closeness),
    "dead slices": lambda row: str(look_up(row, "accuracy.dead_slices") or ""),
    "status": _status,
}
