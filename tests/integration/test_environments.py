"""Isolated environments, made for real by venv and pip, of one small package that is built here."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from npubench.domain.errors import ToolchainError, UsageError
from npubench.domain.records import Completed
from npubench.tools import environments
from npubench.tools.environments import installer
from npubench.tools.environments.installer import locked
from tests import commands

PYTHON = "{}.{}".format(*sys.version_info)


def make_wheel(folder: Path, version: str, name: str = "npubench_probe") -> Path:
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-{version}.dist-info/RECORD"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        lines = []
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            lines.append(f"{name},sha256={digest},{len(text)}\n")
        wheel.writestr(record, "".join([*lines, f"{record},,\n"]))
    return path


class Shop:
    """A folder of environment descriptions and the packages that they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_wheel(folder, "1.0")
        make_wheel(folder, "2.0")

    def describe(
        self, version: str = "1.0", python: str = PYTHON, check: str = "import npubench_probe"
    ) -> None:
        (self.folder / "probe.toml").write_text(
            f'title = "A probe"\npython = "{python}"\nsize_bytes = 1000\nlicence = "none"\n'
            f'principal = ["npubench-probe"]\ncheck = "{check}"\n'
            f'steps = [["--no-index", "--find-links", "{self.folder}", "npubench-probe=={version}"]]\n'
        )
        environments.spec.cache_clear()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    # By import: the package's name of the same spelling is a function.
    monkeypatch.setattr(import_module("npubench.tools.environments"), "FOLDER", tmp_path / "shop")
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path / "envs"))
    made = Shop(tmp_path / "shop")
    made.describe()
    yield made
    environments.spec.cache_clear()


@pytest.fixture
def quick(monkeypatch):
    """venv and pip leave what npubench looks at, and take no time: for what is not about them."""
    module = import_module("npubench.tools.environments.installer")
    made = {}

    def step(argv, *_more, **_options):
        if "venv" in argv:
            (Path(argv[-1]) / "bin").mkdir(parents=True)
            (Path(argv[-1]) / "bin/python").symlink_to(sys.executable)
        made.update(word.split("==") for word in argv if "==" in word)
        return Completed(tuple(argv), 0, f"{json.dumps(made)}\n", 0.0)

    monkeypatch.setattr(module, "_step", step)


def nobody(_line: str) -> None:
    """A listener that does not care."""


def test_an_environment_is_made_once_found_again_and_removed(shop):
    assert environments.find("probe") is None
    said = []
    ready = installer.install("probe", said.append)
    assert any("pip install" in line for line in said)
    assert ready.versions["npubench-probe"] == "1.0"
    shown = [ready.python, "-c", "import npubench_probe; print(npubench_probe.VERSION)"]
    assert subprocess.run(shown, capture_output=True, text=True, check=True).stdout == "1.0\n"
    assert environments.find("probe") == ready
    assert ready.disk_bytes > 1000
    said.clear()
    assert installer.install("probe", said.append) == ready
    assert said == []
    assert installer.remove("probe") == [ready.path]
    assert environments.find("probe") is None
    with pytest.raises(UsageError, match="nothing to remove"):
        installer.remove("probe")


def test_other_pins_are_another_environment_beside_the_first(shop, quick):
    first = installer.install("probe", nobody)
    shop.describe("2.0")
    assert environments.find("probe") is None
    second = installer.install("probe", nobody)
    assert second.path != first.path
    there = [environments.read("probe", path) for path in environments.folders("probe")]
    assert {one.versions["npubench-probe"] for one in there} == {"1.0", "2.0"}
    assert set(installer.remove("probe")) == {first.path, second.path}


def test_what_a_killed_installation_left_is_made_anew(shop, quick):
    left = environments.folder("probe")
    left.mkdir(parents=True)
    (left / "half").write_text("")
    assert environments.find("probe") is None
    said = []
    again = installer.install("probe", said.append)
    assert again.path == left
    assert any("ended early" in line for line in said)
    assert not (again.path / "half").exists()


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ({"version": "9.9"}, "npubench-probe==9.9"),
        ({"check": "import no_such_module"}, "No module named 'no_such_module'"),
        ({"python": "3.4"}, "Python 3.4 with venv is not on this machine"),
    ],
)
def test_an_installation_that_fails_says_why_in_a_line_and_is_not_found(shop, description, says):
    shop.describe(**description)
    with pytest.raises(ToolchainError) as raised:
        installer.install("probe", nobody)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert environments.find("probe") is None


def test_a_disk_without_room_is_told_before_anything_is_fetched(shop):
    text = (shop.folder / "probe.toml").read_text().replace("size_bytes = 1000", f"size_bytes = {10**18}")
    (shop.folder / "probe.toml").write_text(text)
    with pytest.raises(ToolchainError, match="free some, or set NPUBENCH_ENVS"):
        installer.install("probe", nobody)


def test_two_at_once_make_one(shop, quick):
    ready, said = [], []
    threads = [
        threading.Thread(target=lambda: ready.append(installer.install("probe", said.append)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(ready) == 3
    assert len({one.path for one in ready}) == 1
    assert sum("step 1 of 1" in line for line in said) == 1


def test_a_held_environment_is_waited_for_and_said(shop, quick):
    waits = threading.Event()
    path = environments.folder("probe")
    path.parent.mkdir(parents=True)
    with locked(path, nobody):
        thread = threading.Thread(
            target=lambda: installer.install("probe", lambda line: waits.set() if "waiting" in line else None)
        )
        thread.start()
        assert waits.wait(600)
        assert environments.find("probe") is None
    thread.join(120)
    assert environments.find("probe") is not None


def test_an_unknown_environment_gets_the_nearest_name(shop):
    with pytest.raises(UsageError, match="did you mean 'probe'"):
        installer.install("prob", nobody)


def test_the_shipped_environments_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    done = commands.npubench("env", "list")
    assert done.returncode == 0
    assert "npubench env install openmmlab" in done.stdout
    removed = commands.npubench("env", "remove", "openmmlab")
    assert removed.returncode == 2
    assert removed.stderr.startswith("npubench: environment openmmlab is not installed")
