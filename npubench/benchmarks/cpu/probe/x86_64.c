/* x86-64: rows of SSE2, AVX, FMA, AVX2, AVX-512 and VNNI. Intel SDM volume 2; CPUID leaves 1 and 7. */
#if defined(__x86_64__)
#include "cpupeak.h"

#include <cpuid.h>
#include <string.h>

const char *const architecture = "x86-64";

#define VECTORS                                                                                              \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",          \
        "xmm12", "xmm13", "xmm14", "xmm15"

/* Zeroed first: no denormal numbers and no NaN, and no wait for what the registers held. */
#define CLEAR_SSE(i) "pxor %%xmm" #i ", %%xmm" #i "\n\t"
#define CLEAR_AVX(i) "vxorps %%ymm" #i ", %%ymm" #i ", %%ymm" #i "\n\t"
#define CLEAR_AVX512(i) "vpxorq %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n\t"

#define LOOP(NAME, CLEAR, BODY, END)                                                                         \
    static void NAME(unsigned long loops) {                                                                  \
        __asm__ volatile(REPEAT_16(CLEAR) ".p2align 6\n"                                                      \
                                          "1:\n\t" FOUR_TIMES(BODY) "sub $1, %0\n\t"                          \
                                                                    "jnz 1b\n\t" END                          \
                         : "+r"(loops)                                                                       \
                         :                                                                                   \
                         : VECTORS, "cc", "memory");                                                         \
    }

/* One chain through register 0: sixteen times the same instruction. */
#define CHAIN(M) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0)
#define ROW(ROW_NAME, CLEAR, INSTRUCTION, END)                                                               \
    LOOP(ROW_NAME##_throughput, CLEAR, REPEAT_16(INSTRUCTION), END)                                          \
    LOOP(ROW_NAME##_latency, CLEAR, CHAIN(INSTRUCTION), END)

#define SSE(NAME, TEXT) ROW(NAME##_sse, CLEAR_SSE, TEXT, "")
#define AVX(NAME, TEXT) ROW(NAME##_avx, CLEAR_AVX, TEXT, "vzeroupper")
#define AVX512(NAME, TEXT) ROW(NAME##_avx512, CLEAR_AVX512, TEXT, "vzeroupper")

#define TWO(NAME, R, i) NAME " %%" R #i ", %%" R #i "\n\t"
#define THREE(NAME, R, i) NAME " %%" R #i ", %%" R #i ", %%" R #i "\n\t"

#define MULPS(i) TWO("mulps", "xmm", i)
#define ADDPS(i) TWO("addps", "xmm", i)
#define PMULLW(i) TWO("pmullw", "xmm", i)
#define PMADDWD(i) TWO("pmaddwd", "xmm", i)
#define PADDD(i) TWO("paddd", "xmm", i)
#define CVTDQ2PS(i) TWO("cvtdq2ps", "xmm", i)
#define CVTPS2DQ(i) TWO("cvtps2dq", "xmm", i)
SSE(mulps, MULPS)
SSE(addps, ADDPS)
SSE(pmullw, PMULLW)
SSE(pmaddwd, PMADDWD)
SSE(paddd, PADDD)
SSE(cvtdq2ps, CVTDQ2PS)
SSE(cvtps2dq, CVTPS2DQ)

#define VFMADD_Y(i) THREE("vfmadd132ps", "ymm", i)
#define VMULPS_Y(i) THREE("vmulps", "ymm", i)
#define VADDPS_Y(i) THREE("vaddps", "ymm", i)
#define VCVTDQ2PS_Y(i) TWO("vcvtdq2ps", "ymm", i)
#define VCVTPS2DQ_Y(i) TWO("vcvtps2dq", "ymm", i)
#define VPMULLD_Y(i) THREE("vpmulld", "ymm", i)
#define VPMULLW_Y(i) THREE("vpmullw", "ymm", i)
#define VPMADDWD_Y(i) THREE("vpmaddwd", "ymm", i)
#define VPMADDUBSW_Y(i) THREE("vpmaddubsw", "ymm", i)
#define VPADDD_Y(i) THREE("vpaddd", "ymm", i)
#define VPDPBUSD_Y(i) "%{vex%} " THREE("vpdpbusd", "ymm", i)
AVX(vfmadd132ps, VFMADD_Y)
AVX(vmulps, VMULPS_Y)
AVX(vaddps, VADDPS_Y)
AVX(vcvtdq2ps, VCVTDQ2PS_Y)
AVX(vcvtps2dq, VCVTPS2DQ_Y)
AVX(vpmulld, VPMULLD_Y)
AVX(vpmullw, VPMULLW_Y)
AVX(vpmaddwd, VPMADDWD_Y)
AVX(vpmaddubsw, VPMADDUBSW_Y)
AVX(vpaddd, VPADDD_Y)
AVX(vpdpbusd, VPDPBUSD_Y)

#define VFMADD_Z(i) THREE("vfmadd132ps", "zmm", i)
#define VMULPS_Z(i) THREE("vmulps", "zmm", i)
#define VADDPS_Z(i) THREE("vaddps", "zmm", i)
#define VPMULLD_Z(i) THREE("vpmulld", "zmm", i)
#define VPMADDWD_Z(i) THREE("vpmaddwd", "zmm", i)
#define VPMADDUBSW_Z(i) THREE("vpmaddubsw", "zmm", i)
#define VPADDD_Z(i) THREE("vpaddd", "zmm", i)
#define VPDPBUSD_Z(i) THREE("vpdpbusd", "zmm", i)
#define VDPBF16PS_Z(i) THREE("vdpbf16ps", "zmm", i)
AVX512(vfmadd132ps, VFMADD_Z)
AVX512(vmulps, VMULPS_Z)
AVX512(vaddps, VADDPS_Z)
AVX512(vpmulld, VPMULLD_Z)
AVX512(vpmaddwd, VPMADDWD_Z)
AVX512(vpmaddubsw, VPMADDUBSW_Z)
AVX512(vpaddd, VPADDD_Z)
AVX512(vpdpbusd, VPDPBUSD_Z)
AVX512(vdpbf16ps, VDPBF16PS_Z)

#define ENTRY(NAME, FEATURE, OPERATIONS, KIND, MEGPEAK)                                                      \
    {#NAME, FEATURE, NAME##_throughput, NAME##_latency, BLOCK, OPERATIONS, KIND, MEGPEAK}

/* MegPeak's own count is known where it has printed a row that we have seen (vfmadd132ps_avx). */
const struct kernel kernels[] = {
    ENTRY(vfmadd132ps_avx, "fma", 16, FLOAT, 16),
    ENTRY(vmulps_avx, "avx", 8, FLOAT, 0),
    ENTRY(vaddps_avx, "avx", 8, FLOAT, 0),
    ENTRY(vcvtdq2ps_avx, "avx", 8, FLOAT, 0),
    ENTRY(vcvtps2dq_avx, "avx", 8, FLOAT, 0),
    ENTRY(vpmulld_avx, "avx2", 8, INTEGER, 0),
    ENTRY(vpmullw_avx, "avx2", 16, INTEGER, 0),
    ENTRY(vpmaddwd_avx, "avx2", 24, INTEGER, 0),
    ENTRY(vpmaddubsw_avx, "avx2", 48, INTEGER, 0),
    ENTRY(vpaddd_avx, "avx2", 8, INTEGER, 0),
    ENTRY(vpdpbusd_avx, "avxvnni", 64, INTEGER, 0),
    ENTRY(vfmadd132ps_avx512, "avx512f", 32, FLOAT, 0),
    ENTRY(vmulps_avx512, "avx512f", 16, FLOAT, 0),
    ENTRY(vaddps_avx512, "avx512f", 16, FLOAT, 0),
    ENTRY(vpmulld_avx512, "avx512f", 16, INTEGER, 0),
    ENTRY(vpmaddwd_avx512, "avx512bw", 48, INTEGER, 0),
    ENTRY(vpmaddubsw_avx512, "avx512bw", 96, INTEGER, 0),
    ENTRY(vpaddd_avx512, "avx512f", 16, INTEGER, 0),
    ENTRY(vpdpbusd_avx512, "avx512vnni", 128, INTEGER, 112),
    ENTRY(vdpbf16ps_avx512, "avx512bf16", 64, FLOAT, 0),
    ENTRY(mulps_sse, "", 4, FLOAT, 0),
    ENTRY(addps_sse, "", 4, FLOAT, 0),
    ENTRY(pmullw_sse, "", 8, INTEGER, 0),
    ENTRY(pmaddwd_sse, "", 12, INTEGER, 0),
    ENTRY(paddd_sse, "", 4, INTEGER, 0),
    ENTRY(cvtdq2ps_sse, "", 4, FLOAT, 0),
    ENTRY(cvtps2dq_sse, "", 4, FLOAT, 0),
};
const size_t kernel_count = sizeof kernels / sizeof kernels[0];

static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

/* A vector extension counts when the operating system saves its registers, too (XCR0; SDM volume 1, 14.3). */
bool has_feature(const char *feature) {
    uint32_t a, b = 0, c, d = 0, a7_1 = 0, b7 = 0, c7 = 0, d7 = 0, unused;
    if (!*feature) return true;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
    uint64_t state = enabled_state();
    bool avx = (c & bit_AVX) && (state & 0x6) == 0x6;
    __get_cpuid_count(7, 0, &unused, &b7, &c7, &d7);
    uint32_t highest = 0;
    __get_cpuid_count(7, 0, &highest, &b, &unused, &d);
    if (highest >= 1) __get_cpuid_count(7, 1, &a7_1, &b, &unused, &d);
    bool avx512 = avx && (state & 0xe6) == 0xe6 && (b7 & (1u << 16));
    if (!strcmp(feature, "avx")) return avx;
    if (!strcmp(feature, "fma")) return avx && (c & (1u << 12));
    if (!strcmp(feature, "avx2")) return avx && (b7 & (1u << 5));
    if (!strcmp(feature, "avxvnni")) return avx && (a7_1 & (1u << 4));
    if (!strcmp(feature, "avx512f")) return avx512;
    if (!strcmp(feature, "avx512bw")) return avx512 && (b7 & (1u << 30));
    if (!strcmp(feature, "avx512vnni")) return avx512 && (c7 & (1u << 11));
    if (!strcmp(feature, "avx512bf16")) return avx512 && (a7_1 & (1u << 5));
    return false;
}

/* Between registers: some cores rename additions of small constants away (Intel, since Golden Cove). */
void dependent_additions(unsigned long loops) {
    uint64_t sum = 1;
#define ADD(i) "add %1, %1\n\t"
    __asm__ volatile(".p2align 6\n"
                     "1:\n\t" FOUR_TIMES(REPEAT_16(ADD)) "sub $1, %0\n\t"
                                                         "jnz 1b"
                     : "+r"(loops), "+r"(sum)
                     :
                     : "cc");
}
#endif
