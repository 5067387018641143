"""Commands of this working tree against those of a revision before it, and against a named alternative.

`python -m benchmarks.before_after --before REV [NAME ...]`. Both sides and the alternative run in turn, in an
order that changes from round to round, with the same interpreter and packages; each has a home, a cache and
results of its own. `not slower` is said unless the 95 % interval of the paired ratio lies wholly above 1.05.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

from benchmarks import schedule
from benchmarks.checkout import Checkout, Used, checkout, working_tree
from benchmarks.paired import median_interval

BEFORE = "c7449cb"
"""The last revision before the rooms were rebuilt."""

SLOWER = 1.05
QUICK = ("--warmup", "0", "--repeat", "1", "--min-duration", "0", "--rounds", "1", "--quiet")
SUITE = "ax620a-operators"
ONNX_ALONE = """
import sys, pathlib, onnx
source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(exist_ok=True)
for file in sorted(source.glob("*.onnx")):
    model = onnx.load(file)
    onnx.checker.check_model(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), target / file.name)
"""
READ = """
import sys
from pathlib import Path
from npubench.storage.store import Store
Store.read(Path(sys.argv[1]) / "results.db").latest()
"""
FILL = """
import sys
from pathlib import Path
from benchmarks import report
getattr(report, "fill", getattr(report, "_fill", None))(Path(sys.argv[1]), int(sys.argv[2]))
"""

Work = Callable[[Checkout], Used]


@dataclass(frozen=True, slots=True)
class Goal:
    """What the project set itself: how a figure is made of what was used, and its limit."""

    what: str
    limit: float
    figure: Callable[[Sequence[Used], Sequence[Used]], float]
    """Of the rounds of this working tree and of those of the alternative."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A command, with what has to be there before it is timed."""

    run: Work
    rounds: int
    prepare: Callable[[Checkout], object] | None = None
    alternative: str | None = None
    """Its name; `other` runs it."""

    other: Work | None = None
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """A benchmark's rounds; those of one index ran right after one another."""

    name: str
    now: tuple[Used, ...]
    before: tuple[Used, ...]
    alternative: tuple[Used, ...]


def _pair_by_pair(
    field: str, combine: Callable[[float, float], float]
) -> Callable[[Sequence[Used], Sequence[Used]], float]:
    return lambda ours, theirs: statistics.median(
        combine(getattr(a, field), getattr(b, field)) for a, b in zip(ours, theirs, strict=True)
    )


def _median(field: str) -> Callable[[Sequence[Used], Sequence[Used]], float]:
    return lambda ours, _: statistics.median(getattr(used, field) for used in ours)


def _export(side: Checkout) -> Used:
    shutil.rmtree(side.work / "operators", ignore_errors=True)
    return side.npubench("export", "--suite", "operators", "--out", "operators")


def _onnx_alone(side: Checkout) -> Used:
    shutil.rmtree(side.work / "copies", ignore_errors=True)
    return side.python("-c", ONNX_ALONE, "operators", "copies")


def _own_file(side: Checkout) -> None:
    """One convolution: npubench's own share of a run shows best where the model takes no time."""
    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 32, 32])
        for name, channels in (("x", 3), ("y", 8))
    ]
    model = helper.make_model(
        helper.make_graph([node], "own", ends[:1], ends[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    save_model(model, side.work / "own.onnx")
    _rerun(side)


def _rerun(side: Checkout) -> Used:
    return side.npubench("run", "--board", "local", *QUICK, "--out", "own", "own.onnx")


def _cases(side: Checkout) -> Used:
    # A case that fails is tried again by every run: the exit code says so, and both sides do it.
    return side.npubench(
        "run", "--board", "local", "--suite", SUITE, *QUICK, "--out", "cases", codes=(0, 1, 3)
    )


def _with_cases(side: Checkout) -> None:
    if not (side.work / "cases").exists():
        _cases(side)


def _filled(count: int) -> Callable[[Checkout], object]:
    return lambda side: side.python("-c", FILL, f"rows-{count}", str(count))


def _page(count: int) -> Work:
    return lambda side: side.npubench("report", "--out", f"rows-{count}", "-o", f"{count}.html")


def _pulsar_pair(side: Checkout) -> Used:
    root = side.work / "pair"
    shutil.rmtree(root, ignore_errors=True)
    environment = schedule.prepare(root, sorted((side.work / "pair-models").glob("*.onnx")))
    return side.npubench(*schedule.words(root), environment=environment)


def _read(count: int) -> Work:
    return lambda side: side.python("-c", READ, f"rows-{count}")


BARE = ("python -c pass", lambda side: side.python("-c", "pass"))
SHOWN = ("show", "conv3s1p1d1ic3oc64g1", "--precision", "fp32", "--out", "cases")
BENCHMARKS = {
    "help": Benchmark(
        lambda side: side.npubench("--help"),
        15,
        None,
        *BARE,
        (Goal("s above a bare interpreter", 0.060, _pair_by_pair("wall_s", lambda a, b: a - b)),),
    ),
    "export": Benchmark(
        _export,
        6,
        None,
        "onnx load, check, infer, save",
        _onnx_alone,
        (Goal("times onnx alone", 2.0, _pair_by_pair("wall_s", lambda a, b: a / b)),),
    ),
    "list_models": Benchmark(
        lambda side: side.npubench("list", "models"),
        11,
        goals=(Goal("s of processor time", 0.2, _median("processor_s")),),
    ),
    "results": Benchmark(lambda side: side.npubench("results", "--out", "cases"), 11, _with_cases),
    "show": Benchmark(lambda side: side.npubench(*SHOWN), 11, _with_cases),
    "rerun": Benchmark(_rerun, 11, _own_file),
    "rerun_334": Benchmark(
        _cases,
        7,
        _with_cases,
        "import onnxruntime",
        lambda side: side.python("-c", "import onnxruntime"),
    ),
    "pages_10000": Benchmark(
        _page(10_000),
        6,
        _filled(10_000),
        "read them",
        _read(10_000),
        (Goal("s to page", 3.0, _median("wall_s")),),
    ),
    "pages_100000": Benchmark(
        _page(100_000),
        6,
        _filled(100_000),
        "read them",
        _read(100_000),
        (
            Goal("s to page", 15.0, _median("wall_s")),
            Goal("bytes of memory", 1e9, _median("peak_bytes")),
        ),
    ),
    "pulsar_pair": Benchmark(
        _pulsar_pair,
        6,
        lambda side: side.npubench("export", "--suite", schedule.SUITE, "--out", "pair-models"),
    ),
}


def compare(name: str, sides: Sequence[Checkout], rounds: int | None = None) -> Compared:
    """Every side once uncounted, then in turn; the first of `sides` is this working tree."""
    benchmark = BENCHMARKS[name]
    now, *before = sides
    turns = [(benchmark.run, now), *((benchmark.run, side) for side in before)]
    if benchmark.other:
        turns.append((benchmark.other, now))
    for side in sides:
        if benchmark.prepare:
            benchmark.prepare(side)
    for work, side in turns:
        work(side)
    columns: list[list[Used]] = [[] for _ in turns]
    for number in range(rounds or benchmark.rounds):
        # Whoever comes first meets a machine that was doing something else.
        for place in range(len(turns)) if number % 2 else reversed(range(len(turns))):
            work, side = turns[place]
            columns[place].append(work(side))
    empty: tuple[Used, ...] = ()
    found = [tuple(column) for column in columns]
    other = found.pop() if benchmark.other else empty
    return Compared(name, found[0], found[1] if before else empty, other)


def tell(compared: Compared, sides: Sequence[Checkout]) -> None:
    """Print the medians of all sides, the paired ratios with their intervals, and the goals."""
    benchmark = BENCHMARKS[compared.name]
    print(f"{compared.name}, {len(compared.now)} rounds")
    before = [(side.name, compared.before) for side in sides[1:]]
    other = [(benchmark.alternative, compared.alternative)] if compared.alternative else []
    for side, rounds in [("now", compared.now), *before, *other]:
        wall_s, processor_s, peak = (
            statistics.median(getattr(used, field) for used in rounds)
            for field in ("wall_s", "processor_s", "peak_bytes")
        )
        print(f"  {side:<32} {wall_s:8.3f} s  processor {processor_s:8.3f} s  memory {peak / 1e6:6.0f} MB")
    for field, words in (("wall_s", "wall"), ("processor_s", "processor time")) if before else ():
        ratios = [
            getattr(a, field) / getattr(b, field) for a, b in zip(compared.now, compared.before, strict=True)
        ]
        low, high = median_interval(ratios)
        verdict = "SLOWER" if low > SLOWER else "faster" if high < 1 else "not slower"
        middle = statistics.median(ratios)
        print(f"  now/before, {words}: {middle:.3f} (95 %: {low:.3f} to {high:.3f}), {verdict}")
    for goal in benchmark.goals:
        figure = goal.figure(compared.now, compared.alternative)
        reached = "reached" if figure <= goal.limit else "MISSED"
        print(f"  {figure:.4g} {goal.what} (goal: at most {goal.limit:g}): {reached}")
    print(flush=True)


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; else all")
    parser.add_argument("--before", default=BEFORE, metavar="REV", help="[%(default)s]")
    parser.add_argument("--alone", action="store_true", help="No revision before: alternatives and goals.")
    parser.add_argument("--rounds", type=int, help="Instead of each benchmark's own; 6 is the least.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Every round, for machines.")
    wish = parser.parse_args(words)
    if unknown := sorted(set(wish.names) - set(BENCHMARKS)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    told = []
    with tempfile.TemporaryDirectory(prefix="npubench-before-after-") as folder:
        sides = [working_tree(Path(folder) / "now")]
        if not wish.alone:
            sides.append(checkout(wish.before, Path(folder) / "before"))
        for name in wish.names or BENCHMARKS:
            compared = compare(name, sides, wish.rounds)
            tell(compared, sides)
            told.append(asdict(compared))
    if wish.json:
        wish.json.write_text(json.dumps({"before": None if wish.alone else wish.before, "told": told}))


if __name__ == "__main__":
    main(sys.argv[1:])
