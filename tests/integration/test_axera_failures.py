"""Every way in which an AX620A case fails, from the command line to the row: class, stage, operators, log."""

import json

import pytest

from npubench.storage.hashing import sha256_of_file
from tests.emulated_pair import Pair, onnx_file

FAILURES = {
    "hang": ("compile", "hang"),
    "oom": ("compile", "killed"),
    "oom_killed": ("compile", "killed"),
    "crash": ("compile", "crash"),
    "exit_one": ("compile", "crash"),
    "silent": ("compile", "no_artifact"),
    "attribute": ("compile", "unsupported_attribute"),
    "stale": ("compile", "wrong_artifact"),
    "saved_another": ("compile", "wrong_artifact"),
    "wrong_mode": ("compile", "wrong_npu_mode"),
    "lost_output": ("compile", "output_mismatch"),
    "board-nothing": ("measure", "unparsed_output"),
    "board-cut": ("measure", "unparsed_output"),
    "board-binary": ("measure", "unparsed_output"),
    "board-huge": ("measure", "unparsed_output"),
    "board-fail_after": ("measure", "tool_error"),
    "board-hang": ("measure", "hang"),
    "board-crash": ("measure", "crash"),
    "board-cmm": ("measure", "out_of_device_memory"),
    "board-other_input": ("measure", "wrong_artifact"),
    "board-wrong_mode": ("measure", "wrong_npu_mode"),
    "board-mode_refused": ("measure", "wrong_npu_mode"),
}
HARMLESS = ("three_parts", "damaged_report", "old_report", "no_score", "board-cmm_unknown", "fine")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One run over all faults: they cost each other nothing."""
    root = tmp_path_factory.mktemp("axera")
    pair = Pair(root)
    pair.board()
    models = [onnx_file(root / f"{fault}.onnx", fault) for fault in (*FAILURES, *HARMLESS)]
    models += [onnx_file(root / f"same-{n}.onnx", "same", width=4 + n) for n in (0, 1)]
    models.append(onnx_file(root / "topk.onnx", op="TopK"))
    models.append(onnx_file(root / "unequal.onnx", "board-unequal"))
    hanging = [model for model in models if "hang" in model.stem]
    models = [model for model in models if model not in hanging]
    done = pair.run("--board", "axera-pi", "--rounds", 3, "--jobs", 4, *models)
    assert "Traceback" not in done.stderr, done.stderr
    pair.run_to_hang("--board", "axera-pi", root / "hang.onnx", EMULATED_PULSAR_FAULT="exit_one")
    pair.run_to_hang("--board", "axera-pi", root / "board-hang.onnx", runner="run_joint")
    pair.found = pair.by_case()
    assert len(pair.found) == len(models) + len(hanging)
    return pair


@pytest.mark.parametrize("fault", FAILURES)
def test_a_fault_becomes_its_class_at_its_stage(pair, fault):
    row = pair.found[fault]
    failure = row["failure"]
    assert (failure["stage"], failure["class"]) == FAILURES[fault], failure
    assert failure["operators"] == []
    assert "\n" not in failure["message"]
    assert row["latency_us"] is None
    assert sha256_of_file(pair.out / row["log_path"]) == row["log_sha256"]


def test_a_missing_operator_is_named(pair):
    failure = pair.found["topk"]["failure"]
    assert (failure["stage"], failure["class"]) == ("compile", "unsupported_operator")
    assert failure["operators"] == ["TopK"]
    assert b"has no attribute 'onnx.TopK'" in pair.log_of(pair.found["topk"])


def test_one_file_for_two_models_is_of_one_of_them_at_most(pair):
    rows = [pair.found[name] for name in ("same-0", "same-1")]
    classes = sorted(row["failure"]["class"] for row in rows)
    assert classes == ["unparsed_output", "wrong_artifact"]


def test_what_cannot_be_read_is_kept_whole(pair):
    log = pair.log_of(pair.found["board-cut"])
    assert log.count(b"\tRun NEU took an average of 12") >= 1
    assert len(pair.log_of(pair.found["board-binary"])) > 5000
    assert len(pair.log_of(pair.found["board-huge"])) > 20_000_000


def test_a_time_that_was_printed_before_an_exit_code_does_not_count(pair):
    assert b"Run task took" in pair.log_of(pair.found["board-fail_after"])
    assert pair.found["board-fail_after"]["kind"] is None


def test_parts_of_a_simulation_are_added(pair):
    estimate = pair.found["three_parts"]["estimate"]
    details = estimate["details"]
    assert details["parts"] == len(details["qps_of_parts"]) == 3
    slowest = min(details["qps_of_parts"])
    assert estimate["throughput_fps"] == pytest.approx(1 / sum(1 / qps for qps in details["qps_of_parts"]))
    assert estimate["throughput_fps"] < slowest
    reports = sorted(
        pair.out.glob(f"artifacts/{pair.found['three_parts']['artifact_sha256']}/**/part_*.lava")
    )
    texts = [(report / "inference_report.log").read_text() for report in reports]
    macs = [int(text.partition("MAC per inference: ")[2].partition(" ")[0]) for text in texts]
    sizes = [int(text.partition("total_io_data_size: ")[2].partition(" ")[0]) for text in texts]
    assert len(macs) == 3
    assert (estimate["tool_macs"], estimate["io_bytes"]) == (sum(macs), sum(sizes))
    assert details["eu_cycles"]["conv-1core"]["work"] == sum(n // 1152 for n in macs)


@pytest.mark.parametrize("case", ["damaged_report", "old_report"])
def test_a_simulation_in_doubt_is_left_out_and_the_measurement_stands(pair, case):
    row = pair.found[case]
    assert (row["status"], row["kind"]) == ("ok", "measured")
    assert row["estimate"]["throughput_fps"] is None
    assert row["estimate"]["tool_macs"] is None


def test_what_the_board_did_not_tell_is_unknown(pair):
    assert pair.found["board-cmm_unknown"]["status"] == "ok"
    assert pair.found["board-cmm_unknown"]["memory_bytes"] is None
    assert pair.found["fine"]["memory_bytes"] > 0
    assert pair.found["no_score"]["accuracy"] is None
    assert pair.found["fine"]["accuracy"]["kind"] == "simulated"


def test_several_calls_are_a_distribution_of_means(pair):
    row = pair.found["unequal"]
    means, runs = row["details"]["call_means_us"], row["details"]["runs_per_call"]
    assert len(means) == 3
    weighted = sum(mean * n for mean, n in zip(means, runs, strict=True)) / sum(runs)
    latency = row["latency_us"]
    assert latency["mean"] == pytest.approx(weighted)
    assert [latency[name] for name in ("p50", "p90", "p99", "min", "max", "std")] == [None] * 6
    assert "no percentile is known" in row["details"]["statistic"]


def test_the_report_and_the_command_rank_missing_operators(pair):
    page = (pair.out / "report.html").read_text()
    assert 'id="missing"' in page
    assert "TopK" in page.partition('id="missing"')[2].partition("</section>")[0]
    ranking = ("results", "--missing-operators", "--out", pair.out)
    (one,) = json.loads(pair.npubench(*ranking, "--json").stdout)
    assert one == {"operator": "TopK", "backend": "pulsar", "models": ["topk"], "cases": []}
    header, line = pair.npubench(*ranking).stdout.splitlines()
    assert header.split()[:3] == ["operator", "backend", "models"]
    assert line.split() == ["TopK", "pulsar", "1", "0", "topk"]
    assert pair.npubench(*ranking, "--csv").returncode == 2
