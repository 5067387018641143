"""Output of Rockchip's `rknn_benchmark` to the time of every run.

Format: the vendor's example program: a head (benchmark_head.py), five warm-up runs, `Begin perf ...`, a line
for each run, then their average. Times have two decimals of a millisecond. It prints nothing of where an
operator ran.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from npubench.backends.isolated.single_times import BenchTool, Call, figures_of
from npubench.domain.errors import UsageError
from npubench.domain.figures import NpuPart
from npubench.domain.records import Failure, FailureClass, LogCase, Stage
from npubench.domain.specs import Options
from npubench.tools.logs import DamagedError, not_whole, put_once, reading

NAME = "rknn_benchmark"
OWN_WARMUP = 5
STEP_MS = 0.01
"""The last digit of a printed time."""
_RUN = re.compile(r"\s*(\d{1,9}): Elapse Time = (\d{1,9}\.\d{2})ms, FPS = (\d{1,12}\.\d{2})\s*")
_MEAN = re.compile(r"Avg Time (\d{1,9}\.\d{2})ms, Avg FPS = (\d{1,12}\.\d{1,6})\s*")
_WARMUP = re.compile(r"Warmup \.\.\.\s*")
_BEGIN = re.compile(r"Begin perf \.\.\.\s*")
_TELLS = re.compile(r"\s*(?:rknn_api/rknnrt version: |[0-9]+: Elapse Time = |Avg Time )")
_COMMAND = re.compile(
    r"\brknn_benchmark +(\S+)(?: +(?:\"[^\"]*\"|'[^']*'|\S+)(?: +([0-9]{1,9})(?: +([0-9]{1,3}))?)?)? *$"
)
_ERROR = re.compile(r"rknn run error .*")


CORE_MASKS = {"rk3588": (0, 1, 2, 4, 3, 7), "rk3576": (0, 1, 2, 3)}
"""Cores by bits, 0 for the runtime's own choice; chips that are not here have one core and take 0 alone."""


def core_mask(options: Options, platform: str) -> int | None:
    """The mask that a board asks for; None leaves it to the tool, whose own differs by version.

    Raises UsageError for a mask that the chip has not.
    """
    mask = options.get("core_mask")
    if mask is None:
        return None
    known = CORE_MASKS.get(platform, (0,))
    if isinstance(mask, bool) or mask not in known:
        given = ", ".join(map(str, known))
        raise UsageError(f"backend_options.core_mask of {platform} must be one of {given}, not {mask!r:.40}")
    return int(mask)


def bench_tool(mask: int | None = None) -> BenchTool:
    """`rknn_benchmark MODEL INPUTS LOOPS [CORE_MASK]`: no inputs are given, so it makes its own."""
    last = () if mask is None else (str(mask),)
    return BenchTool(
        NAME, OWN_WARMUP, lambda model, loops: [model, "", str(loops), *last], parse_rknn_benchmark
    )


@reading(Stage.MEASURE, NAME)
def parse_rknn_benchmark(text: str, loops: int | None) -> Call | Failure:
    """Times of the `loops` runs after the warm-up, us; UNPARSED_OUTPUT for anything doubtful.

    None where nothing tells how many were asked for: runs are numbered, and their average is told.
    """
    if error := next((line for line in text.splitlines() if _ERROR.match(line.strip())), None):
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{NAME}: {error.strip()}"[:300])
    warmups, runs = list[float](), list[float]()
    head = Head()
    phase = "head"
    mean: tuple[str, str] | None = None
    # A line counts only when its end was printed, so that a cut number is never a shorter one.
    for line in (line.removesuffix("\r") for line in text.split("\n")[:-1]):
        if phase == "head" and head.read(line):
            continue
        if _WARMUP.fullmatch(line) and phase == "head":
            phase = "warmup"
        elif _BEGIN.fullmatch(line) and phase == "warmup":
            phase = "perf"
        elif (match := _RUN.fullmatch(line)) and phase == "warmup":
            warmups.append(_run(match, len(warmups)))
        elif match and phase == "perf":
            runs.append(_run(match, len(runs)))
        elif (match := _MEAN.fullmatch(line)) and phase == "perf":
            phase, mean = "end", (match[1], match[2])
        elif re.search(r"Elapse Time|Avg Time|Begin perf|Warmup \.\.\.", line):
            raise DamagedError(f"the line {line.strip()[:80]!r} is not whole, or not where it belongs")
    if mean is None:
        raise DamagedError("there is no whole average")
    if not runs:
        raise DamagedError("no run is listed")
    if loops is not None and len(runs) != loops:
        raise DamagedError(f"{loops} runs were asked for, and {len(runs)} are listed")
    printed_ms, mean_ms = float(mean[0]), sum(runs) / len(runs)
    if abs(mean_ms - printed_ms) > STEP_MS * 1.01 + 0.01 * mean_ms:
        raise DamagedError(f"the runs average {mean_ms:.3f} ms, and {printed_ms} ms is told")
    head.check()
    samples = tuple(round(ms * 1000, 1) for ms in runs)
    printed_means = {"own_warmup_runs": len(warmups), "mean_ms": printed_ms, "fps": float(mean[1])}
    return Call(samples, {**printed_means, **head.details}, head.memory_bytes, head.tools)


def read_log(text: str) -> tuple[LogCase, ...]:
    """What one log of the tool tells; nothing where no line of it is the tool's."""
    lines = [line[:1000] for line in text.splitlines()]
    if not any(map(_TELLS.match, lines)):
        return ()
    asked = {match.groups() for line in lines if (match := _COMMAND.search(line))}
    model, loops, mask = asked.pop() if len(asked) == 1 else (None, None, None)
    # Three decimals are all that the average has: with them an end of the file cuts nothing off.
    ended = f"{text}\n" if re.search(r"Avg FPS = [0-9]+\.[0-9]{3}$", text) else text
    call = parse_rknn_benchmark(ended, int(loops) if loops else None)
    name = PurePosixPath(model).stem if model else ""
    if isinstance(call, Failure):
        return (LogCase(name, failure=call),)
    figures = figures_of(NAME, [call], None)
    if mask:
        part = NpuPart(cores=int(mask).bit_count()) if int(mask) else None
        figures = replace(figures, details={**figures.details, "core_mask": int(mask)}, npu=part)
    return (LogCase(name, figures=figures, tools=call.tools),)


def _run(match: re.Match[str], expected: int) -> float:
    """Milliseconds of a run. Raises DamagedError unless it is the expected one, counted from 0."""
    index, ms, fps = int(match[1]), float(match[2]), float(match[3])
    if index != expected:
        raise DamagedError(f"run {expected} is missing: the next one is {index}")
    if ms <= 0:
        raise DamagedError(f"run {index} took {match[2]} ms, which is less than the tool can tell")
    half = STEP_MS / 2
    least = 1000 / (ms + half)
    most = 1000 / (ms - half)
    if not least * 0.999 - 0.01 <= fps <= most * 1.001 + 0.01:
        raise DamagedError(f"run {index}: {match[2]} ms and {match[3]} FPS contradict each other")
    return ms


_HEAD: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (
        re.compile(
            r"rknn_api/rknnrt version: (?P<runtime>\S+)(?: \((?P<build>[^()]*)\))?,"
            r" driver version: (?P<driver>\S.*?)\s*"
        ),
        str,
    ),
    (
        re.compile(
            r"total weight size: (?P<weight_bytes>[0-9]{1,15}),"
            r" total internal size: (?P<internal_bytes>[0-9]{1,15})\s*"
        ),
        int,
    ),
    (re.compile(r"total dma used size: (?P<dma_bytes>[0-9]{1,15})\s*"), int),
    (re.compile(r"model input num: (?P<inputs>[0-9]{1,4}), output num: (?P<outputs>[0-9]{1,4})\s*"), int),
)
"""Lines of the head, whose groups are what they tell, and the type of that."""
_TENSORS = re.compile(r"(input|output) tensors:\s*")
_TENSOR = re.compile(
    r"\s+index=([0-9]{1,4}), name=(.*?), n_dims=([0-9]{1,2}), dims=\[([0-9, ]*)\], .*?"
    r"\bfmt=(\w+), type=(\w+), qnt_type=(\w+).*"
)
_REST = re.compile(r"\s*[0-9][0-9.,]*\s*")
_KNOWN = re.compile(
    r"\s*(?:rknn_api/rknnrt version|total weight size|total dma used size|model input num|index=[0-9])"
)


class Head:
    """The head so far: what it told by name, sizes in bytes, and the tensors as the runtime has them."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}
        self._tensors: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": []}
        self._reading = ""

    @property
    def memory_bytes(self) -> int | None:
        """All that the NPU's memory holds of the model: what is mapped, else weights and tensors between.

        None where less is mapped than the weights have: then it is not told what is counted.
        """
        weights, mapped = self._told.get("weight_bytes", 0), self._told.get("dma_bytes")
        if mapped:
            return int(mapped) if mapped >= weights else None
        return weights + self._told.get("internal_bytes", 0) or None

    @property
    def tools(self) -> dict[str, str]:
        """The versions, by what they are of."""
        if not (runtime := self._told.get("runtime")):
            return {}
        build = f" ({self._told['build']})" if self._told["build"] else ""
        return {"rknnrt": f"{runtime}{build}", "rknpu driver": self._told["driver"]}

    @property
    def details(self) -> dict[str, Any]:
        """What else it tells, for the details of a row; nothing of what is not printed."""
        sizes = ("weight_bytes", "internal_bytes", "dma_bytes")
        tensors = {side: listed for side, listed in self._tensors.items() if listed}
        return {**{key: self._told[key] for key in sizes if key in self._told}, **tensors}

    def read(self, line: str) -> bool:
        """Note a line of the head; whether it is one. Raises DamagedError for one that is not whole."""
        for pattern, kind in _HEAD:
            if match := pattern.fullmatch(line):
                for key, value in match.groupdict().items():
                    put_once(self._told, key, value if value is None else kind(value))
                return True
        if match := _TENSORS.fullmatch(line):
            self._reading = f"{match[1]}s"
        elif self._reading and (match := _TENSOR.fullmatch(line)):
            self._list(match)
        elif _REST.fullmatch(line):
            raise DamagedError(f"a number is broken over two lines: {line.strip()[:40]!r}")
        elif _KNOWN.match(line):
            raise not_whole(line)
        else:
            return False
        return True

    def check(self) -> None:
        """Raises DamagedError where the tensors listed are not as many as the head says."""
        for side, listed in self._tensors.items():
            if listed and len(listed) != self._told.get(side, len(listed)):
                raise DamagedError(f"{self._told[side]} {side} are told of, and {len(listed)} are listed")

    def _list(self, match: re.Match[str]) -> None:
        listed = self._tensors[self._reading]
        shape = [int(word) for word in match[4].replace(",", " ").split()][: int(match[3])]
        if int(match[1]) != len(listed) or len(shape) != int(match[3]):
            side = self._reading.removesuffix("s")
            raise DamagedError(f"{side} {match[1]} is not the next one, or lacks dimensions")
        listed.append({"name": match[2], "shape": shape, "kind": f"{match[5]} {match[6]} {match[7]}"})
