"""Output of Sophgo's `bmrt_test` to the time of every launch, and the shares of TPU and CPU in it.

Format: the SDK's own log lines, `net[NAME] stage[K], launch total time is N us (npu N us, cpu N us)`; newer
builds add what launching and waiting took, one says `normal` for `cpu`, and the line may wrap after `is`.
"""

import re
import statistics
from pathlib import PurePosixPath

from npubench.backends.isolated.single_times import BenchTool, Call, figures_of
from npubench.backends.signature import Signature, signature_of
from npubench.backends.tpu_mlir.worker_tensors import by_the_models_names
from npubench.domain.records import Failure, FailureClass, LogCase, Stage
from npubench.tools.logs import DamagedError, not_whole, reading, unparsed

NAME = "bmrt_test"
_HEAD = r"(?:\[BMRT\]\[[^\]]*\] ?)?(?:INFO: ?)?"
_LAUNCH = re.compile(
    _HEAD + r"net\[(?P<net>.*)\] stage\[(?P<stage>\d+)\], +launch total time is +(?P<total>\d{1,12}) us"
    r" \(npu (?P<npu>\d{1,12}) us, (?P<other>cpu|normal) (?P<rest>\d{1,12}) us\)"
    r"(?:, \(launch func time (?P<launch>\d{1,12}) us, sync (?P<sync>\d{1,12}) us\))?\s*"
)
_CALCULATE = re.compile(_HEAD + r"calculate +time\(s\): +(\d{1,9}\.\d{1,9})\s*")
_WRAPS = re.compile(r"launch total time is\s*$")
_DIFFERS = re.compile(r"\+\+\+ The network\[.*\] stage\[\d+\] cmp failed \+\+\+")
_ERROR = re.compile(
    r"(?:\[BMRT\]\[[^\]]*\] ?)?(?:ERROR|FATAL|Error) ?:.*|\[BMRT\]\[[^\]]*\] ?(?:ERROR|FATAL)\b.*"
)


def bench_tool() -> BenchTool:
    """`bmrt_test --bmodel MODEL --loopnum N`; it has no warm-up of its own."""
    return BenchTool(
        NAME, 0, lambda model, loops: ["--bmodel", model, "--loopnum", str(loops)], parse_bmrt_test
    )


@reading(Stage.MEASURE, NAME)
def parse_bmrt_test(text: str, loops: int) -> Call | Failure:
    """Launch times, us. UNPARSED_OUTPUT for anything doubtful; a failure where nothing ran on the TPU."""
    *whole, rest = text.split("\n")
    lines = _unwrapped([line.removesuffix("\r") for line in whole])
    for line in lines:
        if _DIFFERS.search(line):
            return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, f"{NAME}: {line.strip()}"[:300])
        if _ERROR.match(line):
            return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{NAME}: {line.strip()}"[:300])
    if "launch total time" in rest:
        raise DamagedError(f"the line {rest[:80]!r} breaks off")
    launches = _launches(lines, loops)
    total, npu, others = zip(*(_times(launch) for launch in launches), strict=True)
    if not any(npu):
        message = f"{NAME} spent nothing on the TPU: the model ran on the board's CPU"
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    return Call(
        tuple(map(float, total)),
        {
            "net": launches[0]["net"],
            "npu_us": statistics.fmean(npu),
            f"{launches[0]['other']}_us": statistics.fmean(others),
            "launches": len(launches),
            "launches_asked": loops,
        },
    )


def _unwrapped(lines: list[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if found and _WRAPS.search(found[-1]):
            found[-1] = f"{found[-1].rstrip()} {line.lstrip()}"
        else:
            found.append(line)
    return found


def _launches(lines: list[str], loops: int) -> list[re.Match[str]]:
    launches, calculated = list[re.Match[str]](), list[str]()
    for line in lines:
        if match := _LAUNCH.fullmatch(line):
            launches.append(match)
        elif match := _CALCULATE.fullmatch(line):
            calculated.append(match[1])
        elif "launch total time" in line or "calculate  time" in line:
            raise not_whole(line)
    if not launches:
        raise DamagedError("there is no whole launch line")
    if len({launch.group("net", "stage", "other") for launch in launches}) > 1:
        raise DamagedError("there are launches of several networks or stages")
    # Without the closing times one line of many may be all that is left of a cut output.
    if len(launches) != loops and not (len(launches) == 1 and calculated):
        raise DamagedError(f"{loops} launches were asked for, and {len(launches)} are listed")
    if any(float(seconds) <= 0 for seconds in calculated):
        raise DamagedError("the calculation took no time")
    for total, npu, rest in map(_times, launches):
        if total <= 0 or npu + rest > total + 2:
            raise DamagedError(f"{total} us in all, {npu} us and {rest} us of it contradict each other")
    return launches


def _times(launch: re.Match[str]) -> tuple[int, int, int]:
    """In all, on the TPU, and on the host: us."""
    return int(launch["total"]), int(launch["npu"]), int(launch["rest"])


_LINE = re.compile(
    r"(?P<side>Input|Output) [0-9]+\) '(?P<name>.*)' shape=\[ ?(?P<shape>[0-9 ]*)\] dtype=(?P<dtype>\w+)"
)
_STAGE = re.compile(r"---- stage [0-9]+ ----")


def tensors_of_bmrt(text: str, outputs: tuple[str, ...]) -> Signature:
    """Inputs and outputs, with the names of the model's `outputs`; nothing is told of several stages."""
    found: dict[str, list[dict[str, object]]] = {"Input": [], "Output": []}
    if len(_STAGE.findall(text)) > 1:
        return Signature()
    for match in _LINE.finditer(text):
        shape = [int(size) for size in match["shape"].split()]
        one = {"name": match["name"], "shape": shape, "dtype": match["dtype"].lower()}
        found[match["side"]].append(one)
    if not found["Output"]:
        return Signature()
    wanted = [{"name": name} for name in outputs]
    listed = {"inputs": found["Input"], "outputs": by_the_models_names(found["Output"], wanted)}
    return signature_of(listed)


_TELLS = re.compile(
    r"(?:\[BMRT\]\[[^\]]*\] ?)?(?:INFO: ?)?(?:net\[.*\] stage\[\d+\],? |calculate +time\(s\): )|\[BMRT\]\["
)
_LAUNCH_TIME = re.compile(r"launch total time is\b")
_COMMAND = re.compile(r"\bbmrt_test\b(?=.*--(?:bmodel|context_dir)\b)")
_MODEL = re.compile(r"--bmodel[ =](\S+\.bmodel)\b")
_LOOPS = re.compile(r"--loopnum[ =](\d{1,9})(?!\S)")
_CLOSING = re.compile(r"compare +time\(s\): +\d{1,9}\.\d{1,9}$|get output time\(s\): +\d{1,9}\.\d{1,9}$")


def read_log(text: str) -> tuple[LogCase, ...]:
    """What one log of the tool tells; nothing where no line of it is the tool's."""
    lines = [line[:1000] for line in text.splitlines()]
    if not any(map(_TELLS.match, lines)):
        return ()
    commands = [line for line in lines if _COMMAND.search(line)]
    models = {match[1] for line in commands if (match := _MODEL.search(line))}
    asked = {int(match[1]) if (match := _LOOPS.search(line)) else 1 for line in commands}
    name = PurePosixPath(models.pop()).stem if len(models) == 1 else ""
    whole = text.split("\n")[:-1]
    listed = sum(bool(_LAUNCH_TIME.search(line[:1000])) for line in whole)
    if any(_CLOSING.search(line[:1000]) for line in whole):
        call = parse_bmrt_test(text, asked.pop() if len(asked) == 1 else listed)
    else:
        call = unparsed(Stage.MEASURE, NAME, "it ends before the times that close it", text)
    if isinstance(call, Failure):
        return (LogCase(name, failure=call),)
    return (LogCase(name or str(call.details["net"]), figures=figures_of(NAME, [call], None)),)
