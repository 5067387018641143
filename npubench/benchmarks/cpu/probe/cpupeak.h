/* cpupeak: instruction throughput and latency and memory bandwidth of a Linux board, as JSON lines.
 *
 * Every measured instruction stands in a volatile asm block whose clobber list names each register that
 * it writes, so the compiler can neither remove, merge nor move it, nor keep a value in its registers.
 */
#ifndef CPUPEAK_H
#define CPUPEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_CORES 256
#define MAX_SAMPLES 64

/* What an instruction's `operations` are. */
enum operation { INTEGER, FLOAT, BYTES };

/* A loop of `block` measured instructions, run `loops` times. */
typedef void (*loop_function)(unsigned long loops);

struct kernel {
    const char *name;
    const char *feature; /* what the processor must have; "" for the base of the architecture */
    loop_function throughput; /* independent registers */
    loop_function latency;    /* each instruction needs the one before; NULL where there is no such chain */
    unsigned block;           /* measured instructions in one loop, of both functions */
    double operations;        /* arithmetic operations (a multiply-add is two), or bytes moved */
    enum operation kind;
    double megpeak_operations; /* what MegPeak divides by the time; 0: not known */
};

extern const struct kernel kernels[];
extern const size_t kernel_count;
extern const char *const architecture;

/* Whether the processor has a feature, found at run time. */
bool has_feature(const char *feature);

/* 64 additions, each of which needs the one before: a cycle each on every core that we know. */
void dependent_additions(unsigned long loops);
#define ADDITIONS_IN_LOOP 64

/* One pass over `bytes` (a multiple of 1024) of aligned memory. */
typedef void (*memory_function)(void *target, const void *source, const void *other, size_t bytes);

struct memory_kernel {
    const char *operation; /* copy, read, write or triad */
    const char *variant;   /* how it loads and stores */
    const char *feature;
    memory_function pass;
    unsigned arrays; /* of `bytes` each */
};

extern const struct memory_kernel memory_kernels[];
extern const size_t memory_kernel_count;

/* Samples of one quantity. */
struct statistics {
    double median, min, max;
    double spread; /* (third quartile - first quartile) / median */
    unsigned count;
};

/* A stretch of time: of the wall, and of the core as far as this thread had it. */
struct duration {
    double wall_ns, core_ns;
};
struct duration now(void);
/* Takes the thread's clock, or the wall's where the thread's only moves by ticks; its name. */
const char *choose_clock(void);
struct duration since(struct duration start);
struct statistics statistics_of(double *samples, unsigned count);
/* Loops that take about `target_ns`. */
unsigned long loops_for(loop_function function, double target_ns);
struct duration sample(loop_function function, unsigned long loops);
double clock_mhz(double target_ns);
void warm_up(double duration_ns);

/* Cores that this process may run on, ascending. */
int allowed_cores(int cores[MAX_CORES]);
/* Stay on that core from now on; ends the program where that cannot be. */
void pin_to(int core);
/* Bytes that may be taken: available memory, less where a control group limits it; 0: not known. */
uint64_t available_bytes(void);
uint64_t largest_cache_bytes(void);
void print_facts(void);

struct budget {
    double seconds;   /* for all rows of a mode together */
    double sample_ns; /* of one sample at most */
    const char *only; /* name of one row, or NULL */
    double start_ns;  /* of the wall clock */
};

#define LEAST_SAMPLES 3
/* Samples of a row: `full`, or the least when other programs have taken the core for so long that the mode
 * has lasted twice as long as it should. */
unsigned samples_now(struct budget budget, unsigned full);

void measure_one_core(int core, const char *mode, struct budget budget);
void measure_all_cores(const int *cores, int count, struct budget budget);
void measure_memory(const int *cores, int count, struct budget budget);
void measure_bandwidth(int core, struct budget budget);
bool is_wanted(const struct kernel *kernel, struct budget budget);
unsigned wanted_kernels(struct budget budget);
void print_statistics(const char *prefix, double divisor, struct statistics found);
double least_sample_ns(void);

#define REPEAT_16(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define REPEAT_8(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define FOUR_TIMES(X) X X X X
#define BLOCK 64 /* 16 instructions, four times */

#endif
