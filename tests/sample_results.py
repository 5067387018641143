"""Results as a run would leave them: models and operators in both precisions, failures, an emulated board.

Seeded: the same call gives the same rows.
"""

import random
from dataclasses import replace
from functools import cache

from npubench.domain.figures import CodecFigures
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import (
    CURRENT,
    Accuracy,
    BoardState,
    Failure,
    FailureClass,
    Figures,
    Kind,
    Latency,
    Result,
    Stage,
    Status,
    Verdict,
)
from npubench.domain.specs import CaseKind, Precision, TensorSpec
from npubench.measure.statistics import latency as latency_of_samples
from npubench.storage.hashing import digest

MODELS = (
    # name, MACs, parameters, FP32 latency in microseconds, INT8 speed-up, INT8 cosine
    ("resnet18", 1_814_073_344, 11_689_512, 14_820.0, 2.31, 0.99931),
    ("resnet50", 4_089_184_256, 25_557_032, 36_410.0, 2.12, 0.99874),
    ("mobilenet_v2", 300_774_272, 3_504_872, 4_960.0, 1.22, 0.98127),
    ("shufflenet_v2", 144_900_000, 2_278_604, 3_110.0, 0.84, 0.99216),
    ("repvgg_a0", 1_362_000_000, 8_309_384, 9_750.0, 2.60, 0.99702),
    ("densenet121", 2_834_000_000, 7_978_856, 41_230.0, 1.08, 0.99988),
    ("mobileone_s0", 274_000_000, 2_077_000, 3_870.0, 1.31, 0.97344),
    ("vit_base_p16_224", 16_848_000_000, 86_567_656, 148_300.0, 1.74, 0.999996),
)
OPERATORS = ("Conv", "MatMul", "Relu", "Sigmoid", "MaxPool", "AveragePool", "Add", "Resize", "Transpose")
WARNING = Note(NoteCode.GOVERNOR, {"name": "powersave"})
COMMAND = ("npubench", "run", "--board", "local")


def state(minute: int = 0, **changes) -> BoardState:
    return replace(
        BoardState(
            f"2026-03-02T09:{minute:02d}:00+00:00",
            hostname="bench-7",
            cpu_model="AMD Ryzen 7 7840U",
            kernel="6.1.0-18-amd64",
            distribution="Debian GNU/Linux 12 (bookworm)",
            cores=8,
            governor="powersave",
            clocks_mhz=(3301.0, 3298.5, 3305.2),
            temperature_c=46.0 + minute / 10,
            load_1min=0.31,
            memory_total_bytes=33_285_996_544,
            memory_available_bytes=28_104_130_560,
            uptime_s=86_400.0 + 60 * minute,
        ),
        **changes,
    )


@cache
def latency(median_us: float, runs: int = 720, seed: int = 0) -> Latency:
    """Statistics of `runs` seeded samples in three rounds, with a tail to the right."""
    source = random.Random(f"{median_us} {seed}")
    draw = lambda: median_us * (0.985 + source.expovariate(1 / 0.02))  # noqa: E731
    return latency_of_samples([[draw() for _ in range(max(1, runs // 3))] for _ in range(3)])


def figures(median_us: float, kind: Kind = Kind.MEASURED, runs: int = 720, **changes) -> Figures:
    timed = latency(median_us, runs)
    base = Figures(kind, timed, throughput_fps=1e6 / timed.mean, load_us=84_000.0, memory_bytes=48_300_032)
    return replace(base, **changes)


def result(case: str = "resnet18", precision: Precision = Precision.FP32, **changes) -> Result:
    """A row that worked, on the board `local`; `changes` are fields of `Result`."""
    board = changes.get("board", "local")
    base = Result(
        key=digest(case, precision, board),
        run_id="20260302-090000-5f3a",
        started_at="2026-03-02T09:00:12.250+00:00",
        duration_s=4.21,
        board=board,
        chip="cpu",
        backend="onnxruntime",
        tools={"onnx": "1.18.0", "onnxruntime": "1.22.0", "torch": "2.4.1", "mmpretrain": "1.2.0"},
        case=case,
        case_kind=CaseKind.MODEL,
        precision=precision,
        status=Status.OK,
        onnx_sha256=digest(case),
        artifact_sha256=digest(case, precision),
        artifact_bytes=46_800_129,
        opset=13,
        inputs=(TensorSpec("input", (1, 3, 224, 224)),),
        outputs=(TensorSpec("output", (1, 1000)),),
        macs=1_814_073_344,
        parameters=11_689_512,
        operators={"Conv": 20, "Relu": 17, "Add": 8, "Gemm": 1},
        task="classification",
        figures=figures(14_820.0),
        verdict=Verdict.STABLE,
        board_before=state(0),
        board_after=state(1, clocks_mhz=(3290.0, 3301.5, 3299.0)),
        protocol={"warmup": 10, "repeat": 64, "min_duration_s": 3.0, "rounds": 3, "per_channel": True},
        seeds={"calibration": 0, "weights": 0},
        command=COMMAND,
        log_path=f"logs/20260302-090000-5f3a/{board}/{digest(case)[:8]}-{precision}.log",
        log_sha256=digest("log", case, precision),
        samples_path=f"samples/{digest(case)[:8]}-{precision}.json",
        samples_sha256=digest("samples", case, precision),
        npubench_version="0.1.0",
        definitions=CURRENT,
    )
    return replace(base, **changes)


def failed(
    case: str,
    failure_class: FailureClass = FailureClass.UNSUPPORTED_OPERATOR,
    stage: Stage = Stage.COMPILE,
    message: str = "the toolchain does not know TopK",
    operators: tuple[str, ...] = (),
    **changes,
) -> Result:
    failure = Failure(stage, failure_class, message, operators)
    nothing = {"figures": None, "verdict": None, "artifact_sha256": None, "artifact_bytes": None}
    return result(case, **{"status": Status.FAILED, "failure": failure, **nothing, **changes})


def models() -> list[Result]:
    rows = []
    for name, macs, parameters, fp32_us, gain, cosine in MODELS:
        common = {"macs": macs, "parameters": parameters}
        rows.append(result(name, figures=figures(fp32_us), **common))
        accuracy = Accuracy(cosine, 18.0 + 2.5 / (1 - cosine) ** 0.25, 0.0931, 0.875, 64)
        timed = figures(fp32_us / gain, accuracy=accuracy)
        rows.append(result(name, Precision.INT8, figures=timed, **common))
    spread = Note(NoteCode.ROUNDS_DIFFER, {"spread": 0.064})
    rows[4] = replace(rows[4], verdict=Verdict.NOISY, warnings=(spread, WARNING))
    rows[15] = replace(rows[15], figures=replace(rows[15].figures, latency_us=latency(85_200.0, runs=192)))
    rows[15] = replace(
        rows[15],
        verdict=Verdict.DRIFTING,
        warnings=(Note(NoteCode.SLOWER, {"spread": 0.031}),),
    )
    return rows


def operators(count: int = 54) -> list[Result]:
    source = random.Random(7)
    rows = []
    for i in range(count):
        op = OPERATORS[i % len(OPERATORS)]
        heavy = op in ("Conv", "MatMul")
        name = f"{op.lower()}_k{i % 5 * 2 + 1}_c{2 ** (4 + i % 6)}"
        macs = round(10 ** source.uniform(6, 9.5)) if heavy else 0
        time_us = macs / 2.1e5 + source.uniform(6, 900)
        common = {
            "case_kind": CaseKind.OPERATOR,
            "operators": {op: 1},
            "macs": macs,
            "parameters": 0,
            "onnx_sha256": digest(name),
        }
        rows.append(result(name, figures=figures(time_us), **common))
        accuracy = Accuracy(1 - 10 ** source.uniform(-6, -3), source.uniform(28, 52), 0.0113, None, 8)
        faster = time_us / source.uniform(0.8, 2.4)
        rows.append(result(name, Precision.INT8, figures=figures(faster, accuracy=accuracy), **common))
    return rows


def failures() -> list[Result]:
    unknown = FailureClass.UNSUPPORTED_OPERATOR
    message = "no kernel for com.example:DeformConv version 1 in this runtime"
    gone = "detector.onnx: no such file: check the path"
    return [
        failed("rtmdet_tiny", unknown, message=message, operators=("DeformConv", "NonMaxSuppression")),
        failed("yolox_s", unknown, message=message, operators=("DeformConv",), precision=Precision.INT8),
        failed(
            "gridsample_1x8x32x32",
            unknown,
            operators=("GridSample",),
            message="GridSample is not known at opset 13",
            case_kind=CaseKind.OPERATOR,
        ),
        failed("swin_tiny", FailureClass.HANG, message="no end after 600 s: the process tree was ended"),
        failed("detector.onnx", FailureClass.NOT_FOUND, Stage.FIND, gone, onnx_sha256=None, macs=None),
    ]


def _virtual_board() -> dict:
    board = {"hostname": "virt", "cpu_model": "4x Cortex-A7", "cores": 4, "temperature_c": None}
    return {
        "board": "virtual-a7",
        "chip": "ax620a",
        "backend": "pulsar",
        "emulated": True,
        "tools": {"pulsar": "0.6.1.14", "run_joint": "0.5.10"},
        "board_before": state(2, **board),
        "board_after": state(3, **board),
    }


def emulated() -> list[Result]:
    """Rows of an emulated board: means only, and the tool's own estimate beside the board's times."""
    rows = []
    for name, macs, parameters, fp32_us, gain, cosine in MODELS[:4]:
        mean_us = fp32_us / gain / 6
        timed = Figures(Kind.MEASURED, Latency(99, mean_us), accuracy=Accuracy(cosine, 31.2, 0.11, None, 8))
        told = Figures(
            Kind.SIMULATED,
            Latency(1, mean_us * 0.91),
            throughput_fps=1e6 / (mean_us * 0.91),
            mac_utilisation=0.2398,
            tool_macs=round(macs * 1.12),
            io_bytes=12_375_616,
            details={"ddr_bandwidth_gb_s": 1.59},
        )
        more = {"macs": macs, "parameters": parameters, "figures": timed, "estimate": told}
        rows.append(result(name, Precision.INT8, verdict=None, **more, **_virtual_board()))
    return rows


def skipped() -> Result:
    reason = "pulsar has no simulator: run it on a board, without --simulate"
    nothing = {"figures": None, "verdict": None, **_virtual_board()}
    return result("resnet18", status=Status.SKIPPED, skip_reason=reason, **nothing)


CODEC = {
    "operation": "decode",
    "codec": "h264",
    "width": 1920,
    "height": 1080,
    "streams": 9,
    "streams_fps": 25.0,
    "cpu_cores": 0.98,
    "frames_checked": 50,
    "frames_sha256": "ab" * 32,
    "frames_sha256_expected": "ab" * 32,
    "psnr_db": 47.8,
}


def codec(case: str = "decode-h264-1080p", **changes) -> Result:
    timed = Figures(Kind.MEASURED, latency(3200.0), 311.0, codec=CodecFigures(**{**CODEC, **changes}))
    return result(case, Precision.NONE, case_kind=CaseKind.CODEC, backend="pyav", macs=None, figures=timed)


def everything() -> list[Result]:
    return [*models(), *operators(), *failures(), *emulated(), skipped()]


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>",
    "'; DROP TABLE results; --",
    '=HYPERLINK("http://example.invalid")',
    "\u202egnp.exe",
    "مرحبا " * 4,
    "n" * 300,
    "tab\tnewline\nescape\x1b[31mred\x00end",
    "{{ 7 * 7 }}{% raw %}",
    "模型名称" * 12,
    "surrogate \udcff end",
    "</title></style><svg onload=alert(2)>",
)


def hostile() -> list[Result]:
    """Every text field of a row in turn holds names that would like to be markup."""
    rows = []
    for i, name in enumerate(HOSTILE):
        common = {"onnx_sha256": digest(str(i)), "artifact_sha256": digest("a", str(i))}
        rows.append(result(name, figures=figures(900.0 + i), warnings=(name,), **common))
        rows.append(result(name, Precision.INT8, figures=figures(700.0 + i, details={name: name}), **common))
        op = {"case_kind": CaseKind.OPERATOR, "operators": {name: 1}}
        rows.append(result(name, figures=figures(40.0 + i), **op, **common))
        everywhere = {"board": name, "backend": name, "chip": name, "tools": {name: name}, "command": (name,)}
        rows.append(
            failed(name, message=name, operators=(name,), board_after=state(extra={name: name}), **everywhere)
        )
    return rows
