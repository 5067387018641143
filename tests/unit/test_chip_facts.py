"""Figures out of the texts of a chip's facts."""

import pytest

from npubench.domain.figures import npu_part
from npubench.domain.records import Figures, Kind
from npubench.domain.specs import Fact
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import (
    bandwidth_bytes_per_s,
    memory_bytes,
    peak_mac_per_s,
    price_usd,
)


def facts(**texts):
    return {name: Fact(name, text, "a page") for name, text in texts.items()}


def test_the_dearest_of_several_prices_counts():
    assert price_usd(facts(price="38 USD for 4 GB, 66 USD for 8 GB, 51 USD for 6 GB")).value == 66
    assert price_usd(facts(price="nothing told")) is None


def test_a_mac_is_two_operations_and_sparse_ones_are_no_peak():
    assert peak_mac_per_s(facts(npu_tops_int8="3.6")).value == pytest.approx(1.8e12)
    assert peak_mac_per_s(facts(npu_tops_int8="40 sparse")) is None
    exact = peak_mac_per_s(facts(npu_tops_int8="3.6", npu_mac_per_cycle_111="1152, peak 0.9216 TMAC/s"))
    assert (exact.value, exact.about) == (pytest.approx(0.9216e12), "half of the NPU")


def test_a_bandwidth_is_told_or_follows_from_the_bus_in_bits():
    assert bandwidth_bytes_per_s(facts(memory_bandwidth_GBps="12.8")).value == 12.8e9
    assert bandwidth_bytes_per_s(facts(memory="LPDDR4X 32-bit at 3733 Mbit/s")).value == 32 * 3733e6 / 8


@pytest.mark.parametrize(("text", "size"), [("8 GB", 8), ("up to 4 GB", 4), ("512 MB", 0.5)])
def test_memory_has_its_unit(text, size):
    told = memory_bytes(facts(memory=text))
    assert told.value == size * 2**30
    assert told.about == ("up to" if "up to" in text else "")


@pytest.mark.parametrize(("mode", "share"), [("NPU1", 1 / 3), ("NPU2", 2 / 3), ("NPU3", 1.0), ("", 1.0)])
def test_cores_are_a_share_of_all_that_the_chip_has(mode, share):
    figures = Figures(Kind.MEASURED, npu=npu_part(mode))
    assert share_of_npu(figures, facts(npu_cores="3")) == pytest.approx(share)
