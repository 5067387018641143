"""ffmpeg's argument lists for the cases. Pure; no shell ever sees them but as arguments."""

from collections.abc import Sequence

from npubench.benchmarks.codec.cases import CodecCase, Operation
from npubench.benchmarks.codec.encoders import ENCODERS, encoder_options
from npubench.benchmarks.codec.recipes import DECODERS, EXACT, FORMATS, RATE
from npubench.benchmarks.codec.settings import Settings

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
