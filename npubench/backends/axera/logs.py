"""Original logs of AX620A cases as text, to what a live run would have told.

The same parsers read them. A case whose parts speak of different models becomes a failure instead of a
figure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath

from npubench.backends.axera import pulsar2_analyses, pulsar2_log, pulsar2_run, pulsar_figures, toolchain
from npubench.backends.axera.base import saved_files
from npubench.backends.axera.pulsar2_log import BREAKS_OFF, ended, parse_build_log
from npubench.backends.axera.pulsar2_run import AxRunModel, parse_ax_run_model, wrong_repeat
from npubench.backends.axera.pulsar_figures import add_parts, parse_inference_report, split_reports
from npubench.backends.axera.run_joint import RunJoint, parse_run_joint, wrong_rounds
from npubench.backends.axera.toolchain import named_by
from npubench.domain.figures import Accuracy, Figures, Kind, NoAccuracy, npu_part, part_of_npu
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Failure, FailureClass, LogCase, Stage
from npubench.domain.specs import Precision
from npubench.tools.logs import DamagedError, case_name, plain, short_lines, whole_lines


@dataclass(slots=True)
class CaseText:
    """The sections of one case; `name` is what a heading calls it, `headed` whether there is any heading.

    The end of the log is kept as it is: a last line that may have been cut has no line end.
    """

    name: str | None = None
    convert: str = ""
    copy: str = ""
    profile: str = ""
    headed: bool = True


_PART = re.compile(r"part_([0-9]+)\.lava")
_MODE = re.compile(r"AX620_VNPU_(111|112|0)\b|VIRTUAL_NPU_MODE_(111|112|0)\b|--virtual_npu[ =](111|112|0)\b")
_JOINT = re.compile(r"[\w./+-]+\.joint\b")
_ANY_NAME = {"model", "output", "out", "compiled", "tmp", "test"}
_COPY_FAILED = re.compile(
    r"lost connection|[Cc]onnection (?:refused|timed out|closed|reset)|No route to host|Permission denied"
    r"|No such file or directory|No space left on device|Host key verification failed"
)
_PRINTED = re.compile(
    r"^\s*(?:run joint version: |Run task took [0-9]|inference: [0-9.]+ ms, |MAC per inference: [0-9])"
    r"|^\s*\[[0-9]{2} [0-9:]{8} .*\b(?:super_pulsar|neuwizard|wrapper_pulsar|pulsar)\b"
    r"|\bmodule 'neuwizard\.|\bneuwizard killed by |\bfrozen super_pulsar\.|File saved: \S+\.joint\b"
)
"""What none but these tools print."""
_COMMAND = re.compile(r"\bpulsar build .*--input\b|\brun_joint .*\.joint\b")
_ORIGINAL = re.compile(r"\W*(?:model-convert|copy-to-device)\W*", re.IGNORECASE)
"""Headings of the original benchmark script alone; `convert` is one of many a document, too."""
_RUN = re.compile(r"^\s*(?:run joint version: |Run task took )", re.MULTILINE)
_BUILD = re.compile(r"\bneuwizard\b|\bwrapper_(?:pulsar_build|neuwizard|toolchain)\b|\bpulsar build\b")
_COMPARED = re.compile(r"\bdumpped '([^']+)' to '\S*joint/\S*'")
"""Outputs that `pulsar run` compares afterwards: without the score of each the worst one may be missing."""
_UNREACHABLE = re.compile(
    r"^ssh: |[Cc]onnection (?:refused|timed out)|No route to host|Host key verification failed"
)
_NO_RUN = (
    (
        FailureClass.TOOL_MISSING,
        re.compile(r"run_joint: (?:.*: )?(?:(?:command )?not found|No such file or directory)"),
    ),
    (FailureClass.CRASH, re.compile(r"Segmentation fault|core dumped|\bAborted\b|Assertion .* failed")),
)
"""What stands in a profile section in place of figures."""
_INPUT = re.compile(r"\bpulsar build .*--input[ =](\S+\.onnx)\b")
_RUN_COMMAND = re.compile(r"\brun_joint (?=.*\.joint\b)(?:.*?--repeat[ =]([0-9]{1,9})\b)?")
"""Its options stand before the file or behind it."""


def read_log(text: str) -> tuple[LogCase, ...]:
    """The cases of one log; none where nothing of it is from Pulsar, run_joint or the original script."""
    cases = split_cases(text)
    lines = short_lines(text)
    stated = any(_PRINTED.search(line) for line in lines)
    if cases[0].headed and not stated:
        stated = any(_ORIGINAL.fullmatch(line) or _COMMAND.search(line) for line in lines)
    return tuple(_read_case(_name(case, len(cases)), case) for case in cases) if stated else ()


def _read_case(name: str, case: CaseText) -> LogCase:
    empty = LogCase(name, precision=Precision.INT8, skip_reason=Note(NoteCode.NO_PROFILE_SECTION))
    if mixed := _mixed(case):
        return replace(empty, failure=mixed)
    estimate = _estimate(case)
    warnings: tuple[str, ...] = ()
    if isinstance(estimate, Failure):
        warnings, estimate = (estimate.message,), None
    accuracy = _accuracy(case.convert)
    if accuracy is not None:
        estimate = replace(estimate or Figures(Kind.SIMULATED), accuracy=accuracy)
    call = _profile(case)
    if not isinstance(call, Failure):
        if stale := _stale(case):
            return replace(empty, failure=stale)
        mode = _mode(case, call.npu_mode)
        figures = pulsar_figures.measured([call], mode, None)
        if estimate is not None:
            estimate = replace(estimate, npu=npu_part(mode), bounds=part_of_npu(mode))
        versions = {"run_joint": "runner_version", "pulsar": "tools_version"}
        tools = {name: call.texts[key] for name, key in versions.items() if key in call.texts}
        return replace(empty, estimate=estimate, figures=figures, warnings=warnings, tools=tools)
    return replace(empty, estimate=estimate, failure=_failure(case, call), warnings=warnings)


def _profile(case: CaseText) -> RunJoint | Failure:
    """What run_joint measured, of the rounds that its command line in the log asks for."""
    call = parse_run_joint(case.profile)
    asked = _asked(_RUN_COMMAND, case.profile)
    return call if isinstance(call, Failure) or asked is None else wrong_rounds(call, asked) or call


def _is_built(case: CaseText) -> bool:
    """The tool says so, or the script went on: it copies nothing without a .joint."""
    return bool(saved_files(case.convert, ".joint")) or (case.headed and bool(case.copy.strip()))


def _failure(case: CaseText, profile: Failure) -> Failure | None:
    """Why there is no measurement; None for a log that ends well before its profile section."""
    built = _is_built(case)
    whole_log = not case.headed
    if not built and (named := toolchain.explain("pulsar", case.convert)):
        return named
    copied = () if whole_log else short_lines(case.copy)
    if failed := named_by(((FailureClass.TRANSFER_FAILED, _COPY_FAILED),), copied, Stage.TRANSFER):
        return failed
    if case.profile.strip() and (not whole_log or _RUN.search(case.profile)):
        return toolchain.explain_run("run_joint", case.profile) or _no_run(case.profile) or profile
    if built or (whole_log and not _BUILD.search(case.convert)):
        return None
    message = "the log ends without a saved .joint: the converter crashed or hung"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _no_run(profile: str) -> Failure | None:
    """Why run_joint printed no figures, where the section says so itself."""
    lines, lost = short_lines(profile), ((FailureClass.BOARD_UNREACHABLE, _UNREACHABLE),)
    return named_by(lost, lines, Stage.TRANSFER) or named_by(_NO_RUN, lines, Stage.MEASURE)


def _stale(case: CaseText) -> Failure | None:
    """The failure of a profile of what its own build cannot have made."""
    named = None if saved_files(case.convert, ".joint") else toolchain.explain("pulsar", case.convert)
    if named is None:
        return None
    message = f"the build failed ({named.message}), so the profile is of an older .joint"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message[:300], named.operators)


def _estimate(case: CaseText) -> Figures | Failure | None:
    convert = case.convert
    parsed = [parse_inference_report(text) for text in split_reports(convert)]
    if not parsed:
        return None
    if not (_is_built(case) or case.profile.strip() if case.headed else _is_whole(convert, len(parsed))):
        message = "the build breaks off after an inference report: its simulation may lack parts"
        return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
    parts = []
    for report in parsed:
        if isinstance(report, Failure):
            return report
        parts.append(report)
    named = len(set(_PART.findall(convert)))
    if all(part == parts[0] for part in parts) and named <= 1:
        parts = parts[:1]
    if len(parts) != max(1, named):
        message = f"{len(parts)} inference reports for {max(1, named)} part(s): none can be trusted"
        return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
    return add_parts(parts)


def _is_whole(text: str, reports: int) -> bool:
    """Whether a text without headings has the reports of all parts: of a built model, or one report alone."""
    if saved_files(text, ".joint") or _RUN.search(text):
        return True
    return reports == 1 and not _BUILD.search(text)


def _accuracy(text: str) -> Accuracy | None:
    """The scores of `pulsar run`, where it says which outputs it compares and each has one."""
    outputs = [match[1] for line in short_lines(text) if (match := _COMPARED.search(line))]
    scores = pulsar_figures.parse_scores(text) if outputs else {}
    return None if isinstance(scores, Failure) else pulsar_figures.accuracy(scores, outputs)


def _mixed(case: CaseText) -> Failure | None:
    names = {
        PurePosixPath(path).stem
        for section in (case.convert, case.copy, case.profile)
        for line in short_lines(section)
        if ".joint" in line
        for path in _JOINT.findall(line)
    }
    stated = sorted(name for name in names if name not in _ANY_NAME)
    if len(stated) < 2:
        return None
    message = f"one log speaks of {', '.join(stated)}: its figures may be of any of them"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)


def _name(case: CaseText, count: int) -> str:
    """What the log calls the case; empty where its file's name has to tell."""
    if case.name and case.name not in _ANY_NAME:
        return case.name
    if count == 1:
        return ""
    given = [match[1] for line in short_lines(case.convert) if (match := _INPUT.search(line))]
    for paths in (given, saved_files(case.convert, ".joint")):
        stated = {stem for path in paths if (stem := PurePosixPath(path).stem) not in _ANY_NAME}
        if len(stated) == 1:
            return stated.pop()
    return ""


def _mode(case: CaseText, board_mode: str | None) -> str:
    stated: set[str] = {mode for match in _MODE.findall(case.convert) for mode in match if mode}
    if len(stated) == 1:
        return stated.pop()
    return "0" if board_mode == "disable" else board_mode or "unknown"


_WORDS = {
    "convert": r"(?:model[-_ ]?)?conver(?:t|sion|ting)(?:[-_ ]model)?",
    "copy": r"copy(?:[-_ ]?(?:model[-_ ]?)?to[-_ ]?(?:the[-_ ]?)?(?:device|board))?",
    "profile": r"(?:model[-_ ]?)?profil(?:e|ing)",
}
_SECTION = re.compile(
    rf"(?:{'|'.join(f'(?P<{section}>{words})' for section, words in _WORDS.items())})(?![\w./-])",
    re.IGNORECASE,
)
_ANY_WORD = re.compile(r"conver|copy|profil", re.IGNORECASE)
"""What most lines have not, so that a large log costs little."""
_RULES = "=#*<>~+:.-\u2022\u3010\u3011\u300c\u300d" + "".join(
    map(chr, (*range(0x2010, 0x2016), *range(0x2500, 0x2600)))
)
"""What lines are decorated with: ASCII, dashes, box drawing, blocks and geometric shapes, CJK brackets."""
_DECORATION = f"{_RULES}[]() \t\r"
_TIME = re.compile(
    r"[\[(]?(?:20[0-9]{2}[-/][0-9]{2}[-/][0-9]{2}[ T])?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,6})?[\])]?"
    r"[ \t|-]+(?:\[?(?:DEBUG|INFO|WARNING)\]?[ \t|-]+)?"
)
_NUMBER = re.compile(
    r"(?:section|step|stage|phase)[ \t:]*(?:[0-9]{1,2}[ \t:.)\]-]*)?"
    r"|[0-9]{1,2}(?:[ \t]?/[ \t]?[0-9]{1,2})?[ \t]?[.):\]-][ \t]*",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:begins?|start(?:s|ed|ing)?|logs?|outputs?|results?|section|stage|step)\b[ \t:]*", re.IGNORECASE
)
_IS_OVER = re.compile(
    r"(?:done|end(?:s|ed)?|finish(?:ed)?|ok|success\w*|completed?|fail(?:ed|ure)?|errors?|took|time)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w./+-]*\w")
_HEADING_LIMIT = 200
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def split_cases(text: str) -> list[CaseText]:
    """The cases of a log, in order. Without any heading the whole text stands in every section."""
    text = plain(text)
    found = [(match, heading) for match in _LINE.finditer(text) if (heading := _heading(match[0]))]
    ends = [*(match.start() for match, _ in found[1:]), len(text)]
    cases: list[CaseText] = []
    for (match, (section, name)), end in zip(found, ends, strict=False):
        case = cases[-1] if cases else None
        if case is None or _begins(case, section, name):
            case = CaseText(name, convert="" if cases else text[: match.start()])
            cases.append(case)
        case.name = case.name or name
        setattr(case, section, getattr(case, section) + text[match.end() : end])
    return cases or [CaseText(None, text, text, text, headed=False)]


def _begins(case: CaseText, section: str, name: str | None) -> bool:
    other_name = name is not None and case.name is not None and name != case.name
    return other_name or (section == "convert" and bool(case.convert or case.copy or case.profile))


def _heading(line: str) -> tuple[str, str | None] | None:
    """The section that a line begins, and the case that it names."""
    if len(line) > _HEADING_LIMIT or not _ANY_WORD.search(line):
        return None
    dated = line.strip()
    inner = dated[time.end() :] if (time := _TIME.match(dated)) else dated
    core = inner.strip(_DECORATION)
    if number := _NUMBER.match(core):
        core = core[number.end() :].lstrip(_DECORATION)
    match = _SECTION.match(core)
    left, right = inner[: inner.find(core)] if core else "", inner.endswith(tuple(_RULES))
    if match is None or (left and not left.strip("-") and not right):
        return None  # `--profile` is an option of some program.
    rest = core[match.end() :].strip(_DECORATION)
    rest = rest[nothing.end() :] if (nothing := _NO_NAME.match(rest)) else rest
    section = str(match.lastgroup)
    if not rest:
        return section, None
    decorated = bool(left) or inner.endswith(tuple("=#*-]"))
    if not decorated or _IS_OVER.match(rest) or not _NAME.fullmatch(rest):
        return None
    return section, case_name(PurePosixPath(rest).name)


_BUILD2 = re.compile(
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
_ANY_NAME2 = {"model", "compiled", "output", "test", "tmp"}


def read_pulsar2_log(text: str) -> tuple[LogCase, ...]:
    """The cases of a file: one, or one for each model that a runner was called for; none of another file."""
    if _JSON.match(text) and all(key in text for key in _KEYS_OF_TASKS):
        return _timeline(text)
    lines = short_lines(text)
    of_build, of_runner = (any(map(tells.match, lines)) for tells in (_BUILD2, _RUNNER))
    of_run = any(map(pulsar2_run.tells, lines))
    if not (of_build or of_runner or of_run or any(map(_TABLE.match, lines))):
        return ()
    case = LogCase(_name_of_text(lines), precision=Precision.INT8)
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
        named = toolchain.explain("pulsar2", text)
        return replace(case, failure=named, warnings=() if named else (figures.message,))
    breaks_off = figures.details.get("problem") == BREAKS_OFF
    if breaks_off and (named := toolchain.explain("pulsar2", text)):
        return replace(case, failure=named)
    return replace(case, estimate=figures)


def _with_tables(case: LogCase, text: str) -> LogCase:
    try:
        tables = pulsar2_analyses.tables(whole_lines(ended(text)))
    except DamagedError as damage:
        return replace(case, warnings=(f"the precision table cannot be read: {damage}",))
    if not tables:
        return case
    return replace(case, estimate=pulsar2_analyses.with_accuracy(Figures(Kind.SIMULATED), tables))


def _with_simulated_run(case: LogCase, text: str) -> LogCase:
    """The case with the outputs that `pulsar2 run` says it wrote; their values are in no log."""
    samples = pulsar2_run.parse_run(text)
    if isinstance(samples, Failure):
        return replace(case, warnings=(*case.warnings, samples.message))
    if case.failure is None and not any(samples.values()):
        case = replace(case, failure=toolchain.explain("pulsar2", text))
    figures = case.estimate or Figures(Kind.SIMULATED)
    if figures.accuracy is None and figures.no_accuracy is None:
        why = "a log of pulsar2 run tells which outputs it wrote, not their values"
        figures = replace(figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why)
    return replace(case, estimate=replace(figures, details={**figures.details, "simulated_run": samples}))


def _with_calls(case: LogCase, calls: Sequence[AxRunModel | Failure]) -> LogCase:
    """The case with all calls of its model as one figure; one that cannot be read leaves none."""
    whole = [call for call in calls if not isinstance(call, Failure)]
    damaged = [call for call in calls if isinstance(call, Failure)]
    if damaged or not whole:
        return replace(case, failure=damaged[0])
    call = whole[-1]
    versions = {name: f"{name}_version" for name in ("pulsar2", "axclrt", "engine")}
    versions["axcl_run_model" if call.by_card else "ax_run_model"] = "tool_version"
    tools = {name: call.texts[key] for name, key in versions.items() if key in call.texts}
    name = PurePosixPath(call.texts.get("model", "")).stem
    return replace(
        case,
        name=case.name or ("" if name in _ANY_NAME2 else name),
        figures=pulsar2_log.measured(whole, None, None),
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
        return toolchain.explain_run("ax_run_model", text) or call
    asked = _asked(_ASKED, text)
    return call if asked is None else wrong_repeat(call, asked) or call


def _timeline(text: str) -> tuple[LogCase, ...]:
    trace = pulsar2_analyses.parse_trace(text)
    if isinstance(trace, Failure):
        return (LogCase(failure=trace, precision=Precision.INT8),)
    figures = pulsar2_log.with_traces(Figures(Kind.SIMULATED), {"subgraph_npu_0": trace}, None)
    return (LogCase(estimate=figures, precision=Precision.INT8),)


def _name_of_text(lines: list[str]) -> str:
    """What a command line of pulsar2 calls the model; empty where the file's name has to tell."""
    named = {PurePosixPath(match[1]).stem for line in lines if (match := _MODEL_OF_COMMAND.search(line))}
    return named.pop() if len(named) == 1 and not named & _ANY_NAME2 else ""


def _asked(command: re.Pattern[str], text: str) -> int | None:
    """How many runs the runner's command line asks for; None where the log has none, or several."""
    counts = {int(match[1] or 1) for line in short_lines(text) if (match := command.search(line))}
    return counts.pop() if len(counts) == 1 else None
