"""One table of chips: spellings, several chips in one string, and what a mode says of the NPU."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.errors import UsageError
from npubench.published.atlas import figures
from npubench.published.chips import (
    Mode,
    canonical,
    chip_named,
    chip_of,
    chips,
    find_chip,
    mode_of,
    same_chip,
    share_of_mode,
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("rk 3588", "RK3588"),
        ("RK-3588", "RK3588"),
        ("Rockchip RK3588", "RK3588"),
        ("rk3588s", "RK3588"),
        ("hailo8l", "Hailo-8L"),
        ("Hailo 8", "Hailo-8"),
        ("HAILO_10H", "Hailo-10H"),
        ("Coral Edge TPU", "Edge TPU"),
        ("Google Coral", "Edge TPU"),
        ("SG2000", "CV181x"),
        ("CV181x (SG2000)", "CV181x"),
        ("cv186ah", "CV186X"),
        ("CV180x (CV1800B)", "CV180x"),
        ("AX620Q (AX620E family)", "AX620Q"),
        ("NVIDIA Jetson Orin Nano 8 GB", "Jetson Orin Nano 8GB"),
        ("imx8m plus", "i.MX 8M Plus"),
        ("i.MX8M Plus", "i.MX 8M Plus"),
        ("snapdragon x elite", "Snapdragon X Elite"),
    ],
)
def test_a_chip_is_found_in_any_spelling(written, name):
    assert chip_of(written).name == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AX650N", "AX8850"),
        ("RV1126", "RV1126B"),
        ("Hailo-8", "Hailo-8L"),
        ("Hailo-15H", "Hailo-15L"),
        ("BM1684", "BM1684X"),
        ("BM1684X", "3x BM1684X"),
        ("RK3566", "RK3568"),
        ("RK3588", "RK3582"),
        ("Jetson Nano", "Jetson Orin Nano"),
        ("Jetson Orin Nano 4GB", "Jetson Orin Nano 8GB"),
        ("SG2000", "SG2002"),
        ("RK3588", "RK3588J"),
        ("not a chip", "not a ship"),
    ],
)
def test_chips_that_are_near_stay_apart(one, other):
    assert not same_chip(one, other)


@pytest.mark.parametrize(
    "written", ["RK3566/RK3568", "rk3568 / rk3566", "RK3566/68", "RK356x", "RK3566 or RK3568"]
)
def test_two_chips_in_one_string_are_each_spoken_for(written):
    found = chip_of(written)
    assert set(found.speaks_for) == {"RK3566", "RK3568"}
    assert (found.single, found.cores) == (False, 1)
    assert "two chips" in found.note or "2 chips" in found.note


def test_a_card_of_three_chips_speaks_for_none_of_them():
    for written in ("3x BM1684X", "3 x bm1684x", "3×BM1684X"):
        found = chip_of(written)
        assert (found.name, found.count, found.members, found.speaks_for) == (
            "3x BM1684X",
            3,
            ("BM1684X",),
            (),
        )
    assert chip_of("2x RK3588").speaks_for == ()
    assert chip_of("1x RK3588").name == "RK3588"


def test_a_module_of_either_size_speaks_for_neither():
    found = chip_of("Jetson Orin Nano")
    assert found.either
    assert found.speaks_for == ()
    assert found.members == ("Jetson Orin Nano 4GB", "Jetson Orin Nano 8GB")


def test_two_known_chips_in_a_string_that_the_table_lacks():
    assert chip_of("RK3588/RK3576").speaks_for == ("RK3588", "RK3576")
    assert chip_of("RK3588/RK3576").cores is None
    assert find_chip("RK3588/RK9999") is None
    assert chip_of("RK3588/rk-3588").name == "RK3588"


def test_an_unknown_chip_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"no chip is called 'RK3589' \(did you mean .*'RK3588'"):
        chip_of("RK3589")
    with pytest.raises(UsageError, match=r"\\x1b"):
        chip_of("\x1b[31mRK")


def test_the_table_agrees_with_itself():
    names = [name for one in chips().values() for name in (one.name, *one.also)]
    assert all(chip_of(name).name == one.name for one in chips().values() for name in (one.name, *one.also))
    assert len(names) == len({canonical(name) + name for name in names})
    for one in chips().values():
        for other in (*one.members, *one.related):
            assert other in chips(), other
            assert other != one.name
        assert one.vendor
        assert one.single or one.note


def test_every_chip_of_the_atlas_is_in_the_table():
    assert [one.chip for one in figures() if find_chip(one.chip) is None] == []


def test_a_chip_that_the_table_lacks_is_itself_in_any_spelling():
    one, other = chip_named("New Chip-9"), chip_named("newchip 9")
    assert one == other
    assert (one.name, one.speaks_for, one.cores) == ("NEWCHIP9", ("NEWCHIP9",), None)


@given(st.text(max_size=30))
def test_any_text_is_a_chip_or_none(text):
    found = find_chip(text)
    assert found is None or canonical(text) == found.name


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("single core", Mode(1)),
        ("1 Core", Mode(1)),
        ("3 cores", Mode(3)),
        ("2 cores, batch 4", Mode(2, batch=4)),
        ("batch 8", Mode(batch=8)),
        ("NPU3", Mode(3)),
        ("Half", Mode(halved=True)),
        ("1_1 1.8T", Mode(halved=True)),
        ("3 cores, 12 threads, all clocks fixed", Mode(3, threads=12)),
        ("pool of 9", Mode(threads=9)),
        ("go-rknnlite, pool size 3", Mode(threads=3)),
        ("3 cores, pool=6", Mode(3, threads=6)),
        ("threads: 4", Mode(threads=4)),
        ("4 goroutines", Mode(threads=4)),
        ("AXCL M.2 on Raspberry Pi 5, batch 1", Mode(batch=1)),
        ("4 modules behind one PCIe 3.0 x8 switch", Mode(modules=4)),
        ("QCS8550 (Proxy), onnx", Mode()),
        ("15 W", Mode()),
        ("3.2T", Mode()),
        ("", Mode()),
    ],
)
def test_a_mode_says_cores_halves_and_batch(text, mode):
    assert mode_of(text) == mode


def test_cores_are_a_share_of_the_chip():
    assert share_of_mode(chip_of("RK3588"), mode_of("single core")) == pytest.approx(1 / 3)
    assert share_of_mode(chip_of("RK3576"), mode_of("2 cores")) == 1.0
    assert share_of_mode(chip_of("AX650N"), mode_of("1 core")) == pytest.approx(1 / 3)
    assert share_of_mode(chip_of("AX620E"), mode_of("Half")) == 0.5
    assert share_of_mode(chip_of("Hailo-8"), mode_of("batch 1")) is None
