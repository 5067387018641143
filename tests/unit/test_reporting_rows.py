import json
from dataclasses import replace

from npubench.domain.figures import npu_part
from npubench.domain.records import Accuracy, FailureClass, Figures, Kind, Latency, OutputAccuracy
from npubench.reporting.data.rows import row_of
from npubench.reporting.terminal.results import to_text
from tests import sample_results

VOCABULARY = (
    *("run_id", "started_at", "board", "chip", "backend", "tool_version", "case", "case_kind", "onnx_sha256"),
    *(
        "artifact_sha256",
        "opset",
        "input_shapes",
        "precision",
        "kind",
        "latency_us",
        "throughput_fps",
        "load_us",
    ),
    *("host_overhead_us", "macs", "tool_macs", "mac_utilisation", "memory_bytes", "io_bytes", "placement"),
    *("accuracy", "status", "failure", "board_before", "board_after", "log_path", "log_sha256", "verdict"),
    *("warnings", "estimate", "samples", "seeds", "command", "npubench_version", "emulated"),
)


def test_every_row_has_every_column():
    rows = [row_of(result) for result in (*sample_results.everything(), *sample_results.hostile())]
    assert len({tuple(row) for row in rows}) == 1
    assert set(VOCABULARY) <= set(rows[0])


def test_rows_are_json():
    for result in (*sample_results.everything(), *sample_results.hostile()):
        assert json.loads(json.dumps(row_of(result), allow_nan=False)) == row_of(result)


def test_figures_keep_their_kind():
    row = row_of(sample_results.emulated()[0])
    assert row["emulated"] is True
    assert row["kind"] == "measured"
    assert row["estimate"]["kind"] == "simulated"
    assert row["latency_us"]["mean"] != row["estimate"]["latency_us"]["mean"]
    assert row["latency_us"]["p50"] is None


def test_a_prediction_and_a_simulated_accuracy_say_what_they_are():
    timed = Figures(Kind.MEASURED, Latency(99, 5000.0), npu=npu_part("111"))
    told = Figures(
        Kind.SIMULATED,
        accuracy=Accuracy(
            0.97, None, None, relative_error=0.12, outputs={"head": OutputAccuracy(0.97, 0.12)}
        ),
    )
    row = row_of(sample_results.result(figures=timed, estimate=told))
    assert row["prediction"]["kind"] == "predicted"
    assert row["prediction"]["throughput_fps"] == 400
    assert row["throughput_fps"] is None
    assert row["accuracy"]["kind"] == "simulated"
    assert row["accuracy"]["outputs"] == {"head": {"cosine": 0.97, "relative_error": 0.12}}
    line = to_text([row], 200).splitlines()
    assert "sim. cosine" in line[0]
    assert "0.97000" in line[1]


def test_a_failure_has_no_figures_and_says_why():
    row = row_of(sample_results.failed("a", FailureClass.UNSUPPORTED_OPERATOR, operators=("TopK",)))
    assert row["failure"] == {
        "stage": "compile",
        "class": "unsupported_operator",
        "operators": ["TopK"],
        "message": "the toolchain does not know TopK",
    }
    for name in (
        "kind",
        "latency_us",
        "throughput_fps",
        "memory_bytes",
        "accuracy",
        "estimate",
        "artifact_sha256",
    ):
        assert row[name] is None


def test_what_is_no_number_is_null_and_never_zero():
    figures = Figures(Kind.MEASURED, Latency(5, 2.0), accuracy=Accuracy(float("nan"), float("inf"), 0.0))
    row = row_of(replace(sample_results.result(), figures=figures))
    assert row["accuracy"]["cosine"] is None
    assert row["accuracy"]["psnr_db"] is None
    assert row["accuracy"]["max_abs"] == 0.0
    assert row["load_us"] is None
    assert row["latency_us"]["p99"] is None
