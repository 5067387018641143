"""How to quantise for the processor that will run it: which types its integer kernels take, and take right.

On x86 ONNX Runtime fuses quantised operators only with unsigned activations; with signed ones much of a graph
is computed in float between conversions. Without VNNI its kernels multiply unsigned by signed bytes with
VPMADDUBSW, which adds two products into 16 bits and saturates (Intel's manual, volume 2): weights of 7 bits
cannot reach that. On ARM signed activations are fused, and those kernels add into 32 bits, or into 16 where
two products of weights above -128 fit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from npubench.tools.cpu_flags import processor_flags

VNNI = frozenset({"avx_vnni", "avx512_vnni", "avx_vnni_int8", "amx_int8"})
"""Flags of x86 processors that multiply bytes into 32 bits, so that nothing saturates."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A row of the table. Weights are signed and symmetric, of 7 bits with `reduced`.

    `tried` says where these settings have really run.
    """

    name: str
    signed_activations: bool
    reduced: bool
    tried: str

    @property
    def code(self) -> str:
        """Types of activations and weights in short, as a version knows them."""
        return f"{'s8' if self.signed_activations else 'u8'}s{7 if self.reduced else 8}"


X86_VNNI = Processor("x86 with VNNI", False, False, "run, with avx512_vnni")
X86 = Processor("x86 without VNNI", False, True, "run in an emulator only, and so not timed")
ARM_DOT = Processor("ARM with dot product", True, False, "never run")
ARM = Processor("ARM without dot product", True, False, "never run")
OTHER = Processor("another processor", False, True, "never run")
TABLE = (X86_VNNI, X86, ARM_DOT, ARM, OTHER)


def processor_of(flags: Collection[str]) -> Processor:
    """The row for the flags that Linux names in /proc/cpuinfo (x86: flags, ARM: Features)."""
    named = frozenset(flags)
    if named & {"asimd", "neon"}:
        return ARM_DOT if named & {"asimddp", "i8mm"} else ARM
    if named & {"sse2", "avx2"}:
        return X86_VNNI if named & VNNI else X86
    return OTHER


def this_processor() -> tuple[Processor, tuple[str, ...]]:
    """This machine's row of the table, and those of its flags that decide it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    flags = processor_flags(text)
    return processor_of(flags), flags
