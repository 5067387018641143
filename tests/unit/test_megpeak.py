from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.cpu.outputs import MegPeakOutput, figures, parse_megpeak
from npubench.domain.figures import ProcessorRow
from npubench.domain.records import Failure, FailureClass

GOLDEN = Path(__file__).parents[1] / "data" / "megpeak"


def test_the_published_output_gives_all_rows():
    output = parse_megpeak((GOLDEN / "ax620a.txt").read_text())
    assert isinstance(output, MegPeakOutput)
    assert (output.cores, output.core, output.bandwidth_gib_per_s) == (4, 0, 1.861453)
    assert len(output.rows) == 12
    assert output.rows[6] == ProcessorRow(
        "mla_f32", throughput_ns=5.35449, megpeak_gflops=1.494073, latency_ns=10.047442
    )


def test_a_row_of_two_instructions_keeps_its_text():
    text = "ldd_fmlaq throughput: 0.5 ns 8.0 GFlops latency: 2.0 ns :ldd and fmlaq: dual issue\n"
    output = parse_megpeak(text)
    assert isinstance(output, MegPeakOutput)
    assert [(row.row, row.message) for row in output.rows] == [("ldd_fmlaq", "ldd and fmlaq: dual issue")]
    assert figures(output).processor.rows[0].message == "ldd and fmlaq: dual issue"


def test_missing_rows_and_head_are_none_and_not_zero():
    output = parse_megpeak("mla_f32 throughput: 0.5 ns 8.0 GFlops latency: 2.0 ns :\n")
    assert isinstance(output, MegPeakOutput)
    assert (output.cores, output.core, output.bandwidth_gib_per_s) == (None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        "mla_f32 throughput: 0.5 ns 8.0 GFlops latency: 2.0\n",
        "mla_f32 throughput: 0.0 ns inf GFlops latency: 2.0 ns :\n",
        "mla_f32 throughput: 0.000000 ns 1.0 GFlops latency: 2.0 ns :\n",
        "bandwidth: 1.5 Gb\n",
        "mla_f32 throughput: 0.5 ns 8.0 GFlops latency: 2.0 ns :\n" * 2,
    ],
)
def test_what_is_damaged_is_a_failure(text):
    failure = parse_megpeak(text)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


@given(st.integers(0, 900))
def test_output_cut_anywhere_gives_whole_rows_only(length):
    text = (GOLDEN / "ax620a.txt").read_text()
    whole = parse_megpeak(text)
    cut = parse_megpeak(text[:length])
    if isinstance(cut, MegPeakOutput):
        assert isinstance(whole, MegPeakOutput)
        assert set(cut.rows) <= set(whole.rows)


@given(st.text())
def test_any_text_gives_rows_or_a_failure(text):
    assert isinstance(parse_megpeak(text), (MegPeakOutput, Failure))


def test_lines_of_opencl_devices_are_kept_apart():
    text = (GOLDEN / "ax620a.txt").read_text() + (
        "OpenCL device: Mali-G52\n"
        "bandwidth: 7.5 Gbps\n"
        "mla_f32 throughput: 0.5 ns 8.0 GFlops latency: 2.0 ns :\n"
        "Local memory bandwidth: 33.25 GB/s\n"
        "nothing to read here\n"
    )
    output = parse_megpeak(text)
    assert isinstance(output, MegPeakOutput)
    assert len(output.rows) == 12
    assert output.bandwidth_gib_per_s == 1.861453
    assert output.others == (
        ("bandwidth", 7.5, "Gbps"),
        ("mla_f32 throughput", 0.5, "ns"),
        ("mla_f32 rate", 8.0, "GFlops"),
        ("mla_f32 latency", 2.0, "ns"),
        ("Local memory bandwidth", 33.25, "GB/s"),
    )


def test_opencl_alone_is_output_too():
    output = parse_megpeak("OpenCL\nfloat32x4: 12.5 GFLOPS\n")
    assert isinstance(output, MegPeakOutput)
    assert output.others == (("float32x4", 12.5, "GFLOPS"),)
