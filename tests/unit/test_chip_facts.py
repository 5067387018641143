"""What is known of a chip: which of its facts counts, which contradict it, and where to look for more."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.catalog.load import load
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, npu_part
from npubench.domain.records import Figures, Kind
from npubench.domain.specs import BoardSpec, Fact
from npubench.published.chip_facts import COLUMNS, chip_facts, facts_of, read_chip_facts
from npubench.published.chips import chips, where_to_look
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import (
    LEVELS,
    FactSheet,
    bandwidth_bytes_per_s,
    clock_told,
    decode_told,
    memory_told,
    npu_cores,
    peak_mac_per_s,
    power_told,
    price_told,
    said,
    sheet_of,
)

GIB = 2.0**30
MPX = 1e6


def facts(**texts):
    return FactSheet("", tuple(Fact(name, text, "a page") for name, text in texts.items()))


def sheet(chip):
    return sheet_of("", chip, ())


def test_the_dearest_of_several_prices_counts():
    told = price_told(facts(price="38 USD for 4 GB, 66 USD for 8 GB, 51 USD for 6 GB"))
    assert (told.first.value, told.first.low) == (66, 38)
    assert price_told(facts(price="nothing told")).first is None


def test_prices_of_several_levels_stay_apart():
    told = facts(price_chip="20 USD", price_core_module="40 USD", price_board="100 USD")
    assert [price_told(told, level).first.value for level in LEVELS] == [20, 40, 100]
    assert [one.value for one in price_told(told, "board").elsewhere] == [20, 40]
    assert price_told(told).first.about == "chip"
    only = price_told(facts(price_board="100 USD"), "chip")
    assert only.first is None
    assert [(one.value, one.about) for one in only.elsewhere] == [(100, "board")]


def test_a_price_in_another_currency_is_shown_and_counts_for_nothing():
    told = price_told(facts(price_board="99 EUR"))
    assert told.first is None
    assert [fact.value for fact in told.wordless] == ["99 EUR"]


def test_a_mac_is_two_operations_and_sparse_ones_are_no_peak():
    assert peak_mac_per_s(facts(npu_tops_int8="3.6")).value == pytest.approx(1.8e12)
    assert peak_mac_per_s(facts(npu_tops_int8="40 sparse")) is None
    exact = peak_mac_per_s(facts(npu_tops_int8="3.6", npu_mac_per_cycle_111="1152, peak 0.9216 TMAC/s"))
    assert (exact.value, exact.how) == (pytest.approx(0.9216e12), "half of the NPU")


def test_a_bandwidth_is_told_or_follows_from_the_bus_in_bits():
    assert bandwidth_bytes_per_s(facts(memory_bandwidth_GBps="12.8")).value == 12.8e9
    assert bandwidth_bytes_per_s(facts(memory="LPDDR4X 32-bit at 3733 Mbit/s")).value == 32 * 3733e6 / 8


@pytest.mark.parametrize(("text", "size"), [("8 GB", 8), ("up to 4 GB", 4), ("512 MB", 0.5)])
def test_memory_has_its_unit(text, size):
    told = memory_told(facts(memory=text)).first
    assert told.value == size * GIB
    assert told.bound is (Bound.UPPER if "up to" in text else Bound.EXACT)


def test_a_board_s_own_memory_counts_before_what_the_chip_can_have():
    told = memory_told(facts(memory="up to 32 GB", board="a board: 8 GB LPDDR4 (4 GB option)"))
    assert [(one.value / GIB, one.how, one.bound) for one in told.values] == [
        (8, "", Bound.EXACT),
        (4, "option", Bound.EXACT),
        (32, "", Bound.UPPER),
    ]


def test_an_accelerator_without_memory_uses_its_host_s():
    told = memory_told(sheet("Hailo-8"))
    assert told.of_host
    assert told.first is None
    assert decode_told(sheet("Hailo-8"), "h264").of_host
    assert not memory_told(sheet("Hailo-10H")).of_host
    assert not decode_told(sheet("BM1688"), "h264").of_host


@pytest.mark.parametrize(("mode", "share"), [("NPU1", 1 / 3), ("NPU2", 2 / 3), ("NPU3", 1.0), ("", 1.0)])
def test_cores_are_a_share_of_all_that_the_chip_has(mode, share):
    figures = Figures(Kind.MEASURED, npu=npu_part(mode))
    assert share_of_npu(figures, facts(npu_cores="3")) == pytest.approx(share)
    assert share_of_npu(figures, sheet("AX650N")) == pytest.approx(share)


def test_cores_are_a_number_or_the_table_s():
    assert npu_cores(facts(npu_cores="2")) == 2
    assert npu_cores(facts(npu_cores="0 separate (4 of 8 CPU cores)")) is None
    assert [npu_cores(sheet(name)) for name in ("RK3588", "RK3576", "RK3568", "Hailo-8")] == [3, 2, 1, None]


def test_a_decoder_of_one_codec_says_nothing_of_another():
    told = decode_told(facts(video_decode="H.265 4K60"), "h264")
    assert told.first is None
    assert decode_told(facts(video_decode="H.265 4K60"), "h265").first.value == 3840 * 2160 * 60
    assert decode_told(facts(video_decode="H.265 only, 4K60"), "h264").first.value == 0
    assert decode_told(facts(video_decode="H.265 4K60", h264_decode="no"), "h264").first.value == 0


def test_a_decoder_without_a_rate_is_told_in_words():
    told = decode_told(facts(video_decode_h265="4K60", h264_decode="yes"), "h264")
    assert told.first is None
    assert [fact.field for fact in told.wordless] == ["h264_decode"]
    assert decode_told(facts(h264_decode="no node found"), "h264").first is None
    assert [one.value for one in decode_told(facts(video_decode="32 x 1080p30"), "h264").wordless] == [
        "32 x 1080p30"
    ]


def test_a_measured_decoder_counts_before_a_listed_one():
    told = decode_told(
        facts(video_decode="H.264 1080p60", h264_decode_measured_fps="62 at 1088x1920, 65.4 at 480x640"),
        "h264",
    )
    assert (told.first.how, told.first.value) == ("measured", 62 * 1088 * 1920)
    assert [one.value for one in told.values[1:]] == [1920 * 1080 * 60]


def test_streams_and_one_stream_of_one_source_are_one_decoder():
    (told,) = decode_told(sheet("Jetson Orin Nano 8GB"), "h265").values
    assert told.value == 11 * 1920 * 1080 * 30
    assert (told.width, told.height) == (3840, 2160)


def test_contradictory_facts_are_both_kept_and_the_one_that_flips_a_verdict_is_named():
    told = decode_told(sheet("RK3568"), "h264")
    assert [one.value for one in told.values] == [3840 * 2160 * 30, 3840 * 2160 * 60]
    assert told.values[1].field == "video_decode_other"
    enough = 8 * 1920 * 1080 * 20  # 332 Mpx/s: between the two
    (flips,) = told.others(lambda one: one.value >= enough)
    assert "RK3568 datasheet" in flips.said
    assert told.others(lambda one: one.value >= 1e6) == ()
    assert decode_told(FactSheet(), "h264").others(lambda one: one.value) == ()


def test_what_one_page_denies_and_another_lists_stays_contradictory():
    told = decode_told(sheet("SG2002"), "h265")
    assert (told.first.value, told.first.how) == (0, "denied")
    assert [fact.about for fact in told.wordless] == ["board"]
    by_other = decode_told(sheet("AX630C"), "h265")
    assert by_other.first.field == "video_decode_other"
    assert [fact.value for fact in by_other.silent] == ["H.264 1080p60"]
    assert "video_decode: H.264 1080p60 (chip)" in said(by_other.silent[0])


def test_power_is_of_one_level_and_a_maximum_is_a_bound():
    told = power_told(sheet("SG2002"), "chip")
    assert [(one.value, one.about) for one in told.values] == [(0.5, "chip")]
    assert [(one.value, one.about) for one in told.elsewhere] == [(2.5, "board")]
    hailo = power_told(sheet("Hailo-8"))
    assert [(one.value, one.bound) for one in hailo.values] == [(2.5, Bound.EXACT), (8.65, Bound.UPPER)]
    assert (power_told(sheet("AX8850")).first.value, power_told(sheet("AX8850")).first.bound) == (
        8,
        Bound.UPPER,
    )
    orin = power_told(sheet("Jetson Orin Nano 8GB")).first
    assert (orin.low, orin.value) == (7, 25)


def test_a_processor_under_load_is_no_power_of_the_npu():
    assert power_told(sheet("QCS6490")).first is None


def test_clocks_that_contradict_each_other():
    assert [one.value for one in clock_told(sheet("RK3588")).values] == [1000]
    assert [one.value for one in clock_told(sheet("RK3576")).values] == [1000, 950]
    assert [one.value for one in clock_told(sheet("i.MX 8M Plus")).values] == [800, 1000]
    assert clock_told(sheet("BM1684X")).first.value == 1000
    assert clock_told(sheet("Hailo-8")).first is None


def test_a_missing_fact_is_named_with_where_to_look():
    assert "rockchip-linux/mpp" in decode_told(sheet("RV1109"), "h264").look
    assert "data sheet" in memory_told(FactSheet("nobody's")).look
    for name in chips():
        for topic in ("decode", "memory", "power", "price", "clock", "cores", "peak"):
            assert where_to_look(name, topic)


def board(name, chip, **texts):
    told = tuple(Fact(field, text, "its label") for field, text in texts.items())
    return BoardSpec(name, name, chip, "ssh", "rknn", (), facts=told)


def test_a_board_inherits_its_chip_s_facts_and_its_own_win():
    mine = board("mine", "rk-3588", memory="4 GB", video_decode="H.264 1080p30")
    other = board("other", "RK3588", price_board="80 USD")
    found = sheet_of("mine", "rk-3588", [other, mine])
    assert memory_told(found).first.value == 4 * GIB
    decoder = decode_told(found, "h264")
    assert [one.value for one in decoder.values] == [1920 * 1080 * 30, 7680 * 4320 * 30]
    assert clock_told(found).first.value == 1000
    prices = price_told(found, "board").values
    assert prices[0].value == 59.9, "the chip's own table comes before other boards with it"
    assert [one.condition for one in prices if one.value == 80] == ["board other"]


@given(st.text(max_size=80))
def test_no_text_of_a_fact_breaks_a_parser(text):
    names = ("video_decode", "price_chip", "memory", "power_w", "board", "h264_decode", "npu_clock_MHz")
    told = facts(**dict.fromkeys(names, text))
    for found in (
        decode_told(told, "h264"),
        price_told(told),
        memory_told(told),
        power_told(told),
        clock_told(told),
    ):
        assert all(one.value >= 0 for one in found.values)


def test_two_chips_in_one_string_have_the_facts_that_both_have():
    both = facts_of("RK3566/RK3568")
    assert {(one.field, one.value) for one in both} >= {
        ("npu_clock_MHz", "900"),
        ("video_decode", "H.264 4K30, H.265/VP9 4K60"),
    }
    assert not [one for one in both if one.field == "npu_tops_int8"]
    assert facts_of("3x BM1684X") == ()
    assert memory_told(sheet("Jetson Orin Nano")).first is None
    assert decode_told(sheet("Jetson Orin Nano"), "h265").first.value == 3840 * 2160 * 60
    assert facts_of("a chip of nobody") == ()


DECODERS = {  # Mpx/s of H.264 and H.265, by hand from the texts: 1080p is 2.0736, 4K 8.2944, 8K 33.1776 Mpx
    "AX620A": (129.51552, None),
    "AX620U": (124.416, None),
    "AX620Q": (124.416, None),
    "AX630C": (124.416, 124.416),
    "AX650N": (1990.656, 1990.656),
    "AX8850": (995.328, 995.328),
    "RK3562": (124.416, 248.832),
    "RK3566": (248.832, 497.664),
    "RK3568": (248.832, 497.664),
    "RK3576": (497.664, 497.664),
    "RK3588": (995.328, 1990.656),
    "SG2300X": (1658.88, 1658.88),
    "SG2002": (62.208, 0),
    "CV181x": (62.208, 0),
    "Jetson Orin Nano 8GB": (None, 684.288),
    "Jetson Orin Nano 4GB": (None, 497.664),
    "K230": (331.776, 331.776),
    "SpacemiT K1": (497.664, 497.664),
    "QCS6490": (497.664, 497.664),
    "AM62A": (238.464, 238.464),
    "QCS9075": (1990.656, 1990.656),
    "BM1684": (1990.656, 1990.656),
    "BM1684X": (None, None),
    "RV1126": (248.832, 248.832),
    "RV1126B": (248.832, 248.832),
}


@pytest.mark.parametrize("chip", DECODERS)
def test_every_chip_with_a_sourced_decoder_has_its_rate(chip):
    found = [decode_told(sheet(chip), codec).first for codec in ("h264", "h265")]
    if chip == "AX620A":
        assert found[1].value == 0, "it decodes H.264 only"
        found[1] = None
    assert [one and one.value / MPX for one in found] == [
        None if rate is None else pytest.approx(rate) for rate in DECODERS[chip]
    ]


def test_enough_chips_have_a_decoder_and_a_memory():
    with_both = [
        name
        for name in chips()
        if memory_told(sheet(name)).first
        and any(decode_told(sheet(name), codec).first for codec in ("h264", "h265"))
    ]
    assert len(with_both) >= 20, with_both


def test_the_shipped_table_has_every_fact_with_its_source():
    assert sum(map(len, chip_facts().values())) >= 390
    for name, found in chip_facts().items():
        assert name in chips()
        for fact in found:
            assert fact.source
            assert fact.about in LEVELS


def write(path, *lines):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *lines])
    return path


def test_a_fact_given_twice_in_a_table_is_an_error_unless_its_condition_differs(tmp_path):
    line = ["RK3588", "power_w", "8 W", "W", "board", "", "a page", ""]
    twice = ["rk-3588", "power_w", "9 W", "W", "board", "", "another page", ""]
    with pytest.raises(UsageError, match=r"line 3: 'power_w' is given on line 2 already"):
        read_chip_facts(write(tmp_path / "facts.csv", line, twice))
    apart = [*twice[:5], "at 85 C", *twice[6:]]
    assert len(read_chip_facts(write(tmp_path / "facts.csv", line, apart))["RK3588"]) == 2


def test_all_that_is_wrong_with_a_table_is_told_at_once(tmp_path):
    with pytest.raises(UsageError) as told:
        read_chip_facts(
            write(
                tmp_path / "facts.csv",
                ["RK9999", "power_w", "8 W", "W", "board", "", "a page", ""],
                ["RK3588", "power_w", "", "W", "lab", "", "a page", ""],
                ["RK3588", "power_w"],
            )
        )
    for part in ("line 2: no chip", "line 3: a field, a value", "'lab'", "line 4: 2 cells, not 8"):
        assert part in str(told.value)


def test_a_fact_given_twice_in_a_board_s_file_is_an_error(tmp_path):
    (tmp_path / "boards").mkdir()
    fact = '[[fact]]\nfield = "power_w"\nvalue = "{}"\nsource = "s"\n{}'
    head = 'title = "T"\nchip = "C"\ntransport = "ssh"\nbackend = "rknn"\nprecisions = ["int8"]\n'
    file = tmp_path / "boards" / "mine.toml"
    file.write_text(head + fact.format("8 W", "") + fact.format("9 W", ""))
    (problem,) = load((tmp_path,), ("boards",)).problems
    assert "mine.toml:10:" in problem
    assert "'power_w' is given on line 6 already" in problem
    file.write_text(head + fact.format("8 W", "") + fact.format("9 W", 'condition = "hot"\n'))
    catalog = load((tmp_path,), ("boards",))
    assert catalog.problems == ()
    assert [one.condition for one in catalog.boards["mine"].facts] == ["", "hot"]
