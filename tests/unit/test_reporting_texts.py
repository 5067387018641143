"""Widths of texts by letters, against the widest of the fonts that pages are shown in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from npubench.reporting.charts.texts import Anchor, Box, Text, fitted, meeting, text_px
from tests.chromium import FONTS

DEJAVU = ImageFont.truetype(str(FONTS.parent / "DejaVuSans.ttf"), 1000)
LETTERS = "".join(map(chr, range(32, 127))) + "µ×–…·−≥≤°²éüß߀½●○◇□▲\u202f\u00a0"


@pytest.mark.parametrize("letter", LETTERS)
def test_no_letter_is_wider_than_reckoned(letter):
    assert DEJAVU.getlength(letter) / 1000 <= text_px(letter, 1.0)


@given(st.text(LETTERS, min_size=1, max_size=40))
def test_no_text_is_wider_than_reckoned(text):
    assert DEJAVU.getlength(text) / 1000 <= text_px(text, 1.0) + 1e-9


def test_names_are_not_reckoned_much_wider_than_they_are():
    for name in ("mobilenet_v2", "yolov8n-seg.onnx", "12.3 ms", "2.31× faster", "RK3588", "ssd300_coco_int8"):
        assert text_px(name, 1.0) < 1.25 * DEJAVU.getlength(name) / 1000


def test_a_chinese_letter_takes_a_whole_em():
    assert text_px("模型延迟", 12.5) == 50.0
    assert text_px("e\u0301", 10.0) == text_px("e", 10.0)


@given(st.text(max_size=300), st.floats(20.0, 300.0))
def test_what_is_fitted_fits_on_one_line(name, room):
    found = fitted(name, room)
    assert text_px(found) <= room
    assert "\n" not in found


def test_a_cut_name_keeps_both_ends():
    assert fitted("resnet18", 100.0) == "resnet18"
    found = fitted("a_very_long_name_of_a_network_int8", 100.0)
    assert found.startswith("a_v")
    assert found.endswith("int8")


def test_boxes_of_anchored_texts():
    box = Text(100.0, 50.0, "模型", Anchor.END, 10.0).box
    assert (box.left, box.right) == (80.0, 100.0)
    assert Text(100.0, 50.0, "模型", Anchor.MIDDLE, 10.0).box.left == 90.0
    assert box.top < 50.0 < box.bottom


def test_texts_that_touch_do_not_meet():
    first, second = Text(0.0, 10.0, "模", px=10.0), Text(10.0, 10.0, "型", px=10.0)
    assert meeting([first, second]) == []
    assert meeting([first, Text(9.0, 10.0, "型", px=10.0)]) == [(first, Text(9.0, 10.0, "型", px=10.0))]
    assert meeting([first, first, Text(0.0, 10.0, "")]) == [(first, first)]
    assert Box(0, 0, 10, 10).holds(Box(0, 0, 10, 10))
    assert not Box(0, 0, 10, 10).holds(Box(0, 0, 10.1, 10))
