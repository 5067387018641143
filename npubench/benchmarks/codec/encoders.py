"""How the software encoders are set, the same for every engine that has them."""

from npubench.benchmarks.codec.recipes import RATE

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
