"""The build log of `pulsar2 build`: what it tells of the compiled model.

Format: Pulsar 2 documentation, versions 1.2 to 5. Cycles come without a clock, so there is a time in it
only where the board's description declares one. Older logs give MACs and cycles a subgraph; newer ones
MACs a group, list the subgraphs with what runs them, and leave out the code size.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from npubench.backends.axera import base, pulsar2_analyses, pulsar2_layers, pulsar2_run
from npubench.backends.axera.pulsar2_analyses import PRECISION, Trace
from npubench.backends.axera.pulsar2_run import AxRunModel
from npubench.domain.figures import (
    Bound,
    BoundReason,
    Bounds,
    Figures,
    Kind,
    Latency,
    NoAccuracy,
    npu_part,
    part_of_npu,
)
from npubench.domain.records import Artifact, Failure, Stage
from npubench.graph.layer_nodes import NodeGraph, node_graph
from npubench.measure.outputs import accuracy_of, no_accuracy_of
from npubench.measure.statistics import CallMean
from npubench.storage.files import text_if_any, text_named
from npubench.tools.logs import DamagedError, put_once, reading, reject_split_number, whole_lines

_PREFIX = r".*\| (?:TRACE|DEBUG|INFO|WARNING|SUCCESS) +\| [\w.<>]+:(?P<step>[\w<>]+):[0-9]+ - "
_COUNT = r"([0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,18})"
_INDEX = r"([0-9]{1,6})"
_CYCLES = re.compile(rf"{_PREFIX}max_cycle = {_COUNT}\s*")
_MACS = re.compile(rf"{_PREFIX}(?:group {_INDEX} )?QuantAxModel macs: {_COUNT}\s*")
_MCODE = re.compile(rf"(?:{_PREFIX})?\s*Total mcode size: {_COUNT} (B|KiB|MiB)\s*")
_FUSED = re.compile(rf"(?:{_PREFIX})?\s*fuse {_INDEX} subgraph\(s\)\s*")
_SUBGRAPH = re.compile(rf"{_PREFIX}subgraph \[{_INDEX}\], group: {_INDEX}, type: GraphType\.([A-Z]\w*)\s*")
_BEGINS = re.compile(rf"{_PREFIX}(?:compile|schedule) npu subgraph \[{_INDEX}\]\s*")
_BATCHES = re.compile(rf"{_PREFIX}graph \[[^\]]+\] batchs \[([0-9]+(?:, [0-9]+)*)\]\s*")
_BATCH = re.compile(rf"{_PREFIX}assemb\w+ model (?:\[[0-9]+\] )?\[[^\]]+\] b([0-9]+)\s*")
_OUTPUT = re.compile(rf"{_PREFIX}postprocess tensor \[(.+)\]\s*")
_KNOWN = re.compile(r"max_cycle|QuantAxModel macs|Total mcode size|subgraph\(s\)|GraphType\b|npu subgraph \[")
_CLOSED = re.compile(r"subgraph\(s\)$|size: [0-9,]+ (?:B|KiB|MiB)$|[─┴]┘$")
"""How a last line ends that nothing can have been cut from: of a log, or of a precision table."""
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20}
BREAKS_OFF = "the log breaks off: it does not tell how many subgraphs were joined"
_OF_ONE_SUBGRAPH = "compile_npu_subgraph"
"""The step of older versions that tells the MACs of the one subgraph that it compiles."""


@dataclass(slots=True)
class _Read:
    """What the lines have told so far; `by_subgraph` is None once cycles cannot be told apart."""

    cycles: list[int] = field(default_factory=list)
    macs: list[int] = field(default_factory=list)
    group_macs: dict[str, int] = field(default_factory=dict)
    macs_of_subgraphs: bool = False
    mcode: list[int] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    subgraphs: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Group and target, NPU or CPU."""
    batches: bool = False
    outputs: dict[str, None] = field(default_factory=dict)
    begun: int | None = None
    by_subgraph: dict[int, list[int]] | None = field(default_factory=dict)

    @property
    def fused(self) -> int | None:
        """How many subgraphs were joined; None where the log breaks off before it tells."""
        return self.numbers.get("number of subgraphs")

    @property
    def on_npu(self) -> int:
        """How many of the listed subgraphs the NPU runs."""
        return sum(target == "NPU" for _, target in self.subgraphs.values())


@reading(Stage.COMPILE, "pulsar2 build")
def parse_build_log(text: str, clock_mhz: float | None = None) -> Figures:
    """Simulated figures: MACs, cycles and code size summed over the subgraphs, accuracy from its tables.

    `clock_mhz` is the NPU's, as the board's description declares it: with it the cycles are a latency.
    A log that does not tell how many subgraphs were joined breaks off, and has no sums. UNPARSED_OUTPUT when
    damaged.
    """
    lines = whole_lines(ended(text))
    read = _read(lines)
    figures = _timed(_figures(read), read, clock_mhz)
    return pulsar2_analyses.with_tables(figures, lines, tuple(read.outputs))


def ended(text: str) -> str:
    """The text with a last line that shows by its own end that it is whole, though no line end follows."""
    return f"{text}\n" if _CLOSED.search(text.rpartition("\n")[2].rstrip()) else text


def _read(lines: Sequence[str]) -> _Read:
    read = _Read()
    for previous, line in pairwise(["", *lines]):
        reject_split_number(previous, line)
        if not _note(line, read) and _KNOWN.search(line):
            raise DamagedError(f"the line {line.strip()[-80:]!r} is not whole")
    return read


def _note(line: str, read: _Read) -> bool:
    if match := _CYCLES.fullmatch(line):
        read.cycles.append(_number(match[2]))
        if read.by_subgraph is not None and read.begun is not None:
            read.by_subgraph[read.begun].append(_number(match[2]))
    elif match := _MACS.fullmatch(line):
        if match[2] is None:
            read.macs.append(_number(match[3]))
            read.macs_of_subgraphs = read.macs_of_subgraphs or match["step"] == _OF_ONE_SUBGRAPH
        else:
            put_once(read.group_macs, f"MACs of group {match[2]}", _number(match[3]))
    elif match := _MCODE.fullmatch(line):
        read.mcode.append(_number(match[2]) * _BYTES[match[3]])
    elif match := _FUSED.fullmatch(line):
        put_once(read.numbers, "number of subgraphs", int(match[2]))
    elif match := _SUBGRAPH.fullmatch(line):
        index, one = int(match[2]), (int(match[3]), match[4])
        if read.subgraphs.setdefault(index, one) != one:
            raise DamagedError(f"subgraph {index} is told of twice")
    elif match := _BEGINS.fullmatch(line):
        read.begun = int(match[2])
        # Where several are compiled at once, nothing tells whose cycles are printed.
        if read.by_subgraph is not None and not all(islice(reversed(read.by_subgraph.values()), 1)):
            read.by_subgraph = None
        elif read.by_subgraph is not None:
            read.by_subgraph[read.begun] = []
    elif match := _BATCHES.fullmatch(line):
        read.batches = read.batches or "," in match[2]
    elif match := _BATCH.fullmatch(line):
        read.batches = read.batches or int(match[2]) != 1
    elif match := _OUTPUT.fullmatch(line):
        read.outputs[match[2]] = None
    return match is not None


def _figures(read: _Read) -> Figures:
    listed, fused = sorted(read.subgraphs), read.fused
    if read.group_macs and read.macs:
        raise DamagedError("MACs are told of groups and of none")
    if listed and listed != list(range(len(listed))):
        raise DamagedError(f"subgraphs {listed} are listed: one is missing")
    if listed and fused not in (None, len(listed), read.on_npu):
        raise DamagedError(f"{len(listed)} subgraphs are listed, and {fused} are joined")
    details: dict[str, Any] = {"max_cycle": None, "mcode_bytes": None, "subgraphs": len(listed) or fused}
    if listed:
        known = read.by_subgraph or {}
        details["placement_of_subgraphs"] = [
            {
                "subgraph": index,
                "group": group,
                "target": target,
                "max_cycle": known[index][0] if len(known.get(index, ())) == 1 else None,
            }
            for index, (group, target) in read.subgraphs.items()
        ]
    if read.batches:
        details["problem"] = "cycles of several batch sizes stand in the log: no sum is of one inference"
    elif fused is None:
        details["problem"] = BREAKS_OFF
    if fused is None:
        return Figures(Kind.SIMULATED, details=details)
    count = read.on_npu if listed else fused
    groups = len({group for group, _ in read.subgraphs.values()}) or len(read.group_macs)
    of_groups = read.group_macs or (listed and not read.macs_of_subgraphs)
    what = "MACs of a group" if read.group_macs else "QuantAxModel macs"
    macs = _total(what, list(read.group_macs.values()) or read.macs, groups if of_groups else count)
    if not read.batches:
        details["max_cycle"] = _total("max_cycle", read.cycles, count)
    details["mcode_bytes"] = _total("Total mcode size", read.mcode, count if len(read.mcode) == count else 1)
    placed = {f"subgraph {index}": target for index, (_, target) in read.subgraphs.items()}
    return Figures(Kind.SIMULATED, tool_macs=macs, placement=placed, details=details)


def _timed(figures: Figures, read: _Read, clock_mhz: float | None) -> Figures:
    cycles = figures.details["max_cycle"]
    if clock_mhz is None or not cycles:
        return figures
    on_cpu = len(read.subgraphs) - read.on_npu
    left_out = f"; {on_cpu} of {len(read.subgraphs)} subgraphs run on the CPU and are not in it"
    statistic = f"max_cycle over the declared {clock_mhz:g} MHz{left_out if on_cpu else ''}"
    return replace(
        figures,
        latency_us=Latency(n=1, mean=cycles / clock_mhz),
        bounds=Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU) if on_cpu else None,
        statistic=statistic,
    )


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def _total(what: str, values: Sequence[int], count: int) -> int | None:
    """One line each; None where some are missing."""
    if count == 1 and len(set(values)) == 1:
        return values[0]
    if len(values) > count:
        raise DamagedError(f"{what} is given {len(values)} times for {count} subgraph(s)")
    return sum(values) if values and len(values) == count else None


TRACE = "trace.json"
DEVICE_TIME = "axcl_run_model counts the card's time alone: copies by the host and PCIe are not in it"
WHOLE_CALL = "ax_run_model runs on the board itself and counts its calls"


def simulated(artifact: Artifact) -> Figures | None:
    """The build log, the tables of its precision analysis, its timelines, and accuracy of `pulsar2 run`."""
    if all(path.name != base.BUILD_LOG for path in artifact.extras):
        return None
    settings = artifact.settings
    clock_mhz = settings.get("npu_clock_mhz")
    figures = parse_build_log(text_named(artifact.extras, base.BUILD_LOG), clock_mhz)
    if isinstance(figures, Failure):
        figures = Figures(Kind.SIMULATED, details={"problem": figures.message})
    if table := text_named(artifact.extras, Path(PRECISION).name):
        # The tool saves tables whole that it cuts to the width of its log.
        names = [tensor.name for tensor in artifact.onnx.outputs]
        figures = pulsar2_analyses.with_tables(figures, whole_lines(f"{table}\n"), names)
    traces = _traces(artifact.extras)
    graph = node_graph(artifact.onnx.path) if traces else None
    figures = with_traces(figures, traces, clock_mhz, graph)
    answer = pulsar2_run.answer_of(artifact.extras)
    if (accuracy := accuracy_of(answer)) is not None:
        word, sentence = no_accuracy_of(answer)
        details = {**figures.details, "accuracy_from": "pulsar2 run: the model's outputs against FP32"}
        figures = replace(
            figures, accuracy=accuracy, no_accuracy=word, no_accuracy_why=sentence, details=details
        )
    elif figures.accuracy is None and figures.no_accuracy is None and base.SIMULATED in settings:
        why = f"pulsar2 run: {settings[base.SIMULATED]}"[:300]
        figures = replace(figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why)
    placed = by_operator(figures.placement, tuple(artifact.onnx.operators))
    return replace(
        figures,
        placement=placed,
        computed=base.computed(placed, artifact.onnx),
        npu=npu_part(settings.get("npu_mode")),
        details={**figures.details, **base.ran(artifact)},
    )


def by_operator(by_subgraph: Mapping[str, str], operators: Sequence[str]) -> Mapping[str, str]:
    """Where the model's operator types run, when all subgraphs run in one place.

    Else where its subgraphs do: the log does not tell which operators are in which.
    """
    targets = set(by_subgraph.values())
    return dict.fromkeys(operators, targets.pop()) if len(targets) == 1 else by_subgraph


def placement(artifact: Artifact) -> Mapping[str, str]:
    """Where the parts of an artifact run, as its build log tells; empty where it does not."""
    figures = parse_build_log(text_named(artifact.extras, base.BUILD_LOG))
    known = {} if isinstance(figures, Failure) else figures.placement
    return by_operator(known, tuple(artifact.onnx.operators))


def with_traces(
    figures: Figures, traces: Mapping[str, Trace], clock_mhz: float | None, graph: NodeGraph | None = None
) -> Figures:
    """The figures with the compiler's timelines, by subgraph, and the time that these are of.

    Where a timeline is as long as the log's cycles it is written in these, and a time only over a declared
    clock; else its own microseconds are a simulated latency, as long as every NPU subgraph has one.
    """
    if not traces:
        return figures
    listed = figures.details.get("placement_of_subgraphs") or ()
    total = figures.details.get("max_cycle")
    cycles = {f"subgraph_npu_{one['subgraph']}": one["max_cycle"] for one in listed}
    of = {name: cycles.get(name) or (total if len(traces) == 1 else None) for name in traces}
    details = {
        **figures.details,
        "timelines": {name: pulsar2_analyses.plain(trace, of[name]) for name, trace in traces.items()},
    }
    in_cycles = any(trace.in_cycles(of[name]) for name, trace in traces.items())
    figures = replace(figures, layers=pulsar2_layers.table_of(traces, in_cycles, clock_mhz, graph))
    npu_count = sum(one["target"] == "NPU" for one in listed) or 1
    if figures.latency_us is not None or in_cycles or clock_mhz is not None or len(traces) != npu_count:
        return replace(figures, details=details)
    statistic = "length of the compiler's timeline, which the vendor says is aligned with the board"
    latency = Latency(n=1, mean=sum(trace.span_us for trace in traces.values()))
    return replace(figures, latency_us=latency, details=details, statistic=statistic)


def measured(calls: Sequence[AxRunModel], npu_mode: str | None, artifact: Artifact | None) -> Figures:
    """Calls of a runner as one figure, with what its time covers; placement is the compiler's."""
    rounds = [round_of(call) for call in calls]
    by_card = any(call.by_card for call in calls)
    runner = "axcl_run_model" if by_card else "ax_run_model"
    bounds = part_of_npu(npu_mode, str(artifact.settings.get("target_hardware"))) if artifact else None
    details = {
        **{key: value for key, value in calls[-1].texts.items() if key != "model"},
        "latency_covers": DEVICE_TIME if by_card else WHOLE_CALL,
    }
    memory = [call.cmm_bytes for call in calls]
    placed = placement(artifact) if artifact else {}
    figures = base.measured(runner, rounds, memory, npu_mode, artifact, placed, details)
    return replace(figures, bounds=bounds)


def round_of(call: AxRunModel) -> CallMean:
    """One call as a round."""
    return CallMean(call.mean_us, call.repeat, call.min_us, call.max_us, call.percentiles_us)


def _traces(files: Sequence[Path]) -> dict[str, Trace]:
    found: dict[str, Trace] = {}
    for path in files:
        # compiler/debug/<subgraph>/b1/trace.json
        if path.name == TRACE and not isinstance(
            trace := pulsar2_analyses.parse_trace(text_if_any(path)), Failure
        ):
            found[path.parent.parent.name] = trace
    return found
