"""Fixtures for the virtual ARM board; see `virtual_board`. Everything in this folder needs QEMU."""

import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

from npubench.tools import process
from npubench_virtual import places
from tests.board.virtual_board import VirtualBoard
from tests.emulated_pair import EMULATORS

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if FOLDER in item.path.parents:
            slow = item.path.name == "test_virtual_debian.py"
            item.add_marker(pytest.mark.board_debian if slow else pytest.mark.board)


@pytest.fixture(scope="session")
def board_cache(tmp_path_factory):
    """A cache folder with a machine of the tests' own; images and packages are the user's."""
    folder = tmp_path_factory.mktemp("cache")
    own = folder / "npubench" / places.NAME
    own.mkdir(parents=True)
    users = {"XDG_CACHE_HOME": os.environ["NPUBENCH_TESTS_USER_CACHE"]}
    with mock.patch.dict(os.environ, users):
        shared_ones = (places.images(), places.packages())
    for shared in shared_ones:
        shared.mkdir(parents=True, exist_ok=True)
        (own / shared.name).symlink_to(shared)
    return folder


@pytest.fixture(scope="session")
def board_files(tmp_path_factory):
    """What the board has beside its image, as if in its flash memory: emulators of a vendor's programs."""
    folder = tmp_path_factory.mktemp("files")
    runner = folder / "opt" / "bin" / "run_joint"
    runner.parent.mkdir(parents=True)
    for name in ("run_joint", "slice_counter", "megpeak"):
        shutil.copy(EMULATORS / name, runner.with_name(name))
    # Where the emulated megpeak looks for what it prints.
    shutil.copytree(EMULATORS.parent / "data" / "megpeak", folder / "opt" / "data" / "megpeak")
    runner.with_name("run_joint.calls").touch()
    return folder


@pytest.fixture
def own_cache(board_cache, tmp_path, monkeypatch):
    """npubench's cache, home and configuration are the tests' own, and there is no agent."""
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(board_cache))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return board_cache


@pytest.fixture
def virtual_a7_debian(own_cache, board_files):
    """The same with systemd, OpenSSH and a disk, which keeps what was written there."""
    board = VirtualBoard("debian", board_files)
    board.start()
    yield board
    board.stop()
    process.reset()


@pytest.fixture
def virtual_a7(own_cache, board_files):
    """A board as it is after its start: each test has a fresh one, restored from the saved state."""
    board = VirtualBoard("tiny", board_files)
    board.start()
    yield board
    board.stop()
    process.reset()
