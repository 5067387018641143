"""Several calls of a runner on a stand-in board, and the artifact that is measured."""

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pytest

from npubench.backends.axera.base import Artifacts
from npubench.backends.axera.pulsar import PulsarBackend
from npubench.domain.errors import BoardError
from npubench.domain.figures import npu_part
from npubench.domain.records import Artifact, Completed, FailureClass, Figures, Kind, Latency
from npubench.domain.specs import Precision, TensorSpec, TimingProtocol
from npubench.reporting.data.figures import whole_npu_upper_estimate
from npubench.storage.hashing import sha256_of_file
from tests.fakes import FakeSession, model

GOLDEN = (Path(__file__).parents[1] / "data" / "axera" / "run_joint.txt").read_text()


@dataclass
class Board(FakeSession):
    """Answers sha256sum with `held` and everything else with the next of `outputs`, of the asked rounds."""

    held: str = ""
    outputs: list[str] = field(default_factory=lambda: [GOLDEN])
    code: int = 0
    lost_rounds: int = 1
    commands: list[list[str]] = field(default_factory=list)

    def run(self, argv, timeout_s, log=None):
        self.commands.append(list(argv))
        if argv[0] == "sha256sum":
            return Completed(tuple(argv), 0, f"{self.held}  {argv[1]}\n", 0.0)
        output = self.outputs.pop(0) if len(self.outputs) > 1 else self.outputs[0]
        rounds = int(argv[argv.index("--repeat") + 1]) - self.lost_rounds
        return Completed(tuple(argv), self.code, output.replace("(99 rounds", f"({rounds} rounds"), 0.0)

    def put(self, source, sha256):
        return PurePosixPath("/board") / source.name


@pytest.fixture
def artifact(tmp_path):
    file = tmp_path / "m.joint"
    file.write_bytes(b"joint")
    settings = {"npu_mode": "111", "run_joint": "/opt/bin/run_joint"}
    resnet = replace(
        model(file),
        inputs=(TensorSpec("data", (1, 3, 224, 224)),),
        outputs=(TensorSpec("resnetv15_dense0_fwd", (1, 1000)),),
    )
    return Artifact(file, sha256_of_file(file), 5, "pulsar", {}, Precision.INT8, resnet, settings)


def measure(artifact, board, tmp_path, **timing):
    protocol = TimingProtocol(**{"warmup": 10, "repeat": 100, "rounds": 3, "min_duration_s": 0.0} | timing)
    return PulsarBackend().measure(artifact, board, protocol, 60, tmp_path / "log")


def test_calls_are_repeated_and_named_for_what_they_are(artifact, tmp_path):
    outputs = [GOLDEN, GOLDEN.replace("5415", "5515"), GOLDEN.replace("5415", "5465")]
    board = Board(held=artifact.sha256, outputs=outputs)
    figures = measure(artifact, board, tmp_path)
    assert figures.kind is Kind.MEASURED
    assert figures.artifact_sha256 == artifact.sha256
    assert figures.latency_us == Latency(n=297, mean=5465.0, spread=pytest.approx(100 / 5465))
    assert figures.call_means_us == (5415.0, 5515.0, 5465.0)
    assert "no percentile" in figures.statistic
    assert figures.npu_time_us == 5378.0
    assert figures.npu_mode == "111"
    assert figures.load_us == 569_690.0
    assert figures.memory_bytes == 13761984
    assert figures.host_overhead_us == pytest.approx((37 + 137 + 87) / 3)
    assert figures.samples_us == ()
    assert figures.throughput_fps is None
    assert board.commands[1] == ["/opt/bin/run_joint", "/board/m.joint", "--repeat", "100", "--warmup", "10"]


@pytest.mark.parametrize(
    ("printed", "other", "told"),
    [
        ("Input[0]: data", "Input[0]: other_input", "the input data is called other_input"),
        ("Output[0]: resnetv15_dense0_fwd", "Output[0]: boxes", "resnetv15_dense0_fwd is called boxes"),
        ("Shape [1, 1000] NHWC float32\n    Memory Physical\n    Size 4000",
         "Shape [1, 100] NHWC float32\n    Memory Physical\n    Size 400", "1x100 and not 1x1000"),
    ],
)  # fmt: skip
def test_tensors_of_another_model_are_the_wrong_artifact_s(artifact, tmp_path, printed, other, told):
    assert printed in GOLDEN
    board = Board(held=artifact.sha256, outputs=[GOLDEN.replace(printed, other)])
    failure = measure(artifact, board, tmp_path)
    assert failure.failure_class is FailureClass.WRONG_ARTIFACT
    assert told in failure.message


def test_later_calls_fill_the_minimum_duration(artifact, tmp_path):
    board = Board(held=artifact.sha256)
    measure(artifact, board, tmp_path, min_duration_s=3.0)
    repeats = [command[command.index("--repeat") + 1] for command in board.commands[1:]]
    assert repeats == ["100", "185", "185"]


def test_calls_count_by_their_runs(artifact, tmp_path):
    board = Board(held=artifact.sha256, outputs=[GOLDEN, GOLDEN.replace("5378", "5388")])
    figures = measure(artifact, board, tmp_path, min_duration_s=3.0)
    assert figures.details["runs_per_call"] == [99, 184, 184]
    assert figures.npu_time_us == pytest.approx((99 * 5378 + 368 * 5388) / 467)
    assert figures.host_overhead_us == pytest.approx((99 * 37 + 368 * 27) / 467)


def test_the_runner_is_told_the_mode_that_the_board_sets(artifact, tmp_path):
    board = Board(held=artifact.sha256)
    chosen = replace(artifact, settings={**artifact.settings, "run_joint_mode": "1_1"})
    assert isinstance(measure(chosen, board, tmp_path), Figures)
    assert board.commands[1][:4] == ["/opt/bin/run_joint", "/board/m.joint", "--mode", "1_1"]


def test_one_call_has_no_spread(artifact, tmp_path):
    figures = measure(artifact, Board(held=artifact.sha256), tmp_path, rounds=1)
    assert figures.latency_us.spread is None
    assert figures.latency_us.n == 99


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outputs": [""]}, FailureClass.UNPARSED_OUTPUT),
        ({"outputs": [GOLDEN], "code": 1}, FailureClass.TOOL_ERROR),
        ({"outputs": [GOLDEN.replace("npu mode is 1_1", "npu disable")]}, FailureClass.WRONG_NPU_MODE),
        ({"outputs": ["allocate CMM memory failed\n"]}, FailureClass.OUT_OF_DEVICE_MEMORY),
        ({"lost_rounds": 50}, FailureClass.UNPARSED_OUTPUT),
        ({"held": "0" * 64}, FailureClass.WRONG_ARTIFACT),
        ({"held": "sha256sum: no such file"}, FailureClass.TRANSFER_FAILED),
    ],
)
def test_what_is_no_measurement(artifact, tmp_path, changes, expected):
    board = Board(**{"held": artifact.sha256} | changes)
    assert measure(artifact, board, tmp_path).failure_class is expected


def test_output_that_cannot_be_read_is_kept(artifact, tmp_path):
    failure = measure(artifact, Board(held=artifact.sha256, outputs=["\x00\x01 nonsense"]), tmp_path)
    assert failure.detail == "\x00\x01 nonsense"


def test_a_board_that_goes_away_is_for_the_engine(artifact, tmp_path):
    class Gone(Board):
        def run(self, argv, timeout_s, log=None):
            raise BoardError("gone")

    with pytest.raises(BoardError):
        measure(artifact, Gone(), tmp_path)


def test_a_file_that_came_of_another_model_is_noticed(tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(b"one")
    one = model(file, "one")
    seen = Artifacts()
    assert seen.belongs_to_another("aa", one) is None
    file.write_bytes(b"the same network")
    assert seen.belongs_to_another("aa", model(file, "same")) is None
    import dataclasses

    other = dataclasses.replace(one, case="other", inputs=(TensorSpec("x", (9,)),))
    assert seen.belongs_to_another("aa", other) == "one"
    assert seen.belongs_to_another("bb", other) is None


def test_twice_half_an_npu_is_an_estimate():
    half = Figures(Kind.MEASURED, latency_us=Latency(n=9, mean=5000.0), npu=npu_part("111"))
    whole = whole_npu_upper_estimate(half)
    assert whole.kind is Kind.PREDICTED
    assert whole.throughput_fps == pytest.approx(400)
    assert whole.latency_us is None
    assert "upper estimate" in whole.details["basis"]
    simulated = Figures(Kind.SIMULATED, throughput_fps=41.02, npu=npu_part("112"))
    assert whole_npu_upper_estimate(simulated).throughput_fps == pytest.approx(82.04)


@pytest.mark.parametrize("mode", ["0", "NPU3", None])
def test_a_whole_npu_is_not_doubled(mode):
    figures = Figures(Kind.MEASURED, latency_us=Latency(n=9, mean=5000.0), npu=npu_part(mode))
    assert whole_npu_upper_estimate(figures) is None
