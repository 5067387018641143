"""The codecs of a GStreamer on the board: its pipelines, its output, what it measures."""

import re
from collections.abc import Mapping
from dataclasses import replace

from npubench.benchmarks.codec.cases import RATE, CodecCase, Operation
from npubench.benchmarks.codec.engine import (
    ONE,
    EndedError,
    Pass,
    Work,
    elapsed,
    ended,
    rounds,
    shell,
    with_streams,
)
from npubench.benchmarks.codec.figures import Checked, Found
from npubench.benchmarks.codec.media import expected_sha256
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import FailureClass, Skip

HASHED = """\
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/frames" || exit 1
sha256sum <"$folder/frames" >"$folder/hash" &
{ "$@" 2>"$folder/words"; echo $? >"$folder/code"; } | tee "$folder/frames" | wc -c >"$folder/size"
wait
cat "$folder/words"
read -r size <"$folder/size"
read -r hash rest <"$folder/hash"
read -r code <"$folder/code"
echo "npubench-frames $size $hash"
exit "$code"
"""
"""Runs `$@`; the frames that it writes to standard output are counted in bytes and hashed, not kept."""

_BUFFER = re.compile(r"(?m)^\S{1,200}: last-message = chain +\*{7} \(\S{1,80}:sink\) \([0-9]{1,12} bytes")
_TIME = re.compile(r"(?m)^Execution ended after ([0-9]{1,4}):([0-9]{2}):([0-9]{2}\.[0-9]{1,9})$")
_VERSION = re.compile(r"(?m)^GStreamer ([0-9][\w.-]{0,40})$")
_FRAMES = re.compile(r"(?m)^npubench-frames ([0-9]{1,15}) ([0-9a-f]{64})$")


def parse_run(text: str) -> Pass:
    """Buffers that reached the sink, seconds from playing to the end of the stream. Never raises.

    Processor seconds are of the whole program.
    """
    times, clock = _TIME.findall(text), elapsed(text)
    hours, minutes, rest = times[-1] if times else ("0", "0", "0")
    seconds = 3600 * int(hours) + 60 * int(minutes) + float(rest)
    return Pass(len(_BUFFER.findall(text)), seconds if times else None, clock.cpu_s if clock else None)


def parse_version(text: str) -> str | None:
    """Of `gst-launch-1.0 --version`. Never raises."""
    found = _VERSION.search(text)
    return found[1] if found else None


def parse_hashed(text: str) -> tuple[int, str] | None:
    """Bytes and SHA-256 of what the script HASHED counted; None when it did not come so far."""
    found = _FRAMES.findall(text)
    return (int(found[-1][0]), found[-1][1]) if found else None


TOOL = "gst-launch-1.0"
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


def launch(case: CodecCase, hardware: str, threads: int, path: str, loops: int, exact: bool) -> list[str]:
    """Run the case `loops` times over its input: frames to standard output (`exact`), or to nothing.

    An encoder's frames to standard output are decoded again, by the same family.
    """
    quiet = ["-q"] if exact else ["-v"]
    source = ["multifilesrc", f"location={path}", "loop=true", f"num-buffers={loops}", "!"]
    return [TOOL, *quiet, *source, *_work(case, hardware, threads, exact), *_sink(case, exact)]


def _work(case: CodecCase, hardware: str, threads: int, exact: bool) -> list[str]:
    if case.operation is Operation.DECODE:
        return [PARSERS[case.codec], "!", *_decoder(case, hardware, threads)]
    raw = ["rawvideoparse", "format=nv12", f"width={case.width}", f"height={case.height}"]
    raw += [f"framerate={RATE}/1", "!"]
    if case.operation is Operation.IMAGE:
        return [*raw, *_IMAGES[case.name], "videoconvert", "!", "video/x-raw,format=BGR", "!"]
    again = [PARSERS[case.codec], "!", *_decoder(case, hardware, 1)] if exact else []
    return [*raw, *_encoder(case, hardware, threads), *again]


def _decoder(case: CodecCase, hardware: str, threads: int) -> list[str]:
    name = DECODERS[hardware][case.codec]
    return [name, *([f"max-threads={threads}"] if name.startswith("avdec_") else []), "!"]


def _encoder(case: CodecCase, hardware: str, threads: int) -> list[str]:
    name = ENCODERS[hardware][case.codec]
    limit = [f"threads={threads}"] if name == "x264enc" else []
    limit = [f"option-string=pools={threads}:frame-threads=1"] if name == "x265enc" else limit
    return ["videoconvert", "!", name, *_SOFTWARE_SETTINGS.get(name, ()), *limit, "!"]


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


def run(work: Work) -> Found:
    """One case: a pass whose frames are hashed, timed rounds, and the search for streams."""
    case, settings = work.case, work.settings
    if case.operation is Operation.PIPELINE:
        raise EndedError(Skip(Note(NoteCode.NO_MODEL_RUN, {"tool": "gst-launch-1.0"})))
    if settings.hardware not in DECODERS:
        known = ", ".join(name for name in DECODERS if name)
        message = f"no GStreamer elements are known for hardware {settings.hardware!r:.40}: there are {known}"
        raise ended(FailureClass.UNSUPPORTED_CODEC, message)
    path = work.put()

    def argv(loops: int, exact: bool = False) -> list[str]:
        return launch(case, settings.hardware, settings.threads, path, loops, exact)

    # env ends with 127 where there is no such program; that says nothing about the board's link.
    version = parse_version(work.run(TOOL, ["env", TOOL, "--version"]))
    checked = _checked(work, work.run(TOOL, shell(HASHED, *argv(1, exact=True))))
    timed = rounds(
        settings, TOOL, lambda loops: parse_run(work.run(TOOL, shell(ONE, *argv(loops)))), work.made.frames
    )
    found = replace(
        work.found(TOOL, checked, timed),
        threads=None if settings.hardware else settings.threads,
        tools={"gstreamer": version} if version else {},
    )
    return with_streams(work, found, TOOL, argv, work.made.frames)


def _checked(work: Work, output: str) -> Checked:
    told = parse_hashed(output)
    if told is None:
        message = f"the frames of {TOOL} could not be hashed: the board needs mkfifo, tee, wc and sha256sum"
        raise ended(FailureClass.TOOL_MISSING, message)
    size, sha256 = told
    frames, rest = divmod(size, frame_bytes(work.case))
    if rest:
        message = f"{TOOL} gave {size} bytes, which are no whole frames of {work.case.name}"
        raise ended(FailureClass.OUTPUT_MISMATCH, message)
    return Checked(frames, work.made.frames, sha256, expected_sha256(work.case, work.made, ffmpeg=False))
