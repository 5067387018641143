"""cpupeak itself: what the compilers made of it, and that it runs on every processor it is for.

ARM binaries run under user-mode emulation: that proves that they run and what they print, never how fast.
"""

import re
import subprocess
from pathlib import Path

import pytest

from npubench.benchmarks.cpu.benchmark import CpuBenchmark
from npubench.benchmarks.cpu.outputs import ProbeOutput, parse_probe
from npubench.domain.records import Figures
from npubench.domain.specs import BenchmarkSpec, CaseKind
from tests.cpu_probe import SHORT, command, functions, needed, output, probe

ARMV7 = {
    "padal": "vpadal.s16",
    "padd": "vpadd.i32",
    "mla_s32": "vmla.i32",
    "mlal_s8": "vmlal.s8",
    "mlal_s16": "vmlal.s16",
    "mlal_s16_lane": "vmlal.s16",
    "mla_f32": "vmla.f32",
    "mul_s32": "vmul.i32",
    "mul_f32": "vmul.f32",
    "cvt": "vcvt.s32.f32",
    "qrdmulh": "vqrdmulh.s32",
    "rshl": "vrshl.s32",
}
AARCH64 = {
    **{
        "ldd": "ldr",
        "ldq": "ldr",
        "stq": "str",
        "ldpq": "ldp",
        "ld1q": "ld1",
        "fmlad": "fmla",
        "fmla_f16": "fmla",
    },
    **{
        "smlal_4b": "smlal",
        "smlal_8b": "smlal",
        "dupd_lane_s8": "dup",
        "mlaq_lane_s16": "mla",
        "ins": "mov",
        "sshll": "sxtl",
    },
    **dict(
        zip(
            *[["eor", "fmla", "mla", "fmul", "mul", "addp", "sadalp", "add", "fadd", "smull", "tbl"]] * 2,
            strict=True,
        )
    ),
    **dict(
        zip(
            *[["sqrdmulh", "usubl", "abs", "fcvtzs", "scvtf", "fcvtns", "fcvtms", "fcvtps", "fcvtas"]] * 2,
            strict=True,
        )
    ),
    **dict(zip(*[["fcvtn", "fcvtl", "sdot", "smmla", "bfmmla"]] * 2, strict=True)),
}
BLOCK = 64
NO_LATENCY = {"ldd", "ldq", "stq", "ldpq", "ld1q"}


def parsed(*words, **more) -> ProbeOutput:
    found = parse_probe(output(*words, **more))
    assert isinstance(found, ProbeOutput), found
    return found


def rows_of(target: str) -> list[str]:
    found = parsed(target, "one-core", *SHORT)
    return [row["row"] for row in found.rows] + [row["row"] for row in found.head["lacking"]]


def mnemonic(target: str, row: str) -> str:
    if target == "x86-64":
        return row.rpartition("_")[0]
    return (ARMV7 if target == "armv7" else AARCH64)[row]


def measured(target: str, row: str, way: str) -> list[str]:
    """Operands of the measured instruction wherever it stands in the function."""
    word = mnemonic(target, row)
    lines = [line.removeprefix("{vex} ").partition(" ") for line in functions(target)[f"{row}_{way}"]]
    found = [operands.strip() for name, _, operands in lines if name == word]
    # Around the loop the compiler adds to addresses, and loads and stores what it saves.
    scalar = ("x", "w", "sp")
    return [operands for operands in found if row in NO_LATENCY or not operands.startswith(scalar)]


@pytest.mark.parametrize("target", ["armv7", "aarch64", "x86-64"])
def test_no_measured_instruction_was_removed_or_merged(target):
    names = rows_of(target)
    assert names
    for row in names:
        if row in NO_LATENCY:
            assert len(measured(target, row, "throughput")) >= BLOCK, row
        else:
            assert len(measured(target, row, "throughput")) == BLOCK, row
            assert len(measured(target, row, "latency")) == BLOCK, row


@pytest.mark.parametrize("target", ["armv7", "aarch64", "x86-64"])
def test_independent_and_chained_registers_are_what_they_should_be(target):
    for row in set(rows_of(target)) - NO_LATENCY:
        assert len({_written(target, line) for line in measured(target, row, "latency")}) == 1, row
        assert len({_written(target, line) for line in measured(target, row, "throughput")}) >= 15, row


def _written(target: str, operands: str) -> str:
    register = operands.rpartition(",")[2] if target == "x86-64" else operands.partition(",")[0]
    return register.strip().partition(".")[0]


@pytest.mark.parametrize(
    ("target", "saved"), [("armv7", ["vpush {d8-d15}", "vpop {d8-d15}"]), ("aarch64", ["d8", "d15"])]
)
def test_registers_that_belong_to_the_caller_are_saved(target, saved):
    code = functions(target)
    for row in rows_of(target):
        text = "\n".join(code[f"{row}_throughput"])
        assert all(word in text for word in saved), (row, saved)


def test_wide_rows_use_wide_registers():
    for row in rows_of("x86-64"):
        register = {"sse": "%xmm", "avx": "%ymm", "avx512": "%zmm"}[row.rpartition("_")[2]]
        for way in ("throughput", "latency"):
            assert all(register in operands for operands in measured("x86-64", row, way)), row


@pytest.mark.parametrize("target", ["armv7", "aarch64", "x86-64"])
@pytest.mark.parametrize("mode", ["one-core", "each-core", "all-cores", "memory", "memory-all-cores"])
def test_every_mode_runs_to_its_end(target, mode):
    found = parsed(target, mode, *SHORT)
    assert found.head["architecture"] == target
    if mode.startswith("memory"):
        assert {row["row"] for row in found.memory} == {"copy", "read", "write", "triad"}
    else:
        assert len(found.rows) >= 12
        assert all(row["samples"] >= 3 for row in found.rows)


def test_armv7_has_the_rows_that_megpeak_has():
    assert set(rows_of("armv7")) == set(ARMV7)
    bandwidth = [row for row in parsed("armv7", "one-core", *SHORT).memory if row["row"] == "bandwidth"]
    assert len(bandwidth) == 1


@pytest.mark.parametrize(
    ("target", "cpu", "lacking"),
    [
        ("armv7", "cortex-a7", set()),
        ("aarch64", "cortex-a53", {"sdot", "smmla", "bfmmla", "fmla_f16"}),
        ("aarch64", "max", set()),
        ("x86-64", "Nehalem", {"vfmadd132ps_avx", "vpaddd_avx", "vfmadd132ps_avx512", "vpdpbusd_avx512"}),
        ("x86-64", "Haswell", {"vfmadd132ps_avx512", "vpdpbusd_avx512", "vpdpbusd_avx"}),
    ],
)
def test_what_a_processor_lacks_is_told_and_nothing_traps(target, cpu, lacking, tmp_path):
    found = parsed(target, "one-core", *SHORT, cpu=cpu)
    told = {row["row"] for row in found.head["lacking"]}
    assert lacking <= told if lacking else not told
    assert not told & {row["row"] for row in found.rows}
    assert in_small_memory(tmp_path, target, "memory", cpu=cpu)


def in_small_memory(tmp_path, target, mode, cpu="") -> list[int]:
    """Bytes of the working sets that a run takes where the kernel says that 20 MiB are free."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(
        "MemTotal:          61440 kB\nMemFree:           18000 kB\nMemAvailable:      20480 kB\n"
    )
    # Below a changed root "/" is no mount that `unshare` could make private; /proc is one everywhere.
    script = 'mount --make-private /proc && mount --bind "$0" /proc/meminfo && exec "$@"'
    apart = [*([] if _is_root() else ["-r"]), "-m", "--propagation", "unchanged"]
    unshare = [needed("unshare"), *apart, "sh", "-c", script, str(meminfo)]
    argv = [*unshare, *command(target, cpu), mode, *SHORT]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.returncode, done.stderr)
    found = parse_probe(done.stdout)
    assert isinstance(found, ProbeOutput), found
    return [row["set_bytes"] * row["cores_at_once"] for row in found.memory]


@pytest.mark.parametrize("target", ["armv7", "x86-64"])
@pytest.mark.parametrize("mode", ["memory", "memory-all-cores", "one-core"])
def test_a_board_of_64_mib_is_not_filled(tmp_path, target, mode):
    sizes = in_small_memory(tmp_path, target, mode)
    assert sizes
    assert max(sizes) <= 5 * 1024 * 1024


def _is_root() -> bool:
    return subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout.strip() == "0"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["one-core", "--core", "100000"],
        ["one-core", "--seconds", "x"],
        ["memory", "--core"],
    ],
)
def test_wrong_words_end_with_2_and_a_line(words):
    done = subprocess.run([str(probe("x86-64")), *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_row_takes_as_long_as_its_count_says():
    """A link of the chain takes one cycle, two on Zen 5: none of a run is skipped, and none counted twice.

    The clock is measured apart, by other instructions, and programs beside this one come between: the
    least of some tries is the row's own.
    """
    links = 2 if is_zen_5() else 1
    cycles = []
    while len(cycles) < 10 and not (cycles and min(cycles) == pytest.approx(links, rel=0.1)):
        (row,) = parsed("x86-64", "one-core", "--seconds", "0.3", "--row", "paddd_sse").rows
        cycles.append(row["latency_ns"] * row["clock_mhz"] / 1000)
    assert min(cycles) == pytest.approx(links, rel=0.25)


def is_zen_5():
    """AMD's family 26, whose vector units take two cycles where one result feeds the next."""
    text = Path("/proc/cpuinfo").read_text()
    return "AuthenticAMD" in text and re.search(r"cpu family\s*: 26\b", text) is not None


def test_the_probe_reaches_a_board_over_ssh_by_its_hash(ssh_session, tmp_path):
    log = tmp_path / "log"
    options = {"mode": "all-cores", "seconds": 0.1, "target": None}
    case = BenchmarkSpec("cpu-all-cores", CaseKind.CPU, "cpu", "cpupeak", options)
    outcome = CpuBenchmark().measure(case, {"x86-64": probe("x86-64")}, ssh_session, 60, log)
    assert isinstance(outcome, Figures), outcome
    assert outcome.processor.rows
    path = ssh_session.put(probe("x86-64"), outcome.artifact_sha256)
    assert path.parent.name == outcome.artifact_sha256
    assert '"event":"end"' in log.read_text()
    assert outcome.tools["cpupeak_compiler"].startswith("gcc-")
