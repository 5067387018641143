"""Rows (of `rows.row_of`) as text for terminals, as CSV for spreadsheets and as JSON."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from npubench.domain.figures import Bound, Kind, NoAccuracy, RateFrom
from npubench.domain.records import Status
from npubench.domain.specs import SamplesFrom
from npubench.domain.text import columns_of, printable, shortened, text_table
from npubench.reporting.data.accuracy import LEAST_COSINE, LEAST_SLICE, WORDS, WRONG
from npubench.reporting.data.figures import SHORT, mark, opposite
from npubench.reporting.data.formatting import THIN_SPACE, closeness, significant
from npubench.reporting.data.rows import COLUMNS, Row

LEAST_NAME = 8
"""Columns that a case's name keeps when everything else has to go."""

_NESTED = {
    "latency_us": (
        *("n", "mean", "min", "p50", "p90", "p99", "max", "std", "rounds_p50", "spread", "outliers"),
    ),
    "bounds": ("bound", "reason", "left_out", "layers", "share"),
    "sampling": ("samples_per_call", "source", "axis", "input"),
    "accuracy": (
        *("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal", "samples", "kind"),
        *(f"worst_slice.{one}" for one in ("output", "axis", "index", "cosine")),
        *("dead_slices", "kernels.fused_cosine", "kernels.unoptimised_cosine"),
    ),
    "computed": tuple(
        f"{what}.{where}" for what in ("operators", "macs") for where in ("integer", "npu", "cpu", "floating")
    ),
    "failure": ("stage", "class", "operators", "message"),
    "prediction": ("kind", "throughput_fps", "basis"),
    "data": ("source", "calibrated", "evaluated", "held_out", "inputs", "note"),
}
"""Columns that CSV has one of for each of these."""

_ESTIMATE = (
    *("kind", "origin", "latency_us", "throughput_fps", "load_us", "tool_macs", "mac_utilisation"),
    *("memory_bytes", "io_bytes", "placement", "accuracy", "no_accuracy", "no_accuracy_why", "bounds"),
    *("throughput_from", "sampling", "latency", "fps_counts", "computed"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
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

WRONG_WORDS = frozenset(WORDS[one] for one in WRONG)
_ALWAYS = frozenset({"case", "board", "precision", "kind", "p50 us", "status"})
_BOARD_COLUMNS = 28
_LEAST_STATUS = 12
_LEAST_BOARD = 5
_EMULATED = " (emulated)"


def to_json(rows: Sequence[Row]) -> str:
    """A JSON array, one row a line; ASCII only, so that no name can break a terminal or a decoder."""
    return json_of(json_lines(rows))


def json_lines(rows: Iterable[Row]) -> list[str]:
    """Each row as a line of JSON."""
    return [json.dumps(row, allow_nan=False) for row in rows]


def json_of(lines: Sequence[str]) -> str:
    """An array of lines of JSON."""
    joined = ",\n".join(lines)
    return f"[\n{joined}\n]" if lines else "[]"


def to_csv(rows: Sequence[Row]) -> str:
    """CSV (RFC 4180) with a header; nested columns are `latency_us.p50`, lists and maps are JSON.

    A text that a spreadsheet would take for a formula gets a leading apostrophe (OWASP, CSV
    injection); numbers are left alone. What is not known is empty.
    """
    names = csv_columns()
    return csv_of(names, [csv_line(row) for row in rows])


def csv_of(names: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """CSV of a header and lines of values, each cell as `to_csv` has it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(value) for value in line] for line in lines)
    return stream.getvalue()


def to_text(rows: Sequence[Row], width: int) -> str:
    """A table that fits `width` columns: less important columns go first, then names are cut.

    Untrusted text is made printable: nothing in it reaches the terminal as a control sequence.
    """
    if not rows:
        return "no results"
    columns = {name: [cell(row) for row in rows] for name, cell in _TEXT_COLUMNS.items()}
    columns = {name: cells for name, cells in columns.items() if name in _ALWAYS or any(cells)}
    if "mean us" in columns and not any(columns["p50 us"]):
        del columns["p50 us"]
    for name in _DISPENSABLE:
        if _total(columns, "case") + LEAST_NAME <= width:
            break
        columns.pop(name, None)
    below = [*_of_rates(rows, columns)]
    if _total(columns, "case") + LEAST_NAME > width:
        # What makes a figure a bound goes below the table before names are cut; that it is one stays there.
        times = {name: columns[name] for name in _TIMES if name in columns}
        columns |= {name: [cell.partition(" (")[0] for cell in cells] for name, cells in times.items()}
        below += (shortened(line, width) for line in _of_bounds(columns["case"], times.values()))
    for name, cut in _CUTS.items():
        spare = width - _total(columns, name)
        columns[name] = [cut(cell, spare) for cell in columns[name]]
    counted = Counter(row["status"] for row in rows)
    totals = ", ".join(f"{counted[status.value]} {status.value}" for status in Status)
    lines = ([cell or "-" for cell in line] for line in zip(*columns.values(), strict=True))
    table = text_table(tuple(columns), lines, None, _NUMBERS)
    return "\n".join([table, "", *below, f"{len(rows)} rows: {totals}"])


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


def _total(columns: dict[str, list[str]], spared: str = "") -> int:
    """Columns of the terminal that the table takes without the one that is `spared`."""
    widths = (max(map(columns_of, (name, *cells))) for name, cells in columns.items() if name != spared)
    return sum(width + 2 for width in widths) - (0 if spared else 2)


def _shown(row: Row, name: str, show: Callable[[float], str] = lambda v: significant(v, separator="")) -> str:
    value = _look_up(row, name)
    return "" if value is None else show(value)


def _mean(row: Row) -> str:
    """The mean stands in where there is no median, in a column of its own."""
    latency = row["latency_us"]
    return _main(row, latency["mean"]) if latency and latency["p50"] is None else ""


def _main(figures: Row, value_us: float) -> str:
    """A latency in microseconds; one that is only a bound with its unit and what makes it one."""
    if _bound(figures) is Bound.EXACT:
        return significant(value_us, separator="")
    return str(figures["latency"]).replace(THIN_SPACE, "")


def _bound(figures: Row) -> Bound:
    return Bound(_look_up(figures, "bounds.bound") or Bound.EXACT)


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
        if word in WRONG_WORDS or _look_up(row, "accuracy.kind") != kind:
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
    return shortened(printable(row["board"]), _BOARD_COLUMNS) + (_EMULATED if row["emulated"] else "")


def _cut_board(cell: str, limit: int) -> str:
    """Only the name gives way: that a board is emulated is always said."""
    mark = _EMULATED if cell.endswith(_EMULATED) else ""
    name = cell.removesuffix(mark)
    return shortened(name, max(_LEAST_BOARD, limit - len(mark))) + mark


_CUTS: dict[str, Callable[[str, int], str]] = {
    "case": lambda cell, spare: shortened(cell, max(LEAST_NAME, spare)),
    "status": lambda cell, spare: shortened(cell, max(_LEAST_STATUS, spare)),
    "board": _cut_board,
}
"""How cells give way when the table is too wide, in this order."""


def _status(row: Row) -> str:
    failure = row["failure"]
    if failure:
        at_fault = " ".join(failure["operators"])
        return printable(f"failed: {failure['stage']}: {failure['class']} {at_fault}".rstrip())
    if row["skip_reason"]:
        return printable(f"skipped: {row['skip_reason']}")
    text = " ".join(filter(None, (row["status"], row["verdict"])))
    return printable(f"{text}, low accuracy" if _is_low(row) else text)


def _is_low(row: Row) -> bool:
    """Whether its cosine, its worst slice or what stands in their place is a doubt."""
    cosine, worst = (_look_up(row, f"accuracy.{name}") for name in ("cosine", "worst_slice.cosine"))
    words = {_lacking(row, kind) for kind in (Kind.MEASURED, Kind.SIMULATED)}
    few = cosine is not None and cosine < LEAST_COSINE
    return few or (worst is not None and worst < LEAST_SLICE) or bool(words & WRONG_WORDS)


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
    "dead slices": lambda row: str(_look_up(row, "accuracy.dead_slices") or ""),
    "status": _status,
}


def csv_line(row: Row) -> list[Any]:
    """A row's values in the order of `csv_columns`."""
    return [_look_up(row, name) for name in csv_columns()]


@cache
def csv_columns() -> tuple[str, ...]:
    """The header of `to_csv`."""
    names: list[str] = []
    for name in COLUMNS:
        inner = [f"{name}.{one}" for one in _ESTIMATE] if name == "estimate" else [name]
        names += [full for one in inner for full in _expanded(one)]
    return tuple(names)


def _expanded(name: str) -> list[str]:
    nested = _NESTED.get(name.removeprefix("estimate."))
    return [f"{name}.{inner}" for inner in nested] if nested else [name]


def _look_up(row: Row, name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value) if value else ""
    if not isinstance(value, str):
        return json.dumps(value)
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
