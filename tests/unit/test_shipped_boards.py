"""The chips that toolchains here compile for have a board, and their backends take its options."""

import pytest

from npubench.backends.isolated.backend import IsolatedBackend
from npubench.catalog import load
from npubench.domain.specs import CalibrationSpec, Precision, Target
from npubench.engine import plugins
from npubench.reporting.select.chip_facts import clock_told, sheet_of
from tests.fakes import model

CHIPS = {
    "pulsar": ("AX620A",),
    "pulsar2": ("AX630C", "AX650N", "AX615", "AX637", "AX8850", "M57", "M76H"),
    "rknn": ("RK3588", "RK3576", "RK3568", "RK3566", "RK3562", "RV1126B", "RV1106", "RV1103"),
    "tpu-mlir": ("BM1684X", "BM1688", "CV181x", "CV184x", "CV186x", "SG2002"),
    "ethos-u": ("Ethos-U55-256", "Ethos-U65-512", "Ethos-U85-512"),
}
BOARDS = load(()).boards


@pytest.mark.parametrize(("backend", "chip"), [(b, chip) for b, chips in CHIPS.items() for chip in chips])
def test_a_chip_has_a_board(backend, chip):
    assert [one.name for one in BOARDS.values() if (one.backend, one.chip) == (backend, chip)]


@pytest.mark.parametrize("name", BOARDS)
def test_a_backend_takes_the_options_of_its_board(name, tmp_path):
    board = BOARDS[name]
    backend = plugins.backend_of(board, lambda host: None)
    if not isinstance(backend, IsolatedBackend):
        return
    (tmp_path / "in.onnx").write_text("model")
    target = Target(board.chip, Precision.INT8, board.backend_options, CalibrationSpec(), 10.0)
    asked = backend.job(model(tmp_path / "in.onnx"), target)
    for option in ("platform", "processor", "accelerator", "htp_arch"):
        if option in board.backend_options:
            assert asked[option] == board.backend_options[option]


@pytest.mark.parametrize("name", BOARDS)
def test_every_fact_of_a_board_says_where_it_is_from(name):
    for fact in BOARDS[name].facts:
        assert fact.source.strip(), fact
        assert fact.source != "same", "names the row above it in a table that is not here"


def test_a_declared_npu_clock_is_a_sourced_fact_of_the_chip():
    declared = {
        name: board.backend_options["npu_clock_mhz"]
        for name, board in BOARDS.items()
        if "npu_clock_mhz" in board.backend_options
    }
    assert declared == {
        "rk3588": 1000, "rk3576": 1000, "rk3568": 900, "rk3566": 900, "rk3562": 1000, "rv1126b": 950,
    }  # fmt: skip
    for name, mhz in declared.items():
        told = clock_told(sheet_of(name, BOARDS[name].chip, ()))
        assert told.first.value == mhz
        assert told.first.source
