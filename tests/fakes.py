"""Stand-ins for the seams of `protocols.py`: real files and hashes, no process and no network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from npubench.domain.errors import BoardError
from npubench.domain.records import (
    Artifact,
    BoardState,
    Completed,
    Failure,
    Figures,
    Kind,
    Latency,
    OnnxModel,
    ToolInfo,
)
from npubench.domain.specs import (
    BoardSpec,
    CaseSpec,
    OperatorSpec,
    Precision,
    Target,
    TensorSpec,
    TimingProtocol,
)
from npubench.storage.hashing import sha256_of_file


def case(name: str) -> OperatorSpec:
    x = TensorSpec("x", (1, 3))
    return OperatorSpec(name, "Relu", 13, (x,), (), (), ("y",))


def board(name: str = "desk", **changes: object) -> BoardSpec:
    spec = BoardSpec(name, name, "chip", "fake", "fake", (Precision.FP32,))
    return replace(spec, **changes)  # type: ignore[arg-type]


def model(path: Path, name: str = "relu") -> OnnxModel:
    x, y = TensorSpec("x", (1, 3)), TensorSpec("y", (1, 3))
    size = path.stat().st_size
    return OnnxModel(name, path, sha256_of_file(path), 13, (x,), (y,), {"Relu": 1}, 0, 0, 12, size)


class FakeExporter:
    """Writes the case's name; counts what it exports."""

    def __init__(self) -> None:
        self.exported: list[str] = []

    def version(self, spec: CaseSpec) -> str:
        return "1"

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        self.exported.append(spec.name)
        file = workdir / "model.onnx"
        file.write_text(spec.name)
        return model(file, spec.name)


class FakeTwinExporter(FakeExporter):
    """Takes cases for one network whose names begin with the same letter."""

    def network(self, spec: CaseSpec, workdir: Path, log: Path) -> str:
        return "" if spec.name.startswith("alone") else spec.name[0]

    def twin(self, spec: CaseSpec, made: OnnxModel, workdir: Path) -> OnnxModel:
        return replace(made, case=spec.name)


@dataclass
class FakeSession:
    """A board that is there until `lost` says otherwise."""

    lost: Callable[[], bool] = lambda: False
    closed: bool = False
    boots: int = 0

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        return Completed(tuple(argv), 0, "", 0.0)

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        if self.lost():
            raise BoardError("the board went away")
        return PurePosixPath(source)

    def get(self, source: PurePosixPath, target: Path) -> None:
        target.write_bytes(Path(source).read_bytes())

    def facts(self) -> BoardState:
        return BoardState("2026-01-01T00:00:00Z", hostname="desk")

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeTransport:
    """Connects to sessions that the test made."""

    session: FakeSession = field(default_factory=FakeSession)
    refuses: bool = False
    connects: int = 0
    name: str = "fake"

    def connect(self, board: BoardSpec) -> FakeSession:
        self.connects += 1
        if self.refuses:
            raise BoardError(f"{board.name} does not answer")
        return self.session


@dataclass
class FakeBackend:
    """Copies the model; measures what `outcome` says."""

    outcome: Callable[[Artifact], Figures | Failure] | None = None
    compiled: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    name: str = "fake"
    estimated: Figures | None = None

    def probe(self) -> ToolInfo:
        return ToolInfo(self.name, True, {"fake": "1"})

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        self.compiled.append(model.case)
        file = workdir / "model.bin"
        file.write_bytes(model.path.read_bytes() + target.precision.encode())
        size = file.stat().st_size
        return Artifact(file, sha256_of_file(file), size, self.name, {"fake": "1"}, target.precision, model)

    def estimate(self, artifact: Artifact) -> Figures | None:
        return self.estimated

    def measure(
        self,
        artifact: Artifact,
        session: FakeSession,
        timing: TimingProtocol,
        deadline_s: float,
        log: Path,
    ) -> Figures | Failure:
        session.put(artifact.path, artifact.sha256)
        self.measured.append(artifact.onnx.case)
        if self.outcome:
            return self.outcome(artifact)
        return figures(artifact)


def figures(artifact: Artifact) -> Figures:
    latency = Latency(n=3, mean=2.0, p50=2.0, min=1.0, max=3.0, rounds_p50=(2.0,))
    return Figures(Kind.MEASURED, latency, artifact_sha256=artifact.sha256, samples_us=((1.0, 2.0, 3.0),))
