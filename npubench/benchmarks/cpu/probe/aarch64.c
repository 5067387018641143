/* AArch64: Advanced SIMD rows and extensions. Arm ARM (DDI 0487), C7; HWCAP and HWCAP2 of the kernel
 * (Documentation/arch/arm64/elf_hwcaps.rst). */
#if defined(__aarch64__)
#include "cpupeak.h"

#include <string.h>
#include <sys/auxv.h>

const char *const architecture = "aarch64";

#define VECTORS                                                                                              \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",      \
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",      \
        "v30", "v31"

#define CLEAR(i) "movi v" #i ".2d, #0\n\t"

/* %1 is a buffer of 128 bytes for loads and stores. */
#define LOOP(NAME, BODY)                                                                                     \
    static void NAME(unsigned long loops) {                                                                  \
        static char buffer[128] __attribute__((aligned(64)));                                                \
        __asm__ volatile(".arch armv8.6-a+fp16+dotprod+i8mm+bf16\n\t" REPEAT_16(CLEAR) ".p2align 5\n"                           \
                                                                     "1:\n\t" FOUR_TIMES(BODY)                \
                                                                         "subs %0, %0, #1\n\t"                \
                                                                         "b.ne 1b"                            \
                         : "+r"(loops)                                                                       \
                         : "r"(buffer)                                                                       \
                         : VECTORS, "cc", "memory");                                                         \
    }
#define CHAIN(M) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0) M(0)
#define ROW(NAME, INSTRUCTION)                                                                               \
    LOOP(NAME##_throughput, REPEAT_16(INSTRUCTION))                                                          \
    LOOP(NAME##_latency, CHAIN(INSTRUCTION))

#define V(i, T) "v" #i "." T
#define TWO(NAME, T, i) NAME " " V(i, T) ", " V(i, T) "\n\t"
#define THREE(NAME, T, i) NAME " " V(i, T) ", " V(i, T) ", " V(i, T) "\n\t"
#define WIDE(NAME, TO, FROM, i) NAME " " V(i, TO) ", " V(i, FROM) ", " V(i, FROM) "\n\t"
#define CAST(NAME, TO, FROM, i) NAME " " V(i, TO) ", " V(i, FROM) "\n\t"

/* Loads and stores: nothing depends on the one before, so they have no latency here. */
#define LDD(i) "ldr d" #i ", [%1]\n\t"
#define LDQ(i) "ldr q" #i ", [%1]\n\t"
#define STQ(i) "str q" #i ", [%1]\n\t"
#define LDPQ(i) "ldp q" #i ", q16, [%1]\n\t"
#define LD1Q(i) "ld1 {v" #i ".4s}, [%1]\n\t"
LOOP(ldd_throughput, REPEAT_16(LDD))
LOOP(ldq_throughput, REPEAT_16(LDQ))
LOOP(stq_throughput, REPEAT_16(STQ))
LOOP(ldpq_throughput, REPEAT_16(LDPQ))
LOOP(ld1q_throughput, REPEAT_16(LD1Q))

/* Not of a register with itself, which some cores know to be zero. */
#define EOR(i) "eor v" #i ".16b, v" #i ".16b, v16.16b\n\t"
#define FMLA(i) THREE("fmla", "4s", i)
#define FMLAD(i) THREE("fmla", "2s", i)
#define MLA(i) THREE("mla", "4s", i)
#define FMUL(i) THREE("fmul", "4s", i)
#define MUL(i) THREE("mul", "4s", i)
#define ADDP(i) THREE("addp", "4s", i)
#define SADALP(i) CAST("sadalp", "4s", "8h", i)
#define ADDV(i) THREE("add", "4s", i)
#define FADD(i) THREE("fadd", "4s", i)
#define SMULL(i) WIDE("smull", "8h", "8b", i)
#define SMLAL_4B(i) WIDE("smlal", "4s", "4h", i)
#define SMLAL_8B(i) WIDE("smlal", "8h", "8b", i)
#define DUPD_LANE_S8(i) "dup v" #i ".8b, v" #i ".b[0]\n\t"
#define MLAQ_LANE_S16(i) "mla v" #i ".8h, v" #i ".8h, v0.h[0]\n\t"
#define SSHLL(i) "sshll v" #i ".8h, v" #i ".8b, #0\n\t"
#define TBL(i) "tbl v" #i ".16b, {v" #i ".16b}, v" #i ".16b\n\t"
#define INS(i) "ins v" #i ".s[0], v" #i ".s[1]\n\t"
#define SQRDMULH(i) THREE("sqrdmulh", "4s", i)
#define USUBL(i) WIDE("usubl", "8h", "8b", i)
#define ABS(i) TWO("abs", "4s", i)
#define FCVTZS(i) TWO("fcvtzs", "4s", i)
#define SCVTF(i) TWO("scvtf", "4s", i)
#define FCVTNS(i) TWO("fcvtns", "4s", i)
#define FCVTMS(i) TWO("fcvtms", "4s", i)
#define FCVTPS(i) TWO("fcvtps", "4s", i)
#define FCVTAS(i) TWO("fcvtas", "4s", i)
#define FCVTN(i) CAST("fcvtn", "4h", "4s", i)
#define FCVTL(i) CAST("fcvtl", "4s", "4h", i)
#define SDOT(i) WIDE("sdot", "4s", "16b", i)
#define SMMLA(i) WIDE("smmla", "4s", "16b", i)
#define BFMMLA(i) WIDE("bfmmla", "4s", "8h", i)
#define FMLA_F16(i) THREE("fmla", "8h", i)

ROW(eor, EOR)
ROW(fmla, FMLA)
ROW(fmlad, FMLAD)
ROW(mla, MLA)
ROW(fmul, FMUL)
ROW(mul, MUL)
ROW(addp, ADDP)
ROW(sadalp, SADALP)
ROW(add, ADDV)
ROW(fadd, FADD)
ROW(smull, SMULL)
ROW(smlal_4b, SMLAL_4B)
ROW(smlal_8b, SMLAL_8B)
ROW(dupd_lane_s8, DUPD_LANE_S8)
/* v0 holds the scalar, so it is no accumulator of the independent ones. */
#define REPEAT_15_AND_1(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15) M(1)
LOOP(mlaq_lane_s16_throughput, REPEAT_15_AND_1(MLAQ_LANE_S16))
LOOP(mlaq_lane_s16_latency, CHAIN(MLAQ_LANE_S16))
ROW(sshll, SSHLL)
ROW(tbl, TBL)
ROW(ins, INS)
ROW(sqrdmulh, SQRDMULH)
ROW(usubl, USUBL)
ROW(abs, ABS)
ROW(fcvtzs, FCVTZS)
ROW(scvtf, SCVTF)
ROW(fcvtns, FCVTNS)
ROW(fcvtms, FCVTMS)
ROW(fcvtps, FCVTPS)
ROW(fcvtas, FCVTAS)
ROW(fcvtn, FCVTN)
ROW(fcvtl, FCVTL)
ROW(sdot, SDOT)
ROW(smmla, SMMLA)
ROW(bfmmla, BFMMLA)
ROW(fmla_f16, FMLA_F16)

#define ENTRY(NAME, FEATURE, OPERATIONS, KIND)                                                               \
    {#NAME, FEATURE, NAME##_throughput, NAME##_latency, BLOCK, OPERATIONS, KIND, 0}
#define MOVES(NAME, SIZE) {#NAME, "asimd", NAME##_throughput, NULL, BLOCK, SIZE, BYTES, 0}

const struct kernel kernels[] = {
    MOVES(ldd, 8),
    MOVES(ldq, 16),
    MOVES(stq, 16),
    MOVES(ldpq, 32),
    MOVES(ld1q, 16),
    ENTRY(eor, "asimd", 4, INTEGER),
    ENTRY(fmla, "asimd", 8, FLOAT),
    ENTRY(fmlad, "asimd", 4, FLOAT),
    ENTRY(mla, "asimd", 8, INTEGER),
    ENTRY(fmul, "asimd", 4, FLOAT),
    ENTRY(mul, "asimd", 4, INTEGER),
    ENTRY(addp, "asimd", 4, INTEGER),
    ENTRY(sadalp, "asimd", 8, INTEGER),
    ENTRY(add, "asimd", 4, INTEGER),
    ENTRY(fadd, "asimd", 4, FLOAT),
    ENTRY(smull, "asimd", 8, INTEGER),
    ENTRY(smlal_4b, "asimd", 8, INTEGER),
    ENTRY(smlal_8b, "asimd", 16, INTEGER),
    ENTRY(dupd_lane_s8, "asimd", 8, INTEGER),
    ENTRY(mlaq_lane_s16, "asimd", 16, INTEGER),
    ENTRY(sshll, "asimd", 8, INTEGER),
    ENTRY(tbl, "asimd", 16, INTEGER),
    ENTRY(ins, "asimd", 1, INTEGER),
    ENTRY(sqrdmulh, "asimd", 4, INTEGER),
    ENTRY(usubl, "asimd", 8, INTEGER),
    ENTRY(abs, "asimd", 4, INTEGER),
    ENTRY(fcvtzs, "asimd", 4, FLOAT),
    ENTRY(scvtf, "asimd", 4, FLOAT),
    ENTRY(fcvtns, "asimd", 4, FLOAT),
    ENTRY(fcvtms, "asimd", 4, FLOAT),
    ENTRY(fcvtps, "asimd", 4, FLOAT),
    ENTRY(fcvtas, "asimd", 4, FLOAT),
    ENTRY(fcvtn, "asimd", 4, FLOAT),
    ENTRY(fcvtl, "asimd", 4, FLOAT),
    ENTRY(sdot, "asimddp", 32, INTEGER),
    ENTRY(smmla, "i8mm", 64, INTEGER),
    ENTRY(bfmmla, "bf16", 32, FLOAT),
    ENTRY(fmla_f16, "asimdhp", 16, FLOAT),
};
const size_t kernel_count = sizeof kernels / sizeof kernels[0];

bool has_feature(const char *feature) {
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    if (!*feature) return true;
    if (!strcmp(feature, "asimd")) return first & (1ul << 1);
    if (!strcmp(feature, "asimdhp")) return first & (1ul << 10);
    if (!strcmp(feature, "asimddp")) return first & (1ul << 20);
    if (!strcmp(feature, "i8mm")) return second & (1ul << 13);
    if (!strcmp(feature, "bf16")) return second & (1ul << 14);
    return false;
}

void dependent_additions(unsigned long loops) {
    uint64_t sum = 1;
#define ADD(i) "add %1, %1, %1\n\t"
    __asm__ volatile(".p2align 5\n"
                     "1:\n\t" FOUR_TIMES(REPEAT_16(ADD)) "subs %0, %0, #1\n\t"
                                                         "b.ne 1b"
                     : "+r"(loops), "+r"(sum)
                     :
                     : "cc");
}
#endif
