"""The codecs of an ffmpeg on the board: its arguments, its output, what it makes and measures."""

import re
from collections.abc import Iterable, Sequence
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
from npubench.domain.notes import Note, NoteCode
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


TOOL = "ffmpeg"
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


def argv_of(case: CodecCase, settings: Settings, path: str, units: int, exact: bool) -> list[str]:
    """Do a case on so many units (loops of a stream, or frames), to nothing or to be checked (`exact`).

    Checked are a hash of the frames, and of an encoder the distance of what it coded, too.
    """
    threads, codec, hardware = str(settings.threads), case.codec, settings.hardware
    # The banner tells the version, once.
    quiet = [] if exact else ["-hide_banner"]
    head = [settings.program or TOOL, *quiet, "-nostdin", "-nostats", "-benchmark", "-progress", "pipe:1"]
    end = HASH if exact else NOTHING
    if case.operation is Operation.DECODE:
        how = ["-flags:v", "bitexact", "-idct", "simple"] if exact and not hardware else []
        name = f"{DECODERS[codec]}_{hardware}" if hardware else DECODERS[codec]
        stream = path if units == 1 else "concat:" + "|".join([path] * units)
        fetched = f"{settings.frame_format}," if settings.frame_format else ""
        filters = ["-vf", f"{fetched}format={_pixels(case)}"] if exact else []
        words = [*head, "-threads", threads, *how, "-c:v", name, "-f", FORMATS[codec], "-i", stream]
        return [*words, *filters, *end]
    size = f"{case.width}x{case.height}"
    raw = ["-f", "rawvideo", "-pix_fmt", "nv12", "-s", size, "-framerate", str(RATE), "-i", path]
    raw += ["-frames:v", str(units)]
    again = ["-stream_loop", "-1"]
    if case.operation is Operation.IMAGE:
        chain = case.filters.format(exact=EXACT if exact else "")
        looped = [] if exact else again
        return [*head, "-filter_threads", threads, *looped, *raw, "-vf", chain, *end]
    name = encoder(case, settings)
    options = _options(encoder_options(name, settings.threads).items())
    pixels = [] if hardware else ["-pix_fmt", _pixels(case)]
    words = [*head, *again, *raw, "-threads", threads, "-c:v", name, *options, *pixels]
    if not exact:
        return [*words, *NOTHING]
    words[1:1] = [FORMATS[codec], _pixels(case), size, path]
    return [*shell(CHECK_ENCODED, *words, "-f", FORMATS[codec])]


def encoder(case: CodecCase, settings: Settings) -> str:
    """FFmpeg's name of the encoder."""
    return f"{DECODERS[case.codec]}_{settings.hardware}" if settings.hardware else ENCODERS[case.codec]


def _pixels(case: CodecCase) -> str:
    """What frames are compared in; JPEG's have the full range, and keep it."""
    if case.operation is Operation.IMAGE:
        return "bgr24"
    return "yuvj420p" if case.codec == "jpeg" else "yuv420p"


def _options(options: Iterable[tuple[str, str]]) -> list[str]:
    return [word for name, value in options for word in (f"-{name}", value)]


def make(recipe: Recipe, path: Path, deadline_s: float, log: Path) -> Made | Failure:
    """Encode, decode, compare with the source."""
    steps = _steps(recipe, path)
    said = []
    for words in steps:
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


def _steps(recipe: Recipe, path: Path) -> list[list[str]]:
    """Write the pictures, encoded; hash what is decoded again, and compare it with them."""
    size, seconds, output = f"{recipe.width}x{recipe.height}", recipe.frames / RATE, FORMATS[recipe.codec]
    pictures = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={seconds:g}"]
    convert = f"scale=flags=bilinear+accurate_rnd+bitexact,format={recipe.pixels}"
    drawn = [*pictures, "-frames:v", str(recipe.frames), "-vf", convert]
    if recipe.codec == "raw":
        return [[*drawn, "-f", output, str(path)]]
    coded = ["-c:v", recipe.encoder, "-threads", "1", *_options(recipe.options)]
    coded += ["-flags:v", "+bitexact", "-fflags", "+bitexact"]
    # Without x264's note of its own version.
    cleaned = ["-bsf:v", "filter_units=remove_types=6"] if recipe.codec == "h264" else []
    read = ["-flags:v", "bitexact", "-idct", "simple", "-f", output, "-i", str(path)]
    compare = f"[1:v]format={recipe.pixels}[source];[0:v][source]psnr=shortest=1"
    return [
        [*drawn, *coded, *cleaned, "-f", output, str(path)],
        [*read, "-vf", f"format={recipe.pixels}", *HASH],
        [*read, *pictures, "-lavfi", compare, *NOTHING],
    ]


def run(work: Work) -> Found:
    """One case: an exact pass that is checked, timed rounds, and the search for streams."""
    if work.case.operation is Operation.PIPELINE:
        raise EndedError(Skip(Note(NoteCode.NO_MODEL_RUN, {"tool": "ffmpeg"})))
    case, settings, frames, path = work.case, work.settings, work.made.frames, work.put()
    decodes, encodes = case.operation is Operation.DECODE, case.operation is Operation.ENCODE

    def argv(units: int) -> list[str]:
        return argv_of(case, settings, path, units, exact=False)

    exact = _ffmpeg(work, argv_of(case, settings, path, 1 if decodes else frames, exact=True))
    per_unit, first = (frames, 1) if decodes else (1, 2 * frames if encodes else 4 * frames)
    times = rounds(settings, TOOL, lambda units: _ffmpeg(work, argv(units)), per_unit, first)
    more = {"encoder": encoder(case, settings)} if encodes else {}
    found = _found(work, exact, times, work.made.psnr_db if decodes else exact.psnr_db, **more)
    return with_streams(work, found, TOOL, argv, frames)


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
