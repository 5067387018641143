"""Operators over all stages with the emulated runner on an ARM board; npubench, SSH and the board's Linux are real."""

import json

from npubench_virtual import places
from tests.board.board_pair import BoardPair
from tests.emulated_pair import onnx_file

OPERATORS = ("conv3s1p1d1ic3oc1g1", "add_1x3x112x112", "softmax_1x3x112x112")


def test_operators_pass_through_all_stages(tmp_path, virtual_a7):
    pair = BoardPair(tmp_path / "pair", virtual_a7)
    done = pair.measure("--rounds", "2", "--json", *OPERATORS)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    stages = {(event["case"], event["stage"]) for event in events if event["event"] == "stage_started"}
    assert stages == {
        (case, stage) for case in OPERATORS for stage in ("export", "compile", "transfer", "measure")
    }
    found = pair.by_case()
    for row in found.values():
        assert (row["status"], row["emulated"], row["kind"], row["board"]) == (
            "ok",
            True,
            "measured",
            places.NAME,
        )
        assert row["board_before"]["cpu_model"].endswith("Cortex-A7")
        assert "armmp" in row["board_before"]["kernel"]
        assert row["details"]["runner_version"] == "0.5.10"
    assert pair.calls() == [found[case]["onnx_sha256"] for case in OPERATORS for _ in range(2)]
    page = (pair.out / "report.html").read_text()
    assert 'class="badge emulated"' in page
    again = pair.measure("--rounds", "2", *OPERATORS)
    assert "3 cases, 3 done before" in again.stderr
    assert len(pair.calls()) == 6


def test_output_of_any_kind(tmp_path, virtual_a7):
    pair = BoardPair(tmp_path / "pair", virtual_a7)
    expected = {
        "board-nothing": ("measure", "unparsed_output"),
        "board-binary": ("measure", "unparsed_output"),
        "board-fail_after": ("measure", "tool_error"),
        "board-crash": ("measure", "crash"),
        "board-hang": ("measure", "hang"),
        "board-cmm": ("measure", "out_of_device_memory"),
    }
    models = [onnx_file(tmp_path / f"{fault}.onnx", fault) for fault in expected]
    pair.measure("--deadline", "20", *models)
    assert pair.outcomes() == expected
    assert virtual_a7.sh("pidof run_joint sleep || true") == ""
    assert pair.measure(*pair.models("fine")).returncode == 0


def test_a_board_without_a_runner_says_so(tmp_path, virtual_a7):
    virtual_a7.sh("rm /opt/bin/run_joint")
    pair = BoardPair(tmp_path / "pair", virtual_a7)
    pair.measure(*pair.models("a"))
    failure = pair.by_case()["a"]["failure"]
    assert (failure["stage"], failure["class"]) == ("measure", "tool_missing")
    assert "/opt/bin/run_joint" in failure["message"]
