"""One row for people: what came of it, its figures, what it rests on, and what to do next."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from npubench.domain.layout import Labelled, command_lines, wrapped
from npubench.domain.records import BoardState, Result, earlier
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.figures import whole_npu
from npubench.reporting.sanity import Doubt
from npubench.reporting.terminal.advice import advice_lines, advice_of
from npubench.reporting.terminal.facts import (
    Section,
    count,
    facts,
    number,
    pairs,
    section_lines,
    size,
    tensors,
)
from npubench.reporting.terminal.figures import sections_of
from npubench.reporting.terminal.remedies import Act


def lines_of(result: Result, doubts: Sequence[Doubt], out: Path, width: int) -> list[str]:
    """All that is known of a row but its log; times and sizes with their units, hashes whole.

    `doubts` are those about it; `out` is its workspace, for the commands of what to do.
    """
    lines = [*wrapped(result.case, width), *wrapped(_told(result), width, "  ", "  ")]
    lines += section_lines(_sections(result, doubts, width), width)
    if advice := advice_of([result], doubts, out):
        lines += ["", "What to do", *(f"  {line}" for line in advice_lines(advice, width - 2, Act.SHOW))]
    return lines


def _told(result: Result) -> str:
    """`int8 on local (chip cpu, emulated), by onnxruntime: ok, noisy`."""
    precision = "" if result.precision is Precision.NONE else f"{result.precision.value} "
    emulated = ", emulated" if result.emulated else ""
    ended = ", ".join(filter(None, (result.status.value, result.verdict and result.verdict.value)))
    return f"{precision}on {result.board} (chip {result.chip}{emulated}), by {result.backend}: {ended}"


def _sections(result: Result, doubts: Sequence[Doubt], width: int) -> Iterator[Section]:
    yield Section("How it ended", _ended(result, doubts))
    words = ["npubench", "layers", result.case, "--board", result.board]
    command = shlex.join(words)
    if result.figures is not None:
        yield from sections_of(result.figures, "", command, width)
    if result.estimate is not None:
        yield from sections_of(result.estimate, ", beside it", command, width)
    if (whole := whole_npu(result)) is not None:
        yield from sections_of(whole, ", of the whole NPU", command, width)
    yield Section("Model" if result.case_kind is CaseKind.MODEL else "Case", _model(result))
    yield Section("Data", _data(result))
    yield Section("Board", _board(result.board_before, result.board_after))
    yield Section("Provenance", _provenance(result, width))


def _ended(result: Result, doubts: Sequence[Doubt]) -> list[Labelled]:
    failure = result.failure
    told = facts(
        ("failed in", failure.stage.value if failure else None),
        ("class", failure.failure_class.value if failure else None),
        ("operators", ", ".join(failure.operators) if failure else None),
        ("message", failure.message if failure else None),
        ("skipped", str(result.skip_reason) if result.skip_reason else None),
    )
    told += [Labelled("note", str(one)) for one in result.warnings]
    old = ", ".join(one.value for one in earlier(result))
    told += facts(("earlier definition", old and f"of {old}: not comparable with rows of today"))
    return told + [
        Labelled(f"{one.strength} doubt", f"{one.reason} ({one.doubt_class})", ()) for one in doubts
    ]


def _model(result: Result) -> list[Labelled]:
    return facts(
        ("kind", result.case_kind.value),
        ("task", result.task),
        ("operator", result.op),
        ("MACs", count(result.macs)),
        ("parameters", count(result.parameters)),
        ("inputs", tensors(result.inputs)),
        ("outputs", tensors(result.outputs)),
        ("operators", ", ".join(f"{name} {many}" for name, many in result.operators.items())),
        ("opset", str(result.opset) if result.opset is not None else None),
        ("exported", pairs(result.exported)),
        ("artifact", size(result.artifact_bytes)),
    )


def _data(result: Result) -> list[Labelled]:
    data = result.data
    if data is None:
        return []
    held = "" if data.held_out else ": the same samples, for want of more"
    return facts(
        ("source", data.source.value),
        ("samples", f"{data.calibrated} calibrate, {data.evaluated} are compared{held}"),
        ("inputs", pairs(data.inputs)),
        ("note", str(data.note)),
    )


def _board(before: BoardState | None, after: BoardState | None) -> list[Labelled]:
    known = before or after
    if known is None:
        return []
    return facts(
        ("host", known.hostname),
        ("processor", known.cpu_model),
        ("cores", str(known.cores) if known.cores else None),
        ("memory", size(known.memory_total_bytes)),
        ("system", ", ".join(filter(None, (known.distribution, known.kernel))) or None),
        ("instructions", " ".join(known.cpu_flags)),
        ("before", _state(before)),
        ("after", _state(after)),
    )


def _state(state: BoardState | None) -> str | None:
    if state is None:
        return None
    clocks = (
        [number(one) for one in (min(state.clocks_mhz), max(state.clocks_mhz))] if state.clocks_mhz else []
    )
    parts = facts(
        ("", state.taken_at),
        ("governor", state.governor),
        ("clocks", f"{' to '.join(str(one) for one in dict.fromkeys(clocks))} MHz" if clocks else None),
        ("", number(state.temperature_c, "deg C")),
        ("load", number(state.load_1min)),
        ("free", size(state.memory_available_bytes)),
        ("up", number(None if state.uptime_s is None else state.uptime_s / 3600, "h")),
        ("", pairs(state.extra)),
    )
    return ", ".join(f"{one.label} {one.text}".strip() for one in parts)


def _provenance(result: Result, width: int) -> list[Labelled]:
    command = tuple(command_lines(result.command, width)) if result.command else ()
    return (
        facts(
            ("run", result.run_id),
            ("started", f"{result.started_at}, took {number(result.duration_s, 's')}"),
            ("npubench", result.npubench_version),
            ("tools", pairs(result.tools)),
            ("protocol", pairs(result.protocol)),
            ("seeds", pairs(result.seeds)),
            (
                "definitions",
                f"quantisation {result.definitions.quantisation}, fps {result.definitions.throughput}",
            ),
        )
        + ([Labelled("command", "", command)] if command else [])
        + facts(
            ("model SHA-256", result.onnx_sha256),
            ("artifact SHA-256", result.artifact_sha256),
            ("log", result.log_path),
            ("log SHA-256", result.log_sha256),
            ("single times", result.samples_path),
            ("times SHA-256", result.samples_sha256),
            ("key", result.key),
        )
    )
