"""The backend on npubench's side: jobs for the worker, answers to records."""

import contextlib
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from npubench.backends.onnxruntime.processors import this_processor
from npubench.backends.options import check_known, count
from npubench.backends.signature import converted, signature_of_file
from npubench.domain.figures import Computed, Figures, Kernels, Kind, Shares
from npubench.domain.layers import LayerTable
from npubench.domain.protocols import Alternating, Connect, OpenHost, Session
from npubench.domain.records import (
    QUANTISATION,
    Artifact,
    Completed,
    DataUse,
    Failure,
    FailureClass,
    LayerLoss,
    OnnxModel,
    Predictions,
    Stage,
    ToolInfo,
)
from npubench.domain.specs import CalibrationSpec, Options, Precision, Target, TimingProtocol
from npubench.measure.calibration import calibration_digest, calibration_to_json, choose
from npubench.measure.onnx_session import answer_of
from npubench.measure.outputs import accuracy_of, no_accuracy_of
from npubench.measure.statistics import latency
from npubench.storage.files import is_regular, link_or_copy
from npubench.storage.hashing import sha256_of_bundle, sha256_of_file
from npubench.storage.json import decode, encode
from npubench.tools import kept

PACKAGES = ("onnxruntime", "onnx", "numpy")
WORKER = "npubench.backends.onnxruntime.worker"
FUSION_DEADLINE_S = 600.0


class OnnxRuntimeBackend:
    """FP32 as it is, INT8 by static quantisation to QDQ; measured with the CPU execution provider."""

    name = "onnxruntime"
    interleaves = True

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads

    def configured(self, options: Options, open_host: OpenHost) -> "OnnxRuntimeBackend":  # noqa: ARG002
        """With so many `threads`; 0, and without that option: one a physical core. Raises UsageError."""
        check_known(options, ("threads",))
        return OnnxRuntimeBackend(count(options, "threads") or 0)

    def probe(self) -> ToolInfo:
        """Versions of the installed packages, and of how npubench quantises here; imports none of them."""
        try:
            versions = {package: version(package) for package in PACKAGES}
        except PackageNotFoundError as error:
            command = ("pip", "install", f"{error.name}")
            reason = f"{error.name} is not installed"
            return ToolInfo(self.name, False, reason=reason, fix=" ".join(command), command=command)
        quantiser = f"{QUANTISATION}-{this_processor()[0].code}"
        mine = {"python": platform.python_version(), "quantiser": quantiser}
        return ToolInfo(self.name, True, {**versions, **mine})

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """FP32 takes the model's own bytes; INT8 quantises them in a process of its own."""
        if target.precision is Precision.FP32:
            data = choose(model.fed, CalibrationSpec(seed=target.calibration.seed)).use(0, quantised=False)
            return self._artifact(model, target, *_linked(model, workdir), {}, data)
        job = {
            "step": "quantise",
            "model": str(model.path),
            "fed": encode(model.fed),
            "calibration": calibration_to_json(target.calibration),
            "output": str(workdir / "model.int8.onnx"),
            "scratch": str(workdir),
        }
        answer = answer_of(WORKER, job, Stage.COMPILE, lambda argv: _on_files(argv, target.deadline_s, log))
        if isinstance(answer, Failure):
            return answer
        path = workdir / "model.int8.onnx"
        if not is_regular(path):
            return Failure(
                Stage.COMPILE, FailureClass.NO_ARTIFACT, "the quantiser wrote no model: see the log"
            )
        tensors = signature_of_file(path)
        if changed := converted("ONNX Runtime's quantiser", model, tensors):
            return changed
        settings = {
            **answer["settings"],
            "calibration": job["calibration"],
            "calibration_sha256": calibration_digest(target.calibration),
        }
        return self._artifact(model, target, path, (), settings, decode(DataUse, answer["data"]))

    def estimate(self, artifact: Artifact) -> Figures | None:  # noqa: ARG002 - the protocol's
        """ONNX Runtime estimates nothing."""
        return None

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Time the artifact in a process of its own; INT8 is compared with FP32 on the same inputs."""
        job = {
            "step": "measure",
            **_placed(artifact, session),
            "classification": artifact.onnx.task == "classification",
            "calibration": artifact.settings.get("calibration", calibration_to_json(CalibrationSpec())),
            "timing": asdict(timing),
            "threads": self._threads,
            "alternates": isinstance(session, Alternating) and session.alternates,
        }
        with tempfile.TemporaryDirectory() as scratch:
            job["scratch"] = scratch
            answer = answer_of(WORKER, job, Stage.MEASURE, lambda argv: session.run(argv, deadline_s, log))
            if isinstance(answer, Failure):
                return answer
            if answer.get("wrong"):
                return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, answer["wrong"])
            figures = _figures(answer)
            if answer["not_profiled"]:
                return replace(figures, no_layers=answer["not_profiled"])
            reading = {"step": "read_profile", "scratch": scratch, "fed": job["fed"]}
            return _profiled(figures, {**reading, "model": str(artifact.onnx.path)}, deadline_s, log)

    def predict(
        self, artifact: Artifact, target: Target, inputs: Path, connect: Connect, workdir: Path, log: Path
    ) -> Predictions | Failure:
        """Run a data set in a process of its own; of INT8 also each layer's cosine against FP32."""
        if (count := len(artifact.onnx.inputs)) != 1:
            message = f"a data set is of one input, this model has {count}"
            return Failure(Stage.MEASURE, FailureClass.INVALID_MODEL, message)
        with contextlib.closing(connect()) as session:
            job = {
                "step": "predict",
                **_placed(artifact, session),
                "samples": str(session.put(inputs, sha256_of_file(inputs))),
                "output": str(workdir / "outputs.npy"),
                "scratch": str(workdir),
            }
            deadline_s = target.deadline_s
            answer = answer_of(WORKER, job, Stage.MEASURE, lambda argv: session.run(argv, deadline_s, log))
        if isinstance(answer, Failure):
            return answer
        losses = tuple(LayerLoss(**one) for one in answer["losses"])
        return Predictions(workdir / "outputs.npy", Kind.MEASURED, answer["artifact_sha256"], losses)

    def fused(self, artifact: Artifact, workdir: Path, log: Path) -> Path | Failure:
        """The graph after ONNX Runtime's own fusion; written in a process of its own."""
        path = workdir / "fused.onnx"
        job = {"step": "optimise", "artifact": str(artifact.path), "output": str(path)}
        answer = answer_of(WORKER, job, Stage.COMPILE, lambda argv: _on_files(argv, FUSION_DEADLINE_S, log))
        return answer if isinstance(answer, Failure) else path

    def _artifact(
        self,
        model: OnnxModel,
        target: Target,
        path: Path,
        extras: tuple[Path, ...],
        settings: Mapping[str, Any],
        data: DataUse,
    ) -> Artifact:
        size = sum(file.stat().st_size for file in (path, *extras))
        sha256 = sha256_of_bundle(path, extras)
        tools = self.probe().versions
        return Artifact(
            path, sha256, size, self.name, tools, target.precision, model, settings, extras, extras, data
        )


def _placed(artifact: Artifact, session: Session) -> dict[str, Any]:
    """The part of a job that says what runs, where the session has it, and against what."""
    files = (artifact.path, *artifact.extras)
    path, *beside = (str(session.put(one, sha256_of_file(one))) for one in files)
    reference = None if artifact.precision is Precision.FP32 else str(artifact.onnx.path)
    return {"artifact": path, "beside": beside, "fed": encode(artifact.onnx.fed), "reference": reference}


def _linked(model: OnnxModel, workdir: Path) -> tuple[Path, tuple[Path, ...]]:
    def place(source: Path) -> Path:
        target = workdir / source.relative_to(model.path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, target)
        return target

    return place(model.path), tuple(place(file) for file in model.external)


def _figures(answer: Mapping[str, Any]) -> Figures:
    rounds = tuple(tuple(ns / 1000 for ns in one) for one in answer["rounds_ns"])
    word, why = no_accuracy_of(answer)
    accuracy, cosines = accuracy_of(answer), answer["kernels"]
    return Figures(
        kind=Kind.MEASURED,
        latency_us=latency(rounds),
        load_us=answer["load_us"],
        memory_bytes=answer["peak_memory_bytes"],
        accuracy=replace(accuracy, kernels=Kernels(**cosines)) if accuracy and cosines else accuracy,
        no_accuracy=word,
        no_accuracy_why=why,
        artifact_sha256=answer["artifact_sha256"],
        samples_us=rounds,
        interrupted_share=answer["interrupted_share"],
        crowded_share=answer["crowded_share"],
        interrupted_us=tuple(tuple(ns / 1000 for ns in one) for one in answer["interrupted_ns"]),
        details=answer["details"],
    )


def _profiled(figures: Figures, job: Mapping[str, Any], deadline_s: float, log: Path) -> Figures:
    """With layers, and in what they computed; without, and why, where the profile cannot be read."""
    answer = answer_of(WORKER, job, Stage.MEASURE, lambda argv: _on_files(argv, deadline_s, log))
    if isinstance(answer, Failure):
        return replace(figures, no_layers=answer.message)
    layers, found = answer["layers"], answer["computed"]
    return replace(
        figures,
        layers=None if layers is None else decode(LayerTable, layers),
        no_layers=answer["no_layers"],
        computed=found and Computed(Shares(**found["operators"]), _shares(found["macs"])),
    )


def _shares(found: Mapping[str, float] | None) -> Shares | None:
    return Shares(**found) if found else None


def _on_files(argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
    """The worker where onnx is imported already."""
    return kept.run(WORKER, argv[3:], kept.FILES, timeout_s=timeout_s, log=log)
