"""ONNX Runtime on the CPU: its session, the timed loop, what its errors and its end mean."""

import ctypes
import gc
import re
import statistics
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.graph.walk import plain
from npubench.measure import crowding
from npubench.tools.worker_protocol import Answer, Worker, ask_module

PROVIDER = "CPUExecutionProvider"
SETTLED = 0.01
WINDOW_NS = 250_000_000
LEAST_WINDOW_NS = 50_000_000
WAKING_NS = 20_000_000
"""Of untimed runs, one at least, after other cases had the processor: their data are in its caches."""

LOST_NS, LOST_SHARE = 5_000, 0.01
"""What a run may take longer than the processor worked for it; a change of programs costs more."""

MOST_INTERRUPTED = 2
"""Interrupted runs, in `repeat`s, after which a round no longer waits for others."""

REST_S = 0.004
"""How long the processors are watched for whether a process computes, s."""
MOST_REST_S = 0.5

LEAST_COUNTED = 11
"""Runs that a median needs (`statistics.least_samples`)."""


def open_session(path: Path, options: Any = None) -> Any:
    """A session that really runs on the CPU. Raises RuntimeError when another provider took over."""
    import onnxruntime

    options = options or onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDER])
    if session.get_providers() != [PROVIDER]:
        raise RuntimeError(f"asked for {PROVIDER}, got {session.get_providers()}")
    return bound(session)


def of_threads(count: int) -> Any:
    """Options by which so many threads compute; 0: one a physical core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    return options


def without_optimisation(threads: int = 0) -> Any:
    """Options by which every operator runs as the file has it, and none is fused with another."""
    import onnxruntime

    options = of_threads(threads)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def warm_up(session: Any, feeds: dict[str, Any], timing: dict[str, Any]) -> dict[str, Any]:
    """Run until the counts are reached and the medians of two windows differ by less than 1 %.

    A window is 250 ms, or half of the least time that is asked for where that is less.
    Settling is given up, and said so, after `warmup_max_s`; the runs that were asked for are made all
    the same. No warm-up at all where none is asked (`warmup` 0).
    """
    started = time.perf_counter()
    medians: list[float] = []
    runs, elapsed = 0, 0.0
    settled = timing["warmup"] == 0
    window_ns = min(WINDOW_NS, max(LEAST_WINDOW_NS, int(timing["warmup_min_s"] / 2 * 1e9)))
    while runs < timing["warmup"] or not (settled or elapsed >= timing["warmup_max_s"]):
        window = _window(session, feeds, window_ns)
        runs += len(window)
        medians.append(statistics.median(window))
        elapsed = time.perf_counter() - started
        enough = elapsed >= timing["warmup_min_s"] and len(medians) > 1
        settled = enough and abs(medians[-1] / medians[-2] - 1) < SETTLED
    return {"warmup_runs": runs, "warmup_s": round(elapsed, 3), "warmup_settled": settled}


def _window(session: Any, feeds: dict[str, Any], least_ns: int) -> list[int]:
    times: list[int] = []
    end = time.perf_counter_ns() + least_ns
    while not times or time.perf_counter_ns() < end:
        begin = time.perf_counter_ns()
        session.run(None, feeds)
        times.append(time.perf_counter_ns() - begin)
    return times


@dataclass(frozen=True, slots=True)
class Timed:
    """Nanoseconds of the runs of a round; those during which another program had the processor are apart."""

    counted: list[int]
    interrupted: list[int]
    occupied: crowding.Occupied | None = None  # what other programs computed meanwhile


def timed_rounds(
    session: Any, feeds: dict[str, Any], timing: dict[str, Any], between: Callable[[], None] | None = None,
    watched: bool = False,
) -> list[Timed]:  # fmt: skip
    """Every run: a round has at least `repeat` runs, which take its share of the seconds.

    `between` is called between two rounds and lets others compute. A session of one thread can be `watched`.
    """
    rounds = max(1, timing["rounds"])
    share_ns = int(timing["min_duration_s"] / rounds * 1e9)
    found: list[Timed] = []
    for number in range(rounds):
        if number and between is not None:
            come_to_rest()
            between()
            _window(session, feeds, WAKING_NS)
        found.append(_round(session, feeds, timing["repeat"], share_ns, watched))
    return found


def come_to_rest() -> None:
    """Until no thread of this process computes, at most `MOST_REST_S`.

    ONNX Runtime's threads go on spinning for some 20 ms after a run, on processors that the next case has.
    """
    ends = time.perf_counter() + MOST_REST_S
    while time.perf_counter() < ends:
        before = time.process_time()
        time.sleep(REST_S)
        if time.process_time() - before < REST_S / 4:
            return


def _round(session: Any, feeds: dict[str, Any], repeat: int, least_ns: int, watched: bool) -> Timed:
    """A run of one thread was interrupted where it took longer than the processor worked for it."""
    run, clock, worked = session.run, time.perf_counter_ns, time.thread_time_ns
    counted, interrupted = array("q"), array("q")
    gc.collect()
    gc.disable()
    began = crowding.now()
    try:
        busy_ns = before = 0
        while True:
            if watched:
                before = worked()
            begin = clock()
            run(None, feeds)
            taken = clock() - begin
            busy_ns += taken
            lost = taken - (worked() - before) if watched else 0
            (interrupted if lost > max(LOST_NS, taken * LOST_SHARE) else counted).append(taken)
            enough = len(counted) >= repeat or len(interrupted) >= MOST_INTERRUPTED * repeat
            if busy_ns >= least_ns and enough:
                ended = crowding.now()
                occupied = began.until(ended) if began and ended else None
                return Timed(counted.tolist(), interrupted.tolist(), occupied)
    finally:
        gc.enable()


def interrupted_share(rounds: Sequence[Timed]) -> float:
    """Of all runs, those that were interrupted, in 0..1."""
    interrupted = sum(len(one.interrupted) for one in rounds)
    return interrupted / (interrupted + sum(len(one.counted) for one in rounds))


def settled(rounds: Sequence[Timed]) -> tuple[list[list[int]], list[list[int]]]:
    """Runs that count, and the others, by round; all count where too few were let alone for a median."""
    counted = [one.counted for one in rounds if one.counted]
    if sum(map(len, counted)) >= LEAST_COUNTED:
        return counted, [one.interrupted for one in rounds if one.interrupted]
    return [[*one.counted, *one.interrupted] for one in rounds], []


BOUND = frozenset(
    {
        *("float", "double", "float16", "bool", "string"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    }
)
"""Element types that the binding takes arrays of, as ONNX Runtime names them."""


class ByValue:
    """A session that is fed and read by its values' bytes."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._types = {one.name: array_type(one.type) for one in session.get_inputs()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs for arrays, which are brought to the types of the inputs. Raises like ONNX Runtime."""
        found = self._session.run_with_ort_values(names, self.values(feeds))
        return [from_value(value) for value in found]

    def values(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """What the session itself takes."""
        return {name: to_value(self._typed(name, array)) for name, array in feeds.items()}

    def _typed(self, name: str, array: Any) -> Any:
        dtype = self._types.get(name)
        return array if dtype is None or not hasattr(array, "astype") else array.astype(dtype, copy=False)


class Plain(ByValue):
    """The same, whose outputs are of numpy's own types: float32 and int8 for narrower ones."""

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs for arrays."""
        found = super().run(names, feeds)
        return [plain(one) if hasattr(one, "dtype") and one.dtype.kind not in "OSU" else one for one in found]


class Bare:
    """Runs a session on values that are bound already: nothing is converted while it is timed."""

    def __init__(self, session: Any, values: Mapping[str, Any]) -> None:
        self._run, self._bound = session.run_with_iobinding, session.io_binding()
        for name, value in values.items():
            self._bound.bind_ortvalue_input(name, value)
        for output in session.get_outputs():
            self._bound.bind_output(output.name)

    def run(self, names: None, feeds: Mapping[str, Any]) -> None:  # noqa: ARG002 - as of any session
        """Run once."""
        self._run(self._bound)


def bound(session: Any) -> Any:
    """The session itself, or one that takes arrays of all its types."""
    tensors = (*session.get_inputs(), *session.get_outputs())
    types = {one.type.removeprefix("tensor(").removesuffix(")") for one in tensors}
    return session if types <= BOUND else Plain(session)


def ready(session: Any, feeds: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What to time: something with `run`, and what to feed it with."""
    if isinstance(session, ByValue):
        return Bare(session, session.values(feeds)), {}
    return session, dict(feeds)


def array_type(name: str) -> Any:
    """numpy's type of what ONNX Runtime calls `tensor(bfloat16)`; None of what is no tensor."""
    from onnx import TensorProto, helper

    element = name.removeprefix("tensor(").removesuffix(")").upper()
    if element not in TensorProto.DataType.keys():  # noqa: SIM118 - an enumeration of protobuf's
        return None
    return helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(element))


def needs_bytes(value: Any) -> bool:
    """Whether an array's type is none of numpy's own."""
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.isbuiltin != 1


def to_value(array: Any) -> Any:
    """An `OrtValue` of an array. Raises RuntimeError where ONNX Runtime keeps a type otherwise than ONNX."""
    import onnxruntime
    from onnx import numpy_helper

    if not needs_bytes(array):
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    tensor = numpy_helper.from_array(array)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(array.shape), tensor.data_type)
    if len(tensor.raw_data) != value.tensor_size_in_bytes():
        raise RuntimeError(f"ONNX Runtime keeps {array.dtype} in another number of bytes than ONNX")
    ctypes.memmove(value.data_ptr(), tensor.raw_data, len(tensor.raw_data))
    return value


def from_value(value: Any) -> Any:
    """The array of an `OrtValue`."""
    from onnx import TensorProto, numpy_helper

    kind = value.element_type()
    if kind == TensorProto.STRING:
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return numpy_helper.to_array(TensorProto(dims=value.shape(), data_type=kind, raw_data=raw))


_RARE = r"(?:bfloat16|float16|float8\w+|float[46]\w+|u?int[24]|complex\d+)"
"""Types that ONNX has operators for and ONNX Runtime often has not; it calls such models invalid."""

_OPERATORS = (
    r"No Op registered for (?P<op>[\w.]+)",
    r"(?P<op>[\w.]+)\(-?\d+\) is not a registered function/op",
    r"Could not find an implementation for (?P<op>[\w.]+)\(",
    r"Failed to find kernel for (?P<op>[\w.]+)\(",
    rf"Type 'tensor\({_RARE}\)' of input parameter \([^)]*\) of operator \((?P<op>\w+)\)",
    r"no operator of this graph can be quantised: (?P<op>[\w.]+(?:, [\w.]+)*)",
)
_CLASSES = (
    (r"[Oo]pset \d+ is under development|support for models stamped", FailureClass.UNSUPPORTED_OPSET),
    (r"Unsupported model IR", FailureClass.UNSUPPORTED_OPSET),
    (r"MemoryError|bad_alloc|Failed to allocate memory|[Oo]ut of memory", FailureClass.OUT_OF_MEMORY),
    (r"^UsageError", FailureClass.INVALID_CALIBRATION),
    (r"INVALID_PROTOBUF|INVALID_GRAPH|ShapeInferenceError", FailureClass.INVALID_MODEL),
)


def failure_of_error(error: Mapping[str, str], stage: Stage) -> Failure:
    """The failure for an exception that the worker caught: its type, text and traceback."""
    text = f"{error['type']}: {error['text']}"
    named = next((found for pattern in _OPERATORS if (found := re.findall(pattern, text))), [])
    operators = tuple(dict.fromkeys(name for names in named for name in names.split(", ")))
    known = next((kind for pattern, kind in _CLASSES if re.search(pattern, text)), FailureClass.TOOL_ERROR)
    failure_class = FailureClass.UNSUPPORTED_OPERATOR if operators else known
    return Failure(stage, failure_class, _first_line(text), operators, error["traceback"])


def answer_of(
    module: str, job: Mapping[str, Any], stage: Stage, start: Callable[[list[str]], Completed]
) -> Answer | Failure:
    """What a worker with ONNX Runtime answers, or the failure that its end or its answer tells of."""
    answer = ask_module(module, Worker("ONNX Runtime", stage), job, start)
    if isinstance(answer, Failure) or "error" not in answer:
        return answer
    return failure_of_error(answer["error"], stage)


_NOISE = re.compile(
    r"^(?:ValueError: |UsageError: |\w+: \[ONNXRuntimeError\] : \d+ : (?:\w+ : )?)?"
    r"(?:Load model from .*? failed: ?)?(?:Fatal error: |This is an invalid model\. )?"
)
"""What ONNX Runtime puts before its messages, among it the path of our own file; and our own types."""

_SOURCE_PLACE = re.compile(r"/onnxruntime_src/\S+?:\d+ .*? was false\. ")
"""The place in ONNX Runtime's own source and the condition there, before the words that tell the user."""

_REFUSED_BYTES = re.compile(r"Failed to allocate memory for requested buffer of size (\d+)")


def _first_line(text: str) -> str:
    """The line that tells what happened, without what stands before it."""
    if refused := _REFUSED_BYTES.search(text):
        return f"ONNX Runtime asked for {int(refused[1]):,} bytes at once, which this machine does not have"
    line = next((line.strip() for line in text.splitlines() if line.strip()), text)
    return _SOURCE_PLACE.sub("", _NOISE.sub("", line))
