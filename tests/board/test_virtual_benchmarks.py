"""The board's own benchmarks on an ARM board: codec through a declared program, and the processor."""

import pytest

from npubench.storage.hashing import sha256_of_file
from npubench_virtual import places
from tests.board.board_pair import BoardPair
from tests.board.virtual_board import HURRY

VDEC = {
    "argv": ["/opt/bin/slice_counter", "-i", "{input}"],
    "frames": "decoded=([0-9]+)",
    "unsupported": "unsupported payload.*",
}
OTHERS = ("*-4k", "encode-*", "*-jpeg-*", "nv12-*", "letterbox-*", "crop-*", "decode-to-*")


@pytest.fixture
def pair(tmp_path, virtual_a7):
    return BoardPair(tmp_path / "pair", virtual_a7)


def test_the_codec_engine_command(pair):
    codec = {
        "engine": "command",
        "lacks": dict.fromkeys(OTHERS, "not in this test"),
        "command": {"decode-*-1080p": VDEC},
    }
    pair.board(places.NAME, transport="virtual", transport_options=HURRY, benchmark_options={"codec": codec})
    done = pair.measure("--stages", "codec")
    assert "Traceback" not in done.stderr
    found = pair.by_case()
    row = found["decode-h264-1080p"]
    assert (row["status"], row["emulated"], row["kind"], row["case_kind"]) == (
        "ok",
        True,
        "measured",
        "codec",
    ), row
    # The emulator counts the pictures in the file that it was given: all of it is on the board.
    made = next((pair.virtual_cache / "npubench" / "codec").glob("h264-1080p-*/*.h264"))
    assert sha256_of_file(made) in pair.virtual.sh("sha256sum /root/npubench/*/*.h264")
    assert row["details"]["frames"] == 50
    failure = found["decode-h265-1080p"]["failure"]
    assert (failure["stage"], failure["class"]) == ("measure", "unsupported_codec")
    assert "unsupported payload type 265" in failure["message"]
    assert {row["failure"]["class"] for case, row in found.items() if case.endswith("-4k")} == {
        "unsupported_codec"
    }
    again = pair.measure("--stages", "codec")
    assert "done before" in again.stderr


def test_a_megpeak_of_the_board(pair):
    options = {"cpu": {"megpeak": "/opt/bin/megpeak"}}
    pair.board(places.NAME, transport="virtual", transport_options=HURRY, benchmark_options=options)
    done = pair.measure("--stages", "cpu", "--cpu-tool", "megpeak")
    assert done.returncode == 0, done.stderr
    (row,) = pair.rows()
    assert (row["case"], row["emulated"], row["backend"]) == ("cpu-megpeak", True, "megpeak")
    assert row["details"]["rows"][6]["row"] == "mla_f32"
    assert row["board_before"]["cpu_model"].endswith("Cortex-A7")


MEGPEAK_ROWS = "padal padd mla_s32 mlal_s8 mlal_s16 mlal_s16_lane mla_f32 mul_s32 mul_f32 cvt qrdmulh rshl"


def test_the_probe_for_armv7(pair):
    done = pair.measure("--stages", "cpu")
    assert done.returncode == 0, done.stderr
    found = pair.by_case()
    assert set(found) == {
        "cpu-one-core",
        "cpu-each-core",
        "cpu-all-cores",
        "cpu-memory",
        "cpu-memory-all-cores",
    }
    for row in found.values():
        assert (row["status"], row["emulated"], row["kind"], row["backend"]) == (
            "ok",
            True,
            "measured",
            "cpupeak",
        )
        assert "armmp" in row["board_before"]["kernel"]
    rows = found["cpu-one-core"]["details"]["rows"]
    assert [row["row"] for row in rows] == MEGPEAK_ROWS.split()
    assert all(row["throughput_ns"] > 0 and row["latency_ns"] > 0 for row in rows)
    assert len(found["cpu-each-core"]["details"]["rows"]) == 2 * len(rows)
    sizes = {row["set_bytes"] for row in found["cpu-memory"]["details"]["memory"]}
    assert min(sizes) <= 32 * 2**10 < 2**20 < max(sizes)
    again = pair.measure("--stages", "cpu")
    assert "5 done before" in again.stderr
