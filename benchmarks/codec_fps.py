"""npubench's frame rate of a decoder against `ffmpeg -benchmark`: same stream and threads, in turn.

Names of cases may follow (`python -m benchmarks.codec_fps decode-h264-4k`), else both codecs at 1080p.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from npubench.benchmarks.codec.benchmark import CodecBenchmark
from npubench.benchmarks.codec.cases import BY_NAME
from npubench.benchmarks.codec.media import read
from npubench.benchmarks.codec.recipes import FORMATS, RECIPES
from npubench.catalog import find_board, load
from npubench.records import Failure, Figures
from npubench.specs import BenchmarkSpec
from npubench.transports.local import LocalSession

CASES = ("decode-h264-1080p", "decode-h265-1080p")
ROUNDS = 5
OPTIONS = {"least_s": 3.0, "most_s": 3.0, "search_s": 0.001, "stream_s": 0.08}


def main() -> None:
    if shutil.which("ffmpeg") is None:
        sys.exit("no ffmpeg: install it (Debian: apt-get install ffmpeg)")
    for name in [word for word in sys.argv[1:] if word in BY_NAME] or CASES:
        for engine in ("ffmpeg", "pyav"):
            _compare(name, engine)


def _compare(name: str, engine: str) -> None:
    board = replace(find_board(load(()), "local"), benchmark_options={"codec": OPTIONS})
    spec = next(spec for spec in CodecBenchmark().cases(board, {"engine": engine}) if spec.name == name)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        files = CodecBenchmark().prepare(spec, board, 600, log, print)
        if isinstance(files, Failure):
            sys.exit(files.message)
        stream = _longer(files["input"], name, Path(folder))
        pairs = [(_npubench(spec, files, log), _ffmpeg(*stream, spec)) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    print(
        f"{name}, {spec.options['threads']} thread, engine {engine} (bound: within 5 % of ffmpeg -benchmark)"
    )
    for title, rates in (("npubench", [a for a, _ in pairs]), ("ffmpeg -benchmark", [b for _, b in pairs])):
        middle = statistics.median(rates)
        print(f"  {title:<20} min {min(rates):7.1f} fps  median {middle:7.1f} fps  max {max(rates):7.1f} fps")
    print(f"  ratio {ratio:.3f} (median, pair by pair)\n")


def _npubench(spec: BenchmarkSpec, files: dict[str, Path], log: Path) -> float:
    outcome = CodecBenchmark().measure(spec, files, LocalSession(), 600, log)
    if not isinstance(outcome, Figures) or outcome.throughput_fps is None:
        sys.exit(f"{spec.name}: {outcome}")
    return outcome.throughput_fps


def _longer(path: Path, name: str, folder: Path) -> tuple[Path, str, int]:
    """The stream twelve times over, its format and number of frames."""
    recipe = RECIPES[BY_NAME[name].source]
    made = read(path.parent, recipe)
    if made is None:
        sys.exit(f"{path} is not whole")
    longer = folder / path.name
    longer.write_bytes(path.read_bytes() * 12)
    return longer, FORMATS[recipe.codec], made.made.frames * 12


def _ffmpeg(path: Path, name: str, frames: int, spec: BenchmarkSpec) -> float:
    argv = ["ffmpeg", "-hide_banner", "-nostdin", "-benchmark", "-threads", str(spec.options["threads"])]
    argv += ["-f", name, "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    (seconds,) = re.findall(r"rtime=([0-9.]+)s", done.stderr)
    return frames / float(seconds)


if __name__ == "__main__":
    main()
