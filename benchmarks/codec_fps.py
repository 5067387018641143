"""npubench's frame rate of a decoder against `ffmpeg -benchmark`: same stream and threads, in turn.

Twice: over elapsed time, which is what is told, and over processor time, which a busy machine spoils less.
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
from npubench.benchmarks.codec.cases import BY_NAME, FORMATS, RECIPES
from npubench.benchmarks.codec.media import read
from npubench.boards.local import LocalSession
from npubench.catalog import find_board, load
from npubench.domain.figures import Figures
from npubench.domain.records import Failure
from npubench.domain.specs import BenchmarkSpec

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
    print(
        f"{name}, {spec.options['threads']} thread, engine {engine} (bound: within 5 % of ffmpeg -benchmark)"
    )
    for index, unit in enumerate(("fps", "frames per processor second")):
        both = [(ours[index], theirs[index]) for ours, theirs in pairs]
        for title, rates in (("npubench", [a for a, _ in both]), ("ffmpeg -benchmark", [b for _, b in both])):
            middle = statistics.median(rates)
            print(f"  {title:<18} min {min(rates):7.1f}  median {middle:7.1f}  max {max(rates):7.1f} {unit}")
        ratio = statistics.median(ours / theirs for ours, theirs in both)
        print(f"  ratio {ratio:.3f} (median, pair by pair)")
    print(flush=True)


def _npubench(spec: BenchmarkSpec, files: dict[str, Path], log: Path) -> tuple[float, float]:
    outcome = CodecBenchmark().measure(spec, files, LocalSession(), 600, log)
    if not isinstance(outcome, Figures) or outcome.throughput_fps is None:
        sys.exit(f"{spec.name}: {outcome}")
    return outcome.throughput_fps, outcome.throughput_fps / outcome.codec.cpu_cores


def _longer(path: Path, name: str, folder: Path) -> tuple[Path, str, int]:
    """The stream twelve times over, its format and number of frames."""
    recipe = RECIPES[BY_NAME[name].source]
    made = read(path.parent, recipe)
    if made is None:
        sys.exit(f"{path} is not whole")
    longer = folder / path.name
    longer.write_bytes(path.read_bytes() * 12)
    return longer, FORMATS[recipe.codec], made.made.frames * 12


def _ffmpeg(path: Path, name: str, frames: int, spec: BenchmarkSpec) -> tuple[float, float]:
    argv = ["ffmpeg", "-hide_banner", "-nostdin", "-benchmark", "-threads", str(spec.options["threads"])]
    argv += ["-f", name, "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    ((user, system, seconds),) = re.findall(
        r"utime=([0-9.]+)s stime=([0-9.]+)s rtime=([0-9.]+)s", done.stderr
    )
    return frames / float(seconds), frames / (float(user) + float(system))


if __name__ == "__main__":
    main()
