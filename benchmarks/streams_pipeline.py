"""Real pipelines of this machine for `benchmarks.streams`: frames, small CNNs, numpy around them, threads.

Every stage is code that lets other threads run (PyAV, ONNX Runtime with one thread, numpy on large arrays),
so that what is compared with the simulation is the processor and not Python's lock.
"""

import math
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT, CLIP_FRAMES = 1280, 720, 50

Value = Any
"""What goes from stage to stage: a frame, an array, a list of boxes."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a frame; `make` gives a function of a thread's own (a decoder has a state)."""

    name: str
    make: Callable[[], Callable[[Value], Value]]


@dataclass(frozen=True, slots=True)
class Net:
    """A small CNN: channels of its 3x3 convolutions, each of stride 2 where `strides` says so."""

    name: str
    size: int  # pixels, of a square picture
    channels: tuple[int, ...]
    strides: tuple[int, ...]


NETS = {
    "tiny": Net("tiny", 96, (16, 32, 32), (2, 2, 1)),
    "small": Net("small", 128, (16, 32, 64, 64), (2, 2, 1, 2)),
    "medium": Net("medium", 192, (16, 32, 64, 64), (2, 2, 1, 2)),
    "large": Net("large", 256, (24, 48, 64, 96, 96), (2, 2, 1, 2, 1)),
}


def save_net(net: Net, path: Path) -> None:
    """Convolutions with ReLU, and a mean over each channel at the end."""
    from onnx import TensorProto, helper, numpy_helper, save

    random = np.random.default_rng(0)
    nodes, weights, ins, last = [], [], 3, "x"
    for at, (outs, stride) in enumerate(zip(net.channels, net.strides, strict=True)):
        kernel = random.standard_normal((outs, ins, 3, 3)).astype(np.float32) / np.sqrt(9 * ins)
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"w{at}"))
        nodes.append(
            helper.make_node(
                "Conv", [last, f"w{at}"], [f"c{at}"], pads=[1, 1, 1, 1], strides=[stride, stride]
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"r{at}"]))
        ins, last = outs, f"r{at}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, net.size, net.size])
    y = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, net.name, [x], [y], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def infer_stage(net: Net, path: Path) -> Stage:
    """ONNX Runtime on one thread; the session is shared by all threads, as it may be."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Stage(f"infer {net.name}", lambda: lambda value: session.run(None, {"x": value})[0])


def preprocess_stage(net: Net) -> Stage:
    """A picture of the net's size out of the frame: mean of four neighbours, scaled, channels first."""

    def work(frame: Value) -> Value:
        part = frame[: 2 * net.size, : 2 * net.size].astype(np.float32)
        small = part[0::2, 0::2] + part[1::2, 0::2] + part[0::2, 1::2] + part[1::2, 1::2]
        small *= np.float32(1 / 1020)
        return np.ascontiguousarray(small.transpose(2, 0, 1)[None])

    return Stage(f"preprocess {net.name}", lambda: work)


def tail_stage(repeat: int) -> Stage:
    """What a detector's tail does with scores: logistic function, sort, the best hundred."""

    def work(scores: Value) -> Value:
        flat = np.resize(scores, 20_000)
        for _ in range(repeat):
            flat = 1 / (1 + np.exp(-flat))
            best = np.argsort(flat)[-100:]
        return best

    return Stage(f"tail x{repeat}", lambda: work)


def decode_stage(folder: Path) -> tuple[Stage, str]:
    """H.264 in 1280x720 by PyAV on one thread, and what it is; copies of a picture without PyAV or ffmpeg."""
    clip = folder / "clip.h264"
    try:
        import av
    except ImportError:
        av = None
    if av is None or shutil.which("ffmpeg") is None or not _make_clip(clip):
        return Stage(
            "decode", _stand_in
        ), "stand-in: copies of a picture (no PyAV, or no ffmpeg with libx264)"
    return Stage("decode", lambda: _decoder(av, clip)), f"PyAV {av.__version__}, H.264 {WIDTH}x{HEIGHT}"


def _make_clip(path: Path) -> bool:
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25"
    argv = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source]
    argv += ["-frames:v", str(CLIP_FRAMES), "-c:v", "libx264", "-preset", "veryfast", "-bf", "0"]
    return subprocess.run([*argv, str(path)], check=False).returncode == 0


def _decoder(av: Any, clip: Path) -> Callable[[Value], Value]:
    def frames() -> Iterator[Value]:
        while True:
            with av.open(str(clip)) as container:
                container.streams.video[0].codec_context.thread_count = 1
                for frame in container.decode(video=0):
                    # Left alone, the conversion takes threads of its own, as many as there are cores.
                    yield frame.to_ndarray(format="rgb24", threads=1)

    endless = frames()
    return lambda _: next(endless)


def _stand_in() -> Callable[[Value], Value]:
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def work(_: Value) -> Value:
        frame = picture.copy()
        return np.bitwise_xor(frame, 1, out=frame)

    return work


@dataclass(frozen=True, slots=True)
class Part:
    """A stage of a pool; `runs` a frame: 1/3 is every third frame, 4 are four crops."""

    stage: Stage
    runs: float = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Threads that do some stages one after the other."""

    threads: int
    parts: tuple[Part, ...]


def whole(name: str, *stages: Stage) -> Stage:
    """All of a model as one stage: a frame goes in and comes out, so that further models may have it."""

    def make() -> Callable[[Value], Value]:
        works = [stage.make() for stage in stages]

        def work(frame: Value) -> Value:
            value = frame
            for one in works:
                value = one(value)
            return frame

        return work

    return Stage(name, make)


class Line:
    """Pools with a bounded queue between each two; the first makes frames as fast as it may.

    `on_way` lets so many frames in at once, of all lines that share it; None: as many as there is room for.
    """

    def __init__(self, pools: Sequence[Pool], room: int, on_way: threading.Semaphore | None = None) -> None:
        self.pools, self.on_way = pools, on_way
        self.queues: list[queue.Queue[Value]] = [queue.Queue(room) for _ in pools[1:]]
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.spent, self.counted = [0.0] * len(pools), [0] * len(pools)

    def threads(self) -> list[threading.Thread]:
        """Of all pools, not started."""
        return [
            threading.Thread(target=self._work, args=(at, _works(pool)), daemon=True)
            for at, pool in enumerate(self.pools)
            for _ in range(pool.threads)
        ]

    def snapshot(self) -> tuple[list[float], list[int]]:
        """Processor seconds of each pool, and its frames, until now."""
        with self.lock:
            return list(self.spent), list(self.counted)

    def _work(self, at: int, works: Sequence[Callable[[Value], Value]]) -> None:
        # The queues' own work counts, too; waiting takes no processor time.
        before = time.thread_time()
        while not self.stop.is_set():
            taken, value = self._next(at)
            if not taken:
                continue
            value = _through(works, value)
            if at < len(self.queues):
                self._put(self.queues[at], value)
            elif self.on_way is not None:
                self.on_way.release()
            now = time.thread_time()
            with self.lock:
                self.spent[at] += now - before
                self.counted[at] += 1
            before = now

    def _next(self, at: int) -> tuple[bool, Value]:
        """Whether there is something to do, and what; waits a little for it."""
        if at == 0:
            return self.on_way is None or self.on_way.acquire(timeout=WAIT_S), None
        try:
            return True, self.queues[at - 1].get(timeout=WAIT_S)
        except queue.Empty:
            return False, None

    def _put(self, target: "queue.Queue[Value]", value: Value) -> None:
        while not self.stop.is_set():
            try:
                target.put(value, timeout=WAIT_S)
                return
            except queue.Full:
                continue


WAIT_S = 0.05
"""Seconds after which a thread that waits looks whether it is to end."""


def _works(pool: Pool) -> list[Callable[[Value], Value]]:
    return [_repeated(part.stage.make(), part.runs) for part in pool.parts]


def _repeated(work: Callable[[Value], Value], runs: float) -> Callable[[Value], Value]:
    if runs == 1:
        return work
    frame = 0

    def some(value: Value) -> Value:
        nonlocal frame
        times = math.floor((frame + 1) * runs + 1e-9) - math.floor(frame * runs + 1e-9)
        frame += 1
        for _ in range(times):
            work(value)
        return value

    return some


@dataclass(frozen=True, slots=True)
class Ran:
    """What lines did while they were watched."""

    fps: float  # frames a second out of all of them
    seconds_a_frame: tuple[tuple[float, ...], ...]  # processor time of each pool of each line
    others: float  # share of the machine's processor time that other programs had, in 0..1


def run(lines: Sequence[Line], seconds: float, warm_up: float) -> Ran:
    """All lines at once; the warm-up is not counted."""
    threads = [thread for line in lines for thread in line.threads()]
    for thread in threads:
        thread.start()
    time.sleep(warm_up)
    before, started, machine = [line.snapshot() for line in lines], time.perf_counter(), _machine()
    after = before
    # On a busy machine a short look may see no frame at all of a pool.
    while any(now == then for now, then in _counts(after, before)):
        time.sleep(seconds)
        after = [line.snapshot() for line in lines]
    took, busy = time.perf_counter() - started, _machine() - machine
    for line in lines:
        line.stop.set()
    for thread in threads:
        thread.join()
    ended = sum(counts[-1] - old[-1] for (_, counts), (_, old) in zip(after, before, strict=True))
    means = [_means(*now, *then) for now, then in zip(after, before, strict=True)]
    return Ran(ended / took, tuple(means), max(0.0, busy / took / (os.cpu_count() or 1)))


def _machine() -> float:
    """Processor seconds of all programs but this one since the start, idle time left out; 0 without /proc."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, soft_irq, stolen, *_ = map(int, first)
    whole = (user + nice + system + irq + soft_irq + stolen) / os.sysconf("SC_CLK_TCK")
    return whole - time.process_time()


Snapshots = Sequence[tuple[list[float], list[int]]]


def _counts(after: Snapshots, before: Snapshots) -> Iterator[tuple[int, int]]:
    """Frames of each pool then and now."""
    for (_, counts), (_, old) in zip(after, before, strict=True):
        yield from zip(counts, old, strict=True)


def _means(
    spent: Sequence[float], counts: Sequence[int], spent_before: Sequence[float], before: Sequence[int]
) -> tuple[float, ...]:
    return tuple(
        (one - old) / (count - counted)
        for one, count, old, counted in zip(spent, counts, spent_before, before, strict=True)
    )


def _through(works: Sequence[Callable[[Value], Value]], value: Value) -> Value:
    for work in works:
        value = work(value)
    return value
