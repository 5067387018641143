"""What gst-launch-1.0 prints with `-v`, and what our script says of the frames that it wrote.

/GstPipeline:pipeline0/GstFakeSink:fakesink0: last-message = chain   ******* (fakesink0:sink) (3110400 bytes
Execution ended after 0:00:00.563113052
npubench-frames 24883200 9a3e5de1...
"""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class GstreamerRun:
    """Buffers that reached the sink, and seconds from playing to the end of the stream."""

    frames: int
    seconds: float | None


def parse_run(text: str) -> GstreamerRun:
    """A timed run. Never raises."""
    times = _TIME.findall(text)
    hours, minutes, rest = times[-1] if times else ("0", "0", "0")
    seconds = 3600 * int(hours) + 60 * int(minutes) + float(rest)
    return GstreamerRun(len(_BUFFER.findall(text)), seconds if times else None)


def parse_version(text: str) -> str | None:
    """Of `gst-launch-1.0 --version`. Never raises."""
    found = _VERSION.search(text)
    return found[1] if found else None


def parse_hashed(text: str) -> tuple[int, str] | None:
    """Bytes and SHA-256 of what the script HASHED counted; None when it did not come so far."""
    found = _FRAMES.findall(text)
    return (int(found[-1][0]), found[-1][1]) if found else None
