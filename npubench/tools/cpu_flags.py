"""Flags of a processor that decide which kernels a runtime has, from /proc/cpuinfo."""

import re

KERNEL_FLAGS = frozenset(
    {
        *("sse2", "avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"),
        *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "sve", "bf16"),
    }
)
"""Flags of processors that decide which kernels a runtime has for a number's type."""


def processor_flags(cpuinfo: str) -> tuple[str, ...]:
    """Those of `KERNEL_FLAGS` that every core has, in alphabetical order; x86 says flags, ARM Features."""
    cores = [set(line.split()) for line in re.findall(r"(?m)^(?:flags|Features)\s*:\s*(.*)$", cpuinfo)]
    return tuple(sorted(KERNEL_FLAGS.intersection(*cores))) if cores else ()
