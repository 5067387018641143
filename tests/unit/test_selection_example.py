"""The worked example: its sums by hand, and what was written of it."""

import re
from pathlib import Path

import pytest

from npubench.cli.options import load_catalog
from npubench.domain.figures import Kind
from npubench.reporting.select import select
from npubench.reporting.select.checks import Outcome

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "generated" / "selection-atlas.md"
CHIPS = re.search(r"ATLAS_CHIPS := \$\(addprefix --board ,(.*?)\)", (ROOT / "Makefile").read_text())[
    1
].split()


@pytest.fixture(scope="module")
def verdicts():
    with pytest.MonkeyPatch.context() as patch:
        # Predictions have tests of their own; these sums are of what others published.
        patch.setattr(select, "predicted_times", lambda wanted: {})
        options = select.SelectOptions(
            ROOT / "docs/selection-atlas.toml", ROOT / "none", published=True, boards=tuple(CHIPS)
        )
        found = select.choose(options, load_catalog(()))
    return {one.chip: one for one in found.decision.verdicts}


@pytest.mark.parametrize(
    ("chip", "detection_ms", "classification_ms", "load"),
    [
        # Detection 4 x 5/s, classification 4 x 10/s. Lines of edge_npu.csv: 1000 / 293.69 and 1000 / 3546.10 fps.
        ("AX650N", 3.405, 0.282, 0.06810 + 0.01128),
        # 1000 / 37.1 and 1000 / 450.7 fps, on one of three cores.
        ("RK3588", 26.954, 2.219, 0.53908 + 0.08875),
        # 14.844 ms in w8a16 and 1.373 ms in w8a8.
        ("QCS6490", 14.844, 1.373, 0.29688 + 0.05492),
        # 41.6 and 3.3 ms of axera_vendor_benchmarks.csv, on half of the NPU.
        ("AX620A", 41.6, 3.3, 0.832 + 0.132),
        # 1000 / 51.08 and 1000 / 816.33 fps.
        ("AX620Q", 19.577, 1.225, 0.39154 + 0.04900),
    ],
)
def test_sums_by_hand(verdicts, chip, detection_ms, classification_ms, load):
    found = verdicts[chip]
    assert [one.time_us / 1e3 for one in found.figures] == pytest.approx(
        [detection_ms, classification_ms], abs=6e-4
    )
    assert found.load == pytest.approx(load, abs=3e-5)
    assert (found.outcome, found.kind) == (Outcome.PASS, Kind.PUBLISHED)
    latency = next(check for check in found.checks if check.name == "latency")
    # All eight frames at once, of 300 ms; of the RK3588 only rates are told: one more of each may be in flight.
    frames = 5 if chip == "RK3588" else 4
    room = 1 - frames * (detection_ms + classification_ms) / 300
    assert latency.headroom == pytest.approx(room, abs=1e-4)


def test_decoders_and_memory_by_hand(verdicts):
    decode = {
        chip: next(check for check in found.checks if check.name == "decode").headroom
        for chip, found in verdicts.items()
    }
    # 4 x 15/s of 1080p against 60/s, 32 x 30/s, 4K60 and 62/s of 1088 x 1920.
    assert decode["AX620Q"] == pytest.approx(0.0, abs=1e-9)
    assert decode["BM1684"] == pytest.approx(1 - 60 / 960)
    assert decode["RK3576"] == pytest.approx(0.75)
    assert decode["AX620A"] == pytest.approx(1 - 60 * 1080 / (62 * 1088))
    memory = next(check for check in verdicts["AX620Q"].checks if check.name == "memory")
    # Four frames of 1080p in 12 bits a pixel and camera are 47.5 MiB; YOLOX-s and MobileNetV2 have 9 and 3.5 M
    # weights in one byte each, and hold activations of 1.2 to 26 MB.
    frames = 4 * 4 * 1920 * 1080 * 1.5
    need = (1 - memory.headroom) * 256 * 2**20
    assert frames + 12.5e6 + 1.2e6 < need < frames + 12.5e6 + 30e6


def test_what_is_too_slow_fails_with_what_would_do_and_nothing_ranks_by_a_bound(verdicts):
    slow = {chip for chip, found in verdicts.items() if found.outcome is Outcome.FAIL}
    # 20/s x 1000 / 23.0 fps + 40/s x 1000 / 170.3 fps are 110.4 % on the fastest of them.
    assert verdicts["RK1808"].load == pytest.approx(20 / 23.0 + 40 / 170.3)
    assert {"RK1808", "RK3566", "RK3568", "RV1126", "RV1109"} <= slow
    for chip in slow:
        assert verdicts[chip].changes
    assert not {check.name for found in verdicts.values() for check in found.checks} & {
        "price",
        "power",
        "accuracy",
    }


def table(text):
    lines = [
        line for line in text.splitlines() if re.match(r"\| (\d+|–) \| [^|]+ \| (pass|unknown|fail) \|", line)
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_that_was_written_decides_over_at_least_twelve_chips():
    rows = table(WRITTEN.read_text())
    outcomes = [row[2] for row in rows]
    assert len(rows) == len(CHIPS)
    assert len(outcomes) - outcomes.count("unknown") >= 12
    assert outcomes.count("unknown") <= 3
    assert outcomes == sorted(outcomes, key=["pass", "unknown", "fail"].index)


def test_the_sums_of_the_page_that_was_written_add_up():
    parts, sums = [], 0
    for line in WRITTEN.read_text().splitlines():
        if found := re.match(r"- NPU time: \w+: (\d+) × ([\d.]+)/s × ([\d.]+) (µs|ms).* = ([\d.]+)", line):
            count, rate, time, unit, load = found.groups()
            percent = int(count) * float(rate) * float(time) * {"µs": 1e-4, "ms": 0.1}[unit]
            assert float(load) == pytest.approx(percent, rel=0.006)
            parts.append(float(load))
        elif found := re.match(r"- NPU time: sum: ([\d.]+)", line):
            # Three digits of each; a sum's median may lie a little beside the sum of medians.
            assert float(found[1]) == pytest.approx(sum(parts), rel=0.012)
            parts, sums = [], sums + 1
        elif line.startswith("## "):
            parts = []
    assert sums >= 12
