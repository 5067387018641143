"""Original logs of AX620A cases as text, to what a live run would have told.

The same parsers read them. A case whose parts speak of different models becomes a failure instead of a
figure.
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from npubench.backends.axera import board_errors, build_errors, pulsar_figures
from npubench.backends.axera.artifact_check import saved_files
from npubench.backends.axera.inference_report import add_parts, parse_inference_report, split_reports
from npubench.backends.axera.lines import short_lines
from npubench.backends.axera.log_sections import CaseText, split_cases
from npubench.backends.axera.run_joint import parse_run_joint
from npubench.records import Failure, FailureClass, Figures, LogCase, Stage
from npubench.specs import Precision

_PART = re.compile(r"part_([0-9]+)\.lava")
_MODE = re.compile(r"AX620_VNPU_(111|112|0)\b|VIRTUAL_NPU_MODE_(111|112|0)\b|--virtual_npu[ =](111|112|0)\b")
_JOINT = re.compile(r"[\w./+-]+\.joint\b")
_ANY_NAME = {"model", "output", "out", "compiled", "tmp", "test"}
_COPY_FAILED = re.compile(
    r"lost connection|[Cc]onnection (?:refused|timed out|closed|reset)|No route to host|Permission denied"
    r"|No such file or directory|No space left on device|Host key verification failed"
)
_TELLS = re.compile(
    r"\s*(?:run joint version: |Run task took |inference: [0-9.]+ ms|MAC per inference: )"
    r"|.*\b(?:super_pulsar|neuwizard)\b|.*\bpulsar build --|.*\brun_joint \S+\.joint\b"
    r"|.*File saved: \S+\.joint"
)
"""A line that none but these tools print, or the command line of one."""


def read_log(text: str) -> tuple[LogCase, ...]:
    """The cases of one log; none where no line of it is one of Pulsar or run_joint, and no heading either."""
    cases = split_cases(text)
    if not cases[0].headed and not any(_TELLS.match(line) for line in short_lines(text)):
        return ()
    return tuple(_read_case(_name(case, len(cases)), case) for case in cases)


def _read_case(name: str, case: CaseText) -> LogCase:
    empty = LogCase(name, precision=Precision.INT8, skip_reason="the log has no profile section")
    mixed = _mixed(case)
    if mixed is not None:
        return replace(empty, failure=mixed)
    estimate = _estimate(case.convert)
    warnings: tuple[str, ...] = ()
    if isinstance(estimate, Failure):
        warnings, estimate = (estimate.message,), None
    call = parse_run_joint(case.profile)
    if not isinstance(call, Failure):
        stale = _stale(case)
        if stale is not None:
            return replace(empty, failure=stale)
        mode = _mode(case, call.npu_mode)
        figures = pulsar_figures.measured([call], mode, None)
        if estimate is not None:
            estimate = replace(estimate, details={**estimate.details, "npu_mode": mode})
        tools = {"run_joint": call.texts.get("runner_version"), "pulsar": call.texts.get("tools_version")}
        known = {key: value for key, value in tools.items() if value}
        return replace(empty, estimate=estimate, figures=figures, warnings=warnings, tools=known)
    return replace(empty, estimate=estimate, failure=_failure(case, call), warnings=warnings)


def _failure(case: CaseText, profile: Failure) -> Failure | None:
    """Why there is no measurement; None for a log that ends well before its profile section."""
    built = bool(saved_files(case.convert, ".joint"))
    whole_log = case.profile == case.convert
    if not built:
        named = build_errors.explain("pulsar", case.convert)
        if named is not None:
            return named
    for line in short_lines("" if whole_log else case.copy):
        if _COPY_FAILED.search(line):
            return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, line.strip()[:300])
    if case.profile.strip() and (not whole_log or "run joint version" in case.profile):
        return board_errors.explain("run_joint", case.profile) or profile
    if built:
        return None
    message = "the log ends without a saved .joint: the converter crashed or hung"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _stale(case: CaseText) -> Failure | None:
    """The failure of a profile of what its own build cannot have made."""
    named = None if saved_files(case.convert, ".joint") else build_errors.explain("pulsar", case.convert)
    if named is None:
        return None
    message = f"the build failed ({named.message}), so the profile is of an older .joint"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message[:300], named.operators)


def _estimate(convert: str) -> Figures | Failure | None:
    parsed = [parse_inference_report(text) for text in split_reports(convert)]
    if not parsed:
        return None
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


def _mixed(case: CaseText) -> Failure | None:
    names = {
        PurePosixPath(path).stem
        for section in (case.convert, case.copy, case.profile)
        for line in short_lines(section)
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
    saved = [PurePosixPath(name).stem for name in saved_files(case.convert, ".joint")]
    told = [name for name in saved if name not in _ANY_NAME]
    return told[0] if len(told) == 1 else ""


def _mode(case: CaseText, board_mode: str | None) -> str:
    told: set[str] = {mode for match in _MODE.findall(case.convert) for mode in match if mode}
    if len(told) == 1:
        return told.pop()
    return "0" if board_mode == "disable" else board_mode or "unknown"
