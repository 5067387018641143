"""Encodes with PyAV: what comes out is decoded and compared, then encoding is timed; in the worker."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.recipes import ENCODERS, FORMATS, RATE, RECIPES, Recipe, encoder_options
from npubench.benchmarks.codec.worker_frames import (
    Budget,
    decoded,
    decoder,
    i420,
    psnr_db,
    raw_frames,
    sources,
)
from npubench.storage.hashing import sha256_of_file


def encode(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `engines.pyav` makes a `Found` of."""
    frames = raw_frames(Path(job["input"]), job["width"], job["height"])
    answer = _checked(job, frames)
    rounds: list[list[float]] = []
    seconds: list[float] = []
    fed, cpu_s, size_bytes = 0, 0.0, 0
    for _ in range(job["rounds"]):
        encoder, budget = _encoder(job), Budget(job)
        cpu, started = time.process_time(), time.perf_counter()
        samples, sent, size = _one_round(encoder, frames, budget)
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
        rounds.append(samples)
        fed, size_bytes = fed + sent, size_bytes + size
    return {
        **answer,
        "round_frames": [len(one) for one in rounds],
        "round_seconds": seconds,
        "frames_fed": fed,
        "cpu_s": cpu_s,
        "samples_us": rounds,
        "more": {"encoder": ENCODERS[job["codec"]], "bits_per_frame": 8 * size_bytes / max(1, fed)},
    }


def _encoder(job: Mapping[str, Any]) -> Any:
    import av

    name = ENCODERS[job["codec"]]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height = job["width"], job["height"]
    context.pix_fmt = "yuvj420p" if job["codec"] == "jpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.thread_count = job["threads"]
    context.options = encoder_options(name, job["threads"])
    return context


def _checked(job: Mapping[str, Any], frames: list[Any]) -> dict[str, Any]:
    """Encode every frame once, decode it again: number, SHA-256 and least PSNR of what comes back."""
    encoder = _encoder(job)
    packets = [packet for number, frame in enumerate(frames) for packet in _give(encoder, frame, number)]
    packets += encoder.encode(None)
    context, back = decoder(job["codec"], 1, exact=True), []
    for packet in [*packets, None]:
        back += context.decode(packet)
    total, worst = hashlib.sha256(), None
    for ours, theirs in zip(back, frames, strict=False):
        samples = i420(ours)
        total.update(memoryview(samples).cast("B"))
        distance = psnr_db(samples[: job["height"] : 4, ::4], _source(job, theirs)[: job["height"] : 4, ::4])
        worst = min(distance, worst or distance) if distance is not None else worst
    return {"frames": len(back), "frames_sha256": total.hexdigest(), "psnr_db": worst}


def _source(job: Mapping[str, Any], frame: Any) -> Any:
    """What the encoder was given: JPEG's samples use the full range."""
    return i420(frame.reformat(format="yuvj420p") if job["codec"] == "jpeg" else frame)


def _give(encoder: Any, frame: Any, number: int) -> list[Any]:
    # The encoders take planar samples; putting them so is part of the work, as the board's camera gives NV12.
    planar = frame.reformat(format=encoder.pix_fmt)
    planar.pts, planar.time_base, planar.pict_type = number, Fraction(1, RATE), 0
    packets: list[Any] = encoder.encode(planar)
    return packets


def _one_round(encoder: Any, frames: list[Any], budget: Budget) -> tuple[list[float], int, int]:
    """Microseconds a frame from its way in to its packet's way out; frames sent; bytes that came out."""
    samples: list[float] = []
    under_way: deque[int] = deque()
    size_bytes = 0

    def take(packets: list[Any]) -> None:
        nonlocal size_bytes
        for packet in packets:
            samples.append((time.perf_counter_ns() - under_way.popleft()) / 1000)
            size_bytes += packet.size

    for number in count():
        if budget.spent(number):
            break
        under_way.append(time.perf_counter_ns())
        take(_give(encoder, frames[number % len(frames)], number))
    take(encoder.encode(None))
    return samples, number, size_bytes


SEI = {"h264": "filter_units=remove_types=6"}
"""x264 writes its version into every stream, as supplemental information; frames do not need it."""


def make(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write a recipe's file; the fields of `media.Made`."""
    recipe, path = RECIPES[job["recipe"]], Path(job["output"])
    if recipe.codec == "raw":
        return _raw(recipe, path)
    _encode(recipe, path)
    told = _told(decoded(path, recipe.codec), sources(recipe))
    return {"sha256": sha256_of_file(path), "encoder": f"{recipe.encoder} of PyAV", **told}


def _raw(recipe: Recipe, path: Path) -> dict[str, Any]:
    total, count = hashlib.sha256(), 0
    with path.open("wb") as stream:
        for frame in sources(recipe):
            samples = memoryview(frame.to_ndarray()).cast("B")
            stream.write(samples)
            total.update(samples)
            count += 1
    known = {"frames": count, "psnr_db": None, "encoder": "testsrc2 of PyAV"}
    return {"sha256": total.hexdigest(), "frames_sha256": total.hexdigest(), **known}


def _encode(recipe: Recipe, path: Path) -> None:
    import av
    from av.bitstream import BitStreamFilterContext

    with av.open(str(path), "w", format=FORMATS[recipe.codec]) as container:
        stream: Any = container.add_stream(recipe.encoder, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixels
        stream.codec_context.thread_count = 1
        stream.options = {**dict(recipe.options), "flags": "bitexact"}
        cleaned = None
        for frame in [*sources(recipe), None]:
            if frame is not None:
                frame.pict_type = 0
            for packet in stream.encode(frame):
                if recipe.codec in SEI:
                    cleaned = cleaned or BitStreamFilterContext(SEI[recipe.codec], stream)
                    container.mux(cleaned.filter(packet))
                else:
                    container.mux(packet)


def _told(ours: Iterator[Any], theirs: Iterator[Any]) -> dict[str, Any]:
    """Number and SHA-256 of the decoded frames, and the least PSNR against the pictures."""
    total, count, worst = hashlib.sha256(), 0, None
    for one, other in zip(ours, theirs, strict=True):
        samples = i420(one)
        total.update(memoryview(samples).cast("B"))
        count += 1
        distance = psnr_db(samples[: other.height : 4, ::4], i420(other)[: other.height : 4, ::4])
        worst = min(distance, worst or distance) if distance is not None else worst
    return {"frames": count, "frames_sha256": total.hexdigest(), "psnr_db": worst}
