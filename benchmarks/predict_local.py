"""The errors of predictions for this machine: its sweep and two networks say what others take.

    python -m benchmarks.predict_local --out /tmp/predict-local [--rounds 3] [--zoo FOLDER]

Sweep and networks are measured in turns, each on one thread by that thread's own processor time, so that
other work on the machine counts little; of each the least of the rounds' medians. Networks are OpenMMLab's,
exported first, or taken from a folder of exports. Everything is kept below --out and continued.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from npubench.backends.onnxruntime.backend import OnnxRuntimeBackend
from npubench.domain.records import Artifact, Failure
from npubench.domain.specs import CalibrationSpec, FileSpec, Precision, Target
from npubench.domain.text import text_table
from npubench.engine.calibrate import DESIGN, NETWORKS, SWEEP, artifact_kernels
from npubench.exporters.files import FileExporter
from npubench.measure.calibration import evaluation_inputs
from npubench.measure.onnx_session import open_session, ready
from npubench.predict.answer import Prediction
from npubench.predict.ask import Asked, ask
from npubench.predict.calibration import calibrate
from npubench.predict.designs import designs
from npubench.predict.fitting import Figure

ASKED = (
    *("resnet34_8xb32_in1k", "resnet50_8xb32_in1k", "resnetv1d50_8xb32_in1k", "resnext50-32x4d_8xb32_in1k"),
    *("seresnet50_8xb32_in1k", "res2net50-w14-s8_8xb32_in1k", "densenet121_4xb256_in1k", "vgg11_8xb32_in1k"),
    *("regnetx-400mf_8xb128_in1k", "repvgg-A0_8xb32_in1k", "repvgg-B0_8xb32_in1k"),
    *("mobileone-s0_8xb32_in1k", "shufflenet-v2-1x_16xb64_in1k", "mobilenet-v3-small_8xb128_in1k"),
    *("mobilenet-v3-large_8xb128_in1k", "efficientnet-b0_8xb32_in1k", "cspdarknet50_8xb32_in1k"),
    *("cspresnext50_8xb32_in1k", "inception-v3_8xb32_in1k", "hrnet-w18_4xb32_in1k"),
    *("deit-tiny_4xb256_in1k", "swin-tiny_16xb64_in1k", "convnext-tiny_32xb128_in1k"),
)
ANCHORS = ("resnet18_8xb32_in1k", "mobilenet-v2_8xb32_in1k")
SPELL_NS = 250_000_000
HEAD = ("network", "measured ms", "predicted ms", "90 % band", "error", "rests on")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--zoo", type=Path, help="networks that are exported already")
    chosen = options.parse_args()
    zoo = chosen.zoo or chosen.out / "zoo"
    export(chosen.out / "sweep", ["--suite", SWEEP])
    if not chosen.zoo:
        export(zoo, ["--suite", NETWORKS, *ASKED])
    files = [
        *sorted((chosen.out / "sweep").glob("*.onnx")),
        *(zoo / f"{one}.onnx" for one in (*ANCHORS, *ASKED)),
    ]
    for precision in (Precision.FP32, Precision.INT8):
        made = {file.stem: artifact for file in files if (artifact := prepared(file, precision, chosen.out))}
        times = measured(made, precision, chosen.out, chosen.rounds)
        figures = [figure(name, artifact, times[name], chosen.out) for name, artifact in made.items()]
        print(table(figures, precision))


def export(folder: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "npubench", "export", "--jobs", "1", "--out", str(folder), *words]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def prepared(file: Path, precision: Precision, out: Path) -> Artifact | None:
    """What the backend makes of a file; made once, None where it makes nothing."""
    folder = out / str(precision) / file.stem
    (folder / "made").mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    model = FileExporter(600).export(FileSpec(file.stem, file), folder, log)
    if isinstance(model, Failure):
        print(f"{file.name}: {model.message}", file=sys.stderr)
        return None
    target = Target("cpu", precision, {}, CalibrationSpec(samples=2), 600)
    for left in (folder / "made").iterdir():
        left.unlink()
    made = OnnxRuntimeBackend().compile(model, target, folder / "made", log)
    if isinstance(made, Failure):
        print(f"{file.name} [{precision}]: {made.message}", file=sys.stderr)
        return None
    return made


def measured(
    made: dict[str, Artifact], precision: Precision, out: Path, rounds: int
) -> dict[str, list[float]]:
    """Microseconds of each, a median a round."""
    kept = out / f"times-{precision}.json"
    times: dict[str, list[float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for number in range(max((len(times.get(name, ())) for name in made), default=0), rounds):
        order = sorted(made)
        random.Random(number).shuffle(order)
        for name in order:
            times.setdefault(name, []).append(spell(made[name]))
        kept.write_text(json.dumps(times, indent=1))
    return times


def spell(artifact: Artifact) -> float:
    """The median of a quarter of a second of runs on one thread, us of that thread."""
    import onnxruntime

    one = onnxruntime.SessionOptions()
    one.intra_op_num_threads = 1
    session = open_session(artifact.path, one)
    timed, feeds = ready(session, evaluation_inputs(artifact.onnx.fed, CalibrationSpec(samples=1))[0])
    for _ in range(3):
        timed.run(None, feeds)
    found, end = list[int](), time.perf_counter_ns() + SPELL_NS
    while time.perf_counter_ns() < end or len(found) < 5:
        begin = time.thread_time_ns()
        timed.run(None, feeds)
        found.append(time.thread_time_ns() - begin)
    return statistics.median(found) / 1000


def figure(name: str, artifact: Artifact, times: list[float], out: Path) -> Figure:
    folder = out / "fused"
    folder.mkdir(exist_ok=True)
    kernels = artifact_kernels(artifact, OnnxRuntimeBackend(), folder)
    return Figure(name, "board", kernels, min(times), is_network=name in (*ANCHORS, *ASKED))


def table(figures: list[Figure], precision: Precision) -> str:
    known = [one for one in figures if not one.is_network or one.name in ANCHORS]
    model = calibrate(designs()[DESIGN], precision, known, "")
    rows, errors, held = [], [], 0
    for one in figures:
        if one.name in ASKED:
            answer, time_ms = ask(model, Asked(one.name, one.kernels)), one.time_us / 1000
            if not isinstance(answer, Prediction):
                rows.append([one.name, f"{time_ms:.2f}", "", "", "refused", answer.reason])
                continue
            error = answer.value / time_ms - 1
            errors.append(abs(error))
            held += answer.low <= time_ms <= answer.high
            band = f"{answer.low:.2f} to {answer.high:.2f}"
            cells = [one.name, f"{time_ms:.2f}", f"{answer.value:.2f}", band, f"{100 * error:+.1f} %"]
            rows.append([*cells, str(answer.basis)])
    middle, mean = statistics.median(errors), statistics.fmean(errors)
    totals = (
        f"{precision}: {len(errors)} of {len(rows)} networks answered, median {100 * middle:.1f} %, "
        f"mean {100 * mean:.1f} %, worst {100 * max(errors):.1f} %, {held} in their band"
    )
    return f"{text_table(HEAD, rows, width=90, right=HEAD[1:5])}\n{totals}\n"


if __name__ == "__main__":
    main()
