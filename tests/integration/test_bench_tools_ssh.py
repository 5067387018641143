"""The vendors' bench tools on a board: emulated ones, behind a real OpenSSH server on loopback."""

import json
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from npubench.backends.isolated.backend import TOOL_LOG
from npubench.backends.openvino.backend import OpenVinoBackend
from npubench.backends.rknn.backend import RknnBackend
from npubench.backends.tpu_mlir.backend import TpuMlirBackend
from npubench.boards.local import LocalSession
from npubench.domain.errors import BoardError
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, OnnxModel, Stage
from npubench.domain.specs import Precision, TensorSpec, TimingProtocol
from npubench.storage.hashing import sha256_of_bundle
from npubench.tools import environments
from npubench.tools.worker_protocol import ANSWER

EMULATORS = Path(__file__).parents[1] / "emulators"
LOGS = Path(__file__).parents[1] / "data/toolchains"
US = 2500
TOOLS = {"rknn_benchmark": RknnBackend, "bmrt_test": TpuMlirBackend, "benchmark_app": OpenVinoBackend}
FILES = {
    "rknn_benchmark": ("model.rknn",),
    "bmrt_test": ("model.bmodel",),
    "benchmark_app": ("model.xml", "model.bin"),
}
ONCE = TimingProtocol(warmup=7, repeat=12, min_duration_s=0, rounds=1)


class Bench:
    """One backend, its emulated tool in a folder of the board, and an artifact for it."""

    def __init__(self, name: str, folder: Path, session) -> None:
        self.name, self.session, self.log = name, session, folder / "log"
        self.folder = folder
        self.tool = folder / "opt" / name
        self.tool.parent.mkdir()
        shutil.copy(EMULATORS / name, self.tool)
        self.options = {name: str(self.tool)}
        self.artifact = artifact(folder / "artifact", FILES[name])

    def fault(self, fault: str) -> None:
        self.tool.with_name(f"{self.name}.fault").write_text(f"{fault}\n")

    def calls(self) -> list[tuple[int, Path]]:
        """The count that each call was asked for, and where it ran."""
        lines = self.tool.with_name(f"{self.name}.calls").read_text().splitlines()
        return [(int(count), Path(folder)) for count, _, folder in (line.partition(" ") for line in lines)]

    def measure(self, timing=ONCE, deadline_s=60.0, **options):
        backend = TOOLS[self.name]({**self.options, **options})
        return backend.measure(self.artifact, self.session, timing, deadline_s, self.log)


def artifact(folder: Path, names: tuple[str, ...], said: str = "", operators=None) -> Artifact:
    folder.mkdir()
    files = [folder / name for name in names]
    for file in files:
        file.write_text(f"us {US}\n{file.name}\n")
    (folder / ANSWER).write_text(json.dumps({"accuracy": None}))
    (folder / TOOL_LOG).write_text(said)
    x = TensorSpec("x", (1, 3))
    onnx = OnnxModel(
        "relu", folder / "model.onnx", "0" * 64, 13, (x,), (x,), operators or {"Relu": 1}, 0, 0, 12, 1
    )
    return Artifact(
        path=files[0],
        sha256=sha256_of_bundle(files[0], files[1:]),
        size_bytes=sum(file.stat().st_size for file in files),
        backend="any",
        tools={},
        precision=Precision.INT8,
        onnx=onnx,
        settings={"device": "NPU"},
        extras=(*files[1:], folder / ANSWER, folder / TOOL_LOG),
    )


@pytest.fixture(params=TOOLS)
def bench(request, tmp_path, ssh_session):
    return Bench(request.param, tmp_path, ssh_session)


@pytest.fixture
def rknn(tmp_path, ssh_session):
    return Bench("rknn_benchmark", tmp_path, ssh_session)


@pytest.fixture
def bmrt(tmp_path, ssh_session):
    return Bench("bmrt_test", tmp_path, ssh_session)


@pytest.fixture
def openvino(tmp_path, ssh_session):
    return Bench("benchmark_app", tmp_path, ssh_session)


def test_an_artifact_is_measured_by_its_hash_and_nothing_stays(bench, loopback_sshd):
    found = bench.measure(TimingProtocol(warmup=7, repeat=12, min_duration_s=0, rounds=3))
    assert isinstance(found, Figures), found
    assert (found.kind, found.artifact_sha256) == (Kind.MEASURED, bench.artifact.sha256)
    assert found.latency_us.min == US
    assert found.latency_us.n == 36
    calls = bench.calls()
    # One more counts layers.
    assert len(calls) == (4 if bench.name == "benchmark_app" else 3)
    for _, folder in calls:
        assert folder.name.startswith("npubench-")
        assert not folder.exists()
    left = {path.name for path in loopback_sshd.home.rglob("*") if path.is_file()}
    assert left == {*FILES[bench.name], ".used"}


def test_single_times_give_percentiles_as_soon_as_there_are_enough(rknn):
    found = rknn.measure()
    assert rknn.calls()[0][0] == 12 + 7 - 5, "five warm-up runs are the tool's own"
    assert found.latency_us.p50 is not None
    assert found.latency_us.p90 is None
    assert len(found.samples_us[0]) == 12
    assert set(found.samples_us[0]) == {2500, 2510, 2520}
    assert found.details["warmup_per_call"] == 7


def test_bmrt_test_has_no_warm_up_so_the_first_launches_are_left_out(bmrt):
    found = bmrt.measure()
    assert bmrt.calls()[0][0] == 12 + 7
    assert len(found.samples_us[0]) == 12
    assert found.details["calls"][0]["npu_us"] == US - 195
    assert found.details["calls"][0]["cpu_us"] == 195
    assert found.placement == {"Relu": "NPU"}


def test_an_older_bmrt_test_that_wraps_its_lines(bmrt):
    bmrt.fault("older")
    found = bmrt.measure()
    assert found.latency_us.n == 12
    assert found.details["calls"][0]["normal_us"] == 195


def test_benchmark_app_lists_no_runs_so_no_percentile_is_known(openvino):
    found = openvino.measure()
    assert (found.latency_us.p50, found.samples_us) == (None, ())
    assert found.load_us == 531770
    assert found.details["execution_devices"] == ["NPU"]
    assert [(one.name, one.unit, one.time_us) for one in found.layers.layers] == [("y", "NPU", US)]
    assert (found.layers.total_us, found.layers.adds_up, found.no_layers) == (US, True, "")


@pytest.mark.parametrize(
    ("fault", "why"), [("no_counters", "wrote no counters"), ("counters_crash", "benchmark_app")]
)
def test_counters_that_fail_are_told_and_leave_the_figures(openvino, fault, why):
    openvino.fault(fault)
    found = openvino.measure()
    assert found.latency_us.mean == US
    assert found.layers is None
    assert why in found.no_layers


def test_later_calls_are_as_long_as_the_minimum_duration_asks(bmrt):
    found = bmrt.measure(TimingProtocol(warmup=0, repeat=12, min_duration_s=0.2, rounds=2))
    assert [count for count, _ in bmrt.calls()] == [12, 40]
    assert [len(one) for one in found.samples_us] == [12, 40]


FAULTS = [
    ("rknn_benchmark", "nothing", FailureClass.UNPARSED_OUTPUT),
    ("rknn_benchmark", "cut", FailureClass.UNPARSED_OUTPUT),
    ("rknn_benchmark", "short", FailureClass.UNPARSED_OUTPUT),
    ("rknn_benchmark", "zero", FailureClass.UNPARSED_OUTPUT),
    ("rknn_benchmark", "binary", FailureClass.UNPARSED_OUTPUT),
    ("rknn_benchmark", "run_error", FailureClass.TOOL_ERROR),
    ("rknn_benchmark", "fail_after", FailureClass.TOOL_ERROR),
    ("rknn_benchmark", "memory", FailureClass.OUT_OF_DEVICE_MEMORY),
    ("rknn_benchmark", "crash", FailureClass.CRASH),
    ("rknn_benchmark", "killed", FailureClass.KILLED),
    ("rknn_benchmark", "hang", FailureClass.HANG),
    ("bmrt_test", "nothing", FailureClass.UNPARSED_OUTPUT),
    ("bmrt_test", "cut", FailureClass.UNPARSED_OUTPUT),
    ("bmrt_test", "short", FailureClass.UNPARSED_OUTPUT),
    ("bmrt_test", "zero", FailureClass.UNPARSED_OUTPUT),
    ("bmrt_test", "binary", FailureClass.UNPARSED_OUTPUT),
    ("bmrt_test", "cpu", FailureClass.TOOL_ERROR),
    ("bmrt_test", "error", FailureClass.TOOL_ERROR),
    ("bmrt_test", "fail_after", FailureClass.TOOL_ERROR),
    ("bmrt_test", "differs", FailureClass.OUTPUT_MISMATCH),
    ("bmrt_test", "memory", FailureClass.OUT_OF_DEVICE_MEMORY),
    ("bmrt_test", "crash", FailureClass.CRASH),
    ("bmrt_test", "hang", FailureClass.HANG),
    ("benchmark_app", "nothing", FailureClass.TOOL_ERROR),
    ("benchmark_app", "no_report", FailureClass.UNPARSED_OUTPUT),
    ("benchmark_app", "half_report", FailureClass.UNPARSED_OUTPUT),
    ("benchmark_app", "zero", FailureClass.UNPARSED_OUTPUT),
    ("benchmark_app", "other_device", FailureClass.TOOL_ERROR),
    ("benchmark_app", "error", FailureClass.TOOL_ERROR),
    ("benchmark_app", "crash", FailureClass.CRASH),
    ("benchmark_app", "hang", FailureClass.HANG),
]


@pytest.mark.parametrize("name", TOOLS)
def test_whatever_the_tool_does_ends_in_its_class(name, tmp_path, ssh_session):
    bench = Bench(name, tmp_path, ssh_session)
    expected = {fault: failure_class for tool, fault, failure_class in FAULTS if tool == name}
    found = {}
    for fault in expected:
        bench.fault(fault)
        outcome = bench.measure(deadline_s=3.0 if fault == "hang" else 60.0)
        assert isinstance(outcome, Failure), (fault, outcome)
        assert outcome.stage is Stage.MEASURE
        assert "\n" not in outcome.message
        found[fault] = outcome.failure_class
    assert found == expected
    assert not [folder for _, folder in bench.calls() if folder.exists()]


def test_a_tool_that_is_missing_says_where_it_was_looked_for(bench, monkeypatch):
    monkeypatch.setattr(environments, "find", lambda name: None)
    bench.options = {}
    found = bench.measure()
    assert found.failure_class is FailureClass.TOOL_MISSING
    assert f"{bench.name} in /usr/local/bin:/usr/bin:/bin" in found.message
    assert f"backend_options.{bench.name}" in found.message
    bench.options = {bench.name: "/opt/nowhere/it"}
    assert "looked for /opt/nowhere/it;" in bench.measure().message


def test_a_tool_that_may_not_be_executed_is_missing(bench):
    bench.tool.chmod(0o644)
    found = bench.measure()
    assert (found.failure_class, str(bench.tool) in found.message) == (FailureClass.TOOL_MISSING, True)


class Liar:
    """A session whose board has another file than it was sent."""

    def __init__(self, session) -> None:
        self._session = session

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        path = self._session.put(source, sha256)
        Path(path).write_text("us 1\n")
        return path

    def __getattr__(self, name):
        return getattr(self._session, name)


def test_a_board_that_holds_another_file_is_not_measured(bench):
    bench.session = Liar(bench.session)
    found = bench.measure()
    assert (found.stage, found.failure_class) == (Stage.TRANSFER, FailureClass.WRONG_ARTIFACT)
    assert not bench.tool.with_name(f"{bench.name}.calls").exists()


def test_a_file_that_changed_since_it_was_made_is_not_measured(bench):
    last = bench.artifact.path.with_name(FILES[bench.name][-1])
    last.write_text("us 1\n")
    found = bench.measure()
    assert (found.stage, found.failure_class) == (Stage.TRANSFER, FailureClass.WRONG_ARTIFACT)
    assert not bench.tool.with_name(f"{bench.name}.calls").exists()


def test_what_the_compiler_left_to_the_cpu_is_no_time_of_the_npu(rknn, tmp_path):
    said = (LOGS / "rknn/softmax.rk3566.log").read_text()
    rknn.artifact = artifact(tmp_path / "softmax", FILES["rknn_benchmark"], said, {"Softmax": 1})
    found = rknn.measure()
    assert (found.failure_class, found.operators) == (FailureClass.UNSUPPORTED_OPERATOR, ("Softmax",))


def test_placement_goes_with_the_time(rknn, tmp_path):
    said = (LOGS / "rknn/resnet18.rk3588.log").read_text()
    operators = {"Conv": 20, "Relu": 17}
    rknn.artifact = artifact(tmp_path / "resnet18", FILES["rknn_benchmark"], said, operators)
    assert rknn.measure().placement == {"Conv": "NPU", "Relu": "NPU"}


def test_a_cvimodel_has_no_bench_tool_that_is_known(bmrt, tmp_path):
    bmrt.artifact = artifact(tmp_path / "cv181x", ("model.cvimodel",))
    found = bmrt.measure()
    assert found.failure_class is FailureClass.TOOL_MISSING
    assert ".cvimodel" in found.message


def test_the_same_on_this_machine_where_paths_may_be_relative(bench, monkeypatch):
    monkeypatch.chdir(bench.folder)
    path, *extras = (file.relative_to(bench.folder) for file in (bench.artifact.path, *bench.artifact.extras))
    bench.artifact = replace(bench.artifact, path=path, extras=tuple(extras))
    bench.session = LocalSession()
    bench.options = {bench.name: f"opt/{bench.name}"}
    found = bench.measure()
    assert isinstance(found, Figures), found
    assert found.latency_us.n == 12


def test_a_board_that_goes_away_is_the_engine_s_to_judge(rknn, loopback_sshd):
    loopback_sshd.stop()
    with pytest.raises(BoardError):
        rknn.measure()
