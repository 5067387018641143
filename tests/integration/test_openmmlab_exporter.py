"""npubench's side of an OpenMMLab export, with a worker that answers what the test says; no PyTorch."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.domain.errors import ToolchainError
from npubench.domain.records import Completed, Failure, OnnxModel
from npubench.domain.specs import ModelSpec, TensorSpec
from npubench.exporters.openmmlab import exporter
from npubench.exporters.openmmlab.exporter import OpenMMLabExporter
from tests.integration.test_onnx_files import conv, write

SPEC = ModelSpec("net", "mmpretrain", "net_config", "", (TensorSpec("x", (1, 3, 6, 6)),), None, 13)
DESCRIBED = {"task": "classification", "mean": [1.0], "std": [2.0], "color": "rgb", "clip": None}
ANSWER = {
    "export": {
        "tools": {"torch": "2"},
        "described": DESCRIBED,
        "weights": "random",
        "max_relative_error": 1e-6,
        "tolerance": 1e-3,
    },
    "identify": {"network": "abc", "described": DESCRIBED},
}


class Worker:
    """Stands for `exporter.run`: writes the model and the answer of each step."""

    def __init__(self):
        self.answers, self.jobs = dict(ANSWER), []
        self.ended = Completed(("worker",), 0, "", 3.0)

    def run(self, python, codebase, job, answer, log, timeout_s, memory_limit_bytes):
        asked = json.loads(job.read_text())
        self.jobs.append({**asked, "timeout_s": timeout_s})
        if asked["step"] == "export":
            write(Path(asked["output"]), conv())
        if (text := self.answers[asked["step"]]) is not None:
            answer.write_text(json.dumps(text))
        return self.ended


class Ready:
    python = Path("python")


@pytest.fixture
def worker(monkeypatch):
    worker = Worker()
    monkeypatch.setattr(exporter, "run", worker.run)
    monkeypatch.setattr(exporter, "installed", lambda codebase: Ready)
    return worker


def export(folder, spec=SPEC, **more):
    return OpenMMLabExporter(**more).export(spec, folder, folder / "log")


def test_what_the_worker_wrote_is_described_with_what_it_said(worker, tmp_path):
    model = export(tmp_path, deadline_s=7.0)
    assert isinstance(model, OnnxModel), model
    assert (model.case, model.task, model.seed, model.tools) == ("net", "classification", 0, {"torch": "2"})
    assert model.preprocessing.mean == (1.0,)
    assert model.exported["weights"] == "seeded random numbers"
    assert model.exported["difference"].endswith("(at most 0.001)")
    (job,) = worker.jobs
    assert (job["config"], job["shape"], job["opset"], job["timeout_s"]) == (
        "net_config",
        [1, 3, 6, 6],
        13,
        7,
    )
    assert '"max_relative_error"' in (tmp_path / "log").read_text()


def test_a_checkpoint_is_given_by_its_path_and_names_the_weights(worker, tmp_path):
    worker.answers["export"] = {**ANSWER["export"], "weights": "file"}
    model = export(tmp_path, replace(SPEC, weights=str(tmp_path / "best.pth")))
    assert (model.seed, model.exported["weights"]) == (None, "of best.pth")
    assert worker.jobs[0]["weights"] == str(tmp_path / "best.pth")


def test_another_case_of_the_same_network_is_a_twin(worker, tmp_path):
    maker, other = OpenMMLabExporter(), replace(SPEC, name="other")
    made = export(tmp_path)
    network = maker.network(other, tmp_path, tmp_path / "log")
    assert network == maker.network(SPEC, tmp_path, tmp_path / "log") != ""
    twin = maker.twin(other, made, tmp_path)
    assert (twin.case, twin.sha256) == ("other", made.sha256)
    assert twin.exported == {"same network as": "net", **made.exported}
    worker.answers["identify"] = {"network": "", "described": DESCRIBED}
    assert maker.network(SPEC, tmp_path, tmp_path / "log") == ""


ERROR = {"class": "unsupported_operator", "message": "no", "operators": ["aten::x"], "detail": "all of it"}


@pytest.mark.parametrize(
    ("answer", "ended", "failure_class"),
    [
        ({"error": ERROR}, {}, "unsupported_operator"),
        (None, {"timed_out": True, "returncode": -9}, "hang"),
        (None, {"returncode": -9}, "killed"),
        (None, {"returncode": -11}, "crash"),
        (None, {"returncode": 1}, "unparsed_output"),
    ],
)
def test_an_error_or_an_end_is_its_class(worker, tmp_path, answer, ended, failure_class):
    worker.answers["export"], worker.ended = answer, replace(worker.ended, **ended)
    failure = export(tmp_path)
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.failure_class) == ("export", failure_class)
    if answer:
        assert (failure.operators, failure.detail) == (("aten::x",), "all of it")


def test_an_environment_that_cannot_be_made_is_tried_once_and_told_for_every_model(tmp_path, monkeypatch):
    tried = []

    def install(name, say):
        tried.append(name)
        raise ToolchainError("no room")

    monkeypatch.setattr(exporter, "installed", lambda codebase: None)
    monkeypatch.setattr(exporter, "_not_made", {})
    monkeypatch.setattr(exporter.installer, "install", install)
    said = []
    for _ in range(2):
        failure = export(tmp_path, say=said.append)
        assert (failure.failure_class, failure.message) == ("tool_missing", "no room")
    assert (tried, len(said)) == (["openmmlab"], 1)
    full = export(tmp_path, replace(SPEC, codebase="mmdetection"))
    assert "npubench env install openmmlab --full" in full.message
    unknown = export(tmp_path, replace(SPEC, codebase="mmnothing"))
    assert unknown.failure_class == "not_found"


def test_a_version_changes_with_what_a_checkpoint_holds(tmp_path):
    path = tmp_path / "a.pth"
    path.write_text("one")
    spec = replace(SPEC, weights=str(path))
    before = OpenMMLabExporter().version(spec)
    assert before == OpenMMLabExporter().version(spec) != OpenMMLabExporter().version(SPEC)
    path.write_text("two")
    assert OpenMMLabExporter().version(spec) != before
