"""`python -m tests.mutants`: small wrong changes of npubench, each of which some test must notice.

Every mutant of mutants.toml is applied to a copy of the tree, and the tests that it names are run there. One that
they let pass survives. Exit 1 when more than 5 % survive, 2 when the list no longer fits the code.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("npubench", "tests", "ops", "models", "boards", "suites", "reports", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile")
MOST_SURVIVORS = 0.05
DEADLINE_S = 300


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


def tests_fail(tree: Path, tests: Sequence[str]) -> bool:
    """Whether these tests fail in that tree; a hang is a failure, too."""
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        return True
    if done.returncode > 1:
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def survives(one: Mutant, tree: Path) -> bool:
    """Whether no test notices it; the tree is as before afterwards."""
    path = tree / one.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(one.find, one.replace), encoding="utf-8")
    try:
        return not tests_fail(tree, one.tests)
    finally:
        path.write_text(text, encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Run those whose file holds one of `words`, or all."""
    listed = mutants()
    if wrong := misfits(listed):
        print("\n".join(wrong), file=sys.stderr)
        return 2
    chosen = [one for one in listed if not words or any(word in one.file for word in words)]
    workers = max(1, (os.cpu_count() or 2))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        trees = [copied(Path(folder) / str(n)) for n in range(workers)]
        suites = sorted({one.tests for one in chosen})
        broken = list(pool.map(lambda suite: tests_fail(trees[0], suite), suites))
        if any(broken):
            print(
                "these fail without any mutant:",
                *(s for s, b in zip(suites, broken, strict=True) if b),
                file=sys.stderr,
            )
            return 2
        shares = [chosen[n::workers] for n in range(workers)]
        found = pool.map(
            lambda pair: [one for one in pair[0] if survives(one, pair[1])], zip(shares, trees, strict=True)
        )
        survivors = [one for share in found for one in share]
    for one in survivors:
        print(f"survives: {one.title}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants noticed, {len(survivors)} survive")
    return int(len(survivors) > MOST_SURVIVORS * len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
