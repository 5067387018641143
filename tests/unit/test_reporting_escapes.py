from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.text import columns_of, printable, shortened, visible

EVERY_CHARACTER = st.text(st.characters(codec=None))


@given(EVERY_CHARACTER)
def test_nothing_steers_a_terminal(text):
    safe = printable(text)
    assert "\x1b" not in safe
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in safe)
    safe.encode("utf-8")


@given(EVERY_CHARACTER)
def test_what_is_visible_can_be_written(text):
    visible(text).encode("utf-8")
    assert "\x00" not in visible(text)


def test_ordinary_text_stays():
    for text in ("resnet18", "模型", "مرحبا", "naïve µs"):
        assert visible(text) == printable(text) == text
    assert visible("two\nlines\tand a tab") == "two\nlines\tand a tab"


def test_what_turns_or_hides_is_spelled_out():
    assert printable("\u202egnp.exe") == visible("\u202egnp.exe") == "\\u202egnp.exe"
    assert printable("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert visible("\udcff\x00") == "\\udcff\\x00"


@given(st.text(), st.integers(1, 40))
def test_a_shortened_text_fits(text, limit):
    assert columns_of(shortened(text, limit)) <= max(limit, 1)


def test_a_shortened_text_keeps_its_ends():
    assert shortened("conv_k3_c64_s1_fp32", 9) == "conv…fp32"
    assert shortened("short", 9) == "short"
    assert columns_of("模型") == 4
    assert columns_of("Ａ") == 2
