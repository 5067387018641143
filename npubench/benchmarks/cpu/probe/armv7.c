/* ARMv7-A with NEON: the rows that MegPeak has there. ARM DDI 0406 (ARM ARM), A8.8; HWCAP of the kernel. */
#if defined(__arm__)
#include "cpupeak.h"

#include <string.h>
#include <sys/auxv.h>

const char *const architecture = "armv7";

#define HWCAP_NEON_BIT (1ul << 12)

/* All 32 doubleword registers: q0 to q15 are their pairs. */
#define VECTORS                                                                                              \
    "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15",      \
        "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23", "d24", "d25", "d26", "d27", "d28", "d29",      \
        "d30", "d31"

#define CLEAR(i) "veor q" #i ", q" #i ", q" #i "\n\t"

#define LOOP(NAME, BODY)                                                                                     \
    static void NAME(unsigned long loops) {                                                                  \
        __asm__ volatile(REPEAT_16(CLEAR) ".p2align 5\n"                                                      \
                                          "1:\n\t" FOUR_TIMES(BODY) "subs %0, %0, #1\n\t"                     \
                                                                    "bne 1b"                                  \
                         : "+r"(loops)                                                                       \
                         :                                                                                   \
                         : VECTORS, "cc", "memory");                                                         \
    }
#define CHAIN(M) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0)
#define ROW(NAME, INSTRUCTION)                                                                               \
    LOOP(NAME##_throughput, REPEAT_16(INSTRUCTION))                                                          \
    LOOP(NAME##_latency, CHAIN(INSTRUCTION))

#define TWO(NAME, i) NAME " q" #i ", q" #i "\n\t"
#define THREE(NAME, i) NAME " q" #i ", q" #i ", q" #i "\n\t"
/* The low half of q<i> is d<2i>, which the assembler knows as an expression only by name. */
#define LOW_0 "d0"
#define LOW_1 "d2"
#define LOW_2 "d4"
#define LOW_3 "d6"
#define LOW_4 "d8"
#define LOW_5 "d10"
#define LOW_6 "d12"
#define LOW_7 "d14"
#define LOW_8 "d16"
#define LOW_9 "d18"
#define LOW_10 "d20"
#define LOW_11 "d22"
#define LOW_12 "d24"
#define LOW_13 "d26"
#define LOW_14 "d28"
#define LOW_15 "d30"
#define LONG(NAME, i) NAME " q" #i ", " LOW_##i ", " LOW_##i "\n\t"

#define PADAL(i) TWO("vpadal.s16", i)
#define PADD(i) "vpadd.s32 d" #i ", d" #i ", d" #i "\n\t"
#define MLA_S32(i) THREE("vmla.s32", i)
#define MLAL_S8(i) LONG("vmlal.s8", i)
#define MLAL_S16(i) LONG("vmlal.s16", i)
/* A scalar of 16 bits can only lie in d0 to d7: all rows take it from their own or from d0. */
#define LANE_LOW(i) "vmlal.s16 q" #i ", " LOW_##i ", d0[0]\n\t"
#define MLAL_S16_LANE(i) LANE_LOW(i)
#define MLA_F32(i) THREE("vmla.f32", i)
#define MUL_S32(i) THREE("vmul.s32", i)
#define MUL_F32(i) THREE("vmul.f32", i)
#define CVT(i) TWO("vcvt.s32.f32", i)
#define QRDMULH(i) THREE("vqrdmulh.s32", i)
#define RSHL(i) THREE("vrshl.s32", i)

ROW(padal, PADAL)
ROW(padd, PADD)
ROW(mla_s32, MLA_S32)
ROW(mlal_s8, MLAL_S8)
ROW(mlal_s16, MLAL_S16)
/* q0 holds the scalar, so it is no accumulator of the independent ones. */
#define REPEAT_15_AND_1(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15) M(1)
LOOP(mlal_s16_lane_throughput, REPEAT_15_AND_1(MLAL_S16_LANE))
LOOP(mlal_s16_lane_latency, CHAIN(MLAL_S16_LANE))
ROW(mla_f32, MLA_F32)
ROW(mul_s32, MUL_S32)
ROW(mul_f32, MUL_F32)
ROW(cvt, CVT)
ROW(qrdmulh, QRDMULH)
ROW(rshl, RSHL)

#define ENTRY(NAME, OPERATIONS, KIND, MEGPEAK)                                                               \
    {#NAME, "neon", NAME##_throughput, NAME##_latency, BLOCK, OPERATIONS, KIND, MEGPEAK}

/* MegPeak's count: GFlops times ns of the published AX620A rows, which is a whole number in each. */
const struct kernel kernels[] = {
    ENTRY(padal, 8, INTEGER, 4),
    ENTRY(padd, 2, INTEGER, 4),
    ENTRY(mla_s32, 8, INTEGER, 8),
    ENTRY(mlal_s8, 16, INTEGER, 16),
    ENTRY(mlal_s16, 8, INTEGER, 8),
    ENTRY(mlal_s16_lane, 8, INTEGER, 8),
    ENTRY(mla_f32, 8, FLOAT, 8),
    ENTRY(mul_s32, 4, INTEGER, 4),
    ENTRY(mul_f32, 4, FLOAT, 4),
    ENTRY(cvt, 4, FLOAT, 4),
    ENTRY(qrdmulh, 4, INTEGER, 4),
    ENTRY(rshl, 4, INTEGER, 4),
};
const size_t kernel_count = sizeof kernels / sizeof kernels[0];

bool has_feature(const char *feature) {
    if (!*feature) return true;
    return !strcmp(feature, "neon") && (getauxval(AT_HWCAP) & HWCAP_NEON_BIT);
}

void dependent_additions(unsigned long loops) {
    uint32_t sum = 1;
#define ADD(i) "add %1, %1, %1\n\t"
    __asm__ volatile(".p2align 5\n"
                     "1:\n\t" FOUR_TIMES(REPEAT_16(ADD)) "subs %0, %0, #1\n\t"
                                                         "bne 1b"
                     : "+r"(loops), "+r"(sum)
                     :
                     : "cc");
}
#endif
