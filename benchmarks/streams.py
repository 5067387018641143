"""The queueing simulation against real pipelines of this machine, and against a published thread sweep.

Twenty mixes of models, streams and threads, each as fast as it can. For a mix, in turn and in the same
minute: processor time that each pool of threads takes for a frame, with one frame under way and with two a
core, and the frames a second of the whole with full queues. The simulation gets the service times, the
threads and the queues, and nothing of the whole. `--write docs/streams.md` puts the tables there. It needs an
idle machine and four minutes.

    python -m benchmarks streams
    python -m benchmarks.streams --mixes 3 --rounds 1            # a quick look
    python -m benchmarks.streams --mixes 0                       # the published sweep alone, on any machine
"""

import argparse
import os
import platform
import statistics
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import streams_sweep
from benchmarks.streams_pipeline import (
    NETS,
    Line,
    Part,
    Pool,
    Ran,
    Stage,
    decode_stage,
    infer_stage,
    preprocess_stage,
    run,
    save_net,
    tail_stage,
    whole,
)
from npubench.domain.text import markdown_table
from npubench.streams.pipeline import Cores, Overflow, Pipeline, Queue, ServiceTime, Station, Step, Stream
from npubench.streams.simulate import simulate

ROOM = 2
"""Frames that fit between two pools."""

UNDER_WAY = 2
"""Frames a core that are let in while service times are taken: caches are shared as they will be."""

DISTURBED, TRIES = 0.05, 2
"""Share of the machine's time that other programs may have before a run is made again, and how often."""

MEDIAN_GOAL, WORST_GOAL = 0.05, 0.15
START, END = "<!-- measured: python -m benchmarks.streams -->", "<!-- end of measured -->"


@dataclass(frozen=True, slots=True)
class Mix:
    """Lines that run at once, each a chain of pools of threads."""

    name: str
    lines: tuple[tuple[Pool, ...], ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One mix; frames a second."""

    mix: Mix
    predicted: float
    alone: float  # predicted out of the times of one frame under way
    observed: float
    spread: float  # (max - min) / median of the observed rounds
    others: float  # share of the machine's time that other programs had meanwhile

    @property
    def error(self) -> float:
        """Relative."""
        return self.predicted / self.observed - 1


class Parts:
    """Stages of every net."""

    def __init__(self, folder: Path) -> None:
        self.decode, self.decoder = decode_stage(folder)
        self.before = {net.name: preprocess_stage(net) for net in NETS.values()}
        self.infer: dict[str, Stage] = {}
        for net in NETS.values():
            path = folder / f"{net.name}.onnx"
            save_net(net, path)
            self.infer[net.name] = infer_stage(net, path)
        self.model = {name: whole(f"model {name}", self.before[name], self.infer[name]) for name in NETS}
        self.tail, self.long_tail = tail_stage(1), tail_stage(4)

    def workers(self, threads: int, net: str, tail: Stage | None = None) -> tuple[Pool, ...]:
        """Threads that take a frame through all of it."""
        stages = (self.decode, self.before[net], self.infer[net], tail or self.tail)
        return (Pool(threads, tuple(map(Part, stages))),)

    def staged(
        self, cameras: int, net: str, infer: int, tails: int, tail: Stage | None = None
    ) -> tuple[Pool, ...]:
        """A decoder each camera; preprocessing and model in one pool, tails in another."""
        middle = (Part(self.before[net]), Part(self.infer[net]))
        return _pools((cameras, Part(self.decode)), (infer, *middle), (tails, Part(tail or self.tail)))


def _pools(*pools: tuple[int | Part, ...]) -> tuple[Pool, ...]:
    return tuple(Pool(int(threads), tuple(parts)) for threads, *parts in pools)  # type: ignore[arg-type]


def mixes(parts: Parts) -> list[Mix]:
    """Twenty, from one thread to eight, with the bottleneck in each of the stages."""
    decode, model = Part(parts.decode), parts.model
    every_third, crops = Part(model["small"], 1 / 3), Part(model["tiny"], 4)
    two = (Part(model["small"]), Part(model["large"], 1 / 2))
    lines = {
        "1 worker, medium": [parts.workers(1, "medium")],
        "2 workers, medium": [parts.workers(2, "medium")],
        "3 workers, large": [parts.workers(3, "large")],
        "4 workers, small": [parts.workers(4, "small")],
        "1 camera > 1 small > 1 tail": [parts.staged(1, "small", 1, 1)],
        "1 camera > 1 medium > 1 tail": [parts.staged(1, "medium", 1, 1)],
        "1 camera > 1 large > 1 tail": [parts.staged(1, "large", 1, 1)],
        "2 cameras > 1 medium > 1 tail": [parts.staged(2, "medium", 1, 1)],
        "2 cameras > 2 medium > 1 tail": [parts.staged(2, "medium", 2, 1)],
        "4 cameras > 1 large > 1 tail": [parts.staged(4, "large", 1, 1)],
        "1 camera > 1 small > 1 long tail": [parts.staged(1, "small", 1, 1, parts.long_tail)],
        "1 camera > 2 medium > 2 long tails": [parts.staged(1, "medium", 2, 2, parts.long_tail)],
        "1 camera > 3 large > 1 tail": [parts.staged(1, "large", 3, 1)],
        "1 worker small + 1 worker large": [parts.workers(1, "small"), parts.workers(1, "large")],
        "camera > small > tail + camera > medium > tail": [
            parts.staged(1, "small", 1, 1),
            parts.staged(1, "medium", 1, 1),
        ],
        "2 workers medium + 1 worker tiny": [parts.workers(2, "medium"), parts.workers(1, "tiny")],
        "1 worker each of tiny, small, medium": [
            parts.workers(1, name) for name in ("tiny", "small", "medium")
        ],
        "2 workers, medium, small every 3rd frame": [_pools((2, decode, Part(model["medium"]), every_third))],
        "1 camera > 2 medium, tiny on 4 crops": [_pools((1, decode), (2, Part(model["medium"]), crops))],
        "2 cameras > 2 small, large every 2nd frame": [_pools((2, decode), (2, *two))],
    }
    return [Mix(name, tuple(made)) for name, made in lines.items()]


Times = Sequence[Sequence[float]]
"""Seconds a frame of each pool of each line."""


def predicted_fps(mix: Mix, times: Times, cores: int, seconds: float = 30.0) -> float:
    """Frames a second out of all lines, simulated."""
    stations, streams = [], []
    for at, (line, means) in enumerate(zip(mix.lines, times, strict=True)):
        steps = []
        for place, (pool, mean) in enumerate(zip(line, means, strict=True)):
            name = f"line {at} pool {place}"
            room = Queue(ROOM, Overflow.WAIT) if place else Queue()
            stations.append(Station(name, pool.threads, "cpu", room))
            steps.append(Step(name, ServiceTime(mean)))
        streams.append(Stream(f"line {at}", 1, None, tuple(steps)))
    pipeline = Pipeline(tuple(stations), tuple(streams), (Cores("cpu", cores),))
    return simulate(pipeline, 1, seconds, 3.0).throughput_fps


def compare(mix: Mix, rounds: int, seconds: float) -> Compared:
    """Service times and the whole in turn; medians of both."""
    cores = len(os.sched_getaffinity(0))
    each = max(1, UNDER_WAY * cores // len(mix.lines))
    alone, busy, observed = list[Times](), list[Ran](), list[Ran]()
    for _ in range(rounds):
        single = [_quietest([line], 1, seconds / 2 / len(mix.lines)) for line in mix.lines]
        alone.append([one.seconds_a_frame[0] for one in single])
        busy.append(_quietest(mix.lines, each, seconds / 2))
        observed.append(_quietest(mix.lines, None, seconds))
    rates = [one.fps for one in observed]
    middle = statistics.median(rates)
    return Compared(
        mix,
        predicted_fps(mix, _medians([one.seconds_a_frame for one in busy]), cores),
        predicted_fps(mix, _medians(alone), cores),
        middle,
        (max(rates) - min(rates)) / middle,
        statistics.median(one.others for one in observed),
    )


def _quietest(lines: Sequence[Sequence[Pool]], on_way: int | None, seconds: float) -> Ran:
    """A run that other programs left alone, else of a few the one that they disturbed least."""
    tries = list[Ran]()
    while not tries or (tries[-1].others > DISTURBED and len(tries) < TRIES):
        gates = [None if on_way is None else threading.Semaphore(on_way) for _ in lines]
        made = [Line(line, ROOM, gate) for line, gate in zip(lines, gates, strict=True)]
        tries.append(run(made, seconds, seconds / 4))
    return min(tries, key=lambda one: one.others)


def _medians(rounds: Sequence[Times]) -> Times:
    """Of each pool of each line over the rounds."""
    return [
        [statistics.median(pool) for pool in zip(*line, strict=True)] for line in zip(*rounds, strict=True)
    ]


def table(found: Sequence[Compared]) -> list[list[str]]:
    """A line a mix."""
    return [
        [
            one.mix.name,
            f"{one.predicted:.1f}",
            f"{one.observed:.1f}",
            f"{one.error:+.1%}",
            f"{one.alone / one.observed - 1:+.1%}",
            f"{one.spread:.1%}",
            f"{one.others:.1%}",
        ]
        for one in found
    ]


HEAD = (
    "mix",
    "simulated fps",
    "observed fps",
    "error",
    "out of one frame under way",
    "rounds differ by",
    "other programs",
)


def summary(found: Sequence[Compared], decoder: str, took_s: float) -> str:
    """What came of it, in a sentence, with what it was measured on."""
    errors, cores = [abs(one.error) for one in found], len(os.sched_getaffinity(0))
    middle, worst, others = statistics.median(errors), max(errors), max(one.others for one in found)
    reached = "reached" if middle <= MEDIAN_GOAL and worst <= WORST_GOAL else "NOT reached"
    idle = "" if others <= DISTURBED else "; the machine was NOT idle"
    return (
        f"{len(found)} mixes, {cores} cores ({platform.machine()}), decode: {decoder}; {took_s:.0f} s, other "
        f"programs had {others:.0%} of the machine at most{idle}. Error: median {middle:.1%} (goal 5 %), "
        f"worst {worst:.1%} (goal 15 %): {reached}."
    )


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mixes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.8)
    parser.add_argument("--write", type=Path, help="document with a part to replace")
    asked = parser.parse_args(words)
    text = "\n\n".join(_measured(asked.mixes, asked.rounds, asked.seconds, print))
    text += "\n\n" + "\n\n".join(streams_sweep.lines())
    print(text)
    if asked.write:
        write(asked.write, text)


def _measured(count: int, rounds: int, seconds: float, say: Callable[[str], None]) -> Iterator[str]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(Path(folder))
        found = []
        for mix in mixes(parts)[:count]:
            found.append(compare(mix, rounds, seconds))
            say(f"{mix.name}: {found[-1].predicted:.1f} / {found[-1].observed:.1f} {found[-1].error:+.1%}")
    if not found:
        yield "Pipelines: not measured."
        return
    yield summary(found, parts.decoder, time.perf_counter() - started)
    yield markdown_table(HEAD, table(found))


def write(document: Path, text: str) -> None:
    """Replace what stands between the two marks. Raises ValueError where they are not."""
    before, _, rest = document.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    if not after:
        raise ValueError(f"{document} has no part between {START} and {END}")
    parts = (part if part.startswith("|") else _filled(part) for part in text.split("\n\n"))
    document.write_text("\n\n".join((before + START, *parts, END + after)), encoding="utf-8")


def _filled(paragraph: str) -> str:
    return textwrap.fill(paragraph, 125, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
