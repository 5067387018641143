"""A page as PDF, by a headless Chromium with a new profile."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from npubench.domain.errors import ToolchainError
from npubench.domain.text import last_line
from npubench.tools import process

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--force-color-profile=srgb", "--no-pdf-header-footer"),
)
DEADLINE_S = 180.0


def to_pdf(html: str, target: Path) -> None:
    """Print the page. Raises ToolchainError without a Chromium that can."""
    with tempfile.TemporaryDirectory(prefix="npubench-print-") as folder:
        page, printed = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        _chromium(Path(folder), [f"--print-to-pdf={printed}", page.as_uri()], printed)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        shutil.copyfile(printed, beside)
        beside.replace(target)


def _chromium(folder: Path, words: Sequence[str], expected: Path) -> None:
    # Chromium's sandbox does not start for root, in containers for one.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    argv = [_browser(), *FLAGS, *sandbox, f"--user-data-dir={folder / 'profile'}", *words]
    try:
        # A socket of its lies in TMPDIR, and a socket's path has 107 bytes at most.
        short = {"TMPDIR": "/tmp"}
        done = process.run(argv, timeout_s=DEADLINE_S, log=folder / "chromium.log", env=short)
    except OSError as error:
        raise ToolchainError(f"cannot start {argv[0]}: {error.strerror}: reinstall it") from error
    if done.timed_out:
        raise ToolchainError(f"{argv[0]} did not end after {DEADLINE_S:.0f} s: try a smaller page")
    if not expected.is_file():
        last = last_line(done.output, "it said nothing", 200)
        raise ToolchainError(f"{argv[0]} wrote nothing: {last}")


def browser() -> str | None:
    """The path of a Chromium that is here."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def _browser() -> str:
    if found := browser():
        return found
    raise ToolchainError(
        "no Chromium found to print with: install one (Debian: apt-get install chromium), "
        "or print report.html from a browser"
    )
