"""Frames of PyAV: their bytes, sources of them, and decoders; in the worker's process."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.recipes import DECODERS, FORMATS, RATE, Recipe


def i420(frame: Any) -> Any:
    """A frame's samples as planar 4:2:0, a numpy array (rows, columns) without padding."""
    # yuvj420p has the same bytes; only its name says that their range is the full one.
    planar = frame if frame.format.name in ("yuv420p", "yuvj420p") else frame.reformat(format="yuv420p")
    return planar.to_ndarray()


def sha256_of_frames(frames: Iterator[Any]) -> tuple[int, str]:
    """How many, and the SHA-256 of their I420 samples in order."""
    total, count = hashlib.sha256(), 0
    for frame in frames:
        total.update(memoryview(i420(frame)).cast("B"))
        count += 1
    return count, total.hexdigest()


def sources(recipe: Recipe) -> Iterator[Any]:
    """The pictures of a recipe in its pixel format."""
    graph = _graph(
        [
            ("testsrc2", f"size={recipe.width}x{recipe.height}:rate={RATE}"),
            ("scale", "flags=bilinear+accurate_rnd+bitexact"),
            ("format", recipe.pixels),
        ]
    )
    for number in range(recipe.frames):
        frame = graph.pull()
        frame.pts = number
        yield frame


def _graph(filters: Sequence[tuple[str, str]]) -> Any:
    import av.filter

    graph = av.filter.Graph()
    graph.link_nodes(*[graph.add(name, options) for name, options in filters], graph.add("buffersink"))
    graph.configure()
    return graph


def filter_graph(chain: str, width: int, height: int, pixels: str) -> Any:
    """A filter chain `name=options,...` between a buffer of frames and a sink; push, then pull."""
    import av.filter

    graph: Any = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=pixels, time_base=Fraction(1, RATE))
    nodes = [graph.add(*part.split("=", 1)) for part in chain.split(",")]
    graph.link_nodes(source, *nodes, graph.add("buffersink"))
    graph.configure()
    return graph


def packets(path: Path, codec: str) -> list[Any]:
    """The packets of an elementary stream, one a frame, in memory."""
    import av

    with av.open(str(path), format=FORMATS[codec]) as container:
        return [av.Packet(bytes(packet)) for packet in container.demux(video=0) if packet.size]


def decoder(codec: str, threads: int, exact: bool = False) -> Any:
    """FFmpeg's own decoder; `exact` asks for results that no processor changes."""
    import av

    context: Any = av.CodecContext.create(DECODERS[codec], "r")
    context.thread_count = threads
    context.thread_type = "FRAME"
    if exact:
        context.options = {"flags": "bitexact", "idct": "simple"}
    return context


def decoded(path: Path, codec: str) -> Iterator[Any]:
    """Every frame of a stream, decoded exactly."""
    context = decoder(codec, 1, exact=True)
    for packet in packets(path, codec):
        yield from context.decode(packet)
    yield from context.decode(None)


def raw_frames(path: Path, width: int, height: int) -> list[Any]:
    """The frames of an NV12 file."""
    import av
    import numpy as np

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


def psnr_db(ours: Any, theirs: Any) -> float | None:
    """Peak signal to noise of 8-bit samples; None when they are the same."""
    import numpy as np

    difference = np.asarray(ours, np.float32) - np.asarray(theirs, np.float32)
    error = float(np.mean(np.square(difference)))
    return float(10 * np.log10(255.0**2 / error)) if error else None
