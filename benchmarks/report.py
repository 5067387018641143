"""Pages of 300 and 10,000 rows in Chromium against an empty one, and rows that `before_after` takes."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.paired import measure, show
from npubench.cli.report import write_report
from npubench.domain.figures import Figures
from npubench.domain.records import Result
from npubench.storage.hashing import digest
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace
from tests import sample_results


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _opening(Path(folder))


def fill(out: Path, count: int) -> None:
    """`count` rows of 5 boards in both precisions; no two share hashes, times or the board's state."""
    out.mkdir()
    base = [*sample_results.models(), *sample_results.operators()]
    store = Store.create(out / "results.db")
    store._connection.execute("PRAGMA synchronous=OFF")
    for i in range(count):
        store.append(_varied(base[i % len(base)], i // len(base), i))
    store.close()


def _varied(row: Result, turn: int, i: int) -> Result:
    name, board = f"{row.case}_{turn}", f"board-{turn % 5}"
    key = digest(name, board, row.precision)
    before, after = (
        replace(
            state,
            clocks_mhz=tuple(clock + i % 53 for clock in state.clocks_mhz),
            temperature_c=state.temperature_c + i % 89 / 10,
            load_1min=i % 97 / 100,
            memory_available_bytes=28_000_000_000 + 4096 * i,
            uptime_s=9.0 * i,
        )
        for state in (row.board_before, row.board_after)
    )
    return replace(
        row,
        **{"case": name, "board": board, "key": key, "onnx_sha256": digest(name)},
        **{
            "artifact_sha256": digest("artifact", key),
            "log_sha256": key,
            "samples_sha256": digest("samples", key),
        },
        **{"board_before": before, "board_after": after, "figures": _slower(row.figures, 1 + 1e-6 * i)},
    )


def _slower(figures: Figures, factor: float) -> Figures:
    timed = figures.latency_us
    names = ("mean", "min", "max", "p50", "p90", "p99", "std")
    times = {name: getattr(timed, name) * factor for name in names if getattr(timed, name) is not None}
    rounds = tuple(value * factor for value in timed.rounds_p50)
    return replace(figures, latency_us=replace(timed, rounds_p50=rounds, **times))


SIZES = ((300, "at most 1 s"), (10_000, "at most 3 s"))
"""Rows of a page, and what is asked of its opening."""


def _opening(folder: Path) -> None:
    """Until the load event, script run and laid out; a new tab each."""
    from tests import chromium

    empty = folder / "empty.html"
    empty.write_text("<!DOCTYPE html><title>x</title>", encoding="utf-8")
    pages = {count: _written(folder / str(count), count) for count, _ in SIZES}
    with chromium.browser(folder / "profile") as address:

        def opened(page: Path) -> None:
            with chromium.tab(address) as tab:
                tab.resize(1280)
                tab.open(page, whole=False)
                tab.evaluate("document.body.getBoundingClientRect().height")

        for count, asked in SIZES:
            page = pages[count]
            result = measure(lambda page=page: opened(page), lambda: opened(empty), 5)
            show(f"a page of {count} rows", "opens in Chromium", "an empty page", result, asked)


def _written(out: Path, count: int) -> Path:
    """The report of a store of `count` rows; says how long writing took and how large it is."""
    fill(out, count)
    started = time.perf_counter()
    with Store.read(out / "results.db") as store:
        page = write_report(Workspace(out), store)
    took, size = time.perf_counter() - started, page.stat().st_size
    print(f"{count} rows: written in {took:.2f} s, {size / 1e6:.1f} MB, {size / count:.0f} bytes a row")
    return page


if __name__ == "__main__":
    main()
