/* The command line: cpupeak MODE [--core N] [--seconds S] [--sample-us US] [--row NAME]. */
#include "cpupeak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(const char *wrong) {
    fprintf(stderr,
            "cpupeak: %s: cpupeak facts|one-core|each-core|all-cores|memory|memory-all-cores"
            " [--core N] [--seconds S] [--sample-us US] [--row NAME]\n",
            wrong);
    return 2;
}

static bool number_of(const char *text, double *number) {
    char *end;
    *number = strtod(text, &end);
    return *text && !*end && *number >= 0 && *number < 1e6;
}

static bool is_allowed(int core, const int *cores, int count) {
    for (int i = 0; i < count; i++)
        if (cores[i] == core) return true;
    return false;
}

static bool run(const char *mode, int core, const int *cores, int count, struct budget budget) {
    if (!strcmp(mode, "facts")) return true;
    if (!strcmp(mode, "one-core")) {
        if (!budget.only || !strcmp(budget.only, "bandwidth")) measure_bandwidth(core, budget);
        measure_one_core(core, "one_core", budget);
    } else if (!strcmp(mode, "each-core")) {
        budget.seconds /= count;
        for (int i = 0; i < count; i++) measure_one_core(cores[i], "each_core", budget);
    } else if (!strcmp(mode, "all-cores")) {
        measure_all_cores(cores, count, budget);
    } else if (!strcmp(mode, "memory")) {
        measure_memory(&core, 1, budget);
    } else if (!strcmp(mode, "memory-all-cores")) {
        measure_memory(cores, count, budget);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    int cores[MAX_CORES], count = allowed_cores(cores), core = cores[0];
    struct budget budget = {4, 2e6, NULL, 0};
    if (argc < 2) return usage("no mode");
    for (int i = 2; i < argc; i += 2) {
        double number = 0;
        if (i + 1 >= argc) return usage(argv[i]);
        if (!strcmp(argv[i], "--row")) budget.only = argv[i + 1];
        else if (!number_of(argv[i + 1], &number)) return usage(argv[i + 1]);
        else if (!strcmp(argv[i], "--core")) core = (int)number;
        else if (!strcmp(argv[i], "--seconds")) budget.seconds = number;
        else if (!strcmp(argv[i], "--sample-us")) budget.sample_ns = number * 1e3;
        else return usage(argv[i]);
    }
    if (!is_allowed(core, cores, count)) return usage("this core may not be used");
    print_facts();
    if (!run(argv[1], core, cores, count, budget)) return usage(argv[1]);
    printf("{\"event\":\"end\"}\n");
    return 0;
}
