"""What texts say of decoders, with rates worked out by hand: 1080p is 2.0736 Mpx, 4K 8.2944, 8K 33.1776."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.select.decode_text import FRAMES, Rate, codec_of, decode_text

HD = 1920 * 1080
UHD = 3840 * 2160
K8 = 7680 * 4320


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("8K60 H.265/VP9/AVS2, 8K30 H.264, 4K60 AV1",
         {"h265": K8 * 60, "vp9": K8 * 60, "avs2": K8 * 60, "h264": K8 * 30, "av1": UHD * 60}),
        ("H.264 4K30, H.265/VP9 4K60", {"h264": UHD * 30, "h265": UHD * 60, "vp9": UHD * 60}),
        ("H.264/H.265 8K30, 16 x 1080p30", {"h264": K8 * 30, "h265": K8 * 30}),
        ("8K30 or 4K120 H.265/VP9/AV1", dict.fromkeys(("h265", "vp9", "av1"), UHD * 120)),
        ("4Kp120 H.265, H.264, AV1", dict.fromkeys(("h265", "h264", "av1"), UHD * 120)),
        ("H.264 / H.265 / MJPEG codec, 1080p60 decoding", dict.fromkeys(("h264", "h265", "mjpeg"), HD * 60)),
        ("H.264/H.265 32 x 1080p25", dict.fromkeys(("h264", "h265"), 32 * HD * 25)),
        ("H.264/H.265 1080p115 (computed: 240 Mpx/s over 1920x1080)", dict.fromkeys(("h264", "h265"), HD * 115)),
        ("HEVC 3840x2160@60", {"h265": UHD * 60}),
        ("AVC 3840×2160 @ 60 fps", {"h264": UHD * 60}),
        ("up to 4Kp60 HEVC", {"h265": UHD * 60}),
        ("8K@30 H.265", {"h265": K8 * 30}),
        ("4K@60fps H.265, H.264 1080p60", {"h265": UHD * 60, "h264": HD * 60}),
        ("4K UHD 60 fps H.264", {"h264": UHD * 60}),
        ("H.264/265 8K@30", {"h264": K8 * 30, "h265": K8 * 30}),
        ("H.264 and H.265 at 4K60", {"h264": UHD * 60, "h265": UHD * 60}),
        ("H.264, H.265, VP9 4K60", dict.fromkeys(("h264", "h265", "vp9"), UHD * 60)),
        ("4K60, H.264/H.265", dict.fromkeys(("h264", "h265"), UHD * 60)),
        ("1080p60 x 16 H.264", {"h264": 16 * HD * 60}),
        ("1080p60 × 16 H.264", {"h264": 16 * HD * 60}),
        ("16x1080p30 H.264", {"h264": 16 * HD * 30}),
        ("16×1080p@30 H.264", {"h264": 16 * HD * 30}),
        ("128x1080p30 H.264", {"h264": 128 * HD * 30}),
        ("16-channel 1080p30 H.264", {"h264": 16 * HD * 30}),
        ("32ch@1080p30 H.264", {"h264": 32 * HD * 30}),
        ("dual 4K60 H.264", {"h264": 2 * UHD * 60}),
        ("4K H.265 at 30 fps", {"h265": UHD * 30}),
        ("32 channels of 1080p@25 H.264", {"h264": 32 * HD * 25}),
        ("H.264 1080p@30 16ch", {"h264": 16 * HD * 30}),
        ("H.265 (4K60), H.264 (1080p60)", {"h265": UHD * 60, "h264": HD * 60}),
        ("8K60 (H.265/VP9), 8K30 (H.264)", {"h265": K8 * 60, "vp9": K8 * 60, "h264": K8 * 30}),
        ("H.265: 8K30, 4K120; H.264: 8K30", {"h265": UHD * 120, "h264": K8 * 30}),
        ("H.264 4K30 / H.265 4K60", {"h264": UHD * 30, "h265": UHD * 60}),
        ("H.264/H.265 up to 4096x2304 @ 60fps", dict.fromkeys(("h264", "h265"), 4096 * 2304 * 60)),
        ("60fps 4K H.264", {"h264": UHD * 60}),
        ("4K60/10bit H.265, 4K60 10-bit AV1", {"h265": UHD * 60, "av1": UHD * 60}),
        ("H.264 BP/MP/HP Level 5.1 4K30", {"h264": UHD * 30}),
        ("MPEG-4 AVC 1080p60", {"h264": HD * 60}),
        ("8MP@40fps H.264", {"h264": 8e6 * 40}),
        ("H.264 240 Mpx/s", {"h264": 240e6}),
        ("MJPEG 1920x1080 at 280 fps", {"mjpeg": HD * 280}),
        ("H.264 1080p25/30", {"h264": HD * 25}),
        ("H.264 4K30-60", {"h264": UHD * 30}),
        ("H.264 encode and decode 1080p60", {"h264": HD * 60}),
        ("H.264 decode 1080p60, H.265 encode 4K30", {"h264": HD * 60}),
        ("Decode: H.264 4K60; Encode: H.265 4K30, AV1 4K30", {"h264": UHD * 60}),
        ("4K30 H.264/H.265 while encoding 1080p30", {"h264": UHD * 30, "h265": UHD * 30}),
    ],
)  # fmt: skip
def test_rates_stand_with_their_codecs(text, rates):
    assert {name: rate.pixels_per_s for name, rate in decode_text(text).rates.items()} == rates


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("H.264 1080p30; H.265: encode only", {"h265"}),
        ("H.265 (encode only), H.264 1080p30", {"h265"}),
        ("H.264 1080p30, no H.265", {"h265"}),
        ("no H.265, AV1; H.264 1080p30", {"h265", "av1"}),
        ("H.265 not supported; H.264 4K30", {"h265"}),
        ("H.264 only, 1080p60", {"h265", "vp9", "mjpeg"}),
        ("only H.264, 1080p60", {"h265"}),
    ],
)
def test_a_codec_is_denied_where_the_text_says_so(text, denied):
    told = decode_text(text)
    assert all(told.denies(codec) for codec in denied)
    assert not told.denies("h264")
    assert "h264" in told.rates


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("H.265 4K60", "h264"),
        ("4K60 H.265, H.264, AV1 1080p60", "h264"),
        ("H.264 4K", "h264"),
        ("4K 2 streams H.264", "h264"),
        ("H.264 encode 4K30", "h264"),
        ("H.265 encode, H.264 1080p30", "h264"),
        ("32 x 1080p30 (960 fps)", "h264"),
        ("no more than 4K60 H.265", "h265"),
        ("H.264 1080i60", "h264"),
        ("H.264 2K60", "h264"),
        ("H.264 0 x 1080p30", "h264"),
        ("H.264 99999x99999@30", "h264"),
        ("", "h264"),
    ],
)
def test_what_can_be_meant_in_two_ways_is_neither_a_rate_nor_a_denial(text, codec):
    told = decode_text(text)
    assert codec not in told.rates
    assert not told.denies(codec)


@pytest.mark.parametrize("text", ["none", "no hardware decoder", "No video decoder", "software only"])
def test_a_chip_without_a_decoder_denies_all(text):
    assert decode_text(text).denies("h264")
    assert not decode_text("none of its own (the host decodes)").denies("h264")


def test_a_rate_without_a_codec_is_kept_apart():
    assert decode_text("32 x 1080p30").unnamed == Rate(32 * HD * 30, 1920, 1080)
    assert decode_text("62 at 1088x1920, 65.4 at 480x640").unnamed == Rate(62 * 1088 * 1920, 1088, 1920)
    assert decode_text("H.264 4K60").unnamed is None
    assert decode_text("4096x2304@60").unnamed == Rate(4096 * 2304 * 60, 4096, 2304)


def test_the_largest_frame_is_told():
    told = decode_text("2 x 4K30, 5 x 1080p60, 11 x 1080p30 H.265").rates["h265"]
    assert told == Rate(11 * HD * 30, 3840, 2160)


@pytest.mark.parametrize(
    ("word", "codec"),
    [("HEVC", "h265"), ("H.265", "h265"), ("h265", "h265"), ("avc", "h264"), ("H.264", "h264"), ("jpeg", "mjpeg"),
     ("VP9", "vp9"), ("h263", None), ("none", None), ("", None)],
)  # fmt: skip
def test_a_codec_has_many_names(word, codec):
    assert codec_of(word) == codec


NAMES = {"h264": ["H.264", "h264", "AVC"], "h265": ["H.265", "HEVC"], "av1": ["AV1"], "vp9": ["VP9"]}
SPEEDS = st.tuples(
    st.sampled_from(["720p", "1080p", "4K", "8K"]),
    st.integers(1, 240),
    st.integers(1, 32),
    st.sampled_from("@ap "),
)


def spelled(speed):
    frame, fps, count, between = speed
    plain = {
        "@": f"{frame}@{fps}",
        "a": f"{frame} at {fps} fps",
        "p": f"{frame}{fps}",
        " ": f"{frame} {fps}fps",
    }
    return (f"{count} x " if count > 1 else "") + plain[between]


@given(st.dictionaries(st.sampled_from([*NAMES]), SPEEDS, min_size=1), st.booleans(), st.data())
def test_a_list_is_read_back(listed, codec_first, data):
    parts = []
    for codec, speed in listed.items():
        name = data.draw(st.sampled_from(NAMES[codec]))
        parts.append(f"{name} {spelled(speed)}" if codec_first else f"{spelled(speed)} {name}")
    told = decode_text(data.draw(st.sampled_from([", ", "; "])).join(parts))
    for codec, (frame, fps, count, _) in listed.items():
        wide, high = FRAMES[frame.lower()]
        assert told.rates[codec] == Rate(wide * high * fps * count, wide, high)
    assert told.rates.keys() == listed.keys()


@given(st.text(max_size=80))
def test_any_text_gives_finite_rates_or_nothing(text):
    for rate in decode_text(text).rates.values():
        assert 0 < rate.pixels_per_s < math.inf


WORDS = [
    "H.264", "H.265", "4K60", "1080p30", "16 x", "no", "only", "encode", "decode", ",", ";", "(", ")", "4K", "@", "60", "/",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_no_rate_is_more_than_what_the_text_names(words):
    told = decode_text(" ".join(words))
    assert all(rate.pixels_per_s <= 60 * 16 * K8 for rate in told.rates.values())
    assert not told.denied & told.rates.keys()
