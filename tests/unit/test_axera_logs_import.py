"""A folder of original logs to rows, and the check for figures that are equal by mistake."""

import csv
import os
import shutil
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.logs import split_cases
from npubench.backends.axera.pulsar import PulsarBackend
from npubench.domain.errors import UsageError
from npubench.domain.records import FailureClass, Figures, Kind, Latency, Status
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.measure.reliability import lowering, suspicious_groups, warned
from npubench.tools.logs import read_file, read_folder, rows

DATA = Path(__file__).parents[1] / "data"
LOGS = DATA / "axera" / "logs"
RESNET = (LOGS / "resnet18.txt").read_text()
BOARD = BoardSpec("axera-pi", "AXera-Pi", "AX620A", "ssh", "pulsar", (Precision.INT8,))


def rows_of(folder):
    return warned(rows(read_folder(folder, "pulsar", PulsarBackend())[0], BOARD, "import-1"))


def import_all(folder):
    return {row.case: row for row in rows_of(folder)}


def one(tmp_path, text, name="case.txt"):
    (tmp_path / name).write_text(text)
    return rows_of(tmp_path)


def test_a_log_gives_both_kinds_apart():
    row = import_all(LOGS)["resnet18"]
    assert row.status is Status.OK
    assert row.figures.kind is Kind.MEASURED
    assert row.figures.latency_us == Latency(n=99, mean=5415.0)
    assert row.figures.host_overhead_us == 37
    assert row.figures.artifact_sha256 is None
    assert row.estimate.kind is Kind.SIMULATED
    assert row.estimate.throughput_fps == pytest.approx(800e6 / 19502008)
    assert row.estimate.tool_macs == 5386556160
    assert row.tools == {"run_joint": "0.5.10", "pulsar": "0.6.1.4"}
    assert row.case_kind is CaseKind.MODEL
    assert row.chip == "AX620A"


def test_failures_and_operators():
    all_rows = import_all(LOGS)
    missing = all_rows["atss_r50_fpn_1x_coco"]
    assert missing.failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert missing.failure.operators == ("TopK",)
    assert all_rows["shufflenet-v1"].failure.failure_class is FailureClass.NO_ARTIFACT
    assert all_rows["conv3s2p1d2ic3oc64g1"].case_kind is CaseKind.OPERATOR


def test_equal_figures_with_a_reason_are_not_flagged_and_others_are(tmp_path):
    assert not any(
        "equal those" in str(warning) for row in import_all(LOGS).values() for warning in row.warnings
    )
    folder = tmp_path / "logs"
    shutil.copytree(LOGS, folder)
    (folder / "wide-resnet50.txt").write_text(RESNET.replace("resnet18", "wide-resnet50"))
    flagged = import_all(folder)
    assert any(
        "measured figures equal those of wide-resnet50" in str(w) for w in flagged["resnet18"].warnings
    )
    assert any(
        "simulated figures equal those of resnet18" in str(w) for w in flagged["wide-resnet50"].warnings
    )


def test_the_same_log_gives_the_same_key(tmp_path):
    first, second = one(tmp_path, RESNET), one(tmp_path, RESNET)
    assert first[0].key == second[0].key
    assert one(tmp_path, RESNET + "\n")[0].key != first[0].key


def test_several_cases_in_one_file_are_kept_apart(tmp_path):
    other = (LOGS / "conv3s2p1d2ic3oc64g1.txt").read_text()
    cases = {row.case: row for row in one(tmp_path, RESNET + other)}
    assert sorted(cases) == ["conv3s2p1d2ic3oc64g1", "resnet18"]
    assert cases["resnet18"].figures.latency_us.mean == 5415
    assert cases["conv3s2p1d2ic3oc64g1"].figures.latency_us.mean == 722
    assert cases["conv3s2p1d2ic3oc64g1"].estimate.throughput_fps == pytest.approx(444.43, abs=0.005)


def test_a_profile_of_another_model_is_a_failure(tmp_path):
    text = RESNET.replace(
        "===== profile =====", "===== profile =====\nrun_joint /root/densenet.joint --repeat 100"
    )
    (row,) = one(tmp_path, text)
    assert row.figures is None
    assert row.failure.failure_class is FailureClass.WRONG_ARTIFACT


def test_a_profile_after_a_failed_build_is_of_an_older_file(tmp_path):
    failed = (LOGS / "atss_r50_fpn_1x_coco.txt").read_text()
    profile = RESNET[RESNET.index("\x1b[36m===== profile") :]
    (row,) = one(tmp_path, failed + profile)
    assert row.figures is None
    assert row.failure.failure_class is FailureClass.WRONG_ARTIFACT
    assert row.failure.operators == ("TopK",)


def test_a_log_without_headings_is_read_all_the_same(tmp_path):
    bare = "".join(line for line in RESNET.splitlines(keepends=True) if "=====" not in line)
    (row,) = one(tmp_path, bare)
    assert row.figures.latency_us.mean == 5415
    assert row.estimate.throughput_fps == pytest.approx(800e6 / 19502008)


def test_a_log_that_ends_before_its_profile_is_skipped_with_its_estimate(tmp_path):
    (row,) = one(tmp_path, RESNET[: RESNET.index("\x1b[36m===== profile")])
    assert row.status is Status.SKIPPED
    assert row.figures is None
    assert row.estimate.kind is Kind.SIMULATED


def test_a_copy_that_failed(tmp_path):
    text = (
        RESNET[: RESNET.index("resnet18.joint 100%")] + "ssh: connect: Connection refused\nlost connection\n"
    )
    (row,) = one(tmp_path, text)
    assert row.failure.failure_class is FailureClass.TRANSFER_FAILED


def test_a_cut_profile_is_a_failure(tmp_path):
    (row,) = one(tmp_path, RESNET[: RESNET.index("415 us (99")])
    assert row.status is Status.FAILED
    assert row.failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_several_parts_of_a_model_add_up(tmp_path):
    report = RESNET[RESNET.index("| Pre_alloc") : RESNET.index("commit_id:")]
    second = report.replace("41.02", "40.98").replace("5386556160", "1000")
    named = "File saved: part_0.lava\nFile saved: part_1.lava\n"
    text = RESNET.replace(report, report + second + named)
    (row,) = one(tmp_path, text)
    assert row.estimate.details["parts"] == 2
    assert row.estimate.tool_macs == 5386557160
    (unnamed,) = one(tmp_path, text.replace(named, ""))
    assert unnamed.estimate is None
    assert any("2 inference reports for 1 part" in str(warning) for warning in unnamed.warnings)


def test_the_date_is_the_logs_or_the_files(tmp_path):
    (row,) = one(tmp_path, f"2023-05-06 07:08:09 begin\n{RESNET}")
    assert row.started_at == "2023-05-06T07:08:09.000+00:00"
    (tmp_path / "case.txt").write_text(RESNET)
    os.utime(tmp_path / "case.txt", (1_600_000_000, 1_600_000_000))
    (row,) = rows_of(tmp_path)
    assert row.started_at.startswith("2020-09-13")
    assert any("no date" in str(warning) for warning in row.warnings)


def test_the_npu_mode_is_what_the_log_tells(tmp_path):
    (row,) = one(tmp_path, RESNET)
    assert row.figures.npu_mode == "1_1"
    text = RESNET.replace("===== convert =====", "===== convert =====\npulsar build --virtual_npu 111")
    (row,) = one(tmp_path, text)
    assert row.figures.npu_mode == "111"
    assert row.estimate.npu_mode == "111"


def test_folders_that_hold_nothing_are_a_users_mistake(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        rows_of(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no files"):
        rows_of(tmp_path)


WORDS = {
    "convert": ("model-convert", "convert", "Model-Convert", "model_convert", "model convert", "conversion"),
    "copy": ("copy-to-device", "copy", "copy_to_device", "COPY TO DEVICE", "copy to board"),
    "profile": ("profiling", "profile", "PROFILING"),
}
DECORATED = (
    "========== {} ==========",
    "=== {} ===",
    "# {}",
    "[{}]",
    "---- {} ----",
    "*** {} ***",
    ">>> {}",
    "<{}>",
    "1. {}",
    "[2/3] {}",
    "Step 3: {}",
    "{}:",
    "\u2500\u2500\u2500 {} \u2500\u2500\u2500",
    "\u3010{}\u3011",
    "== {} start ==",
    "2023-05-06 07:08:09 {}",
    "2023-05-06 07:08:09.123 | INFO | === {} ===",
    "{}",
)
NAMED = (
    "=== {}: resnet18 ===",
    "## {} resnet18",
    "[{}] resnet18.onnx",
    "--- {} /data/model/onnx/resnet18.onnx ---",
    "1. {}: resnet18",
    "=== {} (resnet18) ===",
)


@pytest.mark.parametrize("end", ["\n", "\r\n", " \t\n", "\x1b[0m\n"])
@pytest.mark.parametrize("form", DECORATED + NAMED)
def test_headings(form, end):
    for convert, copy, profile in zip_longest(*WORDS.values(), fillvalue="x"):
        words = (convert, "copy" if copy == "x" else copy, "profile" if profile == "x" else profile)
        parts = ("build\n", "scp\n", "run\n")
        text = "".join(f"\x1b[32m{form.format(w)}{end}{part}" for w, part in zip(words, parts, strict=True))
        (case,) = split_cases(text)
        assert (case.convert, case.copy, case.profile) == parts, form
        assert case.name == ("resnet18" if form in NAMED else None)


@pytest.mark.parametrize(
    "line",
    [
        *("convert failed", "profile conv | work_cyc", "| profile conv | MAC |", "copying", "profiles"),
        *("--profile", "--profiling", "-profile", "profile.json", "=== convert failed ===", "[convert] done"),
        *("== profiling took 5 s ==", "conversion_time", "convert the model", "# convert the model now"),
        *("copy-to-devices", "=" * 190 + " profiling " + "=" * 190, "[profiling/x.py:5]", "convert/resnet18"),
    ],
)
def test_what_only_looks_like_a_heading(line):
    (case,) = split_cases(f"=== convert ===\n{line}\n")
    assert case.convert == f"{line}\n"


@given(st.text())
def test_any_text_is_a_row(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("log") / "case.txt"
    file.write_text(text, errors="replace")
    try:
        cases = read_file(file, "pulsar", PulsarBackend())
    except UsageError:
        return
    assert all(row.figures is None for row in rows(cases, BOARD, "import-1"))


def test_the_published_operator_table_has_no_suspicious_group():
    template = import_all(LOGS)["resnet18"]
    with (DATA / "ax620a_operators.csv").open() as stream:
        table = [
            replace(template, case=line["name"], figures=None, estimate=simulated(line))
            for line in csv.DictReader(stream)
            if line["qps"]
        ]
    assert len(table) > 100
    assert suspicious_groups(table) == []


def simulated(line):
    fps = float(line["qps"])
    return Figures(
        Kind.SIMULATED,
        latency_us=Latency(n=1, mean=1e6 / fps),
        throughput_fps=fps,
        tool_macs=int(line["mac"]),
        mac_utilisation=float(line["mac_utils_pct"]) / 100,
    )


@pytest.mark.parametrize(
    ("one_case", "other"),
    [
        ("conv3s2p1d2ic3oc64g1", "conv5s2p1d1ic3oc64g1"),
        ("conv1s1p0d1ic3oc1g1", "conv3s1p1d1ic3oc1g1"),
        ("conv1s2p0d1ic3oc64g1", "conv1s2p0d2ic3oc64g1"),
        ("resnet50_8xb32_in1k", "resnet50_8xb256-rsb-a1-600e_in1k"),
    ],
)
def test_cases_that_are_one_and_the_same(one_case, other):
    assert lowering(one_case) == lowering(other)


@pytest.mark.parametrize(
    ("one_case", "other"),
    [
        ("conv3s2p1d1ic3oc64g1", "conv3s2p1d2ic3oc64g1"),
        ("conv3s2p1d1ic3oc64g1", "conv3s2p1d1ic3oc512g1"),
        ("wide-resnet50_8xb32_in1k", "unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024"),
        ("pspnet_r50-d8_4xb4-40k_voc12aug-512x512", "pspnet_r50-d8_4xb2-80k_cityscapes-512x1024"),
    ],
)
def test_cases_that_differ(one_case, other):
    assert lowering(one_case) != lowering(other)
