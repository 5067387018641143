import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.cpu.outputs import ProbeOutput, middle_spread, parse_probe, processor
from npubench.domain.records import Failure, FailureClass
from npubench.storage.details import known_fields

GOLDEN = Path(__file__).parents[1] / "data" / "cpupeak"
ONE_CORE = (GOLDEN / "one-core-x86-64.jsonl").read_text()


def parsed(text: str) -> ProbeOutput:
    found = parse_probe(text)
    assert isinstance(found, ProbeOutput), found
    return found


def test_rates_follow_from_the_time_of_an_instruction_and_its_operations():
    rows = {row.row: known_fields(row) for row in processor(parsed(ONE_CORE), "one-core").rows}
    fma = rows["vfmadd132ps_avx"]
    assert fma["gflop_per_s"] == pytest.approx(16 / fma["throughput_ns"])
    assert fma["megpeak_gflops"] == pytest.approx(16 / fma["throughput_ns"])
    assert fma["latency_cycles"] == pytest.approx(fma["latency_ns"] * fma["clock_mhz"] / 1000)
    assert "gop_per_s" not in fma
    dot = rows["vpdpbusd_avx512"]
    assert dot["gop_per_s"] == pytest.approx(128 / dot["throughput_ns"])
    assert dot["megpeak_gflops"] == pytest.approx(112 / dot["throughput_ns"])
    assert "megpeak_gflops" not in rows["vmulps_avx"]


def test_of_all_cores_the_rate_is_the_sum():
    found = parsed((GOLDEN / "all-cores-x86-64.jsonl").read_text())
    row = next(row for row in processor(found, "all-cores").rows if row.row == "vfmadd132ps_avx")
    assert row.gflop_per_s == pytest.approx(16 * row.instructions_per_ns)
    assert row.cores_at_once == 2
    assert row.latency_ns is None


def test_bandwidths_are_kept_with_their_working_set():
    found = processor(parsed((GOLDEN / "memory-x86-64.jsonl").read_text()), "memory")
    assert {row.row for row in found.memory} == {"copy", "read", "write", "triad"}
    assert min(row.set_bytes for row in found.memory) <= 8192
    assert found.rows == ()
    assert middle_spread(parsed(ONE_CORE)) is not None


@given(st.integers(0, len(ONE_CORE) - 3))
def test_output_that_breaks_off_is_never_taken_for_a_whole_one(length):
    failure = parse_probe(ONE_CORE[:length])
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


@given(st.text())
def test_any_text_gives_a_failure(text):
    assert isinstance(parse_probe(text), Failure)


@given(
    st.sampled_from(["throughput_ns", "operations", "clock_mhz", "latency_ns", "row"]),
    st.sampled_from([None, 0, -1.0, "\u202e1", True, [], "<script>"]),
)
def test_a_figure_that_is_none_is_a_failure(key, value):
    lines = ONE_CORE.splitlines()
    row = json.loads(lines[2]) | {key: value}
    failure = parse_probe("\n".join([lines[0], json.dumps(row), lines[-1]]))
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_what_the_probe_says_itself_is_its_message():
    text = ONE_CORE.splitlines()[0] + '\n{"event":"error","text":"100 bytes of memory cannot be taken"}\n'
    failure = parse_probe(text)
    assert isinstance(failure, Failure)
    assert (failure.failure_class, failure.message) == (
        FailureClass.TOOL_ERROR,
        "cpupeak: 100 bytes of memory cannot be taken",
    )
