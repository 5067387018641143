"""`npubench select` asked by a few words, by its example, and with models of many names."""

import json
import re
from functools import cache
from types import SimpleNamespace

import pytest

from npubench.catalog import load
from npubench.cli import main
from npubench.domain.errors import UsageError
from npubench.reporting.select.asked_models import check_models, names_of
from npubench.reporting.select.atlas_times import atlas
from npubench.reporting.select.cameras import Cameras, asked_by
from npubench.reporting.select.choosing import is_of_precision
from npubench.reporting.select.requirements import read_requirements
from npubench.storage.files import data_root


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *words):
    code = main(["select", *words])
    return code, *capsys.readouterr()


@cache
def names():
    return names_of((), load(()), atlas())


def notes(*models):
    return check_models(asked_by(Cameras(1, models)), names())


def test_a_newcomer_without_any_result_gets_a_decision_over_the_atlas(desk, capsys):
    code, out, err = run(
        capsys, "--cameras", "2", "--models", "YOLOv8s, resnet-18", "--board", "ax 650n", "--json"
    )
    told = json.loads(out)
    assert code == 0
    assert [one["chip"] for one in told["verdicts"]] == ["AX650N"]
    assert told["title"].startswith("2 cameras (1920x1080, 25 frames/s, h264)")
    assert (desk / "npubench-out" / "selection.html").is_file()
    assert "missing" not in err


def test_the_example_is_valid_and_weighed(desk, capsys):
    code, out, err = run(capsys, "--example")
    assert (code, err) == (0, "")
    (desk / "job.toml").write_text(out)
    asked = read_requirements(desk / "job.toml")
    assert check_models(asked, names()) == ()
    assert asked.limits.latency_ms


def test_what_the_example_leaves_out_is_valid_too(desk):
    text = (data_root() / "reports" / "job.toml").read_text()
    commented = re.compile(r"^# (?=\[\[|\w+ = )", re.MULTILINE)
    (desk / "job.toml").write_text(commented.sub("", text))
    asked = read_requirements(desk / "job.toml")
    assert (asked.limits.price_of, asked.limits.power_w, asked.limits.percentile) == ("board", 10, 99)
    assert asked.known[0].facts
    assert asked.streams[0].models[2].file == str(desk / "my.onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what is asked: --requirements FILE"),
        (("--models", "yolov8s"), "--models goes with --cameras"),
        (("--cameras", "4", "--requirements", "job.toml"), "--requirements and --cameras exclude each other"),
        (("--cameras", "4"), "name the models that each frame meets"),
        (("--cameras", "4", "--models", "yolov8s", "--fps", "-5"), "fps must be above 0, not -5"),
        (("--cameras", "4", "--models", "yolov8s", "--codec", "hevcc"), "did you mean 'hevc'"),
        (("--cameras", "4", "--models", "yolov8ss"), "did you mean 'yolov8s'"),
        (("--requirements", "job.tml"), "cannot read job.tml"),
    ],
)
def test_a_mistake_is_one_line_with_what_to_do(capsys, words, said):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_every_model_that_names_nothing_is_told_at_once():
    with pytest.raises(UsageError) as told:
        notes("yolov8ss", "efficientnet", "mine.onnx")
    for said in (
        "'yolov8ss' (did you mean 'yolov8s'",
        "'efficientnet' says not which network",
        "no file 'mine.onnx'",
    ):
        assert said in str(told.value)


def test_a_file_that_is_there_is_asked_for_and_has_no_figure_yet(desk):
    (desk / "mine.onnx").touch()
    (note,) = notes("mine.onnx")
    assert "--simulate runs it" in note


def test_of_several_inputs_it_is_said_which_was_taken():
    several = {
        name: sizes
        for name in atlas().named
        if len(
            sizes := {
                (one.network.width, one.network.height)
                for of_chip in atlas().by_chip.values()
                for one in of_chip.get(name, ())
                if one.network.width
            }
        )
        > 1
    }
    name, sizes = next((name, sizes) for name, sizes in several.items() if name.startswith("yolov7"))
    (note,) = notes(name)
    high, wide = atlas().usual_input[name]
    assert f"{name} is taken at {wide}x{high}" in note
    assert all(f"{w}x{h}" in note for w, h in sizes)
    assert notes(f"{name}@320x320") == ()
    assert notes("resnet18") == ()


def test_a_precision_is_asked_in_the_words_of_every_publisher():
    assert is_of_precision("w8a8", "int8")
    assert is_of_precision("FP16", "fp16")
    assert is_of_precision("anything", "")
    assert not is_of_precision("w8a16", "int8")
    assert not is_of_precision("int8", "fp16")


TABLE = """\
[[table]]
name = "our-lab"
file = "our_lab.csv"
source = "https://lab.example/npu"
licence = "our own"
[[table.column]]
name = "ms"
role = "value"
kind = "measured"
metric = "latency"
unit = "ms"
"""


def test_a_table_of_one_s_own_brings_a_chip_that_nobody_knows(desk, capsys):
    (desk / "lab").mkdir()
    (desk / "lab" / "lab.toml").write_text(TABLE)
    (desk / "lab" / "our_lab.csv").write_text(
        "chip,model,input,precision,ms\nNewChip 9,yolov8s,640,int8,10\nnewchip-9,resnet18,224,int8,1\n"
    )
    words = (
        "--cameras",
        "1",
        "--models",
        "yolov8s,resnet18",
        "--tables",
        "lab",
        "--board",
        "new chip 9",
        "--json",
    )
    code, out, _ = run(capsys, *words)
    (verdict,) = json.loads(out)["verdicts"]
    assert code == 0
    assert verdict["chip"] == "NEWCHIP9"
    # 25 frames a second x (10 + 1) ms
    assert verdict["load"] == pytest.approx(0.275)


@pytest.fixture
def planned(monkeypatch):
    """What `--simulate` would have run, on a machine where every toolchain is usable or none is."""
    asked = []

    def with_tools(usable):
        tool = SimpleNamespace(probe=lambda: SimpleNamespace(usable=usable))
        monkeypatch.setattr("npubench.engine.plugins.backend", lambda name: tool)
        monkeypatch.setattr("npubench.engine.run.run_plan", asked.append)
        return asked

    return with_tools


def test_what_is_missing_is_simulated_first_when_that_is_asked(desk, capsys, planned):
    (desk / "mine.onnx").touch()
    asked = planned(usable=True)
    words = ("--cameras", "1", "--models", "mine.onnx", "--board", "rk3588", "--simulate")
    assert run(capsys, *words)[0] == 0
    (options,) = asked
    assert (options.simulate, options.boards, options.selection.cases) == (
        True,
        ("rk3588",),
        ("mine.onnx",),
    )


def test_a_simulation_without_a_simulator_or_a_model_says_what_to_do(desk, capsys, planned):
    (desk / "mine.onnx").touch()
    asked = planned(usable=False)
    code, _, err = run(capsys, "--cameras", "1", "--models", "mine.onnx", "--simulate")
    assert (code, "see `npubench doctor`" in err) == (2, True)
    planned(usable=True)
    code, _, err = run(capsys, "--cameras", "1", "--models", "yolov8s", "--simulate")
    assert (code, "--simulate needs a model that can be run" in err) == (2, True)
    assert asked == []
