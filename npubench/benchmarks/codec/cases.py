"""What the stage `codec` measures, and of what: the same on every board, whatever runs the cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

HOLDS_FPS = 25.0
"""Frames a second at which a stream counts as held: PAL, the slowest rate that cameras are sold for."""


class Operation(StrEnum):
    """What is done with frames."""

    DECODE = "decode"
    ENCODE = "encode"
    IMAGE = "image"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class CodecCase:
    """One case. `codec` is h264, h265, jpeg or raw; `width` and `height` are those of its input.

    `source` names the recipe of its input, `filters` is what an image case does, as a
    filter chain of FFmpeg with `{exact}` where flags can ask for exact rounding, and `output` the width
    and height that come of it.
    """

    name: str
    operation: Operation
    codec: str
    source: str
    width: int = 1920
    height: int = 1080
    filters: str = ""
    output: tuple[int, int] | None = None

    @property
    def counts_streams(self) -> bool:
        """Whether the number of streams that hold 25 fps is searched for: video, not single pictures."""
        return self.operation is Operation.DECODE and self.codec != "jpeg"


TO_BGR = "scale=flags=bicubic{exact},format=bgr24"
LETTERBOX = "scale=640:360:flags=bilinear{exact},format=bgr24,pad=640:640:0:140:color=0x727272"
ROI = "crop=448:448:736:316,scale=224:224:flags=bilinear{exact},format=bgr24"

CASES = (
    CodecCase("decode-h264-1080p", Operation.DECODE, "h264", "h264-1080p"),
    CodecCase("decode-h265-1080p", Operation.DECODE, "h265", "h265-1080p"),
    CodecCase("decode-h264-4k", Operation.DECODE, "h264", "h264-4k", 3840, 2160),
    CodecCase("decode-h265-4k", Operation.DECODE, "h265", "h265-4k", 3840, 2160),
    CodecCase("encode-h264-1080p", Operation.ENCODE, "h264", "nv12-1080p"),
    CodecCase("encode-h265-1080p", Operation.ENCODE, "h265", "nv12-1080p"),
    CodecCase("decode-jpeg-1080p", Operation.DECODE, "jpeg", "jpeg-1080p"),
    CodecCase("encode-jpeg-1080p", Operation.ENCODE, "jpeg", "nv12-1080p"),
    CodecCase("nv12-to-bgr-1080p", Operation.IMAGE, "raw", "nv12-1080p", filters=TO_BGR, output=(1920, 1080)),
    CodecCase("letterbox-640", Operation.IMAGE, "raw", "nv12-1080p", filters=LETTERBOX, output=(640, 640)),
    CodecCase("crop-roi-224", Operation.IMAGE, "raw", "nv12-1080p", filters=ROI, output=(224, 224)),
    CodecCase(
        "decode-to-model-1080p",
        Operation.PIPELINE,
        "h264",
        "h264-1080p",
        filters="scale=224:224:flags=bilinear{exact},format=rgb24",
        output=(224, 224),
    ),
)

BY_NAME = {case.name: case for case in CASES}


LIMIT = 256
"""No board is asked for more streams than this."""


def most_held(
    holds: Callable[[int], bool], guess: int, limit: int = LIMIT, may_go_on: Callable[[], bool] = lambda: True
) -> tuple[int, dict[int, bool]]:
    """The largest n in 1..limit with `holds(n)`, 0 when 1 does not hold, and every trial.

    Takes for granted that a board which holds n streams holds n - 1. Starts at `guess` and doubles
    its steps away from it, then halves the gap. When `may_go_on` says no, the largest number that
    held so far counts; as long as none did, the search goes on.
    """
    tried: dict[int, bool] = {}
    low, high = 0, limit + 1
    n, step = max(1, min(guess, limit)), 1
    while high - low > 1 and (low == 0 or may_go_on()):
        tried[n] = holds(n)
        low, high = (n, high) if tried[n] else (low, n)
        if low and high <= limit:
            n = (low + high) // 2
        elif low:
            n, step = min(low + step, limit), step * 2
        else:
            n, step = max(high - step, 1), step * 2
    return low, tried


RATE = 25
LEAST_PSNR_DB = 30.0
"""A stream whose frames are further from their source than this was not made as it should be."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file of `frames` pictures; `codec` is h264, h265, jpeg, or raw for NV12 as it is.

    `encoder` is FFmpeg's name for it, `options` are its own. A recipe gives the same bytes on every machine
    that has the same encoder: the pictures are FFmpeg's `testsrc2`, which is integer arithmetic throughout;
    the encoders work with a fixed number of threads, whatever the machine has, so that threads cannot change
    their decisions; x264 is told not to choose by the processor. Without B frames and in one slice, as
    cameras send: a frame can leave the decoder as soon as its packet is in.
    """

    name: str
    codec: str
    width: int
    height: int
    frames: int
    encoder: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def pixels(self) -> str:
        """FFmpeg's name of the pixel format that is encoded."""
        return {"raw": "nv12", "jpeg": "yuvj420p"}.get(self.codec, "yuv420p")

    @property
    def suffix(self) -> str:
        """Of the file."""
        return {"raw": ".nv12", "jpeg": ".mjpeg"}.get(self.codec, f".{self.codec}")


def _x264(frames: int) -> tuple[tuple[str, str], ...]:
    params = (
        f"keyint={frames}:min-keyint={frames}:scenecut=0:bframes=0:qp=26:cpu-independent=1"
        ":threads=4:sliced-threads=0:lookahead-threads=1:sync-lookahead=0"
    )
    return (("preset", "veryfast"), ("x264-params", params))


def _x265(frames: int) -> tuple[tuple[str, str], ...]:
    params = (
        f"keyint={frames}:min-keyint={frames}:scenecut=0:bframes=0:qp=28"
        ":frame-threads=2:pools=2:info=0:log-level=error"
    )
    return (("preset", "ultrafast"), ("x265-params", params))


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("h264-1080p", "h264", 1920, 1080, 50, "libx264", _x264(50)),
        Recipe("h265-1080p", "h265", 1920, 1080, 50, "libx265", _x265(50)),
        Recipe("h264-4k", "h264", 3840, 2160, 12, "libx264", _x264(12)),
        Recipe("h265-4k", "h265", 3840, 2160, 12, "libx265", _x265(12)),
        Recipe("jpeg-1080p", "jpeg", 1920, 1080, 25, "mjpeg", (("qmin", "3"), ("qmax", "3"))),
        Recipe("nv12-1080p", "raw", 1920, 1080, 8),
    )
}

FORMATS = {"h264": "h264", "h265": "hevc", "jpeg": "mjpeg", "raw": "rawvideo"}
"""FFmpeg's names of the containers, which here are bare elementary streams."""
DECODERS = {"h264": "h264", "h265": "hevc", "jpeg": "mjpeg"}
"""FFmpeg's names of its own decoders; a hardware decoder is `<name>_<family>`."""
EXACT = "+accurate_rnd+bitexact"
"""swscale's flags with which the processor changes nothing; FFmpeg 5.1 and 8.0 agree."""


ENCODERS = {"h264": "libx264", "h265": "libx265", "jpeg": "mjpeg"}
"""FFmpeg's names of the software encoders; a hardware encoder is `<codec>_<family>`."""


def encoder_options(encoder: str, threads: int) -> dict[str, str]:
    """Private options of FFmpeg's encoders; those of video look at no later frame, as for a live camera."""
    keys = f"keyint={2 * RATE}:scenecut=0"
    if encoder == "libx264":
        params = f"{keys}:threads={threads}"
        return {"preset": "veryfast", "tune": "zerolatency", "x264-params": params}
    if encoder == "libx265":
        params = f"{keys}:pools={threads}:frame-threads=1:info=0:log-level=error"
        return {"preset": "ultrafast", "tune": "zerolatency", "x265-params": params}
    return {"qmin": "3", "qmax": "3"} if encoder == "mjpeg" else {}
