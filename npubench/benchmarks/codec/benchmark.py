"""The stage `codec`: cases, test data and engines put together."""

import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from npubench.benchmarks.codec import command, ffmpeg, gstreamer, pyav
from npubench.benchmarks.codec.cases import BY_NAME, CASES, RECIPES, Operation, Recipe
from npubench.benchmarks.codec.engine import EndedError, Engine, Work
from npubench.benchmarks.codec.figures import outcome
from npubench.benchmarks.codec.media import Made, MediaFile, media_file, read
from npubench.benchmarks.codec.settings import Settings, settings
from npubench.domain.errors import UsageError
from npubench.domain.notes import Note, NoteCode
from npubench.domain.protocols import Session
from npubench.domain.records import Failure, FailureClass, Outcome, Skip, Stage
from npubench.domain.specs import BenchmarkSpec, BoardSpec, CaseKind, Options
from npubench.storage.hashing import sha256_of_file

RUNS: Mapping[str, Engine] = {
    "pyav": pyav.run,
    "ffmpeg": ffmpeg.run,
    "gstreamer": gstreamer.run,
    "command": command.run,
}


class CodecBenchmark:
    """Cases of video, JPEG and image operations; see docs/codec.md for a board's options."""

    name = "codec"

    def cases(self, board: BoardSpec, options: Options) -> tuple[BenchmarkSpec, ...]:
        """All cases, also those that the board lacks. Raises UsageError for options that are not ours."""
        chosen = settings(board, options, default_engine(board))
        if chosen.engine == "pyav" and not board.shares_host:
            raise UsageError(
                f"board {board.name}: the codec engine pyav runs on this machine only:"
                " set benchmark_options.codec.engine to ffmpeg, gstreamer or command"
            )
        return tuple(
            BenchmarkSpec(case.name, CaseKind.CODEC, self.name, chosen.engine, plain(chosen, case.name))
            for case in CASES
        )

    def tools(self, case: BenchmarkSpec) -> Mapping[str, str]:
        """Of what runs here, and the hash of a user's model; a board's programs tell theirs when measured."""
        packages = ["av", "onnxruntime", "numpy"] if case.tool == "pyav" else []
        versions = {name: found for name in packages if (found := _version(name))}
        model = case.options["model"] if BY_NAME[case.name].operation is Operation.PIPELINE else ""
        return {**versions, **({"model": sha256_of_file(Path(model))} if model else {})}

    def prepare(
        self, case: BenchmarkSpec, board: BoardSpec, deadline_s: float, log: Path, say: Callable[[str], None]
    ) -> Mapping[str, Path] | Failure:
        """The input of a case, made when it is not in the cache."""
        del board
        recipe, chosen = RECIPES[BY_NAME[case.name].source], Settings(**case.options)
        if (reason := chosen.why_lacking(case.name)) is not None:
            message = f"the board cannot do {case.name}: {reason}"
            return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, message)
        if case.tool == "command" and chosen.command_for(case.name) is None:
            return {}
        found = _media(recipe, deadline_s, log, say)
        return found if isinstance(found, Failure) else {"input": found.path}

    def measure(
        self,
        case: BenchmarkSpec,
        files: Mapping[str, Path],
        session: Session,
        deadline_s: float,
        log: Path,
    ) -> Outcome:
        """Run the board's engine; what it found becomes figures when its checks hold."""
        if not files:
            return Skip(Note(NoteCode.NO_COMMAND, {"case": case.name}))
        codec_case = BY_NAME[case.name]
        found = read(files["input"].parent, RECIPES[codec_case.source])
        if found is None:
            message = f"{files['input'].name} was changed since it was made: run again"
            return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, message)
        work = Work(codec_case, Settings(**case.options), found.path, found.made, session, deadline_s, log)
        try:
            return outcome(codec_case, RUNS[case.tool](work))
        except EndedError as ended:
            return ended.outcome


def default_engine(board: BoardSpec) -> str:
    """On this machine PyAV, which tells frame by frame, or an ffmpeg that is here alone; elsewhere ffmpeg."""
    if board.shares_host and (find_spec("av") or not shutil.which("ffmpeg")):
        return "pyav"
    return "ffmpeg"


def plain(chosen: Settings, case: str) -> dict[str, Any]:
    """Settings as a case's options: of `lacks` and `commands` only what is about it."""
    lacking, declared = chosen.why_lacking(case), chosen.command_for(case)
    return {
        **msgspec.structs.asdict(chosen),
        "lacks": {case: lacking} if lacking else {},
        "commands": {case: dict(declared)} if declared and chosen.engine == "command" else {},
    }


def _media(recipe: Recipe, deadline_s: float, log: Path, say: Callable[[str], None]) -> MediaFile | Failure:
    """From the cache, or made by PyAV, else by an ffmpeg that is here."""
    if found := _version("av"):
        make, versions = pyav.make, {"av": found}
    elif program := shutil.which("ffmpeg"):
        make, versions = ffmpeg.make, {"ffmpeg": _identity(program)}
    else:
        message = f"test data needs PyAV or an ffmpeg on this machine: {pyav.INSTALL}"
        return Failure(Stage.EXPORT, FailureClass.TOOL_MISSING, message)

    def maker(recipe: Recipe, path: Path) -> Made | Failure:
        say(f"making {recipe.name}, kept for later runs")
        return make(recipe, path, deadline_s, log)

    return media_file(recipe, versions, maker)


def _identity(program: str) -> str:
    """What changes when the program does, without starting it."""
    path = Path(program).resolve()
    found = path.stat()
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
