"""`python -m tests.mutants`: small wrong changes of npubench, each of which some test must notice.

Every mutant of mutants.toml is applied to a copy of the tree, and the tests that it names are run there. One that
they let pass survives. Exit 1 when more than 5 % survive, 2 when the list no longer fits the code.
"""

import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("npubench", "tests", "ops", "models", "boards", "suites", "reports", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile")
MOST_SURVIVORS = 0.05
DEADLINE_S = 300
LOG = "pytest.log"
HEAVY = ("numpy", "onnx", "onnxruntime", "pandas", "paramiko", "msgspec", "jinja2", "hypothesis")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`find`, which stands once in `file`, becomes `replace`; one of `tests` has to fail."""

    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.file}: {' '.join(self.find.split())} -> {' '.join(self.replace.split())}"


def mutants() -> list[Mutant]:
    """The list, each with the tests of its table."""
    table = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))
    return [
        Mutant(group["file"], change[0], change[1], tuple(group["tests"]))
        for group in table["mutants"]
        for change in group["changes"]
    ]


def misfits(listed: Sequence[Mutant]) -> list[str]:
    """What is wrong with the list itself: a place that is not there, or there twice; tests that are gone."""
    wrong = []
    for one in listed:
        path = ROOT / one.file
        count = path.read_text(encoding="utf-8").count(one.find) if path.is_file() else 0
        if count != 1:
            wrong.append(f"{one.title}: stands there {count} times")
        wrong += [
            f"{one.title}: no {test}" for test in one.tests if not (ROOT / test.partition("::")[0]).is_file()
        ]
    return wrong


def copied(folder: Path) -> Path:
    """The tree, without what tests do not need."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def preload() -> None:
    """Import once what each run of tests would import again; of npubench nothing, for that is what changes."""
    for name in HEAVY:
        importlib.import_module(name)


def tests_fail(tree: Path, tests: Sequence[str]) -> bool:
    """Whether these tests fail in that tree, in a fork of this process; a hang is a failure, too."""
    run = multiprocessing.get_context("fork").Process(target=_run_tests, args=(tree, tests))
    run.start()
    run.join(DEADLINE_S)
    if run.exitcode is None:
        os.killpg(run.pid, signal.SIGKILL)
        run.join()
        return True
    if run.exitcode > 1:
        raise RuntimeError(f"pytest ended with {run.exitcode}: {(tree / LOG).read_text()[-2000:]}")
    return run.exitcode != 0


def _run_tests(tree: Path, tests: Sequence[str]) -> None:
    os.setsid()
    with (tree / LOG).open("w") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "npubench"}]:
        del sys.modules[name]
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])
    sys.stdout.flush()
    os._exit(int(code))


def survives(one: Mutant, tree: Path) -> bool:
    """Whether no test notices it; the tree is as before afterwards."""
    path = tree / one.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(one.find, one.replace), encoding="utf-8")
    try:
        noticed = tests_fail(tree, one.tests)
        if not noticed:
            print(f"survives: {one.title}", flush=True)
        return not noticed
    finally:
        path.write_text(text, encoding="utf-8")


def shared(items: Sequence[Item], trees: Sequence[Path], holds: Callable[[Item, Path], bool]) -> list[Item]:
    """The items for which it holds, each tried in one of the trees by a process of that tree's own."""
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    left = context.Value("i", 0)

    def work(tree: Path) -> None:
        while True:
            with left.get_lock():
                at, left.value = left.value, left.value + 1
            if at >= len(items):
                return
            if holds(items[at], tree):
                found.put(at)

    workers = [context.Process(target=work, args=(tree,)) for tree in trees]
    for worker in workers:
        worker.start()
    places = []
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise SystemExit("a process that tries mutants has failed: see above")
    while not found.empty():
        places.append(found.get())
    return [items[at] for at in sorted(places)]


def main(words: Sequence[str]) -> int:
    """Run those whose file holds one of `words`, or all."""
    listed = mutants()
    if wrong := misfits(listed):
        print("\n".join(wrong), file=sys.stderr)
        return 2
    chosen = [one for one in listed if not words or any(word in one.file for word in words)]
    preload()
    workers = max(1, (os.cpu_count() or 2))
    with tempfile.TemporaryDirectory() as folder:
        trees = [copied(Path(folder) / str(n)) for n in range(workers)]
        suites = sorted({one.tests for one in chosen})
        broken = shared(suites, trees, lambda suite, tree: tests_fail(tree, suite))
        if broken:
            print("these fail without any mutant:", *broken, file=sys.stderr)
            return 2
        survivors = shared(chosen, trees, survives)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants noticed, {len(survivors)} survive")
    return int(len(survivors) > MOST_SURVIVORS * len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
