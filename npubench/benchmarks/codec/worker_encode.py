"""Encodes with PyAV: what comes out is decoded and compared, then encoding is timed; in the worker."""

import hashlib
import time
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.encoders import ENCODERS, encoder_options
from npubench.benchmarks.codec.recipes import RATE
from npubench.benchmarks.codec.worker_frames import Budget, decoder, i420, psnr_db, raw_frames


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
