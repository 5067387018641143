"""Every seam of npubench on one page.

Implementations are found through entry points: groups `npubench.backends`, `npubench.benchmarks`,
`npubench.transports`; `npubench.board_commands` are click commands of `npubench board`.
A step returns a `Failure` as a value when the case is at fault; it raises only when npubench is
asked to stop (`Interrupted`) or cannot go on at all (`NpubenchError`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from npubench.domain.figures import Figures
from npubench.domain.leases import Claim, Held
from npubench.domain.records import (
    Artifact,
    BoardState,
    Completed,
    Failure,
    LogCase,
    OnnxModel,
    Outcome,
    Predictions,
    ToolInfo,
)
from npubench.domain.specs import BenchmarkSpec, BoardSpec, CaseSpec, Options, Target, TimingProtocol


@runtime_checkable
class Exporter(Protocol):
    """Makes an ONNX file from a spec."""

    def version(self, spec: CaseSpec) -> str:
        """Whatever besides the spec decides the file, as one string; cheap, starts no process."""

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Write the model below `workdir`, a new private folder; tool output is appended to `log`."""


@runtime_checkable
class TwinExporter(Exporter, Protocol):
    """An exporter that can tell before the work that two specs come to the same file."""

    def network(self, spec: CaseSpec, workdir: Path, log: Path) -> str:
        """Digest of all that decides the file; empty where only exporting tells. `workdir` is `export`'s."""

    def twin(self, spec: CaseSpec, made: OnnxModel, workdir: Path) -> OnnxModel:
        """What `export` would give, from what it gave for another spec of the same network."""


@runtime_checkable
class Session(Protocol):
    """A live connection to one board."""

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command on the board; never through a shell of its own making. Appends output to `log`."""

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        """Bring a file to the board, unless it holds that hash; the path there. Raises BoardError."""

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Fetch a file from the board. Raises BoardError."""

    def facts(self) -> BoardState:
        """The board's state now."""

    def close(self) -> None:
        """End the connection."""


@runtime_checkable
class Alternating(Protocol):
    """A session of one of several cases that are measured at once on a machine, a round each in turn."""

    @property
    def alternates(self) -> bool:
        """Whether there are others: then a worker of npubench's own passes its turn on between rounds."""


@runtime_checkable
class TakingTurns(Protocol):
    """A session of a machine that can be measured so."""

    def in_turn(self, pass_on: Callable[[], None]) -> Session:
        """The same machine for one of the cases; `pass_on` waits until the others have had their turn."""


@runtime_checkable
class Leasing(Protocol):
    """A session whose board is measured by one run at a time."""

    def take(self, claim: Claim, force: bool = False) -> Held | None:
        """Hold the board until the session is closed; who holds it, when somebody else does.

        With `force` whoever holds it loses it. Raises BoardError where no lease can be kept.
        """

    def holder(self) -> Held | None:
        """Who holds the board, this session included. Raises like `take`."""


@runtime_checkable
class Transport(Protocol):
    """Reaches boards of one kind."""

    name: str

    def connect(self, board: BoardSpec) -> Session:
        """Open a session. Raises BoardError with what to do."""


@runtime_checkable
class OverSsh(Protocol):
    """A transport whose boards are behind SSH, however it finds them."""

    def over_ssh(self, board: BoardSpec) -> BoardSpec:
        """The board with what SSH needs in its options. Raises BoardError."""


@runtime_checkable
class Locating(Protocol):
    """A transport that can tell without connecting that two boards are one machine, and wrong options."""

    def check(self, board: BoardSpec) -> None:
        """Raises UsageError for `transport_options` that cannot be used; connects to nothing."""

    def place(self, board: BoardSpec) -> str:
        """The same for boards on one machine; may ask a name server. Raises UsageError, BoardError."""


@runtime_checkable
class Backend(Protocol):
    """One toolchain."""

    name: str

    def probe(self) -> ToolInfo:
        """Versions, or why it is not usable here; cheap (an unchanged run calls it too)."""

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Prepare the model for the target inside `workdir`, a new private folder."""

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The tool's own simulation, if it has one; pure: reads only what `compile` kept."""

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Run the artifact on the board."""


@runtime_checkable
class Checking(Protocol):
    """A backend that knows without a model whether a board's options make sense."""

    def check(self, chip: str) -> None:
        """Raises UsageError for `backend_options` that cannot be used for this chip; starts nothing."""


@runtime_checkable
class Benching(Protocol):
    """A backend that measures by a program of its vendor's, which lies on the board."""

    def runner(self) -> tuple[str, Sequence[str]]:
        """Its name, and where it may lie: paths, or names to look for in PATH. Raises UsageError."""


Connect = Callable[[], Session]
"""Opens a session on the board of a job. Raises BoardError."""


@runtime_checkable
class Predicting(Protocol):
    """A backend that can run a data set through an artifact: what `npubench accuracy` needs."""

    def predict(
        self, artifact: Artifact, target: Target, inputs: Path, connect: Connect, workdir: Path, log: Path
    ) -> Predictions | Failure:
        """The first output for every sample of `inputs`, an .npy of samples x input without batch.

        `connect` opens the board's session, for a backend that needs the board; whoever opened it closes
        it. `target` is what the artifact was compiled for, with its deadline. The file is written below
        `workdir`, a new private folder. Losses by layer where the tool tells.
        """


@runtime_checkable
class Fusing(Protocol):
    """A backend whose runtime tells which operators are one kernel: what `npubench predict` counts."""

    def fused(self, artifact: Artifact, workdir: Path, log: Path) -> Path | Failure:
        """Write the graph that the runtime makes of an artifact below `workdir`; tensors keep their names."""


@runtime_checkable
class Simulating(Protocol):
    """A backend whose `compile` runs a simulator: what `npubench convert --cut` joins and compares."""

    def simulated(self, workdir: Path) -> tuple[tuple[Path, ...], ...]:
        """Outputs that `compile` left in `workdir`: for each of the first evaluation samples an .npy an
        output of the model, in its order; empty where there are none."""


@runtime_checkable
class SimulatingLater(Protocol):
    """A backend that simulates what `compile` made in a step of its own: the artifact is kept before it."""

    def to_simulate(self, artifact: Artifact) -> bool:
        """Whether that was not tried yet."""

    def simulate(self, artifact: Artifact, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """The same artifact in `workdir`, a new private folder, with what `estimate` reads beside it.

        A failure where the simulation shows that the artifact is wrong.
        """


@runtime_checkable
class LogReading(Protocol):
    """A backend that reads what its compiler and its boards' runners printed elsewhere: `import logs`."""

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """The cases of one log, in their order; none where it is no log of this backend's tools. Pure.

        `text` is a whole file without colours and blanks at line ends, perhaps cut within its last line. What
        a cut or damaged log does not tell for certain is a `Failure` or left out, never another figure.
        """


OpenHost = Callable[[str], Session]
"""Opens a session on the build host of that name; whoever opened it closes it."""


@runtime_checkable
class Interleaving(Protocol):
    """A backend that passes its turn on between two rounds, where the session alternates."""

    interleaves: bool


@runtime_checkable
class Configurable(Protocol):
    """A backend whose toolchain depends on the board: which image, which command, which build host."""

    def configured(self, options: Options, open_host: OpenHost) -> Backend:
        """A backend of its own for a board with these `backend_options`."""


@runtime_checkable
class BoardBenchmark(Protocol):
    """Measures something of a board besides models: its processor, its codecs. `name` is also a stage."""

    name: str

    def cases(self, board: BoardSpec, options: Options) -> tuple[BenchmarkSpec, ...]:
        """What there is to measure, without connecting; `options` are the command line's.

        Raises UsageError for options, or a board's `benchmark_options`, that it does not know.
        """

    def tools(self, case: BenchmarkSpec) -> Mapping[str, str]:
        """Versions that decide the figures besides the case itself; cheap, starts no process."""

    def prepare(
        self, case: BenchmarkSpec, board: BoardSpec, deadline_s: float, log: Path, say: Callable[[str], None]
    ) -> Mapping[str, Path] | Failure:
        """Files that `measure` needs, made here or taken from a cache; `say` tells of slow work."""

    def measure(
        self,
        case: BenchmarkSpec,
        files: Mapping[str, Path],
        session: Session,
        deadline_s: float,
        log: Path,
    ) -> Outcome:
        """Measure on the board; output of programs is appended to `log`. Raises like `Session`."""
