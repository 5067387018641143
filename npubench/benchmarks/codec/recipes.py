"""How test data is made: every recipe gives the same bytes on every machine that has the same encoder.

The pictures are FFmpeg's `testsrc2`, which is integer arithmetic throughout. The encoders work with a
fixed number of threads, whatever the machine has, so that threads cannot change their decisions; x264
is told not to choose by the processor. Without B frames and in one slice, as cameras send: a frame can
leave the decoder as soon as its packet is in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from npubench.storage.hashing import digest

RATE = 25
LEAST_PSNR_DB = 30.0
"""A stream whose frames are further from their source than this was not made as it should be."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file of `frames` pictures; `codec` is h264, h265, jpeg, or raw for NV12 as it is.

    `encoder` is FFmpeg's name for it, `options` are its own.
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

    @property
    def digest(self) -> str:
        """Hash of the recipe."""
        return digest(self)


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
