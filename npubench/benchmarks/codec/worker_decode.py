"""Decodes with PyAV: checked, then timed frame by frame, then as many streams as hold; in the worker."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import HOLDS_FPS, most_held
from npubench.benchmarks.codec.recipes import EXACT
from npubench.benchmarks.codec.worker_frames import (
    Budget,
    decoded,
    decoder,
    filter_graph,
    packets,
    raw_frames,
    sha256_of_frames,
)

GRACE_S = 10.0
"""How long decoders of a failed trial may take to see that time is up: one frame each."""


def decode(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `engines.pyav` makes a `Found` of."""
    path, codec = Path(job["input"]), job["codec"]
    frames, frames_sha256 = sha256_of_frames(decoded(path, codec))
    answer = {"frames": frames, "frames_sha256": frames_sha256, "psnr_db": None, **timed(job)}
    if job["streams"]:
        answer["streams"] = _streams(job, sum(answer["round_frames"]) / sum(answer["round_seconds"]))
    return answer


def timed(job: Mapping[str, Any]) -> dict[str, Any]:
    """Rounds of decoding, each with a new decoder; it ends when there are enough frames or time is up."""
    stream = packets(Path(job["input"]), job["codec"])
    rounds: list[list[float]] = []
    seconds, frames, fed, cpu_s = [], [], 0, 0.0
    for _ in range(job["rounds"]):
        context = decoder(job["codec"], job["threads"])
        budget = Budget(job)
        cpu, started = time.process_time(), time.perf_counter()
        samples, sent = _one_round(context, stream, budget)
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
        rounds.append(samples)
        frames.append(len(samples))
        fed += sent
    return {
        "round_frames": frames,
        "round_seconds": seconds,
        "frames_fed": fed,
        "cpu_s": cpu_s,
        "samples_us": rounds,
    }


def _one_round(context: Any, stream: list[Any], budget: Budget) -> tuple[list[float], int]:
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


def _streams(job: Mapping[str, Any], fps: float) -> dict[str, Any]:
    """Each of n decoders, with a thread of its own, decodes n frames' worth of `stream_s` at 25 fps."""
    stream = packets(Path(job["input"]), job["codec"])
    count = max(1, round(job["stream_s"] * HOLDS_FPS))
    work = [stream[i % len(stream)] for i in range(count)]
    until = time.perf_counter() + job["search_s"]
    cpu: dict[int, float] = {}

    def holds(number: int) -> bool:
        started = time.process_time()
        seconds = _all_of(number, job["codec"], work, count / HOLDS_FPS)
        cpu[number] = (time.process_time() - started) / min(seconds, count / HOLDS_FPS)
        return bool(seconds <= count / HOLDS_FPS)

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
    """The answer's fields are those that `engines.pyav` makes a `Found` of."""
    frames = raw_frames(Path(job["input"]), job["width"], job["height"])
    rounds: list[list[float]] = []
    seconds: list[float] = []
    cpu_s = 0.0
    for _ in range(job["rounds"]):
        graph, budget = _graph(job, ""), Budget(job)
        cpu, started = time.process_time(), time.perf_counter()
        rounds.append(_one_round_of_images(graph, frames, budget))
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
    done = [len(one) for one in rounds]
    return {
        **_checked(job, frames),
        "round_frames": done,
        "round_seconds": seconds,
        "frames_fed": sum(done),
        "cpu_s": cpu_s,
        "samples_us": rounds,
    }


def _graph(job: Mapping[str, Any], exact: str) -> Any:
    return filter_graph(job["filters"].format(exact=exact), job["width"], job["height"], "nv12")


def _checked(job: Mapping[str, Any], frames: list[Any]) -> dict[str, Any]:
    """Number and SHA-256 of the results, computed in the way that no processor changes."""
    graph, total, number = _graph(job, EXACT), hashlib.sha256(), 0
    for frame in frames:
        graph.push(frame)
        result = graph.pull()
        if (result.width, result.height) == tuple(job["output"]):
            number += 1
        total.update(result.to_ndarray().tobytes())
    return {"frames": number, "frames_sha256": total.hexdigest(), "psnr_db": None}


def _one_round_of_images(graph: Any, frames: list[Any], budget: Budget) -> list[float]:
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
    return samples
