import csv
import json
from pathlib import Path

import pytest

from npubench import published
from npubench.domain.records import FailureClass, Kind, Status
from npubench.domain.specs import CaseKind
from npubench.published import Column, folder, lines_of
from npubench.reporting.data.figures import figures_of, published_simulation, whole_npu
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.summary import summarise

COVERAGE = Path(__file__).parents[2] / "generated" / "coverage.md"
ROWS = published.results()


def cells(name):
    with published.table(name).file.open() as stream:
        return list(csv.DictReader(stream))


def row(case, board="published-ax620a"):
    (found,) = [one for one in ROWS if (one.case, one.board) == (case, board)]
    return found


def test_every_line_of_every_result_table_is_a_row():
    lines = ("ax620a-operators", "ax620a-models", "ax620a-hung-models", "axera-vendor", "axera-more")
    assert len(ROWS) == sum(len(cells(name)) for name in lines)
    assert len({(one.case, one.board, one.backend) for one in ROWS}) == len(ROWS)


def test_the_vendors_145_rows_all_have_a_mode():
    vendor = [one for one in ROWS if one.run_id == "axera-vendor"]
    assert len(vendor) == 145
    assert all(one.protocol["mode"] for one in vendor)
    modes = {(one.chip, one.protocol["mode"]) for one in vendor}
    assert {chip for chip, _ in modes} >= {"AX615", "AX637"}
    assert ("AX615", "1 core") in modes
    assert ("AX637", "1 core") in modes


def test_a_row_of_both_tables_counts_once():
    both = [one for one in ROWS if "also_in" in one.protocol]
    more = [one for one in ROWS if one.run_id == "axera-more"]
    assert (len(both), len(more)) == (102, 13)
    times = [
        (
            one.chip,
            one.case.lower(),
            one.protocol["mode"].lower(),
            one.protocol["input"],
            one.figures.latency_us.mean,
        )
        for one in [*both, *more]
        if one.figures.latency_us
    ]
    assert len(set(times)) == len(times)
    small = row("yolov8n", "published-ax615-vendor-1-core")
    assert (small.figures.latency_us.mean, small.figures.memory_bytes) == (23403, 6_700_000)
    assert small.tools == {"toolchain": "Pulsar2 4.2"}


def test_two_cores_and_memory_of_the_further_table():
    two = row("mobilenetv2", "published-ax615-vendor-2-cores")
    assert (two.figures.latency_us.mean, two.figures.throughput_fps) == (2896, None)
    assert two.protocol["mode"] == "2 cores"
    only_memory = row("yolov5s", "published-ax637-vendor-1-core")
    assert only_memory.figures.memory_bytes == 11_760_000
    assert only_memory.figures.latency_us.mean == 7110


def test_every_figure_is_published_and_says_what_it_was():
    figures = [f for one in ROWS for f in (one.figures, one.estimate) if f is not None]
    assert {f.kind for f in figures} == {Kind.PUBLISHED}
    assert {one.figures.origin for one in ROWS if one.figures} == {Kind.MEASURED}
    assert {one.estimate.origin for one in ROWS if one.estimate} == {Kind.SIMULATED}
    assert all(one.protocol["source"] for one in ROWS)


def test_the_boards_time_and_the_compilers_simulation_stay_apart():
    resnet = row("resnet18_8xb32_in1k")
    assert resnet.figures.latency_us.mean == 5390
    assert resnet.figures.latency_us.n == 99
    assert resnet.figures.throughput_fps is None
    assert resnet.figures.tool_macs is None
    assert resnet.estimate.throughput_fps == 92.9
    assert resnet.estimate.tool_macs == 2_483_513_856
    assert resnet.estimate.mac_utilisation == pytest.approx(0.2504)
    assert resnet.estimate.latency_us is None
    assert resnet.figures.details["columns"] == {"neu_us": "measured"}
    assert resnet.estimate.details["columns"] == dict.fromkeys(("qps", "mac", "mac_utils_pct"), "simulated")


@pytest.mark.parametrize("name", ["ax620a-operators", "ax620a-models"])
def test_figures_are_those_of_the_table(name):
    for line in cells(name):
        names = {line["name"], f"{line['name']}_{line.get('in_shape')}"}
        (one,) = [found for found in ROWS if found.run_id == name and found.case in names]
        neu, qps, mac = line["neu_us"], line["qps"], line["mac"]
        assert (one.figures.latency_us.mean if one.figures else None) == (float(neu) if neu else None)
        assert (one.estimate.throughput_fps if one.estimate else None) == (float(qps) if qps else None)
        assert (one.estimate.tool_macs if one.estimate else None) == (int(mac) if mac else None)


def test_columns_say_whose_they_are():
    columns = {column.name: column for column in published.table("ax620a-models").columns}
    assert {name for name, column in columns.items() if column.kind is Kind.SIMULATED} == {
        "qps",
        "mac",
        "mac_utils_pct",
    }
    assert {name for name, column in columns.items() if column.kind is Kind.MEASURED} == {"neu_us"}
    assert columns["neu_us"].statement.startswith("neu_us: measured by its publisher; NPU time")
    assert columns["efficiency"].statement.startswith("efficiency: not imported; ")


def test_declared_columns_are_those_of_the_files():
    for table in published.tables().values():
        assert {column.name for column in table.columns} <= set(lines_of(table.file)[0]), table.name
        assert all(isinstance(column, Column) and column.meaning for column in table.columns)
    declared = {table.file.name for table in published.tables().values()}
    # Joins and counts lie beside them, read by their names.
    assert declared < {file.name for file in folder().glob("*.csv")}


def test_failures_and_gaps_stay():
    failed = row("conv5s1p0d2ic3oc512g1")
    assert (failed.status, failed.figures, failed.estimate) == (Status.FAILED, None, None)
    hung = row("inception-v3_8xb32_in1k")
    assert hung.failure.failure_class is FailureClass.HANG
    half = row("conv3s2p0d1ic3oc1g1")
    assert half.estimate is None
    assert half.figures.latency_us.mean == 519
    (unknown,) = [one for one in ROWS if one.case == "swin_t" and one.chip == "AX615"]
    assert unknown.status is Status.SKIPPED
    assert "TBD" in str(unknown.skip_reason)


def test_names_that_differ_lead_to_the_same_network():
    assert published.case_of(row("ResNet18", "published-ax650n-vendor-3-cores")) == "resnet18_8xb32_in1k"
    assert row("ResNet18", "published-ax650n-vendor-3-cores").figures.latency_us.mean == 540
    assert published.case_of(row("YOLOv5s", "published-ax630c-vendor")) == "YOLOv5s"


def test_half_an_npu_is_marked():
    assert row("resnet18_8xb32_in1k").figures.npu_mode == "111"
    assert row("resnet18", "published-ax620a-vendor").figures.npu_mode == "111"
    assert row("ResNet18", "published-ax630c-vendor").figures.npu is None


def test_a_published_simulation_is_in_no_column_of_published_times():
    only_simulated = row("resnet18_8xb16_cifar10")
    assert figures_of(only_simulated, Kind.PUBLISHED) is None
    assert published_simulation(only_simulated).throughput_fps == 118.25
    assert figures_of(row("resnet18_8xb32_in1k"), Kind.PUBLISHED).latency_us.mean == 5390


def test_rows_are_json_and_say_where_they_come_from():
    for one in ROWS:
        plain = row_of(one)
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    plain = row_of(row("resnet18_8xb32_in1k"))
    assert (plain["kind"], plain["origin"], plain["estimate"]["origin"]) == (
        "published",
        "measured",
        "simulated",
    )


def test_what_is_made_of_a_published_simulation_says_so():
    told = whole_npu(row("resnet18_8xb16_cifar10"))
    assert told.throughput_fps == pytest.approx(2 * 118.25)
    assert told.details["basis"] == "x2 upper estimate from a published simulation in mode 111"


def test_the_page_is_of_known_dates_only():
    found = summarise(ROWS)
    assert (found.first, found.last) == ("2023-08", "2023-08")


def test_macs_of_operators_are_those_of_their_definition():
    assert row("conv7s2p1d1ic3oc64g1").macs == 64 * 110 * 110 * 3 * 49
    assert row("gemm_1x3x112x112").macs == 3 * 112**3
    assert row("add_1x3x112x112").macs == 0
    argmin = row("conv3s1p0d1ic3oc1g1.argmin")
    assert (argmin.op, dict(argmin.operators)) == ("ArgMin", {"Conv": 1, "ArgMin": 1})
    assert argmin.case_kind is CaseKind.OPERATOR


def test_architecture_macs_are_those_of_the_coverage_page():
    counted = {}
    for line in COVERAGE.read_text().splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if len(parts) >= 7 and parts[3].replace(".", "").isdigit():
            counted[parts[0]] = round(float(parts[3]) * 1e9)
    known = published.architecture_macs()
    assert known == {name: counted[name] for name in known}
    assert {line["name"] for line in cells("ax620a-models")} <= set(known)


def test_processor_peaks_and_operators():
    bandwidth, padal, *_ = published.cpu_peaks()
    assert (bandwidth.instruction, bandwidth.throughput_ns) == ("bandwidth", None)
    assert (padal.chip, padal.instruction, padal.throughput_ns) == ("AX620A", "padal", 5.411672)
    assert published.missing_operators()[0].operator == "TopK"
    assert published.missing_operators()[0].models_blocked == 61
