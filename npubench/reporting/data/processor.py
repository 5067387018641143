"""Rows of processors: the page's tables beside published rows, and one by one for programs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from npubench import published
from npubench.domain.figures import Kind, ProcessorFigures, ProcessorRow
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.published import CpuPeak
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.translate import translate


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, what a pointer shows, and the figure that sorting goes by; None: not known."""

    text: str
    title: str
    sort: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of one source: a board with its tool, or a publication; `titles` with unit and hint."""

    label: str
    kind: Kind
    emulated: bool
    titles: tuple[tuple[str, str, str], ...]


Line = tuple[tuple[str, ...], tuple[Cell, ...]]
"""Head texts, and cells."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: what its lines are called, groups of columns, and lines of head texts and cells."""

    title: str
    note: str
    heads: tuple[str, ...]
    groups: tuple[Group, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of one board and tool, or of a publication, by the mode that they were measured in."""

    label: str
    kind: Kind
    emulated: bool
    rows: Mapping[str, Sequence[ProcessorRow]]
    memory: Sequence[ProcessorRow]


_TIMES = (
    ("throughput_ns", "throughput", "ns", "Time of an instruction among independent ones"),
    ("latency_ns", "latency", "ns", "Time of an instruction that needs the result of the one before"),
    ("throughput_cycles", "throughput", "cycles", "At the clock that dependent additions tell"),
    ("latency_cycles", "latency", "cycles", "At the clock that dependent additions tell"),
    ("gflop_per_s", "", "GFLOP/s", "Floating-point operations of an instruction over its time"),
    ("gop_per_s", "", "Gop/s", "Integer operations of an instruction over its time"),
    ("gib_per_s", "", "GiB/s", "Bytes loaded or stored over the time"),
    ("megpeak_gflops", "MegPeak's figure", "GFlops", "Operations as MegPeak counts them, over the time"),
)
_MANY = (
    ("one", "one core", "", "Rate of the core that was measured alone"),
    ("slowest", "slowest core", "", "The lowest rate of any core, each alone"),
    ("all", "all at once", "", "Sum of the rates of all cores that run the same loop at once"),
)
_MEGPEAK_COPY = "memcpy, 100 MiB"
_OPERATIONS = ("copy", "read", "write", "triad")


def processor_sheets(results: Sequence[Result]) -> list[Sheet]:
    """The tables of all processor rows; none without any that was measured."""
    measured = _measured(results)
    if not measured:
        return []
    sources = [*measured, *_published()]
    together = [source for source in measured if source.rows.get("all_cores")]
    found = (_instructions(sources), _many_cores(together), _memory(measured), _bandwidth(sources))
    return [sheet for sheet in found if sheet.lines]


def _measured(results: Sequence[Result]) -> list[_Source]:
    by_place: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.case_kind is CaseKind.CPU and result.figures is not None:
            by_place.setdefault((result.board, result.backend), []).append(result)
    return [_source(f"{board}, {tool}", rows) for (board, tool), rows in sorted(by_place.items())]


def _source(label: str, results: Sequence[Result]) -> _Source:
    rows: dict[str, list[ProcessorRow]] = {}
    memory: list[ProcessorRow] = []
    for result in results:
        told = (result.figures.processor if result.figures else None) or ProcessorFigures()
        rows.setdefault(told.mode.replace("-", "_"), []).extend(told.rows)
        memory += told.memory
        if (gib := told.megpeak_bandwidth_gib_per_s) is not None:
            memory.append(_copied(gib))
    kind = results[0].figures.kind if results[0].figures else Kind.MEASURED
    return _Source(label, kind, results[0].emulated, rows, memory)


@cache
def _published() -> tuple[_Source, ...]:
    by_chip: dict[str, list[CpuPeak]] = {}
    for peak in published.cpu_peaks():
        by_chip.setdefault(f"{peak.chip}, megpeak ({peak.source})", []).append(peak)
    return tuple(
        _Source(
            *(label, Kind.PUBLISHED, False),
            {"one_core": [_published_row(peak) for peak in peaks if peak.gib_per_s is None]},
            [_copied(peak.gib_per_s) for peak in peaks if peak.gib_per_s is not None],
        )
        for label, peaks in by_chip.items()
    )


def _published_row(peak: CpuPeak) -> ProcessorRow:
    return ProcessorRow(
        peak.instruction,
        throughput_ns=peak.throughput_ns,
        latency_ns=peak.latency_ns,
        megpeak_gflops=peak.gflops,
    )


def _copied(gib_per_s: float) -> ProcessorRow:
    return ProcessorRow("bandwidth", gib_per_s=gib_per_s, variant=_MEGPEAK_COPY)


def _instructions(sources: Sequence[_Source]) -> Sheet:
    tables = [{row.row: row for row in source.rows.get("one_core", ())} for source in sources]
    columns = [
        [column for column in _TIMES if any(getattr(row, column[0]) is not None for row in table.values())]
        for table in tables
    ]
    lines = _lines(
        (name for table in tables for name in table),
        lambda name: [
            _figure(table.get(name), key, unit)
            for table, mine in zip(tables, columns, strict=True)
            for key, _, unit, _ in mine
        ],
    )
    note = "One core. Integer operations are never counted as floating-point ones; a multiply-add is two."
    return Sheet("Instructions", note, ("Operation", "Instruction"), _groups(sources, columns), lines)


def _lines(names: Iterable[str], cells: Callable[[str], Iterable[Cell]]) -> tuple[Line, ...]:
    """A line an instruction, those of one operation together."""
    ordered = sorted(dict.fromkeys(names), key=lambda name: (operation_of(name), name))
    return tuple(((translate(operation_of(name)), name), tuple(cells(name))) for name in ordered)


def _many_cores(sources: Sequence[_Source]) -> Sheet:
    lines = _lines(
        (row.row for source in sources for row in source.rows.get("all_cores", ())),
        lambda name: (cell for source in sources for cell in _cores_cells(source, name)),
    )
    groups = _groups(sources, [_MANY for _ in sources])
    note = "Rates in GFLOP/s, Gop/s or GiB/s, as the instruction's own row says."
    return Sheet("All cores", note, ("Operation", "Instruction"), groups, lines)


def _cores_cells(source: _Source, name: str) -> Iterator[Cell]:
    for mode, choose in (("one_core", max), ("each_core", min), ("all_cores", max)):
        rates = [rate_of(asdict(row)) for row in source.rows.get(mode, ()) if row.row == name]
        known = [(rate, unit) for rate, unit in rates if rate is not None]
        yield _cell(*choose(known, key=lambda rate: rate[0])) if known else _cell(None, "")


def _memory(sources: Sequence[_Source]) -> Sheet:
    wanted = [(source, cores) for source in sources for cores in _cores_at_once(source)]
    sizes = sorted({_set(row) for source, _ in wanted for row in source.memory if row.row in _OPERATIONS})
    titles = tuple((operation, "GiB/s", "Bytes that the loop asks for") for operation in _OPERATIONS)
    groups = tuple(
        Group(f"{source.label}, {_cores(cores)}", source.kind, source.emulated, titles)
        for source, cores in wanted
    )
    lines = tuple(
        (
            (size(one),),
            tuple(
                _bandwidth_cell(source, cores, operation, one)
                for source, cores in wanted
                for operation in _OPERATIONS
            ),
        )
        for one in sizes
    )
    note = "Working set of one core, all arrays together; of the fastest loop, named when pointed at."
    return Sheet("Memory", note, ("Working set",), groups, lines)


def _cores_at_once(source: _Source) -> list[int]:
    return sorted({row.cores_at_once or 1 for row in source.memory if row.row in _OPERATIONS})


def _cores(count: int) -> str:
    return translate("one core") if count == 1 else translate("{count} cores at once", count=count)


def _set(row: ProcessorRow) -> int:
    """The size that was asked for: three arrays of a triad share a little less than that."""
    return 1 << ((row.set_bytes or 1) - 1).bit_length()


def _bandwidth_cell(source: _Source, cores: int, operation: str, one: int) -> Cell:
    for row in source.memory:
        if (row.row, row.cores_at_once or 1) == (operation, cores) and _set(row) == one:
            return _bandwidth_of(row)
    return _cell(None, "")


def _bandwidth_of(row: ProcessorRow | None) -> Cell:
    return _cell(row.gib_per_s, f"GiB/s, {row.variant or ''}") if row else _cell(None, "")


def _bandwidth(sources: Sequence[_Source]) -> Sheet:
    cells = [
        _bandwidth_of(next((row for row in source.memory if row.row == "bandwidth"), None))
        for source in sources
    ]
    titles = (("bandwidth", "GiB/s", "Read and written bytes over time; MegPeak prints it as Gbps"),)
    groups = tuple(Group(source.label, source.kind, source.emulated, titles) for source in sources)
    lines = (
        (((translate("memcpy of {size}", size="100 MiB"),), tuple(cells)),)
        if any(cell.sort for cell in cells)
        else ()
    )
    note = "What the library's memcpy does, on one core; on a small board of as much as fits."
    return Sheet("Copying as MegPeak does", note, ("What",), groups, lines)


def _groups(sources: Sequence[_Source], columns: Sequence[Sequence[tuple[str, ...]]]) -> tuple[Group, ...]:
    return tuple(
        Group(
            source.label,
            source.kind,
            source.emulated,
            tuple((title, unit, hint) for _, title, unit, hint in mine),
        )
        for source, mine in zip(sources, columns, strict=True)
    )


def _figure(row: ProcessorRow | None, key: str, unit: str) -> Cell:
    name = f"{key.partition('_')[0]}_spread"
    spread = getattr(row, name, None) if key.endswith("_ns") else None
    told = "" if spread is None else translate("quartiles {share} apart", share=f"{spread:.1%}")
    return _cell(getattr(row, key, None), "; ".join(filter(None, (translate(unit), told))))


def _cell(value: float | None, unit: str) -> Cell:
    if value is None:
        return Cell("–", "not measured, or the processor lacks it")
    return Cell(significant(value), f"{value:.6g} {unit}".rstrip(), float(value))


COLUMNS = (
    *("board", "emulated", "tool", "kind", "case", "row", "operation", "core", "cores_at_once", "set_bytes"),
    *("throughput_ns", "throughput_spread", "latency_ns", "latency_spread", "throughput_cycles"),
    *("latency_cycles", "clock_mhz", "gflop_per_s", "gop_per_s", "gib_per_s", "spread", "megpeak_gflops"),
    *("samples", "core_share", "variant", "message", "run_id", "started_at"),
)
"""Names carry their unit; what a row does not have is None."""

SHOWN = ("board", "case", "row", "core", "set_bytes", "throughput_ns", "latency_ns")
RATES = {"gflop_per_s": "GFLOP/s", "gop_per_s": "Gop/s", "gib_per_s": "GiB/s"}


def processor_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every row of every processor case that was measured, in the order of the results."""
    return [row for result in results if result.case_kind is CaseKind.CPU for row in _rows(result)]


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    if result.figures is None:
        return
    told = result.figures.processor or ProcessorFigures()
    common = {name: getattr(result, name) for name in ("board", "emulated", "case", "run_id", "started_at")}
    common |= {"tool": result.backend, "kind": result.figures.kind.value}
    bandwidth = told.megpeak_bandwidth_gib_per_s
    own = (ProcessorRow("bandwidth", core=told.core, gib_per_s=bandwidth),) if bandwidth else ()
    for row in (*own, *told.rows, *told.memory):
        of_memory = row.set_bytes is not None or row.row == "bandwidth"
        values = {**asdict(row), **common, "operation": "memory" if of_memory else operation_of(row.row)}
        yield {name: values.get(name) for name in COLUMNS}


def rate_of(row: dict[str, Any]) -> tuple[float | None, str]:
    """A row's rate and its unit."""
    return next(((row[key], unit) for key, unit in RATES.items() if row.get(key) is not None), (None, ""))


_SAME = {
    "multiply-add f32": ("mla_f32", "fmla", "fmlad", "vfmadd132ps_avx", "vfmadd132ps_avx512"),
    "multiply-add f16": ("fmla_f16",),
    "matrix multiply-add bf16": ("bfmmla", "vdpbf16ps_avx512"),
    "multiply-add s32": ("mla_s32", "mla"),
    "multiply-add s16": ("mlaq_lane_s16",),
    "multiply-add s16 to s32": (
        *("mlal_s16", "mlal_s16_lane", "smlal_4b", "vpmaddwd_avx", "vpmaddwd_avx512", "pmaddwd_sse"),
    ),
    "multiply-add s8 to s16": ("mlal_s8", "smlal_8b", "vpmaddubsw_avx", "vpmaddubsw_avx512"),
    "dot product s8 to s32": ("sdot", "smmla", "vpdpbusd_avx", "vpdpbusd_avx512"),
    "multiply f32": ("mul_f32", "fmul", "vmulps_avx", "vmulps_avx512", "mulps_sse"),
    "multiply s32": ("mul_s32", "mul", "vpmulld_avx", "vpmulld_avx512"),
    "multiply s16": ("vpmullw_avx", "pmullw_sse"),
    "multiply s8 to s16": ("smull",),
    "multiply s32, high half": ("qrdmulh", "sqrdmulh"),
    "add f32": ("fadd", "vaddps_avx", "vaddps_avx512", "addps_sse"),
    "add s32": ("add", "vpaddd_avx", "vpaddd_avx512", "paddd_sse"),
    "add pairs": ("padd", "addp"),
    "add pairs s16 to s32": ("padal", "sadalp"),
    "convert f32 and s32": (
        *("cvt", "fcvtzs", "scvtf", "fcvtns", "fcvtms", "fcvtps", "fcvtas"),
        *("vcvtdq2ps_avx", "vcvtps2dq_avx", "cvtdq2ps_sse", "cvtps2dq_sse"),
    ),
    "convert f32 and f16": ("fcvtn", "fcvtl"),
    "load and store": ("ldd", "ldq", "stq", "ldpq", "ld1q"),
}
_OTHER = "shift, logic, move"
_OF_ROW = {row: operation for operation, rows in _SAME.items() for row in rows}


def operation_of(row: str) -> str:
    """What a row computes, of any instruction set."""
    return _OF_ROW.get(row, _OTHER)
