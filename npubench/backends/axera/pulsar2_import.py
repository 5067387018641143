"""What Pulsar 2's tools printed elsewhere, to what a live run would have told.

A file may hold a build log, the table of a precision analysis, a timeline (trace.json), a log of
`pulsar2 run` or the output of a runner, alone or several in one.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath

from npubench.backends.axera import (
    board_errors,
    build_errors,
    pulsar2_figures,
    pulsar2_precision,
    pulsar2_run,
    pulsar2_trace,
)
from npubench.backends.axera.ax_run_model import AxRunModel, parse_ax_run_model, wrong_repeat
from npubench.backends.axera.lines import DamagedError, short_lines, whole_lines
from npubench.backends.axera.pulsar2_log import BREAKS_OFF, ended, parse_build_log
from npubench.domain.records import Failure, Figures, Kind, LogCase, NoAccuracy
from npubench.domain.specs import Precision

_BUILD = re.compile(
    r".*\| (?:DEBUG|INFO|WARNING|ERROR|SUCCESS) +\| (?!yamain\.command\.run\b|frontend\.npu_)"
    r"(?:yamain|yasched|backend|frontend)\.|.*\bpulsar2 build\b"
    r"|.*QuantAxModel macs|.*\bmax_cycle = "
)
_RUNNER = re.compile(r"\s*Run AxModel:|\s*min = +[0-9.]+ ms|.*\bax(?:cl)?_run_model +-")
_TABLE = re.compile(r"\s*Quant Precision Table\b")
_MODEL_OF_COMMAND = re.compile(r"\bpulsar2 (?:build\b.*--input|run\b.*--model)[ =](\S+)")
_HEAD = re.compile(r"\s*Run AxModel:")
_MODEL = re.compile(r"\s*model: (.+)")
_ASKED = re.compile(r"\bax(?:cl)?_run_model\b.* (?:-r|--repeat)[ =]?([0-9]{1,9})\b")
_JSON = re.compile(r"\s*[{\[]")
_KEYS_OF_TASKS = ('"ts"', '"dur"', '"tid"')
_ANY_NAME = {"model", "compiled", "output", "test", "tmp"}


def read_log(text: str) -> tuple[LogCase, ...]:
    """The cases of a file: one, or one for each model that a runner was called for; none of another file."""
    if _JSON.match(text) and all(key in text for key in _KEYS_OF_TASKS):
        return _timeline(text)
    lines = short_lines(text)
    of_build, of_runner = (any(map(tells.match, lines)) for tells in (_BUILD, _RUNNER))
    of_run = any(map(pulsar2_run.tells, lines))
    if not (of_build or of_runner or of_run or any(map(_TABLE.match, lines))):
        return ()
    case = LogCase(_name(lines), precision=Precision.INT8)
    case = _with_build(case, text) if of_build else _with_tables(case, text)
    case = _with_simulated_run(case, text) if of_run else case
    if not of_runner:
        return (case,)
    calls = _calls(text)
    if len(calls) == 1:
        return (_with_calls(case, next(iter(calls.values()))),)
    # What was built is one model: it is not said which of these.
    bare = LogCase(precision=Precision.INT8)
    return tuple(_with_calls(replace(bare, name=name), called) for name, called in calls.items())


def _with_build(case: LogCase, text: str) -> LogCase:
    figures = parse_build_log(text)
    if isinstance(figures, Failure):
        named = build_errors.explain("pulsar2", text)
        return replace(case, failure=named, warnings=() if named else (figures.message,))
    breaks_off = figures.details.get("problem") == BREAKS_OFF
    if breaks_off and (named := build_errors.explain("pulsar2", text)):
        return replace(case, failure=named)
    return replace(case, estimate=figures)


def _with_tables(case: LogCase, text: str) -> LogCase:
    try:
        tables = pulsar2_precision.tables(whole_lines(ended(text)))
    except DamagedError as damage:
        return replace(case, warnings=(f"the precision table cannot be read: {damage}",))
    if not tables:
        return case
    return replace(case, estimate=pulsar2_precision.with_accuracy(Figures(Kind.SIMULATED), tables))


def _with_simulated_run(case: LogCase, text: str) -> LogCase:
    """The case with the outputs that `pulsar2 run` says it wrote; their values are in no log."""
    samples = pulsar2_run.parse_run(text)
    if isinstance(samples, Failure):
        return replace(case, warnings=(*case.warnings, samples.message))
    if case.failure is None and not any(samples.values()):
        case = replace(case, failure=build_errors.explain("pulsar2", text))
    figures = case.estimate or Figures(Kind.SIMULATED)
    if figures.accuracy is None and figures.no_accuracy is None:
        why = "a log of pulsar2 run tells which outputs it wrote, not their values"
        figures = replace(figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why)
    written = {
        sample: {name: {"path": one.path, "bytes": one.size_bytes} for name, one in outputs.items()}
        for sample, outputs in samples.items()
    }
    return replace(case, estimate=replace(figures, details={**figures.details, "simulated_run": written}))


def _with_calls(case: LogCase, calls: Sequence[AxRunModel | Failure]) -> LogCase:
    """The case with all calls of its model as one figure; one that cannot be read leaves none."""
    whole = [call for call in calls if not isinstance(call, Failure)]
    damaged = [call for call in calls if isinstance(call, Failure)]
    if damaged or not whole:
        return replace(case, failure=damaged[0])
    call = whole[-1]
    versions = {
        "pulsar2": call.texts.get("pulsar2_version"),
        "axclrt": call.texts.get("axclrt_version"),
        "engine": call.texts.get("engine_version"),
        "axcl_run_model" if call.by_card else "ax_run_model": call.texts.get("tool_version"),
    }
    tools = {name: version for name, version in versions.items() if version}
    name = PurePosixPath(call.texts.get("model", "")).stem
    return replace(
        case,
        name=case.name or ("" if name in _ANY_NAME else name),
        figures=pulsar2_figures.measured(whole, None, None),
        tools=tools,
    )


def _calls(text: str) -> dict[str, list[AxRunModel | Failure]]:
    """The printouts of a text by their models' names, each from its runner's command line or its head on."""
    lines = text.split("\n")
    heads = [number for number, line in enumerate(lines) if _HEAD.match(line)] or [0]
    commands = [number for number, line in enumerate(lines) if _ASKED.search(line)]
    starts = [0]
    for previous, head in pairwise(heads):
        starts.append(next((line for line in reversed(commands) if previous < line < head), head))
    found: dict[str, list[AxRunModel | Failure]] = {}
    for begin, end in pairwise([*starts, len(lines)]):
        part = "\n".join([*lines[begin:end], *([""] if end < len(lines) else [])])
        model = next((match[1] for line in lines[begin:end] if (match := _MODEL.fullmatch(line))), "")
        found.setdefault(PurePosixPath(model.strip()).stem, []).append(_call(part))
    return found


def _call(text: str) -> AxRunModel | Failure:
    call = parse_ax_run_model(text)
    if isinstance(call, Failure):
        return board_errors.explain("ax_run_model", text) or call
    asked = _asked(short_lines(text))
    return call if asked is None else wrong_repeat(call, asked) or call


def _timeline(text: str) -> tuple[LogCase, ...]:
    trace = pulsar2_trace.parse_trace(text)
    if isinstance(trace, Failure):
        return (LogCase(failure=trace, precision=Precision.INT8),)
    figures = pulsar2_figures.with_traces(Figures(Kind.SIMULATED), {"subgraph_npu_0": trace}, None)
    return (LogCase(estimate=figures, precision=Precision.INT8),)


def _name(lines: list[str]) -> str:
    """What a command line of pulsar2 calls the model; empty where the file's name has to tell."""
    named = {PurePosixPath(match[1]).stem for line in lines if (match := _MODEL_OF_COMMAND.search(line))}
    return named.pop() if len(named) == 1 and not named & _ANY_NAME else ""


def _asked(lines: list[str]) -> int | None:
    """How many runs the runner's command line asks for; None where the log has none, or several."""
    counts = {int(match[1]) for line in lines if (match := _ASKED.search(line))}
    return counts.pop() if len(counts) == 1 else None
