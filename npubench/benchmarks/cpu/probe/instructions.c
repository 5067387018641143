/* Rows of instructions: on one core, or on all of them at once. */
#define _GNU_SOURCE
#include "cpupeak.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 5
#define SAMPLES_A_ROUND 3
#define SAMPLES (ROUNDS * SAMPLES_A_ROUND)

static const char *const kinds[] = {"integer", "float", "bytes"};

bool is_wanted(const struct kernel *kernel, struct budget budget) {
    return (!budget.only || !strcmp(budget.only, kernel->name)) && has_feature(kernel->feature);
}

unsigned wanted_kernels(struct budget budget) {
    unsigned count = 0;
    for (size_t i = 0; i < kernel_count; i++) count += is_wanted(&kernels[i], budget);
    return count;
}

static void print_row(const char *mode, const struct kernel *kernel) {
    printf("{\"event\":\"row\",\"mode\":\"%s\",\"row\":\"%s\",\"feature\":\"%s\",\"operations\":%g,"
           "\"operation_kind\":\"%s\"",
           mode, kernel->name, kernel->feature, kernel->operations, kinds[kernel->kind]);
    if (kernel->megpeak_operations > 0) printf(",\"megpeak_operations\":%g", kernel->megpeak_operations);
}

/* What one loop of a kernel is sampled with; `samples` are ns of a whole sample. */
struct series {
    loop_function function;
    unsigned long loops;
    double samples[SAMPLES];
    unsigned count;
    struct duration total;
};

static void add_samples(struct series *series, double target_ns, unsigned count) {
    if (!series->function) return;
    if (!series->loops) series->loops = loops_for(series->function, target_ns);
    sample(series->function, series->loops / 4 + 1); /* wake wide units that sleep when unused */
    for (unsigned i = 0; i < count && series->count < SAMPLES; i++) {
        struct duration taken = sample(series->function, series->loops);
        series->samples[series->count++] = taken.core_ns;
        series->total.core_ns += taken.core_ns;
        series->total.wall_ns += taken.wall_ns;
    }
}

/* How much of the time this thread had its core; the clocks' own steps may make it a little more than 1. */
static double core_share(const struct series *series) {
    double share = series->total.wall_ns > 0 ? series->total.core_ns / series->total.wall_ns : 1;
    return share > 1 ? 1 : share;
}

static double divisor_of(const struct series *series, const struct kernel *kernel) {
    return (double)series->loops * kernel->block;
}

static double target_of(struct budget budget, double samples_at_once) {
    double share = budget.seconds * 1e9 / samples_at_once;
    double target = share < budget.sample_ns ? share : budget.sample_ns;
    double least = least_sample_ns();
    return target < least ? least : target;
}

/* Rounds over all rows, so that a disturbance of a moment meets some samples of many rows, not all of one. */
void measure_one_core(int core, const char *mode, struct budget budget) {
    static struct series throughput[128], latency[128];
    double clocks[ROUNDS];
    double target = target_of(budget, wanted_kernels(budget) * 2.0 * SAMPLES * 1.3 + 1);
    pin_to(core);
    memset(throughput, 0, sizeof throughput);
    memset(latency, 0, sizeof latency);
    warm_up(50e6);
    budget.start_ns = now().wall_ns;
    unsigned rounds = 0;
    for (; rounds < ROUNDS && (!rounds || samples_now(budget, SAMPLES) == SAMPLES); rounds++) {
        clocks[rounds] = clock_mhz(target);
        for (size_t i = 0; i < kernel_count; i++) {
            if (!is_wanted(&kernels[i], budget)) continue;
            throughput[i].function = kernels[i].throughput;
            latency[i].function = kernels[i].latency;
            add_samples(&throughput[i], target, SAMPLES_A_ROUND);
            add_samples(&latency[i], target, SAMPLES_A_ROUND);
        }
    }
    struct statistics clock = statistics_of(clocks, rounds);
    for (size_t i = 0; i < kernel_count; i++) {
        if (!is_wanted(&kernels[i], budget)) continue;
        print_row(mode, &kernels[i]);
        printf(",\"core\":%d,\"clock_mhz\":%.6g,\"samples\":%u,\"core_share\":%.4f", core, clock.median,
               throughput[i].count, core_share(&throughput[i]));
        print_statistics("throughput", divisor_of(&throughput[i], &kernels[i]),
                         statistics_of(throughput[i].samples, throughput[i].count));
        if (latency[i].count)
            print_statistics("latency", divisor_of(&latency[i], &kernels[i]),
                             statistics_of(latency[i].samples, latency[i].count));
        printf("}\n");
    }
    fflush(stdout);
}

/* One core among several that run the same loop at once. */
struct worker {
    int core;
    const struct kernel *kernel;
    double target_ns;
    unsigned samples;
    pthread_barrier_t *start;
    atomic_int *unfinished;
    struct series series;
};

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    pin_to(worker->core);
    worker->series.function = worker->kernel->throughput;
    worker->series.loops = loops_for(worker->series.function, worker->target_ns);
    pthread_barrier_wait(worker->start);
    add_samples(&worker->series, worker->target_ns, worker->samples);
    atomic_fetch_sub(worker->unfinished, 1);
    /* The others measure a chip of which all cores are busy. */
    while (atomic_load(worker->unfinished) > 0) worker->series.function(worker->series.loops / 8 + 1);
    return NULL;
}

static bool measure_together(const struct kernel *kernel, struct worker *workers, int count) {
    pthread_t threads[MAX_CORES];
    pthread_barrier_t start;
    atomic_int unfinished = count;
    if (pthread_barrier_init(&start, NULL, (unsigned)count)) return false;
    for (int i = 0; i < count; i++) {
        memset(&workers[i].series, 0, sizeof workers[i].series);
        workers[i].kernel = kernel;
        workers[i].start = &start;
        workers[i].unfinished = &unfinished;
        /* Threads that wait at the barrier cannot be told that one of them is missing. */
        if (pthread_create(&threads[i], NULL, run_worker, &workers[i])) {
            printf("{\"event\":\"error\",\"text\":\"a thread for core %d cannot be made\"}\n", workers[i].core);
            exit(1);
        }
    }
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    return true;
}

void measure_all_cores(const int *cores, int count, struct budget budget) {
    static struct worker workers[MAX_CORES];
    double target = target_of(budget, wanted_kernels(budget) * (SAMPLES + 4.0) + 1);
    budget.start_ns = now().wall_ns;
    for (size_t i = 0; i < kernel_count; i++) {
        if (!is_wanted(&kernels[i], budget)) continue;
        unsigned samples = samples_now(budget, SAMPLES);
        if (samples < SAMPLES) target = least_sample_ns();
        for (int j = 0; j < count; j++)
            workers[j] = (struct worker){.core = cores[j], .target_ns = target, .samples = samples};
        if (!measure_together(&kernels[i], workers, count)) return;
        double rate = 0, medians[MAX_CORES], spread = 0, share = 1;
        for (int j = 0; j < count; j++) {
            struct statistics one = statistics_of(workers[j].series.samples, workers[j].series.count);
            medians[j] = one.median / divisor_of(&workers[j].series, &kernels[i]);
            rate += 1 / medians[j];
            if (one.spread > spread) spread = one.spread;
            if (core_share(&workers[j].series) < share) share = core_share(&workers[j].series);
        }
        struct statistics over = statistics_of(medians, (unsigned)count);
        print_row("all_cores", &kernels[i]);
        printf(",\"cores_at_once\":%d,\"samples\":%u,\"throughput_ns\":%.9g,\"throughput_min_ns\":%.9g,"
               "\"throughput_max_ns\":%.9g,\"throughput_spread\":%.4f,\"core_share\":%.4f,"
               "\"instructions_per_ns\":%.9g}\n",
               count, samples, over.median, over.min, over.max, spread, share, rate);
        fflush(stdout);
    }
}
