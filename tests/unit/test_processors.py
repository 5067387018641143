"""Which quantisation which processor gets."""

import pytest

from npubench.backends.onnxruntime import backend
from npubench.backends.onnxruntime.processors import (
    ARM,
    ARM_DOT,
    OTHER,
    TABLE,
    X86,
    X86_VNNI,
    processor_of,
)
from npubench.boards.state import parse
from npubench.tools.cpu_flags import processor_flags


@pytest.mark.parametrize(
    ("flags", "processor", "code"),
    [
        ("sse2 avx avx2 avx512f avx512_vnni", X86_VNNI, "u8s8"),
        ("sse2 avx avx2 avx_vnni", X86_VNNI, "u8s8"),
        ("sse2 avx2 amx_int8", X86_VNNI, "u8s8"),
        ("sse2 avx avx2", X86, "u8s7"),
        ("sse2 avx avx2 avx512f", X86, "u8s7"),
        ("sse2", X86, "u8s7"),
        ("fp asimd evtstrm crc32 asimdrdm asimddp", ARM_DOT, "s8s8"),
        ("fp asimd asimddp i8mm sve bf16", ARM_DOT, "s8s8"),
        ("fp asimd evtstrm aes", ARM, "s8s8"),
        ("half thumb fastmult vfp neon vfpv4", ARM, "s8s8"),
        ("", OTHER, "u8s7"),
    ],
)
def test_the_table(flags, processor, code):
    assert processor_of(flags.split()) is processor
    assert processor.code == code


def test_only_what_was_run_says_so():
    assert [one.name for one in TABLE if one.tried == "never run"] == [
        "ARM with dot product",
        "ARM without dot product",
        "another processor",
    ]


def test_a_flag_counts_that_every_core_has():
    big, little = "Features\t: fp asimd asimddp\n", "Features\t: fp asimd\n"
    assert processor_flags(f"processor : 0\n{big}processor : 1\n{little}") == ("asimd",)
    assert processor_flags("flags\t\t: fpu sse2 avx2 avx_vnni rdrand\n") == ("avx2", "avx_vnni", "sse2")
    assert processor_flags("isa : rv64imafdc\n") == ()


def test_the_board_state_has_the_flags():
    assert parse({"/proc/cpuinfo": "flags : sse2 avx2\n"}, "now").cpu_flags == ("avx2", "sse2")


def test_an_artifact_of_another_processor_is_not_taken(monkeypatch):
    """The version is part of what identifies an artifact (`plan.Job.compile_key`)."""
    told = {}
    for processor in (X86, X86_VNNI):
        monkeypatch.setattr(backend, "this_processor", lambda found=processor: (found, ()))
        told[processor.name] = backend.OnnxRuntimeBackend().probe().versions["quantiser"]
    assert list(told.values()) == ["2-u8s7", "2-u8s8"]
