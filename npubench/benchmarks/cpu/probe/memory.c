/* Memory bandwidth: copy, read, write and triad over working sets from the first cache to DRAM. */
#define _GNU_SOURCE
#include "cpupeak.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SAMPLES 7
#define LEAST_SET (8u << 10)
#define DRAM_SET (64ull << 20)
#define MOST_SET (512ull << 20)
#define MEGPEAK_COPY (100ull << 20)
#define APART 1024 /* sizes are multiples of it */

static const char *const operations[] = {"copy", "read", "write", "triad"};

/* Never more than a quarter of what is free: the board must not run out of memory by being measured. */
static uint64_t most_bytes(int cores) {
    uint64_t quarter = available_bytes() / 4, wanted = 4 * largest_cache_bytes();
    if (wanted < DRAM_SET) wanted = DRAM_SET;
    if (wanted > MOST_SET) wanted = MOST_SET;
    wanted *= (uint64_t)cores;
    return wanted < quarter ? wanted : quarter;
}

static char *take(uint64_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    /* Every page is written, or all of them would be the same page of zeros. */
    memset(memory, 1, bytes);
    return memory;
}

/* ns of one pass, over `passes`. */
static double pass_ns(const struct memory_kernel *kernel, char *memory, size_t each, unsigned long passes) {
    char *source = kernel->arrays > 1 ? memory + each : memory;
    char *other = kernel->arrays > 2 ? memory + 2 * each : source;
    struct duration start = now();
    for (unsigned long i = 0; i < passes; i++) kernel->pass(memory, source, other, each);
    return since(start).core_ns / passes;
}

static unsigned long passes_for(const struct memory_kernel *kernel, char *memory, size_t each, double target_ns) {
    unsigned long passes = 1;
    double one = pass_ns(kernel, memory, each, passes);
    while (one * passes < target_ns / 4 && passes < 1ul << 24) {
        passes *= 4;
        one = pass_ns(kernel, memory, each, passes);
    }
    double wanted = one > 0 ? target_ns / one : 1;
    return wanted < 1 ? 1 : (unsigned long)wanted;
}

struct reader {
    int core;
    char *memory;
    size_t each;
    const struct memory_kernel *kernel;
    double target_ns;
    pthread_barrier_t *start;
    atomic_int *unfinished;
    unsigned count;
    double samples[SAMPLES];
};

static void *run_reader(void *argument) {
    struct reader *reader = argument;
    pin_to(reader->core);
    unsigned long passes = passes_for(reader->kernel, reader->memory, reader->each, reader->target_ns);
    if (reader->start) pthread_barrier_wait(reader->start);
    for (unsigned i = 0; i < reader->count; i++)
        reader->samples[i] = pass_ns(reader->kernel, reader->memory, reader->each, passes);
    atomic_fetch_sub(reader->unfinished, 1);
    while (atomic_load(reader->unfinished) > 0) pass_ns(reader->kernel, reader->memory, reader->each, 1);
    return NULL;
}

static void run_readers(struct reader *readers, int count) {
    pthread_t threads[MAX_CORES];
    pthread_barrier_t start;
    atomic_int unfinished = count;
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        readers[i].unfinished = &unfinished;
        readers[i].start = count > 1 ? &start : NULL;
        if (count > 1 && pthread_create(&threads[i], NULL, run_reader, &readers[i])) {
            printf("{\"event\":\"error\",\"text\":\"a thread for core %d cannot be made\"}\n", readers[i].core);
            exit(1);
        }
    }
    if (count == 1) run_reader(&readers[0]);
    else
        for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

struct bandwidth {
    const struct memory_kernel *kernel;
    double bytes_per_ns, slowest, fastest, spread;
};

/* Bytes that a program asked for: a write that first reads its cache line counts once, as STREAM counts. */
static struct bandwidth bandwidth_of(const struct memory_kernel *kernel, struct reader *readers, int count) {
    struct bandwidth found = {kernel, 0, 0, 0, 0};
    double bytes = (double)readers[0].each * kernel->arrays;
    for (int i = 0; i < count; i++) {
        struct statistics one = statistics_of(readers[i].samples, readers[i].count);
        found.bytes_per_ns += bytes / one.median;
        found.slowest += bytes / one.max;
        found.fastest += bytes / one.min;
        if (one.spread > found.spread) found.spread = one.spread;
    }
    return found;
}

static struct bandwidth fastest_variant(const char *operation, struct reader *readers, int count, uint64_t set,
                                        struct budget budget) {
    struct bandwidth best = {0};
    for (size_t i = 0; i < memory_kernel_count; i++) {
        const struct memory_kernel *kernel = &memory_kernels[i];
        if (strcmp(kernel->operation, operation) || !has_feature(kernel->feature)) continue;
        size_t each = set / kernel->arrays / APART * APART;
        if (!each) continue;
        unsigned samples = samples_now(budget, SAMPLES);
        for (int j = 0; j < count; j++) {
            readers[j].kernel = kernel;
            readers[j].each = each;
            readers[j].count = samples;
            if (samples < SAMPLES) readers[j].target_ns = least_sample_ns();
        }
        run_readers(readers, count);
        struct bandwidth found = bandwidth_of(kernel, readers, count);
        if (!best.kernel || found.bytes_per_ns > best.bytes_per_ns) best = found;
    }
    return best;
}

static void print_bandwidth(struct bandwidth found, struct reader *readers, int count, const char *row) {
    double gib = 1e9 / (1u << 30);
    printf("{\"event\":\"memory\",\"row\":\"%s\",\"variant\":\"%s\",\"set_bytes\":%llu,\"cores_at_once\":%d", row,
           found.kernel->variant, (unsigned long long)readers[0].each * found.kernel->arrays, count);
    if (count == 1) printf(",\"core\":%d", readers[0].core);
    printf(",\"samples\":%u,\"gib_per_s\":%.6g,\"min_gib_per_s\":%.6g,\"max_gib_per_s\":%.6g,\"spread\":%.4f}\n",
           readers[0].count, found.bytes_per_ns * gib, found.slowest * gib, found.fastest * gib, found.spread);
    fflush(stdout);
}

/* Working sets of one core double (on all cores: grow eightfold) from 8 KiB up. */
void measure_memory(const int *cores, int count, struct budget budget) {
    static struct reader readers[MAX_CORES];
    uint64_t all = most_bytes(count), each = all / (uint64_t)count / 4096 * 4096;
    char *memory = each >= LEAST_SET ? take(each * (uint64_t)count) : NULL;
    if (!memory) {
        printf("{\"event\":\"error\",\"text\":\"%llu bytes of memory cannot be taken\"}\n", (unsigned long long)all);
        exit(1);
    }
    unsigned step = count > 1 ? 3 : 1, sets = 0;
    for (uint64_t set = LEAST_SET; set <= each; set <<= step) sets++;
    double share = budget.seconds * 1e9 / (sets * (double)memory_kernel_count * (SAMPLES + 2));
    double target = share < budget.sample_ns ? share : budget.sample_ns, least = least_sample_ns();
    for (int i = 0; i < count; i++)
        readers[i] = (struct reader){.core = cores[i],
                                     .memory = memory + each * (uint64_t)i,
                                     .target_ns = target < least ? least : target};
    pin_to(cores[0]);
    warm_up(50e6);
    budget.start_ns = now().wall_ns;
    for (uint64_t set = LEAST_SET; set <= each; set <<= step)
        for (unsigned i = 0; i < 4; i++) {
            struct bandwidth found = fastest_variant(operations[i], readers, count, set, budget);
            if (found.kernel) print_bandwidth(found, readers, count, operations[i]);
        }
    munmap(memory, each * (uint64_t)count);
}

/* The library's own memcpy, by a pointer that the compiler must read: it can neither inline nor drop it. */
static void *(*volatile library_copy)(void *, const void *, size_t) = memcpy;

static void copy_by_library(void *target, const void *source, const void *other, size_t bytes) {
    (void)other;
    library_copy(target, source, bytes);
}

#ifdef __GLIBC__
#define LIBRARY "glibc"
#else
#define LIBRARY "musl"
#endif

/* MegPeak's row: memcpy of 100 MiB, or of what a small board allows; read and written bytes both count. */
void measure_bandwidth(int core, struct budget budget) {
    static const struct memory_kernel kernel = {"copy", "memcpy of " LIBRARY, "", copy_by_library, 2};
    static struct reader reader;
    uint64_t most = available_bytes() / 4, set = 2 * MEGPEAK_COPY < most ? 2 * MEGPEAK_COPY : most / 4096 * 4096;
    char *memory = set >= LEAST_SET ? take(set) : NULL;
    if (!memory) return;
    reader = (struct reader){
        .core = core, .memory = memory, .kernel = &kernel, .each = set / 2, .count = SAMPLES, .target_ns = budget.sample_ns};
    run_readers(&reader, 1);
    print_bandwidth(bandwidth_of(&kernel, &reader, 1), &reader, 1, "bandwidth");
    munmap(memory, set);
}
