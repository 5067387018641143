"""The codecs of an ffmpeg on the board: its arguments, its output, what it makes and measures."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npubench.benchmarks.codec.cases import CodecCase, Operation
from npubench.benchmarks.codec.engines.base import Work, failure_of, shell, with_streams
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.media import Made, expected_sha256
from npubench.benchmarks.codec.recipes import (
    DECODERS,
    ENCODERS,
    EXACT,
    FORMATS,
    RATE,
    Recipe,
    encoder_options,
)
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.records import Completed, Failure, FailureClass, Skip, Stage
from npubench.storage.hashing import sha256_of_file
from npubench.tools import process

_VERSION = re.compile(r"(?m)^ffmpeg version (\S{1,60}) Copyright")
_FRAME = re.compile(r"(?m)^frame=[ ]*([0-9]{1,12})$")
_END = re.compile(r"(?m)^progress=end$")
_SHA256 = re.compile(r"(?m)^SHA256=([0-9a-f]{64})$")
_SECONDS = r"([0-9]{1,9}\.[0-9]{1,6})s"
_BENCH = re.compile(rf"(?m)^bench: utime={_SECONDS} stime={_SECONDS} rtime={_SECONDS}$")

_PSNR = re.compile(r"(?m)^\[Parsed_psnr_[0-9]{1,4} @ \w{1,40}\] PSNR .{0,200}\bmin:([0-9]{1,4}\.[0-9]{1,9}) ")


@dataclass(frozen=True, slots=True)
class FfmpegOutput:
    """Of the last run in a text: frames written, seconds, processor seconds, their hash, least PSNR."""

    frames: int | None = None
    seconds: float | None = None
    cpu_s: float | None = None
    sha256: str | None = None
    version: str | None = None
    psnr_db: float | None = None


def parse_ffmpeg(text: str) -> FfmpegOutput:
    """What is there; the rest is None. Frames count only from a report that ended. Never raises."""
    text = text.replace("\r", "\n")
    end = _last(_END, text)
    frame = _last(_FRAME, text[: end.start()]) if end else None
    psnr = _last(_PSNR, text)
    bench, sha256, version = _last(_BENCH, text), _last(_SHA256, text), _VERSION.search(text)
    return FfmpegOutput(
        frames=int(frame[1]) if frame else None,
        seconds=float(bench[3]) if bench else None,
        cpu_s=float(bench[1]) + float(bench[2]) if bench else None,
        sha256=sha256[1] if sha256 else None,
        version=version[1] if version else None,
        psnr_db=float(psnr[1]) if psnr else None,
    )


def timed(runs: list[FfmpegOutput], frames_expected: int) -> Timed | None:
    """Rounds of runs; None when one of them told no frames or no time."""
    frames = [run.frames for run in runs if run.frames is not None]
    seconds = [run.seconds for run in runs if run.seconds]
    cpu = [run.cpu_s for run in runs if run.cpu_s is not None]
    if not runs or len(frames) < len(runs) or len(seconds) < len(runs):
        return None
    return Timed(tuple(frames), tuple(seconds), frames_expected, sum(cpu) if len(cpu) == len(runs) else None)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None


HASH = ("-f", "hash", "-hash", "sha256", "pipe:1")
NOTHING = ("-f", "null", "-")
CHECK_ENCODED = """\
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
program=$1 format=$2 pixels=$3 size=$4 source=$5
shift 5
"$program" "$@" coded || exit
"$program" -hide_banner -nostdin -nostats -progress pipe:1 -f "$format" -i coded \\
    -f rawvideo -pix_fmt nv12 -s "$size" -i "$source" -filter_complex \\
    "[0:v]format=$pixels,split[a][b];[1:v]format=$pixels[source];[b][source]psnr[distance]" \\
    -map "[a]" -f hash -hash sha256 pipe:1 -map "[distance]" -f null -
"""
"""Encodes into a folder of its own with `$6...`; decodes what came of it, with the same program, and
compares it with the source."""


def program(settings: Settings) -> str:
    """What is run: the board's own, else what PATH has."""
    return settings.program or "ffmpeg"


def decode(case: CodecCase, settings: Settings, path: str, loops: int, exact: bool) -> list[str]:
    """Decode a stream `loops` times over, to a hash of the frames or to nothing."""
    stream = path if loops == 1 else "concat:" + "|".join([path] * loops)
    how = ["-flags:v", "bitexact", "-idct", "simple"] if exact and not settings.hardware else []
    name = [DECODERS[case.codec], settings.hardware]
    filters = [settings.frame_format] if settings.frame_format and exact else []
    filters += [f"format={_pixels(case)}"] if exact else []
    return [
        *_head(settings, exact),
        *("-threads", str(settings.threads), *how, "-c:v", "_".join(part for part in name if part)),
        *("-f", FORMATS[case.codec], "-i", stream),
        *(("-vf", ",".join(filters)) if filters else ()),
        *(HASH if exact else NOTHING),
    ]


def encode(case: CodecCase, settings: Settings, path: str, frames: int, exact: bool) -> list[str]:
    """Encode `frames` frames, to nothing or (`exact`) to what the caller adds, without the program's name."""
    name = encoder(case, settings)
    options = [word for pair in encoder_options(name, settings.threads).items() for word in _option(pair)]
    pixels = ["-pix_fmt", _pixels(case)] if not settings.hardware else []
    return [
        *_head(settings, exact)[1:],
        *_raw(case, path, loop=True),
        *("-frames:v", str(frames), "-threads", str(settings.threads), "-c:v", name, *options, *pixels),
        *(() if exact else NOTHING),
    ]


def encoder(case: CodecCase, settings: Settings) -> str:
    """FFmpeg's name of the encoder."""
    return f"{DECODERS[case.codec]}_{settings.hardware}" if settings.hardware else ENCODERS[case.codec]


def image(case: CodecCase, settings: Settings, path: str, frames: int, exact: bool) -> list[str]:
    """Run the case's filters on `frames` frames, to a hash of the results or to nothing."""
    chain = case.filters.format(exact=EXACT if exact else "")
    return [
        *_head(settings, exact),
        *("-filter_threads", str(settings.threads)),
        *_raw(case, path, loop=not exact),
        *("-frames:v", str(frames), "-vf", chain),
        *(HASH if exact else NOTHING),
    ]


def check_encoded(case: CodecCase, argv: Sequence[str], settings: Settings, path: str) -> tuple[str, ...]:
    """Arguments of the script CHECK_ENCODED."""
    return (
        program(settings),
        FORMATS[case.codec],
        _pixels(case),
        f"{case.width}x{case.height}",
        path,
        *argv,
        *("-f", FORMATS[case.codec]),
    )


def _head(settings: Settings, banner: bool) -> list[str]:
    # The banner tells the version, once.
    quiet = [] if banner else ["-hide_banner"]
    return [program(settings), *quiet, "-nostdin", "-nostats", "-benchmark", "-progress", "pipe:1"]


def _raw(case: CodecCase, path: str, loop: bool) -> list[str]:
    again = ["-stream_loop", "-1"] if loop else []
    size = f"{case.width}x{case.height}"
    return [*again, "-f", "rawvideo", "-pix_fmt", "nv12", "-s", size, "-framerate", str(RATE), "-i", path]


def _pixels(case: CodecCase) -> str:
    """What frames are compared in; JPEG's have the full range, and keep it."""
    if case.operation is Operation.IMAGE:
        return "bgr24"
    return "yuvj420p" if case.codec == "jpeg" else "yuv420p"


def _option(pair: tuple[str, str]) -> tuple[str, str]:
    return (f"-{pair[0]}", pair[1])


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


ROUNDS = 3
TOOL = "ffmpeg"
Argv = Callable[[int], list[str]]
"""The argument list that does a number of units: loops of a stream, or frames."""


def run(work: Work) -> Found | Failure | Skip:
    """One case: an exact pass that is checked, timed rounds, and the search for streams."""
    path = str(work.session.put(work.path, work.made.sha256))
    match work.case.operation:
        case Operation.DECODE:
            return _decode(work, path)
        case Operation.ENCODE:
            return _encode(work, path)
        case Operation.IMAGE:
            return _image(work, path)
        case Operation.PIPELINE:
            return Skip("ffmpeg runs no model: the engines pyav and command have this case")


def _decode(work: Work, path: str) -> Found | Failure:
    case, settings = work.case, work.settings

    def argv(loops: int) -> list[str]:
        return decode(case, settings, path, loops, exact=False)

    exact = _ffmpeg(work, decode(case, settings, path, 1, exact=True))
    if isinstance(exact, Failure):
        return exact
    times = _rounds(work, argv, per_unit=work.made.frames)
    if isinstance(times, Failure):
        return times
    found = _found(work, exact, times, work.made.frames, work.made.psnr_db)
    return found if isinstance(found, Failure) else with_streams(work, found, TOOL, argv, work.made.frames)


def _encode(work: Work, path: str) -> Found | Failure:
    case, settings = work.case, work.settings

    def argv(frames: int) -> list[str]:
        return [program(settings), *encode(case, settings, path, frames, exact=False)]

    frames = work.made.frames
    words = check_encoded(case, encode(case, settings, path, frames, exact=True), settings, path)
    exact = _ffmpeg(work, list(shell(CHECK_ENCODED, *words)))
    if isinstance(exact, Failure):
        return exact
    times = _rounds(work, argv, per_unit=1, first=2 * frames)
    if isinstance(times, Failure):
        return times
    return _found(work, exact, times, frames, exact.psnr_db, {"encoder": encoder(case, settings)})


def _image(work: Work, path: str) -> Found | Failure:
    case, settings, frames = work.case, work.settings, work.made.frames
    exact = _ffmpeg(work, image(case, settings, path, frames, exact=True))
    if isinstance(exact, Failure):
        return exact

    def argv(number: int) -> list[str]:
        return image(case, settings, path, number, exact=False)

    times = _rounds(work, argv, per_unit=1, first=4 * frames)
    return times if isinstance(times, Failure) else _found(work, exact, times, frames, None)


def _ffmpeg(work: Work, argv: Sequence[str]) -> FfmpegOutput | Failure:
    # env ends with 127 where there is no such program; that says nothing about the board's link.
    done = work.session.run(["env", *argv], work.deadline_s, work.log)
    return failure_of(TOOL, done) or parse_ffmpeg(done.output)


def _rounds(work: Work, argv: Argv, per_unit: int, first: int = 1) -> Timed | Failure:
    """A short run says how many units a round of the asked length has; then the rounds, all of one size."""
    trial = _ffmpeg(work, argv(first))
    if isinstance(trial, Failure):
        return trial
    settings = work.settings
    if not trial.seconds or not trial.frames:
        return _silent("a first run")
    wanted_s = max(settings.least_s, min(settings.most_s, 2 * settings.least_s)) / ROUNDS
    units = max(1, math.ceil(first * wanted_s / trial.seconds))
    runs = []
    for _ in range(ROUNDS):
        one = _ffmpeg(work, argv(units))
        if isinstance(one, Failure):
            return one
        runs.append(one)
    return timed(runs, ROUNDS * units * per_unit) or _silent("a round")


def _silent(what: str) -> Failure:
    message = f"ffmpeg told neither frames nor time of {what}: see the log"
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def _found(
    work: Work,
    exact: FfmpegOutput,
    times: Timed,
    frames: int,
    psnr_db: float | None,
    more: Mapping[str, str] | None = None,
) -> Found | Failure:
    if exact.frames is None or exact.sha256 is None:
        return _silent("the checked pass")
    expected = expected_sha256(work.case, work.made, ffmpeg=not work.settings.hardware)
    told = {"encoded_by": work.made.encoder, "input_sha256": work.made.sha256}
    return Found(
        Checked(exact.frames, frames, exact.sha256, expected, psnr_db),
        times,
        "_".join(part for part in (TOOL, work.settings.hardware) if part),
        threads=work.settings.threads,
        input_sha256=work.made.sha256,
        tools={TOOL: exact.version} if exact.version else {},
        more={**told, **(more or {})},
    )
