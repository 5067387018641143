"""The frame of backends with a worker, tried on workers that misbehave; real processes, no vendor tool."""

import sys
import time
from pathlib import Path

import pytest
from msgspec import structs

from npubench.backends.isolated.backend import IsolatedBackend, accuracy_of, answer_of, tool_output_of
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, Stage
from npubench.domain.specs import CalibrationSpec, NodeSpec, OperatorSpec, Precision, Target, TensorSpec
from npubench.exporters.operators import OperatorExporter
from npubench.tools import environments
from npubench.tools.environments import Installed
from tests.deadlines import long_enough

HEAD = """
import os, sys, time
sys.path.insert(0, os.environ["NPUBENCH_WORKER_FRAME"])
from worker_frame import NotSupportedError, aside, if_any, keep, reference, samples, serve, step
from pathlib import Path
"""


class ToyBackend(IsolatedBackend):
    name = "toy"
    environment = "toy"

    def job(self, model, target):
        return {"chip": target.chip}

    def explain(self, error, said):
        operators = tuple(error["operators"])
        kind = FailureClass.UNSUPPORTED_OPERATOR if operators else FailureClass.TOOL_ERROR
        return Failure(Stage.COMPILE, kind, f"{error['type']}: {error['text']}", operators, said)

    def estimate(self, artifact):
        return Figures(Kind.SIMULATED, accuracy=accuracy_of(answer_of(artifact)))


def is_running(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def relu(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    x = TensorSpec("x", (1, 3, 4, 4))
    spec = OperatorSpec("relu", "Relu", 13, (x,), (), (NodeSpec("Relu", ("x",), ("y",)),), ("y",))
    return OperatorExporter().export(spec, folder, tmp_path / "export.log")


@pytest.fixture
def compiled(tmp_path, monkeypatch, relu):
    versions = {"toy": "1"}
    here = Installed("toy", tmp_path, Path(sys.executable), versions, "now")
    monkeypatch.setattr(environments, "find", lambda name: here)
    described = structs.replace(environments.spec("rknn"), principal=("toy",))
    monkeypatch.setattr(environments, "spec", lambda name: described)

    def run(worker: str, deadline_s: float = 600.0, samples: int = 2, path: Path | None = None, model=relu):
        script = tmp_path / "worker.py"
        script.write_text(HEAD + worker)
        monkeypatch.setattr(ToyBackend, "worker", script, raising=False)
        target = Target("chip", Precision.INT8, {}, CalibrationSpec(path, 0, samples), deadline_s)
        workdir = tmp_path / "job"
        workdir.mkdir(exist_ok=True)
        return ToyBackend().compile(model, target, workdir, tmp_path / "log")

    return run


GOOD = """
def work(job):
    data = samples(job["evaluation"])
    with step("convert"):
        print("converting", len(job["calibration"]))
        Path("model.toy").write_text(job["chip"])
    expected = reference(job["model"], data)
    return {"artifact": "model.toy", "outputs": keep("o", [[o + 0.5 for o in one] for one in expected]),
            "reference": keep("r", expected)}
serve(work)
"""


def test_a_job_becomes_an_artifact_with_what_the_tool_said(compiled, tmp_path):
    artifact = compiled(GOOD)
    assert isinstance(artifact, Artifact)
    assert artifact.path.read_text() == "chip"
    assert artifact.tools["toy"] == "1"
    assert "converting 2" in tool_output_of(artifact)
    assert "converting 2" in (tmp_path / "log").read_text()
    assert artifact.settings["tool_seconds"]["convert"] >= 0
    accuracy = ToyBackend().estimate(artifact).accuracy
    assert accuracy.max_abs == pytest.approx(0.5)
    assert 0 < accuracy.cosine < 1
    assert accuracy.samples == 2


def test_what_the_steps_of_the_outputs_cost_is_told_apart_from_what_the_tool_does(compiled):
    coarse = GOOD.replace('"reference": keep', '"steps": [2.0], "reference": keep')
    told = answer_of(compiled(coarse))["resolution"]
    assert told["steps"] == [2.0]
    # Normal numbers after a Relu, rounded to 0, 2 and 4.
    assert 0.7 < told["cosine"] < 0.98
    assert 1 < told["greatest"] < 6


TELLING = GOOD.replace(
    '{"artifact"', '{"tensors": {"inputs": [{"name": "x"}], "outputs": OUTPUTS}, "artifact"'
)


def test_an_output_that_the_tool_lost_is_named_and_nothing_is_kept(compiled):
    failure = compiled(TELLING.replace("OUTPUTS", '[{"name": "z", "shape": [1]}]'))
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "toy made another model of it: the output y (float32 1x3x4x4) is missing" in failure.message
    assert "there is an output z" in failure.message


def test_outputs_in_an_order_of_the_tool_s_own_are_compared_by_their_names(compiled, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    x = TensorSpec("x", (1, 3, 4, 4))
    nodes = (NodeSpec("Relu", ("x",), ("y",)), NodeSpec("Neg", ("x",), ("z",)))
    model = OperatorExporter().export(
        OperatorSpec("two", "Relu", 13, (x,), (), nodes, ("y", "z")), folder, tmp_path / "export.log"
    )
    turned = TELLING.replace("OUTPUTS", '[{"name": "z"}, {"name": "y"}]').replace(
        "[o + 0.5 for o in one]", "list(reversed(one))"
    )
    assert ToyBackend().estimate(compiled(turned, model=model)).accuracy.max_abs == 0


def test_a_reference_that_cannot_be_computed_is_no_fault_of_the_tool(compiled):
    worker = GOOD.replace(
        'expected = reference(job["model"], data)', 'expected, _ = references("none", data, [])'
    )
    worker = worker.replace("for one in expected", "for one in [[data[0]['x']]]")
    answer = answer_of(compiled(worker.replace("def work", "from worker_frame import references\ndef work")))
    assert (answer["accuracy"], answer["no_accuracy"]) == (None, "not_compared")
    assert "ONNX Runtime gives no reference" in answer["no_accuracy_why"]


def test_integers_are_judged_beside_what_rounding_the_inputs_changes(compiled, tmp_path):
    folder = tmp_path / "argmax"
    folder.mkdir()
    x = TensorSpec("x", (1, 64, 8, 8))
    nodes = (NodeSpec("ArgMax", ("x",), ("y",), {"axis": 1}),)
    spec = OperatorSpec("argmax", "ArgMax", 13, (x,), (), nodes, ("y",))
    model = OperatorExporter().export(spec, folder, tmp_path / "export.log")
    off_by_one = GOOD.replace("o + 0.5", "o + 1.0").replace(
        '"reference"', '"rounded": keep("q", reference(job["model"], samples(job["rounded"]))), "reference"'
    )
    accuracy = ToyBackend().estimate(compiled(off_by_one, model=model)).accuracy
    assert accuracy.cosine is None
    assert accuracy.equal == 0
    assert 0.8 < accuracy.equal_rounded < 1


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_outputs_that_are_no_numbers_are_wrong_ones(compiled, number):
    failure = compiled(GOOD.replace("o + 0.5", f"o + float({number!r})"))
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "NaN or infinity" in failure.message


def test_outputs_of_another_size_than_the_model_s_are_wrong_ones(compiled):
    failure = compiled(GOOD.replace("o + 0.5", "o[..., :1]"))
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "y has 12 elements where the model's has 48" in failure.message


def test_outputs_of_another_number_than_the_model_s_are_wrong_ones(compiled):
    failure = compiled(GOOD.replace("[o + 0.5 for o in one]", "[*one, *one]"))
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "it gives 2 outputs where the model has 1 (y)" in failure.message


@pytest.mark.parametrize(
    ("body", "expected", "told"),
    [
        ("os.abort()", FailureClass.CRASH, "SIGABRT while it was at convert"),
        ("os.kill(os.getpid(), 9)", FailureClass.KILLED, "while it was at convert"),
        ("os._exit(0)", FailureClass.UNPARSED_OUTPUT, "ended with code 0 while it was at convert"),
        ("sys.exit(0)", FailureClass.TOOL_ERROR, "SystemExit: 0"),
        ("return {'artifact': 'model.toy'}", FailureClass.NO_ARTIFACT, "without writing model.toy"),
        ("raise NotSupportedError('no Relu', ('Relu',))", FailureClass.UNSUPPORTED_OPERATOR, "no Relu"),
        ("bytearray(64 * 2**30)", FailureClass.TOOL_ERROR, "MemoryError"),
    ],
)
def test_no_end_of_a_tool_passes_for_success(compiled, body, expected, told):
    failure = compiled(f"def work(job):\n    with step('convert'):\n        {body}\nserve(work)\n")
    assert isinstance(failure, Failure)
    assert failure.failure_class is expected
    assert told in failure.message


def test_what_a_tool_made_stands_though_it_crashes_when_it_is_over(compiled):
    last_words = """
import atexit, ctypes
atexit.register(os.abort)
ctypes.CDLL(None).printf(b"said by native code")
"""
    artifact = compiled(last_words + GOOD)
    assert isinstance(artifact, Artifact)
    assert "said by native code" in tool_output_of(artifact)
    assert "converting 2" in tool_output_of(artifact)


def test_a_reference_computed_aside_is_the_same(compiled):
    apart = GOOD.replace(
        "    data =", "    later = aside(reference, job['model'], samples(job['evaluation']))\n    data ="
    )
    apart = apart.replace('reference(job["model"], data)', "later.result()")
    assert "later.result()" in apart
    accuracy = ToyBackend().estimate(compiled(apart)).accuracy
    assert accuracy.max_abs == pytest.approx(0.5)
    assert accuracy.samples == 2


def test_a_conversion_stands_where_there_is_nothing_to_compare_with(compiled):
    lacking = GOOD.replace(
        "    data =", "    later = [aside(os.abort), aside(reference, job['model'], [])]\n    data ="
    )
    lacking = lacking.replace('"reference": keep("r", expected)', '"reference": keep("r", if_any(later)[0])')
    artifact = compiled(lacking)
    assert isinstance(artifact, Artifact), artifact
    assert "no reference: " in tool_output_of(artifact)
    assert ToyBackend().estimate(artifact).accuracy is None


def test_a_crash_aside_is_told_where_its_result_is_asked_for(compiled):
    failure = compiled("""
def work(job):
    later = aside(os.abort)
    with step("reference"):
        later.result()
serve(work)
""")
    assert failure.failure_class is FailureClass.TOOL_ERROR
    assert "BrokenProcessPool" in failure.message


def test_a_module_beside_the_worker_is_part_of_its_version(compiled, tmp_path):
    before = compiled(GOOD).tools["worker"]
    assert ToyBackend().probe().versions["worker"] == before
    (tmp_path / "worker_layout.py").write_text("TURNED = True\n")
    assert ToyBackend().probe().versions["worker"] != before


def test_a_tool_that_sleeps_ends_at_the_deadline_with_its_children(compiled, tmp_path):
    worker = f"""
import subprocess
def work(job):
    with step("build"):
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
        time.sleep(600)
serve(work)
"""
    started = time.monotonic()
    failure = long_enough(lambda limit_s: compiled(worker, deadline_s=limit_s), (tmp_path / "child").exists)
    assert failure.failure_class is FailureClass.HANG
    assert "while it was at build" in failure.message
    assert time.monotonic() - started < 300, "it waited for the tool"
    child = Path("/proc") / (tmp_path / "child").read_text() / "stat"
    # Killed is killed, but the kernel takes its time to show it.
    until = time.monotonic() + 300
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)


def test_a_tool_keeps_its_scratch_files_in_the_folder_of_the_job(compiled, tmp_path):
    worker = """
import tempfile
def work(job):
    Path("model.toy").write_text(tempfile.mkdtemp() + os.path.expanduser("~") + os.getcwd())
    return {"artifact": "model.toy"}
serve(work)
"""
    text = compiled(worker).path.read_text()
    assert text.count(str(tmp_path / "job")) == 3


def test_calibration_data_that_do_not_fit_are_told_before_the_tool_runs(compiled, tmp_path):
    failure = compiled("os.abort()", path=tmp_path / "nothing.npy")
    assert failure.failure_class is FailureClass.INVALID_CALIBRATION
    assert not (tmp_path / "log").exists()


def test_another_precision_is_refused(relu, tmp_path):
    target = Target("chip", Precision.FP32, {}, CalibrationSpec(), 10.0)
    failure = ToyBackend().compile(relu, target, tmp_path, tmp_path / "log")
    assert "toy prepares int8 only" in failure.message


def test_without_its_environment_a_backend_says_what_to_do(relu, tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path / "none"))
    from npubench.backends.rknn.backend import RknnBackend

    tool = RknnBackend().probe()
    assert (tool.usable, tool.fix) == (False, "npubench env install rknn")
    target = Target("RK3588", Precision.INT8, {}, CalibrationSpec(), 10.0)
    failure = RknnBackend().compile(relu, target, tmp_path, tmp_path / "log")
    assert failure.failure_class is FailureClass.TOOL_MISSING
    assert "npubench env install rknn" in failure.message


FIFOS = {
    "the artifact": ("os.remove('model.toy'); os.mkfifo('model.toy')", FailureClass.NO_ARTIFACT),
    "an output": ("os.remove('o-0-0.npy'); os.mkfifo('o-0-0.npy')", FailureClass.UNPARSED_OUTPUT),
    "a link for the artifact": (
        "os.remove('model.toy'); os.symlink('/etc/hostname', 'model.toy')",
        FailureClass.NO_ARTIFACT,
    ),
    "the step": ("os.remove('step.txt'); os.mkfifo('step.txt')", None),
    "the log": ("os.remove('tool.log'); os.mkfifo('tool.log')", None),
}


@pytest.mark.parametrize("what", FIFOS)
def test_a_fifo_in_a_tools_folder_is_never_waited_for(compiled, what):
    body, expected = FIFOS[what]
    worker = f"""
def work(job):
    data = samples(job["evaluation"])
    with step("convert"):
        Path("model.toy").write_text("toy")
    expected = reference(job["model"], data)
    outputs, theirs = keep("o", expected), keep("r", expected)
    {body}
    return {{"artifact": "model.toy", "outputs": outputs, "reference": theirs}}
serve(work)
"""
    outcome = compiled(worker)
    if expected is None:
        assert isinstance(outcome, Artifact)
    else:
        assert outcome.failure_class is expected


@pytest.mark.parametrize("end", ["os.abort()", "time.sleep(6000)"])
def test_a_simulator_that_goes_down_costs_the_artifact_nothing(compiled, tmp_path, end):
    reached = tmp_path / "reached"
    worker = f"""
from worker_frame import built
def work(job):
    Path("model.toy").write_text("toy")
    built({{"artifact": "model.toy"}})
    with step("simulate"):
        Path({str(reached)!r}).touch()
        {end}
serve(work)
"""
    artifact = long_enough(lambda limit_s: compiled(worker, deadline_s=limit_s), reached.exists)
    assert isinstance(artifact, Artifact)
    assert "while it was at simulate" in artifact.settings["not_simulated"]
    assert ToyBackend().estimate(artifact).accuracy is None
