"""Watts, dollars, bytes and megahertz out of texts, worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Bound
from npubench.reporting.select.fact_texts import (
    Amount,
    megahertz,
    memory_is_hosts,
    memory_sizes,
    us_dollars,
    watts,
)

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8", Amount(8)),
        ("8.65", Amount(8.65)),
        ("8 W", Amount(8)),
        ("8W", Amount(8)),
        ("8 Watts", Amount(8)),
        ("500 mW", Amount(0.5)),
        ("1,299 W", Amount(1299)),
        ("<= 8 W", Amount(8, bound=Bound.UPPER)),
        ("≤ 8 W", Amount(8, bound=Bound.UPPER)),
        ("< 3 W", Amount(3, bound=Bound.UPPER)),
        ("up to 8 W", Amount(8, bound=Bound.UPPER)),
        ("at most 8 W", Amount(8, bound=Bound.UPPER)),
        ("max. 8 W", Amount(8, bound=Bound.UPPER)),
        ("8 W max", Amount(8, bound=Bound.UPPER)),
        ("8 W (listed as at most 8 W)", Amount(8, bound=Bound.UPPER)),
        ("1.4 (below 1.4 W)", Amount(1.4, bound=Bound.UPPER)),
        (">= 2 W", Amount(2, bound=Bound.LOWER)),
        ("2.5 W typical", Amount(2.5, how="typical")),
        ("typ. 2.5 W", Amount(2.5, how="typical")),
        ("6 W (typ.)", Amount(6, how="typical")),
        ("8 W (max.)", Amount(8, bound=Bound.UPPER)),
        ("~5 W", Amount(5, how="about")),
        ("about 1.5 W", Amount(1.5, how="about")),
        ("7 to 25", Amount(25, 7)),
        ("7-25 W", Amount(25, 7)),
        ("8–12 W", Amount(12, 8)),
        ("7 W to 25 W", Amount(25, 7)),
        ("500 mW to 2 W", Amount(2, 0.5)),
        ("between 7 and 25 W", Amount(25, 7)),
        ("2.5 W (computed: 5 V x 0.5 A)", Amount(2.5)),
    ],
)
def test_watts(text, amount):
    assert watts(text) == (amount,)


@pytest.mark.parametrize(
    "text",
    ["5V/1A", "2 TOPS/W", "0.5 W a TOPS", "0.5 W/TOPS", "2 W per stream", "2,5 W", "5 MW", "low", "", "W"],
)
def test_what_names_no_watts(text):
    assert watts(text) == ()


def test_several_amounts_stay_in_their_order():
    assert watts("3 W, 5 W peak") == (Amount(3), Amount(5, bound=Bound.UPPER))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("59.90 USD", Amount(59.9)),
        ("249 USD (Super kit)", Amount(249)),
        ("$99", Amount(99)),
        ("US$ 99.50", Amount(99.5)),
        ("USD 99", Amount(99)),
        ("USD99", Amount(99)),
        ("99 dollars", Amount(99)),
        ("1,299 USD", Amount(1299)),
        ("5.33-21.59 USD (LCSC, tiered)", Amount(21.59, 5.33)),
        ("USD 99-129", Amount(129, 99)),
        ("$129-$199", Amount(199, 129)),
        ("279 CNY (2023-08-07); under 40 USD", Amount(40, bound=Bound.UPPER)),
        ("about 100 USD", Amount(100, how="about")),
        ("from 99 USD", Amount(99, bound=Bound.LOWER)),
        ("38 USD for 4 GB, 66 USD for 8 GB", Amount(66, 38)),
        ("85 EUR or 99 USD", Amount(99)),
        ("€85 / $99", Amount(99)),
        ("99.90 USD/pc", Amount(99.9)),
        ("US$59.9+", Amount(59.9, bound=Bound.LOWER)),
    ],
)
def test_dollars(text, amount):
    assert us_dollars(text) == amount


@pytest.mark.parametrize(
    "text", ["99 EUR", "A$ 99", "NT$ 99", "279 CNY", "¥99", "15 USD/month", "99", "", "USD"]
)
def test_what_names_no_dollars(text):
    assert us_dollars(text) is None


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1 of 4 GB for the user", [(1, "for the user"), (4, "in all")]),
        ("1 GB of 4 GB", [(1, "for the user"), (4, "in all")]),
        ("4 GB LPDDR4 (1 GB for the user, 3 GB for the accelerator)", [(1, "for the user"), (4, "in all")]),
        ("8 GB LPDDR4x (2 GB system + 6 GB CMM by default)", [(6, "for the user"), (8, "in all")]),
        ("945 MiB system + 7040 MiB CMM", [(6.875, "for the user")]),
        ("SIP 256 MiB 16-bit LPDDR4x", [(0.25, "")]),
        ("SIP 2 Gbit 16-bit LPDDR4x up to 3200 Mbit/s", [(0.25, "")]),
        ("2x 2 GB LPDDR4", [(4, "")]),
        ("8 GB (2 x 4 GB)", [(8, "")]),
        ("512 MB (4 Gb) 32-bit LPDDR3 2133", [(0.5, "")]),
        ("LPDDR5 2 GB / 4 GB / 8 GB options", [(2, ""), (4, "option"), (8, "option")]),
        ("64-bit LPDDR5 5500 MT/s: 8/16 GB options", [(8, ""), (16, "option")]),
        ("8 GB LPDDR4 (1/2/4/8 GB options)", [(8, ""), (1, "option"), (2, "option"), (4, "option")]),
        ("2 GB LPDDR4X 3733, optional 16 GB eMMC", [(2, "")]),
        ("8 GB LPDDR4x, 128 GB UFS 2.2", [(8, "")]),
        ("8 GB/32 GB eMMC", [(8, "")]),
        ("32-bit LPDDR4(x) up to 3733 Mbit/s", []),
        ("34 GB/s", []),
        ("16-bit", []),
        ("none of its own (uses the host's)", []),
    ],
)
def test_memory(text, sizes):
    assert [(one.value / GIB, one.how) for one in memory_sizes(text)] == sizes


def test_memory_up_to_a_size_is_a_bound():
    (told,) = memory_sizes("LPDDR4/4x/5 up to 32 GB")
    assert told == Amount(32 * GIB, bound=Bound.UPPER)


def test_no_memory_of_its_own():
    assert memory_is_hosts("none of its own (uses the host's)")
    assert memory_is_hosts("AI HAT+ 13 TOPS: no memory of its own")
    assert not memory_is_hosts("8 GB, none of it shared")
    assert not memory_is_hosts("LPDDR4")


@pytest.mark.parametrize(
    ("text", "mhz"), [("1000", 1000), ("625 (GPU, before Super)", 625), ("1 GHz", 1000), ("900 MHz", 900)]
)
def test_clocks(text, mhz):
    assert megahertz(text)[0].value == mhz


NUMBERS = st.decimals(min_value=0, max_value=10_000, places=2).map(str)


@given(NUMBERS, st.sampled_from(["{} W", "{}W", "about {} W", "<= {} W", "{} W typical", "{}"]))
def test_a_number_of_watts_is_read_back(number, form):
    (told,) = watts(form.format(number))
    assert told.value == float(number)


@given(NUMBERS, NUMBERS, st.sampled_from(["{}-{} USD", "{} to {} USD", "${}-${}", "{} USD, {} USD"]))
def test_a_range_of_dollars_is_read_back(one, other, form):
    told = us_dollars(form.format(one, other))
    assert told.value == max(float(one), float(other))
    assert (told.value if told.low is None else told.low) == min(float(one), float(other))


@given(
    st.integers(1, 64),
    st.sampled_from(["GB", "GiB", "MB", "MiB"]),
    st.sampled_from(["{} {}", "LPDDR4 {} {}", "{} {} DDR3"]),
)
def test_a_size_is_read_back(number, unit, form):
    (told,) = memory_sizes(form.format(number, unit))
    assert told.value == number * (GIB if unit.startswith("G") else 2**20)


@given(st.text(max_size=60))
def test_any_text_gives_amounts_that_are_finite_and_not_negative(text):
    found = [*watts(text), *megahertz(text), *memory_sizes(text)]
    if (price := us_dollars(text)) is not None:
        found.append(price)
    for one in found:
        assert 0 <= one.value < math.inf
        assert one.low is None or one.low < one.value
