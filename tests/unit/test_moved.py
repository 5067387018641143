"""Names that plug-ins import: the old ones give the module at its new place, or say where it is."""

import importlib
import sys

import pytest

from npubench.domain.moved import MOVED

DOCUMENTED = {
    "npubench.backends.apart.backend": ("ApartBackend", "answer_of"),
    "npubench.records": ("Failure", "FailureClass", "Figures", "Kind", "Latency", "Stage", "Artifact"),
    "npubench.failures": ("Failure", "FailureClass", "Stage"),
    "npubench.protocols": ("Backend", "BoardBenchmark", "Transport", "Session"),
    "npubench.specs": ("BoardSpec", "TimingProtocol", "Target", "Precision", "Options"),
    "npubench.errors": ("UsageError", "BoardError", "NpubenchError"),
}
"""What docs/backends.md and the protocols showed to authors of plug-ins while the names were the old ones."""


@pytest.fixture
def fresh():
    """Old names that nothing has imported yet."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "npubench":
            del sys.modules[name]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_names_are_there_under_the_old_module(name, fresh):
    with pytest.warns(DeprecationWarning, match="is npubench"):
        module = importlib.import_module(name)
    for wanted in DOCUMENTED[name]:
        assert hasattr(module, wanted), wanted


def test_every_old_name_leads_to_a_module_that_is_there(fresh):
    for old, new in MOVED.items():
        with pytest.warns(DeprecationWarning, match=f"is npubench.{new} now"):
            assert importlib.import_module(f"npubench.{old}") is importlib.import_module(f"npubench.{new}")


def test_the_module_is_one_and_keeps_its_own_name(fresh):
    real = importlib.import_module("npubench.domain.records")
    with pytest.warns(DeprecationWarning, match="is npubench"):
        old = importlib.import_module("npubench.records")
    assert old is real
    assert real.__spec__.name == "npubench.domain.records"


def test_a_module_of_a_moved_package_is_not_read_twice(fresh):
    with pytest.warns(DeprecationWarning, match="is npubench"):
        old = importlib.import_module("npubench.backends.apart.backend")
    assert old is importlib.import_module("npubench.backends.isolated.backend")


def test_what_is_gone_names_the_room_to_look_in(fresh):
    with (
        pytest.warns(DeprecationWarning, match="is npubench"),
        pytest.raises(ModuleNotFoundError, match=r"lies below npubench\.boards"),
    ):
        importlib.import_module("npubench.transports.nothing")


def test_a_name_that_never_was_is_no_affair_of_the_old_ones(fresh):
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'npubench\.nothing'"):
        importlib.import_module("npubench.nothing")
