"""The two toolchains in a container and on PATH, and several boards in one run."""

import pytest

from tests.emulated_pair import Pair, onnx_file
from tests.integration.ssh_server import wait_until
from tests.integration.test_axera_ssh import left_running

IMAGE = "axera/neuwizard:0.6.1.14"
PULSAR2_FAILURES = {
    "hang": ("compile", "hang"),
    "oom": ("compile", "killed"),
    "crash": ("compile", "crash"),
    "exit_one": ("compile", "crash"),
    "silent": ("compile", "no_artifact"),
    "board-nothing": ("measure", "unparsed_output"),
    "board-binary": ("measure", "unparsed_output"),
    "board-fail_after": ("measure", "tool_error"),
    "board-hang": ("measure", "hang"),
    "board-cmm": ("measure", "out_of_device_memory"),
    "board-wrong_mode": ("measure", "wrong_npu_mode"),
    "board-crash": ("measure", "crash"),
}


def test_the_image_of_a_board_is_what_builds(tmp_path):
    pair = Pair(tmp_path, "docker")
    pair.board(backend_options={"image": IMAGE})
    models = [
        onnx_file(tmp_path / f"{name}.onnx", name, width=5) for name in ("fine", "oom_killed", "silent")
    ]
    done = pair.run("--board", "axera-pi", "--jobs", "4", *models)
    assert "Traceback" not in done.stderr
    hangs = onnx_file(tmp_path / "hang.onnx", "hang", width=5)
    pair.run_to_hang("--board", "axera-pi", hangs, EMULATED_PULSAR_FAULT="exit_one")
    found = pair.by_case()
    assert found["fine"]["status"] == "ok"
    assert found["fine"]["tool_version"]["pulsar image"].startswith(f"{IMAGE} sha256:")
    assert found["fine"]["tool_version"]["pulsar"] == "0.6.1.14"
    assert found["fine"]["protocol"]["image"] == IMAGE
    classes = {name: row["failure"]["class"] for name, row in found.items() if row["failure"]}
    assert classes == {"hang": "hang", "oom_killed": "killed", "silent": "no_artifact"}
    assert list((tmp_path / "docker").iterdir()) == []
    hanging = found["hang"]["onnx_sha256"][:16]
    wait_until(lambda: not left_running("pulsar", hanging), "the end of everything in the container")


def test_an_image_that_is_not_there_says_how_to_get_it(tmp_path):
    pair = Pair(tmp_path, "docker")
    pair.board(backend_options={"image": "axera/neuwizard:9.9"})
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"))
    assert done.returncode == 5
    failure = pair.by_case()["a"]["failure"]
    assert (failure["stage"], failure["class"]) == ("compile", "tool_missing")
    assert "docker load" in failure["message"]


@pytest.mark.parametrize(
    "options",
    [
        *({"npu_mode": "113"}, {"output_layout": "hwc"}, {"imgae": "x"}, {"simulate": "no"}),
        {"run_joint_mode": "disable"},
    ],
)
def test_an_option_that_makes_no_sense_stops_before_anything_is_done(tmp_path, options):
    pair = Pair(tmp_path)
    pair.board(backend_options=options)
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"backend_options.{next(iter(options))}" in line
    assert not pair.out.exists()


def test_boards_of_one_toolchain_share_nothing(tmp_path):
    pair = Pair(tmp_path, "docker", "pulsar")
    pair.board("axera-pi")
    pair.board("whole", base="axera-pi", backend_options={"npu_mode": "0", "run_joint_mode": "disable"})
    pair.board("imaged", base="axera-pi", backend_options={"image": IMAGE, "npu_mode": "112"})
    model = onnx_file(tmp_path / "a.onnx")
    boards = ("--board", "axera-pi", "--board", "whole", "--board", "imaged")
    assert pair.run(*boards, model).returncode == 0
    found = {row["board"]: row for row in pair.rows()}
    assert {name: row["details"]["npu_mode"] for name, row in found.items()} == {
        "axera-pi": "111",
        "whole": "0",
        "imaged": "112",
    }
    assert {name: row["details"]["board_npu_mode"] for name, row in found.items()} == {
        "axera-pi": "1_1",
        "whole": "disable",
        "imaged": "1_1",
    }
    assert found["whole"]["prediction"] is None
    assert found["whole"]["details"]["parts_ran_on"] == {"NEU": "NPU"}
    assert found["whole"]["placement"] == {"Conv": "NPU"}
    assert found["whole"]["host_overhead_us"] == 37
    assert [tensor["dtype"] for tensor in found["whole"]["details"]["inputs"]] == ["float32"]
    assert found["axera-pi"]["prediction"]["throughput_fps"] == 2e6 / found["axera-pi"]["latency_us"]["mean"]
    assert len({row["artifact_sha256"] for row in found.values()}) == 3
    assert len({row["onnx_sha256"] for row in found.values()}) == 1
    assert ["pulsar image" in row["tool_version"] for row in found.values()].count(True) == 1


@pytest.fixture(scope="module")
def pulsar2(tmp_path_factory):
    """One run on the board of the other toolchain over all its faults."""
    root = tmp_path_factory.mktemp("pulsar2")
    pair = Pair(root)
    pair.board("ax630c")
    faults = (*PULSAR2_FAILURES, "fine", "two_subgraphs", "damaged_log")
    models = [onnx_file(root / f"{fault}.onnx", fault) for fault in faults if "hang" not in fault]
    done = pair.run("--board", "ax630c", "--rounds", 2, "--jobs", 4, *models)
    assert "Traceback" not in done.stderr, done.stderr
    hangs = [onnx_file(root / f"{fault}.onnx", fault) for fault in ("hang", "board-hang")]
    pair.run_to_hang("--board", "ax630c", hangs[0], EMULATED_PULSAR2_FAULT="exit_one")
    pair.run_to_hang("--board", "ax630c", hangs[1], runner="ax_run_model")
    pair.found = pair.by_case()
    return pair


@pytest.mark.parametrize("fault", PULSAR2_FAILURES)
def test_a_fault_of_pulsar2_becomes_its_class(pulsar2, fault):
    failure = pulsar2.found[fault]["failure"]
    assert (failure["stage"], failure["class"]) == PULSAR2_FAILURES[fault], failure
    assert pulsar2.log_of(pulsar2.found[fault])


def test_pulsar2_and_ax_run_model_through_all_stages(pulsar2):
    row = pulsar2.found["fine"]
    assert (row["status"], row["kind"], row["estimate"]["kind"]) == ("ok", "measured", "simulated")
    latency = row["latency_us"]
    assert latency["min"] < latency["mean"] < latency["max"]
    assert (latency["n"], latency["p50"]) == (6, None)
    assert row["details"]["type"] == "Half"
    assert row["details"]["npu_mode"] == "NPU1"
    assert row["memory_bytes"] > 0
    assert row["estimate"]["tool_macs"] > 0
    assert row["estimate"]["latency_us"] is None
    assert row["tool_version"]["pulsar2"] == "3.3"
    assert pulsar2.found["two_subgraphs"]["estimate"]["details"]["subgraphs"] == 2
    assert pulsar2.found["damaged_log"]["status"] == "ok"
    assert pulsar2.found["damaged_log"]["estimate"]["tool_macs"] is None


def test_pulsar2_names_a_missing_operator_of_an_image(tmp_path):
    pair = Pair(tmp_path, "docker")
    pair.board("axera-pi-pro", backend_options={"image": "pulsar2:3.3", "npu_mode": "NPU3"})
    models = [onnx_file(tmp_path / "det.onnx", op="Det"), onnx_file(tmp_path / "fine.onnx")]
    pair.run("--board", "axera-pi-pro", *models)
    found = pair.by_case()
    assert found["det"]["failure"]["operators"] == ["Det"]
    assert found["fine"]["details"]["type"] == "3 Core"


def test_a_board_that_dies_costs_only_its_own_cases(tmp_path):
    pair = Pair(tmp_path)
    pair.board("axera-pi")
    dead = {"host": "127.0.0.1", "port": 1, "connect_timeout_s": 2.0}
    pair.board("gone", base="axera-pi", transport="ssh", transport_options=dead)
    models = [onnx_file(tmp_path / f"{name}.onnx") for name in "abcdef"]
    done = pair.run("--board", "gone", "--board", "axera-pi", "--jobs", "4", *models)
    assert done.returncode == 4
    rows = pair.rows()
    assert [row["status"] for row in rows if row["board"] == "axera-pi"] == ["ok"] * 6
    lost = [row["failure"]["class"] for row in rows if row["board"] == "gone"]
    assert lost == ["board_unreachable"] * 6


def test_a_card_is_measured_by_its_own_runner(tmp_path):
    pair = Pair(tmp_path)
    pair.board("ax8850", backend_options={"card": 2, "precision_analysis": False})
    models = [onnx_file(tmp_path / "fine.onnx"), onnx_file(tmp_path / "part.onnx", "on_cpu")]
    done = pair.run("--board", "ax8850", "--repeat", "64", *models)
    assert done.returncode == 0, done.stderr
    row = pair.by_case()["fine"]
    assert (pair.opt / "axcl_run_model.cards").read_text().split() == ["2", "2"]
    latency = row["latency_us"]
    assert latency["min"] < latency["p50"] < latency["mean"] < latency["p90"] < latency["max"]
    assert latency["p99"] is None
    assert "PCIe are not in it" in row["details"]["latency_covers"]
    assert set(row["placement"].values()) == {"NPU"}
    assert row["estimate"]["details"]["simulated_execution"] == "done"
    assert row["accuracy"]["kind"] == "simulated"
    assert row["accuracy"]["cosine"] is not None
    mixed = pair.by_case()["part"]
    assert mixed["placement"] == {"subgraph 0": "NPU", "subgraph 1": "CPU"}


def test_a_printout_of_another_call_is_no_measurement(tmp_path):
    pair = Pair(tmp_path)
    pair.board("ax630c")
    pair.run("--board", "ax630c", onnx_file(tmp_path / "a.onnx", "board-other_repeat"))
    failure = pair.by_case()["a"]["failure"]
    assert (failure["stage"], failure["class"]) == ("measure", "unparsed_output")
    assert "tells of 4 run(s), where 3 were asked for" in failure["message"]
