/* Time: samples of loops, the clock by dependent additions, quartiles. */
#include "cpupeak.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double clock_ns(clockid_t clock) {
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

static clockid_t core_clock = CLOCK_THREAD_CPUTIME_ID;

/* How far a clock moves at least, by looking: clock_getres says 1 ns also of clocks that move by ticks. */
static double step_ns(clockid_t clock) {
    double least = 1e9;
    for (int i = 0; i < 10; i++) {
        double start = clock_ns(clock), end = start;
        while (end == start) end = clock_ns(clock);
        if (end - start < least) least = end - start;
    }
    return least;
}

const char *choose_clock(void) {
    if (step_ns(CLOCK_THREAD_CPUTIME_ID) > 100e3) core_clock = CLOCK_MONOTONIC;
    return core_clock == CLOCK_MONOTONIC ? "monotonic" : "thread_cputime";
}

/* Figures are made of the core's time, so that a program which takes the core away for a while does not
 * make its instructions slower; how much it took is told as core_share. */
struct duration now(void) {
    struct duration found = {clock_ns(CLOCK_MONOTONIC), clock_ns(core_clock)};
    return found;
}

struct duration since(struct duration start) {
    struct duration end = {clock_ns(CLOCK_MONOTONIC), 0};
    end.core_ns = clock_ns(core_clock) - start.core_ns;
    end.wall_ns -= start.wall_ns;
    return end;
}

/* Two hundred steps of the clock, so that a step more or less is no more than half a percent. */
double least_sample_ns(void) {
    static double least;
    if (least == 0) least = 200 * step_ns(core_clock);
    return least < 100e3 ? 100e3 : least;
}

struct duration sample(loop_function function, unsigned long loops) {
    struct duration start = now();
    function(loops);
    return since(start);
}

unsigned long loops_for(loop_function function, double target_ns) {
    unsigned long loops = 1;
    double taken = sample(function, loops).core_ns;
    while (taken < target_ns / 4 && loops < 1ul << 30) {
        loops *= 4;
        taken = sample(function, loops).core_ns;
    }
    double wanted = taken > 0 ? loops * target_ns / taken : loops;
    return wanted < 1 ? 1 : (unsigned long)wanted;
}

unsigned samples_now(struct budget budget, unsigned full) {
    return now().wall_ns - budget.start_ns > 2e9 * budget.seconds ? LEAST_SAMPLES : full;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Linear between the two nearest samples. */
static double quantile(const double *ordered, unsigned count, double share) {
    double place = share * (count - 1);
    unsigned below = (unsigned)place;
    unsigned above = below + 1 < count ? below + 1 : below;
    return ordered[below] + (place - below) * (ordered[above] - ordered[below]);
}

struct statistics statistics_of(double *samples, unsigned count) {
    struct statistics found = {0, 0, 0, 0, count};
    if (!count) return found;
    qsort(samples, count, sizeof *samples, by_value);
    found.median = quantile(samples, count, 0.5);
    found.min = samples[0];
    found.max = samples[count - 1];
    double range = quantile(samples, count, 0.75) - quantile(samples, count, 0.25);
    found.spread = found.median > 0 ? range / found.median : 0;
    return found;
}

void print_statistics(const char *prefix, double divisor, struct statistics found) {
    printf(",\"%s_ns\":%.9g,\"%s_min_ns\":%.9g,\"%s_max_ns\":%.9g,\"%s_spread\":%.4f", prefix,
           found.median / divisor, prefix, found.min / divisor, prefix, found.max / divisor, prefix,
           found.spread);
}

/* The clock that the core has now: an addition that needs the one before takes a cycle. */
double clock_mhz(double target_ns) {
    double samples[5];
    unsigned long loops = loops_for(dependent_additions, target_ns);
    for (unsigned i = 0; i < 5; i++) samples[i] = sample(dependent_additions, loops).core_ns;
    double median = statistics_of(samples, 5).median;
    return median > 0 ? loops * (double)ADDITIONS_IN_LOOP * 1e3 / median : 0;
}

/* A governor needs a while to see that a core is busy. */
void warm_up(double duration_ns) {
    struct duration start = now();
    while (since(start).core_ns < duration_ns) dependent_additions(1000);
}
