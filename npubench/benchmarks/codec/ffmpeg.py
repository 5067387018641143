"""The codecs of an ffmpeg on the board: its arguments, its output, what it makes and measures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npubench.benchmarks.codec.cases import (
    DECODERS,
    ENCODERS,
    EXACT,
    FORMATS,
    RATE,
    CodecCase,
    Operation,
    Recipe,
    encoder_options,
)
from npubench.benchmarks.codec.engine import (
    EndedError,
    Pass,
    Work,
    ended,
    failure_of,
    rounds,
    shell,
    with_streams,
)
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.media import Made, expected_sha256
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.records import Failure, FailureClass, Skip, Stage
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
class FfmpegOutput(Pass):
    """Of the last run in a text; with the hash of the frames written, and their least PSNR."""

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
    read = ["-flags:v", "bitexact", "-idct", "simple", "-f", FORMATS[recipe.codec], "-i", str(path)]
    steps = (
        [*source(recipe), *encoding(recipe), "-f", FORMATS[recipe.codec], str(path)],
        [*read, "-vf", f"format={recipe.pixels}", *HASH],
        [*read, *_pictures(recipe), "-lavfi", _compare(recipe), *NOTHING],
    )
    said = []
    for words in steps[:1] if recipe.codec == "raw" else steps:
        argv = ["ffmpeg", "-nostdin", "-nostats", "-benchmark", "-progress", "pipe:1", "-y", *words]
        done = process.run(argv, timeout_s=deadline_s, log=log)
        if failure := failure_of("ffmpeg", done):
            return replace(failure, stage=Stage.EXPORT)
        said.append(parse_ffmpeg(done.output))
    if recipe.codec == "raw":
        sha256 = sha256_of_file(path)
        frames = path.stat().st_size // (recipe.width * recipe.height * 3 // 2)
        return Made(sha256, frames, sha256, None, "testsrc2 of ffmpeg")
    _, told, compared = said
    distance = compared.psnr_db
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


TOOL = "ffmpeg"


def run(work: Work) -> Found:
    """One case: an exact pass that is checked, timed rounds, and the search for streams."""
    if work.case.operation is Operation.PIPELINE:
        raise EndedError(Skip("ffmpeg runs no model: the engines pyav and command have this case"))
    case, settings, frames, path = work.case, work.settings, work.made.frames, work.put()
    if case.operation is Operation.DECODE:
        exact = _ffmpeg(work, decode(case, settings, path, 1, exact=True))

        def argv(loops: int) -> list[str]:
            return decode(case, settings, path, loops, exact=False)

        times = rounds(settings, TOOL, lambda loops: _ffmpeg(work, argv(loops)), frames)
        return with_streams(work, _found(work, exact, times, work.made.psnr_db), TOOL, argv, frames)
    if case.operation is Operation.ENCODE:
        words = check_encoded(case, encode(case, settings, path, frames, exact=True), settings, path)
        exact = _ffmpeg(work, shell(CHECK_ENCODED, *words))
        times = rounds(
            settings,
            TOOL,
            lambda number: _ffmpeg(
                work, [program(settings), *encode(case, settings, path, number, exact=False)]
            ),
            *(1, 2 * frames),
        )
        return _found(work, exact, times, exact.psnr_db, encoder=encoder(case, settings))
    exact = _ffmpeg(work, image(case, settings, path, frames, exact=True))
    times = rounds(
        settings,
        TOOL,
        lambda number: _ffmpeg(work, image(case, settings, path, number, exact=False)),
        *(1, 4 * frames),
    )
    return _found(work, exact, times, None)


def _ffmpeg(work: Work, argv: Sequence[str]) -> FfmpegOutput:
    # env ends with 127 where there is no such program; that says nothing about the board's link.
    return parse_ffmpeg(work.run(TOOL, ["env", *argv]))


def _found(work: Work, exact: FfmpegOutput, times: Timed, psnr_db: float | None, **more: str) -> Found:
    if exact.frames is None or exact.sha256 is None:
        message = "ffmpeg told neither frames nor their hash of the checked pass: see the log"
        raise ended(FailureClass.UNPARSED_OUTPUT, message)
    expected = expected_sha256(work.case, work.made, ffmpeg=not work.settings.hardware)
    checked = Checked(exact.frames, work.made.frames, exact.sha256, expected, psnr_db)
    tools = {TOOL: exact.version} if exact.version else {}
    return replace(work.found(TOOL, checked, times, **more), tools=tools)
