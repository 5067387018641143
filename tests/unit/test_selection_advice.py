"""Next steps and changes: commands run as printed, facts read as written, suggestions pass."""

import re
import shlex
from dataclasses import replace

import pytest

from npubench.cli.run import run
from npubench.domain.specs import Fact
from npubench.reporting.select.answer import counts_of, summary_of
from npubench.reporting.select.atlas_times import atlas
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.presentation import to_json
from npubench.reporting.select.requirements import read_requirements
from npubench.reporting.select.terminal import to_text
from npubench.reporting.select.view import view_of
from tests.unit.test_selection import board, requirements, row
from tests.unit.test_selection_atlas import JOB, judged

CAMERAS = JOB.replace('codec = "none"', 'codec = "h264"')


@pytest.fixture(scope="module")
def shipped():
    return atlas()


def parsed(command):
    """The context of a command as click makes it; raises for what no command takes."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("npubench", "run")
    return run.make_context(name, words).params


def test_a_model_without_a_time_is_run_on_the_chips_board(tmp_path, shipped):
    asked = requirements(
        tmp_path, CAMERAS.replace("yolov8s", "resnet18_8xb32_in1k").replace("640x640", "96x96")
    )
    spec = board()
    beyond = Beyond(atlas=shipped, runs=lambda name: name.startswith("resnet18"))
    (found,) = decide(asked, [], [spec], [spec], beyond).verdicts
    (step,) = {step for check in found.checks for step in check.steps if step.command}
    assert step.command == "npubench run resnet18_8xb32_in1k --board local"
    assert parsed(step.command)["boards"] == ("local",)


def test_a_network_that_no_catalogue_has_is_run_from_its_file(tmp_path):
    asked = requirements(tmp_path, CAMERAS)
    (found,) = decide(asked, [], [board()], [board()], Beyond()).verdicts
    commands = [step.command for step in found.steps if step.command]
    assert commands == ["npubench run yolov8s.onnx --board local"]
    assert parsed(commands[0])["cases"] == ("yolov8s.onnx",)


def test_a_chip_without_a_board_takes_a_row_of_a_table(tmp_path, shipped):
    found, _ = judged(tmp_path, shipped, "Hailo-8", CAMERAS.replace("yolov8s", "yolov5s-v6-relu"))
    (row_step,) = [step for step in found.steps if step.fact.startswith("chip,mode")]
    assert row_step.command == ""
    assert row_step.fact.splitlines()[1].startswith("Hailo-8,,yolov5s-v6-relu,640x640,int8,latency,")


def test_a_missing_fact_is_told_as_the_requirements_take_it_and_then_decides(tmp_path, shipped):
    found, checks = judged(tmp_path, shipped, "Hailo-8", CAMERAS)
    assert checks["decode"].outcome is Outcome.UNKNOWN
    (step,) = checks["decode"].steps
    assert "see the product brief" in step.what
    assert found.steps[0] in {one for check in found.checks for one in check.steps}
    told = tmp_path / "told.toml"
    told.write_text(CAMERAS + step.fact)
    asked = read_requirements(told)
    (again,) = decide(asked, [], [], [], Beyond(atlas=shipped), ["Hailo-8"]).verdicts
    decode = next(check for check in again.checks if check.name == "decode")
    # 4 x 15/s of 1080p are a quarter of the 60/s of 4K that the line tells by way of example.
    assert (decode.outcome, decode.headroom) == (Outcome.PASS, pytest.approx(0.75))


def test_a_failure_names_how_many_streams_fit_and_which_networks_do(tmp_path, shipped):
    busy = CAMERAS.replace("rate = 5", "rate = 15").replace("count = 4", "count = 8")
    found, checks = judged(tmp_path, shipped, "RK3566", busy.replace("latency_ms = 100", ""))
    # 66.2 ms x 15/s are 99.3 % of a second: one of eight streams fits, an eighth of the rate, and smaller nets.
    assert checks["npu_time"].outcome is Outcome.FAIL
    changes = checks["npu_time"].changes
    assert changes[0] == "rates of at most 12 % of those asked"
    assert found.changes[:2] == (
        "fewer streams: 1 of 8 of camera",
        "NPU time: rates of at most 12 % of those asked",
    )


def test_each_network_that_is_suggested_passes_where_it_is_asked_instead(tmp_path, shipped):
    busy = CAMERAS.replace("rate = 5", "rate = 7").replace("latency_ms = 100", "")
    _, checks = judged(tmp_path, shipped, "RK3566", busy)
    assert checks["npu_time"].outcome is Outcome.FAIL
    named = [re.search(r"detector by ([\w.-]+)@(\d+)x(\d+): ", one) for one in checks["npu_time"].changes]
    suggested = [(one[1], f"{one[3]}x{one[2]}") for one in named if one]
    assert 1 <= len(suggested) <= 3
    for name, size in suggested:
        text = busy.replace("yolov8s", name).replace("640x640", size)
        _, other = judged(tmp_path, shipped, "RK3566", text)
        assert other["npu_time"].outcome is Outcome.PASS, name


def test_a_decoder_that_is_too_slow_names_the_streams_that_it_takes(tmp_path):
    # 62 of 4 x 25 = 100 frames a second: two of four cameras.
    text = JOB.replace('codec = "none"', 'codec = "h264"').replace("fps = 15", "fps = 25")
    spec = board(video_decode="H.264 1080p62")
    (found,) = decide(requirements(tmp_path, text), [row("yolov8s", 100.0)], [], [spec], Beyond()).verdicts
    decode = next(check for check in found.checks if check.name == "decode")
    assert decode.outcome is Outcome.FAIL
    assert found.changes[0] == "fewer streams: 2 of 4 of camera"
    assert "62.0 %" in decode.changes[0]


def test_facts_of_one_chip_may_stand_in_several_tables(tmp_path, shipped):
    relaxed = CAMERAS.replace("latency_ms = 100", "latency_ms = 300")
    found, _ = judged(tmp_path, shipped, "AX615", relaxed)
    facts = [step.fact for step in found.steps]
    assert [fact.splitlines()[-1] for fact in facts] == ['decode = "H264 4K60"', 'memory = "4 GB"']
    told = tmp_path / "told.toml"
    told.write_text(relaxed + "\n".join(facts))
    asked = read_requirements(told)
    (again,) = decide(asked, [], [], [], Beyond(atlas=shipped), ["AX615"]).verdicts
    outcomes = {check.name: check.outcome for check in again.checks}
    assert (outcomes["decode"], outcomes["memory"]) == (Outcome.PASS, Outcome.PASS)


def test_what_only_a_run_can_tell_is_no_row_of_a_table(tmp_path, shipped):
    text = CAMERAS.replace("rate = 5", "rate = 5\nminimum_accuracy = 0.99")
    found, _ = judged(tmp_path, shipped, "Hailo-8", text)
    (step,) = [step for step in found.steps if "docs/boards.md" in step.what]
    assert (step.command, step.fact, step.brief) == ("", "", "a run of yolov8s.onnx")


@pytest.mark.parametrize("rate", ["1e9", "1e-9"])
def test_absurd_rates_are_decided_at_once_and_without_a_simulation(tmp_path, shipped, rate):
    found, checks = judged(tmp_path, shipped, "BM1684X", JOB.replace("rate = 5", f"rate = {rate}"))
    expected = Outcome.FAIL if rate == "1e9" else Outcome.PASS
    assert checks["npu_time"].outcome is expected
    assert found.streams.outcome is Outcome.UNKNOWN
    if rate == "1e9":
        # 4 x 1e9/s x 2.94 ms
        assert found.changes[0] == "NPU time: an NPU 11\u202f760\u202f000 times as fast"


def test_no_chip_at_all_says_what_to_give(tmp_path):
    decision = decide(requirements(tmp_path, JOB), [], [], [], Beyond())
    assert decision.verdicts == ()
    assert "--published" in summary_of(decision)
    assert "--published" in to_text(decision)
    assert to_json(decision)["verdicts"] == []
    assert view_of(decision).pareto is None


def test_the_answer_names_the_nearest_and_what_it_lacks(tmp_path, shipped):
    asked = requirements(tmp_path, CAMERAS)
    decision = decide(asked, [], [], [], Beyond(atlas=shipped), ["Hailo-8", "RV1109"])
    answer = summary_of(decision)
    assert answer == (
        "No chip is known to do the job; Hailo-8 comes nearest: 3 of 5 requirements hold, "
        "not known: Decode, Memory; Hailo-8 lacks the rate of its decoder."
    )
    assert to_json(decision)["answer"] == answer == "`".join(view_of(decision).answer)
    assert answer in to_text(decision).replace("\n", " ")
    assert counts_of(decision) == "2 chips weighed: 1 is not fully known, 1 fails."


def test_the_answer_to_what_nothing_does_says_by_how_much_and_what_would(tmp_path, shipped):
    text = CAMERAS.replace("rate = 5", "rate = 15").replace("latency_ms = 100", "")
    decision = decide(requirements(tmp_path, text), [], [], [], Beyond(atlas=shipped), ["RK1808", "RV1109"])
    # 60/s x 1000 / 19.1 fps = 314 %; one camera's 15/s are 78.5 %.
    assert summary_of(decision).startswith(
        "No chip does the job; RK1808 comes nearest and is short of NPU time by 214 %; "
        "what would do: fewer streams: 1 of 4 of camera."
    )


def test_a_fact_that_another_one_would_turn_says_so(tmp_path):
    own = Fact("video_decode", "H.264 1080p60", "a brief")
    other = Fact("video_decode_other", "H.264 1080p30", "a wiki", condition="older page")
    spec = replace(board(video_decode=""), facts=(own, other))
    asked = requirements(tmp_path, CAMERAS)
    (found,) = decide(asked, [row("yolov8s", 100.0)], [], [spec], Beyond()).verdicts
    decode = next(check for check in found.checks if check.name == "decode")
    # 4 x 15/s fit into 60/s, and not into the 30/s that the other page has.
    assert decode.outcome is Outcome.PASS
    assert "fail by another fact" in decode.why
    assert "a wiki" in decode.why
    assert any("a wiki" in line for line in decode.arithmetic)
