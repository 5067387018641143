"""Frames of PyAV: their bytes, sources of them, decoders, timed rounds; in the worker's process."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np

from npubench.benchmarks.codec.cases import DECODERS, FORMATS, RATE, Recipe


def i420(frame: Any) -> Any:
    """A frame's samples as planar 4:2:0, a numpy array (rows, columns) without padding."""
    # yuvj420p has the same bytes; only its name says that their range is the full one.
    planar = frame if frame.format.name in ("yuv420p", "yuvj420p") else frame.reformat(format="yuv420p")
    return planar.to_ndarray()


def told_of(frames: Iterable[Any], sources: Iterable[Any] = ()) -> dict[str, Any]:
    """How many frames, the SHA-256 of their I420 samples in order, and their least PSNR against sources."""
    total, count, worst = hashlib.sha256(), 0, None
    for frame, source in zip_longest(frames, sources):
        if frame is None:
            break
        samples = i420(frame)
        total.update(memoryview(samples).cast("B"))
        count += 1
        if source is not None:
            distance = _psnr_db(samples[: source.height : 4, ::4], i420(source)[: source.height : 4, ::4])
            worst = min(distance, worst or distance) if distance is not None else worst
    return {"frames": count, "frames_sha256": total.hexdigest(), "psnr_db": worst}


def _psnr_db(ours: Any, theirs: Any) -> float | None:
    """Peak signal to noise of 8-bit samples; None when they are the same."""
    difference = np.asarray(ours, np.float32) - np.asarray(theirs, np.float32)
    error = float(np.mean(np.square(difference)))
    return float(10 * np.log10(255.0**2 / error)) if error else None


def sources(recipe: Recipe) -> Iterator[Any]:
    """The pictures of a recipe in its pixel format."""
    graph = filter_graph(
        f"testsrc2=size={recipe.width}x{recipe.height}:rate={RATE},"
        f"scale=flags=bilinear+accurate_rnd+bitexact,format={recipe.pixels}"
    )
    for number in range(recipe.frames):
        frame = graph.pull()
        frame.pts = number
        yield frame


def filter_graph(chain: str, **frames: Any) -> Any:
    """A filter chain `name=options,...` to a sink, after a buffer of such frames, if any: push, then pull."""
    graph: Any = av.filter.Graph()
    buffer = [graph.add_buffer(**frames, time_base=Fraction(1, RATE))] if frames else []
    nodes = [graph.add(*part.split("=", 1)) for part in chain.split(",")]
    graph.link_nodes(*buffer, *nodes, graph.add("buffersink"))
    graph.configure()
    return graph


def packets(path: Path, codec: str) -> list[Any]:
    """The packets of an elementary stream, one a frame, in memory."""
    with av.open(str(path), format=FORMATS[codec]) as container:
        return [av.Packet(bytes(packet)) for packet in container.demux(video=0) if packet.size]


def decoder(codec: str, threads: int, exact: bool = False) -> Any:
    """FFmpeg's own decoder; `exact` asks for results that no processor changes."""
    context: Any = av.CodecContext.create(DECODERS[codec], "r")
    context.thread_count = threads
    context.thread_type = "FRAME"
    if exact:
        context.options = {"flags": "bitexact", "idct": "simple"}
    return context


def decoded(stream: Iterable[Any], codec: str) -> Iterator[Any]:
    """Every frame of a stream's packets, decoded exactly."""
    context = decoder(codec, 1, exact=True)
    for packet in stream:
        yield from context.decode(packet)
    yield from context.decode(None)


def raw_frames(path: Path, width: int, height: int) -> list[Any]:
    """The frames of an NV12 file."""
    samples = np.fromfile(path, np.uint8).reshape(-1, height * 3 // 2, width)
    frames = [av.VideoFrame.from_ndarray(one, "nv12") for one in samples]
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frames


class Budget:
    """When one of a job's rounds is long enough: its share of `samples` and `least_s`, or of `most_s`."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._least_s, self._most_s, self._samples = (
            job[name] / job["rounds"] for name in ("least_s", "most_s", "samples")
        )
        self._started = time.perf_counter()

    def spent(self, frames: int) -> bool:
        """Whether the round can end after that many frames."""
        passed = time.perf_counter() - self._started
        return frames > 0 and (
            passed >= self._most_s or (passed >= self._least_s and frames >= self._samples)
        )


Round = Callable[[Budget], tuple[list[float], int]]
"""Works until the budget is spent: microseconds from a frame's way in to its way out; what went in."""


def rounds(job: Mapping[str, Any], begin: Callable[[], Round]) -> dict[str, Any]:
    """The job's rounds, as its answer tells them. `begin` makes each ready before its time starts."""
    samples_us: list[list[float]] = []
    seconds: list[float] = []
    fed, cpu_s = 0, 0.0
    for _ in range(job["rounds"]):
        one_round, budget = begin(), Budget(job)
        cpu, started = time.process_time(), time.perf_counter()
        samples, sent = one_round(budget)
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
        samples_us.append(samples)
        fed += sent
    return {
        "round_frames": [len(one) for one in samples_us],
        "round_seconds": seconds,
        "frames_fed": fed,
        "cpu_s": cpu_s,
        "samples_us": samples_us,
    }
