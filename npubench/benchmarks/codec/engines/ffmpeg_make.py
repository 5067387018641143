"""Makes test data with an ffmpeg of this machine, where there is no PyAV."""

from collections.abc import Sequence
from pathlib import Path

from npubench.benchmarks.codec.engines.ffmpeg_argv import HASH
from npubench.benchmarks.codec.ffmpeg_output import parse_ffmpeg
from npubench.benchmarks.codec.media import Made
from npubench.benchmarks.codec.recipes import FORMATS, RATE, Recipe
from npubench.benchmarks.codec.tool_errors import failure_of
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.storage.hashing import sha256_of_file
from npubench.tools import process


def make(recipe: Recipe, path: Path, deadline_s: float, log: Path) -> Made | Failure:
    """Encode, decode, compare with the source."""

    def ffmpeg(words: Sequence[str]) -> Completed | Failure:
        argv = ["ffmpeg", "-nostdin", "-nostats", "-benchmark", "-progress", "pipe:1", "-y", *words]
        done = process.run(argv, timeout_s=deadline_s, log=log)
        failure = failure_of("ffmpeg", done)
        return Failure(Stage.EXPORT, failure.failure_class, failure.message) if failure else done

    made = ffmpeg([*source(recipe), *encoding(recipe), "-f", FORMATS[recipe.codec], str(path)])
    if isinstance(made, Failure):
        return made
    if recipe.codec == "raw":
        sha256 = sha256_of_file(path)
        frames = path.stat().st_size // (recipe.width * recipe.height * 3 // 2)
        return Made(sha256, frames, sha256, None, "testsrc2 of ffmpeg")
    read = ["-flags:v", "bitexact", "-idct", "simple", "-f", FORMATS[recipe.codec], "-i", str(path)]
    hashed = ffmpeg([*read, "-vf", f"format={recipe.pixels}", *HASH])
    if isinstance(hashed, Failure):
        return hashed
    compared = ffmpeg([*read, *_pictures(recipe), "-lavfi", _compare(recipe), "-f", "null", "-"])
    if isinstance(compared, Failure):
        return compared
    told, distance = parse_ffmpeg(hashed.output), parse_ffmpeg(compared.output).psnr_db
    if told.frames is None or told.sha256 is None or distance is None:
        message = f"ffmpeg told no frames, hash or PSNR of {recipe.name}: see the log"
        return Failure(Stage.EXPORT, FailureClass.UNPARSED_OUTPUT, message)
    return Made(
        sha256_of_file(path),
        told.frames,
        told.sha256,
        distance,
        f"{recipe.encoder} of ffmpeg {told.version}",
    )


def source(recipe: Recipe) -> list[str]:
    """The pictures of a recipe in its pixel format."""
    convert = f"scale=flags=bilinear+accurate_rnd+bitexact,format={recipe.pixels}"
    return [*_pictures(recipe), "-frames:v", str(recipe.frames), "-vf", convert]


def _pictures(recipe: Recipe) -> list[str]:
    seconds = recipe.frames / RATE
    size = f"{recipe.width}x{recipe.height}"
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={seconds:g}"]


def encoding(recipe: Recipe) -> list[str]:
    """The encoder with its options; x264's note of its own version is left out."""
    if recipe.codec == "raw":
        return []
    options = [word for name, value in recipe.options for word in (f"-{name}", value)]
    cleaned = ["-bsf:v", "filter_units=remove_types=6"] if recipe.codec == "h264" else []
    exact = ["-flags:v", "+bitexact", "-fflags", "+bitexact"]
    return ["-c:v", recipe.encoder, "-threads", "1", *options, *exact, *cleaned]


def _compare(recipe: Recipe) -> str:
    """The stream's frames with those of the source, in the stream's format."""
    return f"[1:v]format={recipe.pixels}[source];[0:v][source]psnr=shortest=1"
