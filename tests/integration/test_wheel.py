"""The built wheel in an environment of its own: what `pip install .` gives a user."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A Python that sees this one's packages, and npubench only from the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("npubench-*.whl")
    venv.create(folder / "venv", with_pip=False)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True
    )
    packages = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    # A line in a .pth file adds a folder without its own .pth files, so the editable npubench stays out.
    (site / "packages.pth").write_text(f"{packages}\n")
    return folder / "venv/bin/python"


def npubench(python: Path, *words: str, cwd: Path) -> str:
    done = subprocess.run(
        [python, "-P", "-m", "npubench", *words],
        capture_output=True, text=True, check=True, cwd=cwd, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    return done.stdout


def test_the_wheel_carries_its_data_and_runs(installed, tmp_path):
    where = subprocess.run(
        [installed, "-P", "-c", "import npubench; print(npubench.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert not Path(where.strip()).is_relative_to(ROOT)
    suites = json.loads(npubench(installed, "list", "suites", "--json", cwd=tmp_path))
    assert {"default", "ax620a-operators"} <= {suite["suite"] for suite in suites}
    assert "npubench board virtual start" in npubench(installed, "board", "virtual", "status", cwd=tmp_path)
    site = Path(where.strip()).parents[1]
    assert (site / "npubench_virtual/images/build.sh").is_file()
    quick = ["--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1", "--precision", "fp32"]
    told = npubench(installed, "run", *quick, "add_1x3x112x112", cwd=tmp_path)
    assert told.splitlines()[-1] == f"report: {tmp_path / 'npubench-out/report.html'}"
    assert (tmp_path / "npubench-out/report.html").is_file()


def test_the_wheel_carries_the_probe_and_what_is_published(installed, tmp_path):
    cache = {"NPUBENCH_CACHE": str(tmp_path / "cache")}
    script = (
        "from npubench.benchmarks.cpu.builds import SOURCES; from npubench.storage.files import data_root;"
        "print(len(list(SOURCES.glob('*.c'))), (data_root() / 'reports/published/tables.toml').is_file())"
    )
    done = subprocess.run(
        [installed, "-P", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    count, published = done.stdout.split()
    assert int(count) >= 8
    assert published == "True"
    done = subprocess.run(
        [installed, "-P", "-m", "npubench", "probe", "build", "x86-64", "--compiler", "gcc"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "", **cache},
    )  # fmt: skip
    assert str(tmp_path / "cache") in done.stdout
