"""Figures of Pulsar 1: what the compiler simulates, and what run_joint measures; never in one record."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from npubench.backends.axera import base, run_joint
from npubench.backends.axera.run_joint import RunJoint
from npubench.domain.figures import (
    Accuracy,
    Figures,
    Kind,
    Latency,
    NoAccuracy,
    OutputAccuracy,
    RateFrom,
    Sampling,
    npu_part,
    part_of_npu,
)
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Artifact, Failure, Stage
from npubench.domain.specs import SamplesFrom, TensorSpec
from npubench.measure.statistics import CallMean, weighted_mean
from npubench.storage.files import text_named
from npubench.tools.logs import (
    DamagedError,
    Field,
    need,
    not_whole,
    note_line,
    put_once,
    reading,
    reject_split_number,
    whole_lines,
)

INFO_LOG = "info.log"
RUN_LOG = "simulated_run.log"
REPORTS = "inference_report"


def simulated(artifact: Artifact) -> Figures | None:
    """The inference reports of all parts, and the accuracy of the simulated execution."""
    # Reports of subgraphs are contained in their part's.
    named = f"{REPORTS}/*.lava/inference_report.log"
    reports = [path for path in artifact.extras if path.match(named)]
    figures = _sum_of(reports) if reports else Figures(Kind.SIMULATED, details={"parts": 0})
    details: dict[str, Any] = dict(figures.details)
    parts = parts_of(artifact)
    if parts:
        details["joint_parts"] = {f"part_{part.number}": part.kind for part in parts}
    placement = run_joint.placement(artifact.onnx.operators, {}, parts)
    figures = replace(
        figures,
        placement=placement,
        computed=base.computed(placement, artifact.onnx),
        npu=npu_part(artifact.settings.get("npu_mode")),
    )
    scores = parse_scores(text_named(artifact.extras, RUN_LOG))
    if isinstance(scores, Failure):
        details[base.SIMULATED] = scores.message
        not_read = Note(NoteCode.SIMULATED_EXECUTION, {"what": f"not read: {scores.message}"})
        return replace(
            figures, details=details, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=not_read
        )
    if not reports and not scores:
        return None
    outputs = [tensor.name for tensor in artifact.onnx.outputs]
    details |= base.ran(artifact)
    worst = accuracy(scores, outputs)
    if scores and worst is None:
        details["scores_of_some_outputs"] = {name: asdict(score) for name, score in scores.items()}
    part = part_of_npu(str(artifact.settings.get("npu_mode")))
    figures = replace(figures, details=details, bounds=part)
    if worst is not None:
        return replace(figures, accuracy=worst)
    ran = {"what": str(artifact.settings.get(base.SIMULATED, "not done"))}
    why = Note(NoteCode.SOME_SCORES) if scores else Note(NoteCode.SIMULATED_EXECUTION, ran)
    return replace(figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why)


def parts_of(artifact: Artifact) -> tuple[run_joint.JointPart, ...]:
    """The parts that the toolchain lists of its .joint; none where it lists none."""
    return run_joint.read_parts(text_named(artifact.extras, INFO_LOG))


def measured(calls: Sequence[RunJoint], npu_mode: str, artifact: Artifact | None) -> Figures:
    """Calls of run_joint as one figure: latency is the run task, the wall clock of one inference.

    The NPU's own time leaves out what the host adds. `artifact` is what ran, where
    that is known: without it there is no placement by operator.
    """
    rounds = [round_of(call) for call in calls]
    creates = [call.create_ms["total"] for call in calls if call.create_ms is not None]
    last = calls[-1]
    names = sorted({name for call in calls for name in call.parts})
    kinds = run_joint.ran_on(calls)
    operators = artifact.onnx.operators if artifact else ()
    placed = run_joint.placement(operators, kinds, parts_of(artifact) if artifact else ())
    details = {
        "board_npu_mode": last.npu_mode,
        **{f"{name.lower()}_us": _part_mean(calls, name, rounds) for name in names if name != "NEU"},
        "parts_ran_on": kinds,
        **last.texts,
        "perf_count_eu": last.perf_eu,
        "inputs": [asdict(tensor) for tensor in last.inputs],
        "outputs": [asdict(tensor) for tensor in last.outputs],
        "calls": [
            {key: of[key] for key in of if key not in ("inputs", "outputs", "texts")}
            for of in map(asdict, calls)
        ],
    }
    memory = [call.cmm_bytes for call in calls]
    return replace(
        base.measured("run_joint", rounds, memory, npu_mode, artifact, placed, details),
        load_us=round(statistics.median(creates) * 1000, 3) if creates else None,
        host_overhead_us=weighted_mean([call.host_overhead_us for call in calls], [one.n for one in rounds]),
        bounds=part_of_npu(npu_mode),
        npu_time_us=_part_mean(calls, "NEU", rounds),
        npu_counter=last.perf_total,
        told_inputs=_tensors(last.inputs),
        told_outputs=_tensors(last.outputs),
    )


def round_of(call: RunJoint) -> CallMean:
    """One call as a round."""
    return CallMean(float(call.run_task_us), call.rounds)


def _tensors(listed: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """As far as they are tensors of known sizes."""
    return tuple(TensorSpec(one.name, tuple(one.shape)) for one in listed if one.shape is not None)


def _part_mean(calls: Sequence[RunJoint], name: str, rounds: Sequence[CallMean]) -> float | None:
    times = [call.parts[name].us if name in call.parts else None for call in calls]
    return weighted_mean(times, [one.n for one in rounds])


def _sum_of(reports: Sequence[Path]) -> Figures:
    parts: list[PartReport] = []
    for path in reports:
        report = parse_inference_report(path.read_text(encoding="utf-8", errors="replace"))
        if isinstance(report, Failure):
            problem = f"{path.parent.name}: {report.message}"
            return Figures(Kind.SIMULATED, details={"parts": len(reports), "problem": problem})
        parts.append(report)
    return add_parts(parts)


_F = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_I = r"([0-9]{1,15})"
_LINES: Mapping[str, re.Pattern[str]] = {
    "inference": re.compile(rf"\s*inference: {_F} ms, {_F} fps\s*"),
    "qps": re.compile(rf"\s*qps = fps \* batch_size = {_F}"),
    "ddr_bandwidth_gbs": re.compile(rf"\s*simulated fps is based on DDR_BW: {_F} GB/s\s*"),
    "ideal_input_bytes": re.compile(rf"\s*ideal_input_data_size: {_I} Byte,?\s*"),
    "ideal_output_bytes": re.compile(rf"\s*ideal_output_data_size: {_I} Byte,?\s*"),
    "extra_mid_bytes": re.compile(rf"\s*extra_mid_io_data_size: {_I} Byte,?\s*"),
    "io_bytes": re.compile(rf"\s*total_io_data_size: {_I} Byte,?\s*"),
    "macs": re.compile(rf"\s*MAC per inference: {_I} MAC@\w+\s*"),
    "mac_utils_percent": re.compile(rf"\s*MAC utils: {_F} ?%\s*"),
}
_FIELDS: dict[str, Field] = {key: (pattern, re.Match.groups) for key, pattern in _LINES.items()}
_KNOWN = re.compile(r"\s*(?:inference:|qps =|total_io_data_size:|MAC per inference:|MAC utils:)")
_COUNT = r"\s*([0-9]{1,15})(?: ?\([0-9.]+ ?%\))?\s*\|"
_EU_ROW = re.compile(rf"\|\s*(conv-[0-9]{{1,2}}cores?|teng|stream)\s*\|{_COUNT}{_COUNT}[^|]*\|[^|]*\|[^|]*\|")
_EU_HEADER = ["EU", "work_cyc", "tot_cyc", "ratio", "fps", "fps_bnd"]
CLOCK_HZ = 800e6
"""Of the AX620A's NPU: cycles in all times frames per second in the documented report, and in every other."""
_STEP_FPS = 0.005
"""The report rounds frames per second to two decimals, which is far from the time of a slow model."""
_MS_TOLERANCE = 0.06
"""The report rounds milliseconds to one decimal; the frames per second are finer."""


@dataclass(frozen=True, slots=True)
class EuCycles:
    """Cycles of one execution unit: at work, and in total."""

    work: int
    total: int


@dataclass(frozen=True, slots=True)
class PartReport:
    """The simulation of one part. `mac_utilisation` in 0..1; what the report lacks is None.

    `fps` and `qps` are as printed; `frame_s` is the time of one run of `batch` inputs.
    """

    fps: float
    qps: float
    macs: int | None = None
    mac_utilisation: float | None = None
    io_bytes: int | None = None
    ddr_bandwidth_gbs: float | None = None
    eu_cycles: Mapping[str, EuCycles] = field(default_factory=dict)

    @property
    def frame_s(self) -> float:
        """From the cycles of the longest unit, where they are those of the printed rate; else from that."""
        cycles = max((unit.total for unit in self.eu_cycles.values()), default=0)
        return cycles / CLOCK_HZ if self.by_cycles else 1 / self.fps

    @property
    def by_cycles(self) -> bool:
        """Whether the cycles give the printed rate at the known clock, within its rounding."""
        cycles = max((unit.total for unit in self.eu_cycles.values()), default=0)
        return cycles > 0 and abs(CLOCK_HZ / cycles - self.fps) <= _STEP_FPS * 1.01

    @property
    def batch(self) -> int:
        """Inputs of one run."""
        return round(self.qps / self.fps)


def add_parts(parts: Sequence[PartReport]) -> Figures:
    """Figures of a whole model: parts run one after the other, so times, MACs and bytes add up.

    A total is None when one part lacks it. Utilisation is weighted by time, since it is MACs per
    second over the same peak.
    """
    seconds = [part.frame_s / part.batch for part in parts]
    frame_us = sum(1e6 * part.frame_s for part in parts)
    eu: dict[str, dict[str, int]] = {}
    for part in parts:
        for name, cycles in part.eu_cycles.items():
            total = eu.setdefault(name, {"work": 0, "total": 0})
            total["work"] += cycles.work
            total["total"] += cycles.total
    bandwidths = {part.ddr_bandwidth_gbs for part in parts}
    batches = {part.batch for part in parts}
    batch = max(batches) if len(batches) == 1 else 1
    return Figures(
        kind=Kind.SIMULATED,
        latency_us=Latency(n=1, mean=frame_us),
        throughput_fps=1 / sum(seconds),
        throughput_from=RateFrom.TOOL,
        sampling=Sampling(batch, SamplesFrom.TOOL) if batch > 1 else None,
        tool_macs=_sum([part.macs for part in parts]),
        counts_idle_lanes=True,
        mac_utilisation=weighted_mean([part.mac_utilisation for part in parts], seconds),
        io_bytes=_sum([part.io_bytes for part in parts]),
        details={
            "parts": len(parts),
            "qps_of_parts": [1 / second for second in seconds],
            "time_from": "cycles" if all(part.by_cycles for part in parts) else "printed fps",
            "eu_cycles": eu if all(part.eu_cycles for part in parts) else None,
            "ddr_bandwidth_gbs": bandwidths.pop() if len(bandwidths) == 1 else None,
        },
    )


def split_reports(text: str) -> list[str]:
    """The reports within a longer log, each from its `inference:` line up to the next one."""
    lines = whole_lines(text)
    starts = [at for at, line in enumerate(lines) if _LINES["inference"].fullmatch(line)]
    for number, start in enumerate(starts):
        while start > 0 and lines[start - 1].lstrip().startswith("|"):
            start -= 1
        starts[number] = start
    return ["\n".join([*lines[begin:end], ""]) for begin, end in pairwise([*starts, len(lines)])]


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


@reading(Stage.COMPILE, "inference_report.log")
def parse_inference_report(text: str) -> PartReport:
    """One part's report; UNPARSED_OUTPUT for anything doubtful."""
    lines = whole_lines(text)
    found: dict[str, Any] = {}
    for previous, line in pairwise(["", *lines]):
        if not note_line(line, _FIELDS, found):
            if _KNOWN.match(line):
                raise not_whole(line)
            if "qps" in previous:
                reject_split_number(previous, line)
    ms, fps = map(float, need(found, "inference"))
    told = {key: float(value[0]) for key, value in found.items()}
    macs, io_bytes = (int(told[key]) if key in told else None for key in ("macs", "io_bytes"))
    return PartReport(
        fps=fps,
        qps=fps * _batch(ms, fps, told.get("qps", fps)),
        macs=macs,
        mac_utilisation=round(told["mac_utils_percent"] / 100, 6) if "mac_utils_percent" in told else None,
        io_bytes=io_bytes,
        ddr_bandwidth_gbs=told.get("ddr_bandwidth_gbs"),
        eu_cycles=_eu_cycles(lines),
    )


def _batch(ms: float, fps: float, qps: float) -> int:
    if fps <= 0:
        raise DamagedError("a simulation of 0 fps")
    if abs(1000 / fps - ms) > max(_MS_TOLERANCE, 0.02 * ms, 1.02 * ms * _STEP_FPS / fps):
        raise DamagedError(f"{ms} ms and {fps} fps contradict each other")
    batch = round(qps / fps)
    if batch < 1 or abs(qps - batch * fps) > max(0.01 * batch * fps, 1.02 * _STEP_FPS * (batch + 1)):
        raise DamagedError(f"{qps} qps is no multiple of {fps} fps")
    return batch


def _eu_cycles(lines: list[str]) -> dict[str, EuCycles]:
    """Rows of the table of execution units; all of it or nothing."""
    cycles: dict[str, EuCycles] = {}
    inside = False
    for line in map(str.strip, lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        closed = line.startswith("|") and line.endswith("|")
        if cells == _EU_HEADER:
            inside = True
        elif not closed or set("".join(cells)) <= set("-+:= "):
            inside = inside and closed
        elif inside:
            if (row := _EU_ROW.fullmatch(line)) is None:
                return {}
            one = EuCycles(int(row[2]), int(row[3]))
            if one.work > one.total or cycles.setdefault(row[1], one) != one:
                return {}
    return cycles


_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_INFO: dict[str, Field] = {
    "npu_mode": (
        re.compile(r"\s*Virtual NPU: AX620_VNPU_([0-9A-Z]+)\s*"),
        lambda line: "0" if line[1] == "DISABLE" else line[1],
    ),
    "toolchain": (re.compile(r"\s*Toolchain Version: (\S+)\s*"), lambda line: line[1]),
    "memory_bytes": (
        re.compile(r"\s*Approx Memory: ([0-9]+(?:\.[0-9]+)?) (B|KB|MB|GB)\s*"),
        lambda line: round(float(line[1]) * _BYTES[line[2]]),
    ),
}
_SCORE = re.compile(
    r"(?:\[[^\]]*\])?\s*Layer: (\S+) +2-norm RE: ([0-9]{1,9}(?:\.[0-9]{1,6})?)%"
    r" +cosine-sim: (-?[01]\.[0-9]{4,9})\s*"
)


@reading(Stage.COMPILE, "pulsar info")
def parse_info(text: str) -> Mapping[str, Any]:
    """What `pulsar info` tells of a .joint's `npu_mode` (`111`, `112`, `0`), `memory_bytes` and `toolchain`.

    UNPARSED_OUTPUT when it contradicts itself.
    """
    found: dict[str, Any] = {}
    for line in whole_lines(text):
        note_line(line, _INFO, found)
    return found


@reading(Stage.COMPILE, "pulsar run")
def parse_scores(text: str) -> Mapping[str, OutputAccuracy]:
    """The score table of `pulsar run`, by output; empty without one.

    UNPARSED_OUTPUT when a row is damaged: the worst output may be the one that is missing.
    """
    scores: dict[str, OutputAccuracy] = {}
    inside = False
    for line in whole_lines(text):
        if match := _SCORE.fullmatch(line):
            put_once(scores, match[1], OutputAccuracy(float(match[3]), round(float(match[2]) / 100, 8)))
        elif inside and "Layer" in line:
            raise not_whole(line)
        inside = inside or "Score compare table" in line
    if any(abs(score.cosine) > 1 for score in scores.values()):
        raise DamagedError("a cosine beyond 1")
    return scores if inside else {}


def accuracy(scores: Mapping[str, OutputAccuracy], outputs: Sequence[str]) -> Accuracy | None:
    """The worst cosine and relative error; None unless the score of every output is there."""
    if not scores or len(scores) < len(outputs):
        return None
    return Accuracy(
        cosine=min(score.cosine for score in scores.values()),
        psnr_db=None,
        max_abs=None,
        relative_error=max(score.relative_error for score in scores.values()),
        outputs=scores,
    )
