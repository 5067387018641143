/* Passes over memory: loops in assembly, so that what is loaded and stored is what stands here. */
#include "cpupeak.h"

#include <string.h>

#if defined(__x86_64__)
#define VECTORS                                                                                              \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",          \
        "xmm12", "xmm13", "xmm14", "xmm15"
#define PASS(NAME, STEP, BODY, END)                                                                          \
    static void NAME(void *target, const void *source, const void *other, size_t bytes) {                    \
        __asm__ volatile(".p2align 6\n"                                                                       \
                         "1:\n\t" BODY "add $" #STEP ", %0\n\t"                                               \
                         "add $" #STEP ", %1\n\t"                                                             \
                         "add $" #STEP ", %2\n\t"                                                             \
                         "sub $" #STEP ", %3\n\t"                                                             \
                         "jnz 1b\n\t" END                                                                     \
                         : "+r"(target), "+r"(source), "+r"(other), "+r"(bytes)                               \
                         :                                                                                   \
                         : VECTORS, "cc", "memory");                                                         \
    }

#define OF_WIDTH(TAG, W, STEP, R, LOAD, STORE, STREAM, MULTIPLY, ADD, END)                                   \
    PASS(read_##TAG, STEP, REPEAT_8(LOAD), END)                                                              \
    PASS(write_##TAG, STEP, REPEAT_8(STORE), END)                                                            \
    PASS(copy_##TAG, STEP, REPEAT_8(LOAD) REPEAT_8(STORE), END)                                              \
    PASS(triad_##TAG, STEP, REPEAT_8(LOAD) REPEAT_8(MULTIPLY) REPEAT_8(ADD) REPEAT_8(STORE), END)            \
    PASS(write_stream_##TAG, STEP, REPEAT_8(STREAM), "sfence\n\t" END)                                       \
    PASS(copy_stream_##TAG, STEP, REPEAT_8(LOAD) REPEAT_8(STREAM), "sfence\n\t" END)                         \
    PASS(triad_stream_##TAG, STEP, REPEAT_8(LOAD) REPEAT_8(MULTIPLY) REPEAT_8(ADD) REPEAT_8(STREAM),         \
         "sfence\n\t" END)

#define S_LOAD(i) "movaps " #i "*16(%1), %%xmm" #i "\n\t"
#define S_STORE(i) "movaps %%xmm" #i ", " #i "*16(%0)\n\t"
#define S_STREAM(i) "movntps %%xmm" #i ", " #i "*16(%0)\n\t"
#define S_MULTIPLY(i) "mulps %%xmm15, %%xmm" #i "\n\t"
#define S_ADD(i) "addps " #i "*16(%2), %%xmm" #i "\n\t"
OF_WIDTH(sse, 16, 128, "xmm", S_LOAD, S_STORE, S_STREAM, S_MULTIPLY, S_ADD, "")

#define Y_LOAD(i) "vmovaps " #i "*32(%1), %%ymm" #i "\n\t"
#define Y_STORE(i) "vmovaps %%ymm" #i ", " #i "*32(%0)\n\t"
#define Y_STREAM(i) "vmovntps %%ymm" #i ", " #i "*32(%0)\n\t"
#define Y_MULTIPLY(i) "vmulps %%ymm15, %%ymm" #i ", %%ymm" #i "\n\t"
#define Y_ADD(i) "vaddps " #i "*32(%2), %%ymm" #i ", %%ymm" #i "\n\t"
OF_WIDTH(avx, 32, 256, "ymm", Y_LOAD, Y_STORE, Y_STREAM, Y_MULTIPLY, Y_ADD, "vzeroupper")

#define Z_LOAD(i) "vmovaps " #i "*64(%1), %%zmm" #i "\n\t"
#define Z_STORE(i) "vmovaps %%zmm" #i ", " #i "*64(%0)\n\t"
#define Z_STREAM(i) "vmovntps %%zmm" #i ", " #i "*64(%0)\n\t"
#define Z_MULTIPLY(i) "vmulps %%zmm15, %%zmm" #i ", %%zmm" #i "\n\t"
#define Z_ADD(i) "vaddps " #i "*64(%2), %%zmm" #i ", %%zmm" #i "\n\t"
OF_WIDTH(avx512, 64, 512, "zmm", Z_LOAD, Z_STORE, Z_STREAM, Z_MULTIPLY, Z_ADD, "vzeroupper")

static void copy_rep(void *target, const void *source, const void *other, size_t bytes) {
    (void)other;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "cc", "memory");
}
static void write_rep(void *target, const void *source, const void *other, size_t bytes) {
    (void)source, (void)other;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(bytes) : "a"(0) : "cc", "memory");
}

#define OPERATIONS(TAG, TITLE, FEATURE)                                                                      \
    {"copy", TITLE, FEATURE, copy_##TAG, 2}, {"read", TITLE, FEATURE, read_##TAG, 1},                        \
        {"write", TITLE, FEATURE, write_##TAG, 1}, {"triad", TITLE, FEATURE, triad_##TAG, 3},                \
        {"copy", TITLE " non-temporal", FEATURE, copy_stream_##TAG, 2},                                      \
        {"write", TITLE " non-temporal", FEATURE, write_stream_##TAG, 1},                                    \
        {"triad", TITLE " non-temporal", FEATURE, triad_stream_##TAG, 3}
const struct memory_kernel memory_kernels[] = {
    OPERATIONS(sse, "SSE", ""),           OPERATIONS(avx, "AVX", "avx"),
    OPERATIONS(avx512, "AVX-512", "avx512f"), {"copy", "rep movsb", "", copy_rep, 2},
    {"write", "rep stosb", "", write_rep, 1},
};

#elif defined(__arm__)
#define VECTORS                                                                                              \
    "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15",      \
        "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23", "d24", "d25", "d26", "d27", "d28", "d29",      \
        "d30", "d31"
#define PASS(NAME, STEP, BODY)                                                                               \
    static void NAME(void *target, const void *source, const void *other, size_t bytes) {                    \
        __asm__ volatile(".p2align 5\n"                                                                       \
                         "1:\n\t" BODY "subs %3, %3, #" #STEP "\n\t"                                          \
                         "bne 1b"                                                                             \
                         : "+r"(target), "+r"(source), "+r"(other), "+r"(bytes)                               \
                         :                                                                                   \
                         : VECTORS, "cc", "memory");                                                         \
    }
#define LOAD "vldm %1!, {d0-d7}\n\t"
#define LOAD_OTHER "vldm %2!, {d8-d15}\n\t"
#define STORE "vstm %0!, {d0-d7}\n\t"
#define AHEAD "pld [%1, #256]\n\t"
#define MULTIPLY_ADD                                                                                         \
    "vmla.f32 q0, q4, q8\n\tvmla.f32 q1, q5, q8\n\tvmla.f32 q2, q6, q8\n\tvmla.f32 q3, q7, q8\n\t"
PASS(read_neon, 64, LOAD)
PASS(write_neon, 64, STORE)
PASS(copy_neon, 64, LOAD STORE)
PASS(triad_neon, 64, LOAD LOAD_OTHER MULTIPLY_ADD STORE)
PASS(read_ahead, 64, AHEAD LOAD)
PASS(copy_ahead, 64, AHEAD LOAD STORE)
PASS(triad_ahead, 64, AHEAD "pld [%2, #256]\n\t" LOAD LOAD_OTHER MULTIPLY_ADD STORE)
const struct memory_kernel memory_kernels[] = {
    {"copy", "NEON", "neon", copy_neon, 2},         {"copy", "NEON with preload", "neon", copy_ahead, 2},
    {"read", "NEON", "neon", read_neon, 1},         {"read", "NEON with preload", "neon", read_ahead, 1},
    {"write", "NEON", "neon", write_neon, 1},       {"triad", "NEON", "neon", triad_neon, 3},
    {"triad", "NEON with preload", "neon", triad_ahead, 3},
};

#elif defined(__aarch64__)
#define VECTORS                                                                                              \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",      \
        "v16"
#define PASS(NAME, STEP, BODY)                                                                               \
    static void NAME(void *target, const void *source, const void *other, size_t bytes) {                    \
        __asm__ volatile(".p2align 5\n"                                                                       \
                         "1:\n\t" BODY "add %0, %0, #" #STEP "\n\t"                                           \
                         "add %1, %1, #" #STEP "\n\t"                                                         \
                         "add %2, %2, #" #STEP "\n\t"                                                         \
                         "subs %3, %3, #" #STEP "\n\t"                                                        \
                         "b.ne 1b"                                                                            \
                         : "+r"(target), "+r"(source), "+r"(other), "+r"(bytes)                               \
                         :                                                                                   \
                         : VECTORS, "cc", "memory");                                                         \
    }
#define PAIRS(OP, BASE)                                                                                      \
    OP " q0, q1, [" BASE "]\n\t" OP " q2, q3, [" BASE ", #32]\n\t" OP " q4, q5, [" BASE ", #64]\n\t" OP        \
       " q6, q7, [" BASE ", #96]\n\t"
#define OTHER                                                                                                \
    "ldp q8, q9, [%2]\n\tldp q10, q11, [%2, #32]\n\tldp q12, q13, [%2, #64]\n\tldp q14, q15, [%2, #96]\n\t"
#define MULTIPLY_ADD(a, b) "fmla v" #a ".4s, v" #b ".4s, v16.4s\n\t"
#define ADD_ALL                                                                                              \
    MULTIPLY_ADD(0, 8) MULTIPLY_ADD(1, 9) MULTIPLY_ADD(2, 10) MULTIPLY_ADD(3, 11) MULTIPLY_ADD(4, 12)        \
        MULTIPLY_ADD(5, 13) MULTIPLY_ADD(6, 14) MULTIPLY_ADD(7, 15)
PASS(read_pairs, 128, PAIRS("ldp", "%1"))
PASS(write_pairs, 128, PAIRS("stp", "%0"))
PASS(copy_pairs, 128, PAIRS("ldp", "%1") PAIRS("stp", "%0"))
PASS(triad_pairs, 128, PAIRS("ldp", "%1") OTHER ADD_ALL PAIRS("stp", "%0"))
PASS(write_stream, 128, PAIRS("stnp", "%0"))
PASS(copy_stream, 128, PAIRS("ldnp", "%1") PAIRS("stnp", "%0"))
const struct memory_kernel memory_kernels[] = {
    {"copy", "ldp stp", "asimd", copy_pairs, 2},   {"copy", "ldnp stnp", "asimd", copy_stream, 2},
    {"read", "ldp", "asimd", read_pairs, 1},       {"write", "stp", "asimd", write_pairs, 1},
    {"write", "stnp", "asimd", write_stream, 1},   {"triad", "ldp fmla stp", "asimd", triad_pairs, 3},
};
#else
#error "cpupeak knows x86-64, ARMv7-A and AArch64"
#endif

const size_t memory_kernel_count = sizeof memory_kernels / sizeof memory_kernels[0];
