"""Original logs of AX620A cases as text, to what a live run would have told.

The same parsers read them. A case whose parts speak of different models becomes a failure instead of a
figure.
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from npubench.backends.axera import board_errors, build_errors, pulsar_figures, pulsar_tools
from npubench.backends.axera.artifact_check import saved_files
from npubench.backends.axera.inference_report import add_parts, parse_inference_report, split_reports
from npubench.backends.axera.lines import short_lines
from npubench.backends.axera.log_sections import CaseText, split_cases
from npubench.backends.axera.run_joint import RunJoint, parse_run_joint, wrong_rounds
from npubench.domain.npu_parts import part_of_npu
from npubench.domain.records import Accuracy, Failure, FailureClass, Figures, Kind, LogCase, Stage
from npubench.domain.specs import Precision

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
_NO_RUN = (
    (
        FailureClass.BOARD_UNREACHABLE,
        re.compile(
            r"^ssh: |[Cc]onnection (?:refused|timed out)|No route to host|Host key verification failed"
        ),
    ),
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
    told = any(_PRINTED.search(line) for line in lines)
    if cases[0].headed and not told:
        told = any(_ORIGINAL.fullmatch(line) or _COMMAND.search(line) for line in lines)
    return tuple(_read_case(_name(case, len(cases)), case) for case in cases) if told else ()


def _read_case(name: str, case: CaseText) -> LogCase:
    empty = LogCase(name, precision=Precision.INT8, skip_reason="the log has no profile section")
    mixed = _mixed(case)
    if mixed is not None:
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
        stale = _stale(case)
        if stale is not None:
            return replace(empty, failure=stale)
        mode = _mode(case, call.npu_mode)
        figures = pulsar_figures.measured([call], mode, None)
        if estimate is not None:
            details = {**estimate.details, "npu_mode": mode}
            estimate = replace(estimate, details=details, bounds=part_of_npu(mode))
        tools = {"run_joint": call.texts.get("runner_version"), "pulsar": call.texts.get("tools_version")}
        known = {key: value for key, value in tools.items() if value}
        return replace(empty, estimate=estimate, figures=figures, warnings=warnings, tools=known)
    return replace(empty, estimate=estimate, failure=_failure(case, call), warnings=warnings)


def _profile(case: CaseText) -> RunJoint | Failure:
    """What run_joint measured, of the rounds that its command line in the log asks for."""
    call = parse_run_joint(case.profile)
    asked = {int(match[1] or 1) for line in short_lines(case.profile) if (match := _RUN_COMMAND.search(line))}
    if isinstance(call, Failure) or len(asked) != 1:
        return call
    return wrong_rounds(call, asked.pop()) or call


def _is_built(case: CaseText) -> bool:
    """The tool says so, or the script went on: it copies nothing without a .joint."""
    return bool(saved_files(case.convert, ".joint")) or (case.headed and bool(case.copy.strip()))


def _failure(case: CaseText, profile: Failure) -> Failure | None:
    """Why there is no measurement; None for a log that ends well before its profile section."""
    built = _is_built(case)
    whole_log = not case.headed
    if not built:
        named = build_errors.explain("pulsar", case.convert)
        if named is not None:
            return named
    for line in short_lines("" if whole_log else case.copy):
        if _COPY_FAILED.search(line):
            return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, line.strip()[:300])
    if case.profile.strip() and (not whole_log or _RUN.search(case.profile)):
        return board_errors.explain("run_joint", case.profile) or _no_run(case.profile) or profile
    if built or (whole_log and not _BUILD.search(case.convert)):
        return None
    message = "the log ends without a saved .joint: the converter crashed or hung"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _no_run(profile: str) -> Failure | None:
    """Why run_joint printed no figures, where the section says so itself."""
    for failure_class, pattern in _NO_RUN:
        for line in short_lines(profile):
            if pattern.search(line):
                unreachable = failure_class is FailureClass.BOARD_UNREACHABLE
                stage = Stage.TRANSFER if unreachable else Stage.MEASURE
                return Failure(stage, failure_class, line.strip()[:300])
    return None


def _stale(case: CaseText) -> Failure | None:
    """The failure of a profile of what its own build cannot have made."""
    named = None if saved_files(case.convert, ".joint") else build_errors.explain("pulsar", case.convert)
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
    scores = pulsar_tools.parse_scores(text) if outputs else {}
    return None if isinstance(scores, Failure) else pulsar_tools.accuracy(scores, outputs)


def _mixed(case: CaseText) -> Failure | None:
    names = {
        PurePosixPath(path).stem
        for section in (case.convert, case.copy, case.profile)
        for line in short_lines(section)
        if ".joint" in line
        for path in _JOINT.findall(line)
    }
    told = sorted(name for name in names if name not in _ANY_NAME)
    if len(told) < 2:
        return None
    message = f"one log speaks of {', '.join(told)}: its figures may be of any of them"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)


def _name(case: CaseText, count: int) -> str:
    """What the log calls the case; empty where its file's name has to tell."""
    if case.name and case.name not in _ANY_NAME:
        return case.name
    if count == 1:
        return ""
    given = [match[1] for line in short_lines(case.convert) if (match := _INPUT.search(line))]
    for paths in (given, saved_files(case.convert, ".joint")):
        told = {stem for path in paths if (stem := PurePosixPath(path).stem) not in _ANY_NAME}
        if len(told) == 1:
            return told.pop()
    return ""


def _mode(case: CaseText, board_mode: str | None) -> str:
    told: set[str] = {mode for match in _MODE.findall(case.convert) for mode in match if mode}
    if len(told) == 1:
        return told.pop()
    return "0" if board_mode == "disable" else board_mode or "unknown"
