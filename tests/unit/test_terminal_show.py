"""`show` for people: values with units and significant digits, and nothing that is known left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from npubench.domain.figures import Bound, BoundReason, Bounds, Kind, Latency
from npubench.domain.records import FailureClass, Verdict
from npubench.domain.text import columns_of
from npubench.reporting.sanity.doubt import DoubtClass, Strength, doubt_of
from npubench.reporting.terminal.facts import (
    Section,
    count,
    facts,
    facts_of_details,
    pairs,
    section_lines,
    share,
)
from npubench.reporting.terminal.show import lines_of
from tests import sample_processors, sample_results

OUT = Path("out")


def shown(result, width=80, doubted=()):
    return "\n".join(lines_of(result, doubted, OUT, width))


def told(text, label):
    """What stands beside a label, joined where it goes on below."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{label}  "))
    found = [lines[at].strip().removeprefix(label).strip()]
    for line in lines[at + 1 :]:
        if not line.startswith(" " * 8):
            break
        found.append(line.strip())
    return " ".join(found)


def test_times_have_units_and_three_digits_and_the_percentiles_stand_apart():
    latency = Latency(
        40, 585.18, 179.588, 12_594.6, p50=263.343, p90=741.777, std=1413.0,
        rounds_p50=(697.4, 712.1, 261.4), spread=0.6462, outliers=1,
    )  # fmt: skip
    text = shown(sample_results.result(figures=sample_results.figures(1.0, latency_us=latency)))
    assert told(text, "median") == "263 µs"
    assert told(text, "p90") == "742 µs"
    assert told(text, "p99") == "not told: too few runs for it"
    assert told(text, "mean") == "585 µs"
    assert told(text, "shortest to longest") == "180 µs to 12.6 ms"
    assert told(text, "runs") == "40, 1 outlier among them"
    assert told(text, "round medians") == "697 µs, 712 µs, 261 µs: they differ by 64.6%"
    assert "Latency, measured" in text


def test_a_bound_says_what_makes_it_one_and_a_mean_alone_has_no_percentiles():
    bounds = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, 18, 93)
    figures = sample_results.figures(1.0, Kind.SIMULATED, latency_us=Latency(1, 30_700.0), bounds=bounds)
    text = shown(sample_results.result(figures=figures, verdict=None), 120)
    assert told(text, "mean") == ">= 30.7 ms (18 of 93 layers not counted)"
    assert told(text, "throughput").startswith("<= ")
    assert "p99" not in text
    assert "Latency, simulated" in text


@pytest.mark.parametrize("result", sample_results.models()[:4], ids=lambda row: f"{row.case}-{row.precision}")
def test_hashes_versions_and_paths_stand_whole(result):
    lines = [line.strip() for line in shown(result).splitlines()]
    text = "\n".join(lines)
    for sha256 in (result.key, result.onnx_sha256, result.artifact_sha256, result.log_sha256):
        assert sha256 in lines
    for name, version in result.tools.items():
        assert f"{name} {version}" in text.replace("\n", " ")
    assert result.run_id in text
    assert result.started_at in text


@pytest.mark.parametrize("width", [20, 40, 80, 132])
def test_nothing_is_wider_than_the_terminal_but_a_word_of_a_command(width):
    for result in (*sample_results.everything()[:40], *sample_results.hostile(), *sample_results.emulated()):
        for line in lines_of(result, (), OUT, width):
            assert columns_of(line) <= width or len(line.split()) == 1 or line.startswith("    "), line
            assert not any(ord(character) < 32 for character in line)
            assert "\u202e" not in line


def test_a_failure_comes_first_with_what_to_do_last():
    (failed, *_) = [row for row in sample_results.failures() if row.failure]
    lines = lines_of(failed, (), OUT, 80)
    assert lines[3] == "How it ended"
    assert failed.failure.failure_class in lines[5]
    assert "What to do" in lines
    assert any("npubench" in line for line in lines[lines.index("What to do") :])


def test_what_is_done_here_is_not_advised():
    (failed, *_) = [row for row in sample_results.failures() if row.failure]
    crashed = replace(failed, failure=replace(failed.failure, failure_class=FailureClass.CRASH))
    lines = lines_of(crashed, (), OUT, 80)
    assert not any("npubench show" in line for line in lines)
    assert "read the tool's last lines" in " ".join(lines)


def doubt(*cases, precision="fp32"):
    found = doubt_of(sample_results.models()[0], DoubtClass.NOISY_BOARD, Strength.STRONG, "rounds differ")
    return replace(found, cases=cases, precision=precision, next_step=DoubtClass.NOISY_BOARD.next_step)


def test_the_same_command_is_said_once():
    noisy = replace(sample_results.models()[0], verdict=Verdict.NOISY)
    text = shown(noisy, 80, [doubt()])
    assert "rounds differ (noisy_board)" in text
    assert text.count("--rounds 9") == 1
    assert "as [1]" in text


def test_a_doubt_is_about_the_rows_that_it_names():
    row = sample_results.models()[0]
    named = doubt(row.case, precision="fp32, int8")
    assert named.is_about(row)
    assert not doubt(row.case, precision="int8").is_about(row)
    assert not named.is_about(replace(row, case="another"))
    assert doubt().is_about(replace(row, case="another"))
    assert not doubt().is_about(replace(row, board="another"))


def test_a_processor_is_a_table():
    (row, *_) = sample_processors.rows()
    lines = lines_of(row, (), OUT, 120)
    (head,) = [line for line in lines if line.startswith("row ")]
    assert "throughput ns" in head
    assert all(columns_of(line) <= 120 for line in lines)


def test_details_have_their_units():
    given = {
        "core_clock_mhz": 1000.0,
        "sram_bytes": 38832,
        "psnr_db": 47.83,
        "settled": False,
        "steps": {"a": 1},
    }
    assert [(one.label, one.text) for one in facts_of_details({**given, "none": None})] == [
        ("core clock", "1000 MHz"), ("sram", "37.9 KiB"), ("psnr", "47.8 dB"), ("settled", "no"), ("steps a", "1"),
    ]  # fmt: skip


def test_long_lists_say_how_many_they_are():
    (one,) = facts_of_details({"call_means": [1.5] * 20})
    assert one.text.endswith("... (20; all in --json)")


def test_counts_shares_and_pairs():
    assert (count(36_928), count(115_605_504), count(None)) == ("36,928", "116 M (115,605,504)", None)
    assert (share(0.25), share(0.99951), share(None)) == ("25.0%", "99.951%", None)
    assert pairs({"a": 0.3, "b": {"c": True, "d": None}, "e": 123456.0}) == "a 0.3, b c yes, e 123456"


def test_labels_of_all_sections_stand_in_one_column():
    sections = [
        Section("One", facts(("a", "1"))),
        Section("None", []),
        Section("Two", facts(("long label", "2"))),
    ]
    assert section_lines(sections, 40) == ["", "One", "  a           1", "", "Two", "  long label  2"]
