"""A page as PDF or as a picture of each section, by a headless Chromium with a new profile."""

import base64
import hashlib
import json
import os
import re
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
WIDTH_PX, MARGIN_PX, TALLEST_PX = 1280, 48, 16_000
"""Chromium draws no picture that is taller than its largest texture, 16384 pixels."""

_SECTION = re.compile(r'<section id="([a-z]+)">')
_LEFT_OUT = frozenset({"provenance"})
_MEASURE = """
document.styleSheets[0].insertRule("section { content-visibility: visible !important }");
const sizes = {};
for (const one of document.querySelectorAll("main > section")) {
  const widest = Math.max(0, ...[...one.querySelectorAll("table")].map((table) => table.scrollWidth));
  sizes[one.id] = [widest, one.getBoundingClientRect().height];
}
const output = document.createElement("output");
output.id = "sizes";
output.textContent = JSON.stringify(sizes);
document.body.append(output);
"""


def to_pdf(html: str, target: Path) -> None:
    """Print the page. Raises ToolchainError without a Chromium that can."""
    with tempfile.TemporaryDirectory(prefix="npubench-print-") as folder:
        printed = Path(folder) / "page.pdf"
        _chromium(Path(folder), html, [f"--print-to-pdf={printed}"], printed)
        _deliver(printed, target)


def to_pngs(html: str, folder: Path) -> tuple[list[Path], list[str]]:
    """A picture of every section, numbered in reading order; and the ids of those too tall to be drawn.

    Provenance is for reading, not for a slide: it is left out. Raises ToolchainError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in _SECTION.findall(html) if name not in _LEFT_OUT]
    sizes = _sizes(html)
    written, too_tall = [], []
    for number, name in enumerate(names, 1):
        widest, tall = sizes.get(name, (0.0, 0.0))
        width, height = max(WIDTH_PX, round(widest) + 2 * MARGIN_PX), round(tall) + 2 * MARGIN_PX
        if height > TALLEST_PX:
            too_tall.append(name)
            continue
        target = folder / f"{number:02}-{name}.png"
        with tempfile.TemporaryDirectory(prefix="npubench-print-") as private:
            drawn = Path(private) / "page.png"
            words = [f"--screenshot={drawn}", f"--window-size={width},{height}"]
            _chromium(Path(private), _alone(html, name), words, drawn)
            _deliver(drawn, target)
        written.append(target)
    return written, too_tall


def _sizes(html: str) -> dict[str, tuple[float, float]]:
    measuring = _allowing(html, "script-src", _MEASURE)
    head, _, tail = measuring.rpartition("</body>")
    with tempfile.TemporaryDirectory(prefix="npubench-print-") as folder:
        words = ["--dump-dom", f"--window-size={WIDTH_PX},900"]
        output = _chromium(Path(folder), f"{head}<script>{_MEASURE}</script></body>{tail}", words, None)
    found = re.search(r'<output id="sizes">([^<]*)</output>', output)
    if found is None:
        raise ToolchainError("Chromium did not lay the page out: update it")
    measured: dict[str, tuple[float, float]] = json.loads(found[1])
    return measured


def _alone(html: str, section: str) -> str:
    """The page with nothing but that section."""
    style = (
        "header, nav, footer, .legend, .skip, .tools, main > * { display: none !important; } "
        "body { max-width: none !important; } .scroll { overflow: visible !important; } "
        f"main > #{section} {{ display: block !important; content-visibility: visible; "
        f"margin: {MARGIN_PX}px 0 !important; }}"
    )
    head, _, tail = _allowing(html, "style-src", style).partition("</head>")
    return f"{head}<style>{style}</style></head>{tail}"


def _allowing(html: str, directive: str, text: str) -> str:
    """The page with a policy that lets this inline text in, too (CSP 3, by SHA-256)."""
    mark = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return html.replace(f"{directive} ", f"{directive} &#39;sha256-{mark}&#39; ", 1)


def _chromium(folder: Path, html: str, words: Sequence[str], expected: Path | None) -> str:
    page, log = folder / "page.html", folder / "chromium.log"
    page.write_text(html, encoding="utf-8")
    # Chromium's sandbox does not start for root, in containers for one.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    argv = [_browser(), *FLAGS, *sandbox, f"--user-data-dir={folder / 'profile'}", *words, page.as_uri()]
    try:
        done = process.run(argv, timeout_s=DEADLINE_S, log=log)
    except OSError as error:
        raise ToolchainError(f"cannot start {argv[0]}: {error.strerror}: reinstall it") from error
    if done.timed_out:
        raise ToolchainError(f"{argv[0]} did not end after {DEADLINE_S:.0f} s: try a smaller page")
    if expected is not None and not expected.is_file():
        last = last_line(done.output, "it said nothing", 200)
        raise ToolchainError(f"{argv[0]} wrote nothing: {last}")
    return done.output


def _browser() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise ToolchainError(
        "no Chromium found to print with: install one (Debian: apt-get install chromium), "
        "or print report.html from a browser"
    )


def _deliver(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    shutil.copyfile(made, beside)
    beside.replace(target)
