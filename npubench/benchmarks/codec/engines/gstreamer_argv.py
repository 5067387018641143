"""gst-launch-1.0's argument lists for the cases. Pure; every word is an argument of its own."""

from collections.abc import Mapping

from npubench.benchmarks.codec.cases import CodecCase, Operation
from npubench.benchmarks.codec.recipes import RATE

PROGRAM = "gst-launch-1.0"
PARSERS = {"h264": "h264parse", "h265": "h265parse", "jpeg": "jpegparse"}
DECODERS: Mapping[str, Mapping[str, str]] = {
    "": {"h264": "avdec_h264", "h265": "avdec_h265", "jpeg": "jpegdec"},
    "v4l2m2m": {"h264": "v4l2h264dec", "h265": "v4l2h265dec", "jpeg": "v4l2jpegdec"},
    "rkmpp": {"h264": "mppvideodec", "h265": "mppvideodec", "jpeg": "mppjpegdec"},
    "vaapi": {"h264": "vah264dec", "h265": "vah265dec", "jpeg": "vajpegdec"},
    "nvv4l2": {"h264": "nvv4l2decoder", "h265": "nvv4l2decoder", "jpeg": "nvjpegdec"},
}
ENCODERS: Mapping[str, Mapping[str, str]] = {
    "": {"h264": "x264enc", "h265": "x265enc", "jpeg": "jpegenc"},
    "v4l2m2m": {"h264": "v4l2h264enc", "h265": "v4l2h265enc", "jpeg": "v4l2jpegenc"},
    "rkmpp": {"h264": "mpph264enc", "h265": "mpph265enc", "jpeg": "mppjpegenc"},
    "vaapi": {"h264": "vah264enc", "h265": "vah265enc", "jpeg": "vajpegenc"},
    "nvv4l2": {"h264": "nvv4l2h264enc", "h265": "nvv4l2h265enc", "jpeg": "nvjpegenc"},
}
"""Element names as `gst-inspect-1.0` lists them, by family of hardware."""
_SOFTWARE_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "x264enc": ("speed-preset=veryfast", "tune=zerolatency"),
    "x265enc": ("speed-preset=ultrafast", "tune=zerolatency"),
}
_IMAGES: Mapping[str, tuple[str, ...]] = {
    "nv12-to-bgr-1080p": (),
    "letterbox-640": (
        *("videoscale", "!", "video/x-raw,width=640,height=360", "!", "videoconvert", "!"),
        *("video/x-raw,format=BGR", "!", "videobox", "top=-140", "bottom=-140", "!"),
    ),
    "crop-roi-224": (
        *("videocrop", "left=736", "right=736", "top=316", "bottom=316", "!"),
        *("videoscale", "!", "video/x-raw,width=224,height=224", "!"),
    ),
}


def families() -> tuple[str, ...]:
    """Families of hardware whose elements are known, without software."""
    return tuple(name for name in DECODERS if name)


def launch(case: CodecCase, hardware: str, threads: int, path: str, loops: int, exact: bool) -> list[str]:
    """Run the case `loops` times over its input: frames to standard output (`exact`), or to nothing.

    An encoder's frames to standard output are decoded again, by the same family.
    """
    quiet = ["-q"] if exact else ["-v"]
    source = ["multifilesrc", f"location={path}", "loop=true", f"num-buffers={loops}", "!"]
    return [PROGRAM, *quiet, *source, *_work(case, hardware, threads, exact), *_sink(case, exact)]


def _work(case: CodecCase, hardware: str, threads: int, exact: bool) -> list[str]:
    if case.operation is Operation.DECODE:
        return [PARSERS[case.codec], "!", *_decoder(case, hardware, threads)]
    raw = ["rawvideoparse", "format=nv12", f"width={case.width}", f"height={case.height}"]
    raw += [f"framerate={RATE}/1", "!"]
    if case.operation is Operation.IMAGE:
        return [*raw, *_IMAGES[case.name], "videoconvert", "!", "video/x-raw,format=BGR", "!"]
    return [*raw, *_encoder(case, hardware, threads), *(_again(case, hardware) if exact else ())]


def _decoder(case: CodecCase, hardware: str, threads: int) -> list[str]:
    name = DECODERS[hardware][case.codec]
    return [name, *([f"max-threads={threads}"] if name.startswith("avdec_") else []), "!"]


def _encoder(case: CodecCase, hardware: str, threads: int) -> list[str]:
    name = ENCODERS[hardware][case.codec]
    limit = [f"threads={threads}"] if name == "x264enc" else []
    limit = [f"option-string=pools={threads}:frame-threads=1"] if name == "x265enc" else limit
    return ["videoconvert", "!", name, *_SOFTWARE_SETTINGS.get(name, ()), *limit, "!"]


def _again(case: CodecCase, hardware: str) -> list[str]:
    return [PARSERS[case.codec], "!", *_decoder(case, hardware, 1)]


def _sink(case: CodecCase, exact: bool) -> list[str]:
    if not exact:
        return ["fakesink", "sync=false", "silent=false"]
    planar = ["videoconvert", "!", "video/x-raw,format=I420", "!"]
    return [*([] if case.operation is Operation.IMAGE else planar), "fdsink", "fd=1"]


def frame_bytes(case: CodecCase) -> int:
    """Size of a frame as it is written: BGR of an image case, else I420; GStreamer pads rows to 4 bytes."""
    if case.operation is Operation.IMAGE and case.output:
        width, height = case.output
        return (3 * width + 3) // 4 * 4 * height
    return case.width * case.height * 3 // 2
