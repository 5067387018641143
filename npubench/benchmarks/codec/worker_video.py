"""Decodes, encodes and filters with PyAV: checked, then timed frame by frame; in the worker."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from npubench.benchmarks.codec.cases import (
    ENCODERS,
    EXACT,
    FORMATS,
    HOLDS_FPS,
    RATE,
    RECIPES,
    Recipe,
    encoder_options,
    most_held,
)
from npubench.benchmarks.codec.worker_frames import (
    Budget,
    decoded,
    decoder,
    filter_graph,
    packets,
    raw_frames,
    rounds,
    sources,
    told_of,
)
from npubench.storage.hashing import sha256_of_file

GRACE_S = 10.0
"""How long decoders of a failed trial may take to see that time is up: one frame each."""


def decode(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `pyav` makes a `Found` of."""
    codec = job["codec"]
    stream = packets(Path(job["input"]), codec)
    answer = {
        **told_of(decoded(stream, codec)),
        **rounds(job, lambda: partial(_decode, decoder(codec, job["threads"]), stream)),
    }
    if job["streams"]:
        fps = sum(answer["round_frames"]) / sum(answer["round_seconds"])
        answer["streams"] = _streams(job, stream, fps)
    return answer


def _decode(context: Any, stream: list[Any], budget: Budget) -> tuple[list[float], int]:
    """Microseconds a frame from its packet's way in to its own way out, and the packets that were sent."""
    samples: list[float] = []
    under_way: deque[int] = deque()
    sent = 0

    def give(packet: Any) -> None:
        for _frame in context.decode(packet):
            samples.append((time.perf_counter_ns() - under_way.popleft()) / 1000)

    while not budget.spent(sent):
        for packet in stream:
            under_way.append(time.perf_counter_ns())
            give(packet)
        sent += len(stream)
    give(None)
    return samples, sent


def _streams(job: Mapping[str, Any], stream: list[Any], fps: float) -> dict[str, Any]:
    """Each of n decoders, with a thread of its own, decodes n frames' worth of `stream_s` at 25 fps."""
    number_of_frames = max(1, round(job["stream_s"] * HOLDS_FPS))
    limit_s = number_of_frames / HOLDS_FPS
    work = [stream[i % len(stream)] for i in range(number_of_frames)]
    until = time.perf_counter() + job["search_s"]
    cpu: dict[int, float] = {}

    def holds(number: int) -> bool:
        started = time.process_time()
        seconds = _all_of(number, job["codec"], work, limit_s)
        cpu[number] = (time.process_time() - started) / min(seconds, limit_s)
        return bool(seconds <= limit_s)

    guess = int(fps * job["cores"] / HOLDS_FPS)
    held, tried = most_held(holds, guess, may_go_on=lambda: time.perf_counter() < until)
    return {"held": held, "tried": tried, "cpu_cores": cpu.get(held)}


def _all_of(number: int, codec: str, work: list[Any], limit_s: float) -> float:
    """Seconds until the last of `number` decoders has all its frames; infinity when it has them too late."""
    gate = threading.Event()
    ends: list[float] = []

    def one(context: Any) -> None:
        gate.wait()
        frames = 0
        for packet in work:
            frames += len(context.decode(packet))
            if time.perf_counter() - started > limit_s:
                return
        frames += len(context.decode(None))
        if frames >= len(work):
            ends.append(time.perf_counter())

    # One frame before time starts: threads and buffers are there, as in a stream that runs already.
    contexts = [decoder(codec, 1) for _ in range(number)]
    for context in contexts:
        context.decode(work[0])
    threads = [threading.Thread(target=one, args=(context,), daemon=True) for context in contexts]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    gate.set()
    for thread in threads:
        thread.join(limit_s + GRACE_S)
    return max(ends) - started if len(ends) == number else float("inf")


def image(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `pyav` makes a `Found` of."""
    frames = raw_frames(Path(job["input"]), job["width"], job["height"])
    return {**_filtered(job, frames), **rounds(job, lambda: partial(_filter, _graph(job, ""), frames))}


def _graph(job: Mapping[str, Any], exact: str) -> Any:
    chain = job["filters"].format(exact=exact)
    return filter_graph(chain, width=job["width"], height=job["height"], format="nv12")


def _filtered(job: Mapping[str, Any], frames: list[Any]) -> dict[str, Any]:
    """Number and SHA-256 of the results, computed in the way that no processor changes."""
    graph, total, number = _graph(job, EXACT), hashlib.sha256(), 0
    for frame in frames:
        graph.push(frame)
        result = graph.pull()
        if (result.width, result.height) == tuple(job["output"]):
            number += 1
        total.update(result.to_ndarray().tobytes())
    return {"frames": number, "frames_sha256": total.hexdigest(), "psnr_db": None}


def _filter(graph: Any, frames: list[Any], budget: Budget) -> tuple[list[float], int]:
    samples: list[float] = []
    for number in count():
        if budget.spent(number):
            break
        frame = frames[number % len(frames)]
        frame.pts = number
        started = time.perf_counter_ns()
        graph.push(frame)
        graph.pull()
        samples.append((time.perf_counter_ns() - started) / 1000)
    return samples, len(samples)


def encode(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `pyav` makes a `Found` of."""
    frames = raw_frames(Path(job["input"]), job["width"], job["height"])
    encoder = _encoder(job)
    stream = [packet for number, frame in enumerate(frames) for packet in _give(encoder, frame, number)]
    stream += encoder.encode(None)
    # JPEG's samples use the full range.
    full = job["codec"] == "jpeg"
    given = (frame.reformat(format="yuvj420p") if full else frame for frame in frames)
    sizes: list[int] = []
    times = rounds(job, lambda: partial(_encode, _encoder(job), frames, sizes))
    bits = 8 * sum(sizes) / max(1, times["frames_fed"])
    return {
        **told_of(decoded(stream, job["codec"]), given),
        **times,
        "more": {"encoder": ENCODERS[job["codec"]], "bits_per_frame": bits},
    }


def _encoder(job: Mapping[str, Any]) -> Any:
    name = ENCODERS[job["codec"]]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height = job["width"], job["height"]
    context.pix_fmt = "yuvj420p" if job["codec"] == "jpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.thread_count = job["threads"]
    context.options = encoder_options(name, job["threads"])
    return context


def _give(encoder: Any, frame: Any, number: int) -> list[Any]:
    # The encoders take planar samples; putting them so is part of the work, as the board's camera gives NV12.
    planar = frame.reformat(format=encoder.pix_fmt)
    planar.pts, planar.time_base, planar.pict_type = number, Fraction(1, RATE), 0
    packets: list[Any] = encoder.encode(planar)
    return packets


def _encode(encoder: Any, frames: list[Any], sizes: list[int], budget: Budget) -> tuple[list[float], int]:
    """Microseconds a frame from its way in to its packet's way out; the frames sent; adds to `sizes`."""
    samples: list[float] = []
    under_way: deque[int] = deque()

    def take(packets: list[Any]) -> None:
        for packet in packets:
            samples.append((time.perf_counter_ns() - under_way.popleft()) / 1000)
            sizes.append(packet.size)

    for number in count():
        if budget.spent(number):
            break
        under_way.append(time.perf_counter_ns())
        take(_give(encoder, frames[number % len(frames)], number))
    take(encoder.encode(None))
    return samples, number


SEI = {"h264": "filter_units=remove_types=6"}
"""x264 writes its version into every stream, as supplemental information; frames do not need it."""


def make(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write a recipe's file; the fields of `media.Made`."""
    recipe, path = RECIPES[job["recipe"]], Path(job["output"])
    if recipe.codec == "raw":
        with path.open("wb") as stream:
            for frame in sources(recipe):
                stream.write(memoryview(frame.to_ndarray()).cast("B"))
        sha256 = sha256_of_file(path)
        told = {"frames": recipe.frames, "frames_sha256": sha256, "psnr_db": None}
        return {"sha256": sha256, "encoder": "testsrc2 of PyAV", **told}
    _write(recipe, path)
    told = told_of(decoded(packets(path, recipe.codec), recipe.codec), sources(recipe))
    return {"sha256": sha256_of_file(path), "encoder": f"{recipe.encoder} of PyAV", **told}


def _write(recipe: Recipe, path: Path) -> None:
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
