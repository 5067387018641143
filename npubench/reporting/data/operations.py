"""What the rows of processors compute, so that rows of different instruction sets stand side by side."""

_SAME = {
    "multiply-add f32": ("mla_f32", "fmla", "fmlad", "vfmadd132ps_avx", "vfmadd132ps_avx512"),
    "multiply-add f16": ("fmla_f16",),
    "matrix multiply-add bf16": ("bfmmla", "vdpbf16ps_avx512"),
    "multiply-add s32": ("mla_s32", "mla"),
    "multiply-add s16": ("mlaq_lane_s16",),
    "multiply-add s16 to s32": (
        *("mlal_s16", "mlal_s16_lane", "smlal_4b", "vpmaddwd_avx", "vpmaddwd_avx512", "pmaddwd_sse"),
    ),
    "multiply-add s8 to s16": ("mlal_s8", "smlal_8b", "vpmaddubsw_avx", "vpmaddubsw_avx512"),
    "dot product s8 to s32": ("sdot", "smmla", "vpdpbusd_avx", "vpdpbusd_avx512"),
    "multiply f32": ("mul_f32", "fmul", "vmulps_avx", "vmulps_avx512", "mulps_sse"),
    "multiply s32": ("mul_s32", "mul", "vpmulld_avx", "vpmulld_avx512"),
    "multiply s16": ("vpmullw_avx", "pmullw_sse"),
    "multiply s8 to s16": ("smull",),
    "multiply s32, high half": ("qrdmulh", "sqrdmulh"),
    "add f32": ("fadd", "vaddps_avx", "vaddps_avx512", "addps_sse"),
    "add s32": ("add", "vpaddd_avx", "vpaddd_avx512", "paddd_sse"),
    "add pairs": ("padd", "addp"),
    "add pairs s16 to s32": ("padal", "sadalp"),
    "convert f32 and s32": (
        *("cvt", "fcvtzs", "scvtf", "fcvtns", "fcvtms", "fcvtps", "fcvtas"),
        *("vcvtdq2ps_avx", "vcvtps2dq_avx", "cvtdq2ps_sse", "cvtps2dq_sse"),
    ),
    "convert f32 and f16": ("fcvtn", "fcvtl"),
    "load and store": ("ldd", "ldq", "stq", "ldpq", "ld1q"),
}
_OTHER = "shift, logic, move"
_OF_ROW = {row: operation for operation, rows in _SAME.items() for row in rows}


def operation_of(row: str) -> str:
    """What a row computes, of any instruction set."""
    return _OF_ROW.get(row, _OTHER)
