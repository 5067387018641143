"""What the stage `codec` measures: the same cases on every board, whatever runs them."""

from collections.abc import Callable
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

    `source` names the recipe of its input (see `recipes`), `filters` is what an image case does, as a
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
