/* What the system tells of itself: cores, memory, caches. */
#define _GNU_SOURCE
#include "cpupeak.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int allowed_cores(int cores[MAX_CORES]) {
    cpu_set_t set;
    int count = 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) {
        cores[0] = 0;
        return 1;
    }
    for (int core = 0; core < CPU_SETSIZE && count < MAX_CORES; core++)
        if (CPU_ISSET(core, &set)) cores[count++] = core;
    return count;
}

void pin_to(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (!sched_setaffinity(0, sizeof set, &set)) return;
    printf("{\"event\":\"error\",\"text\":\"core %d cannot be used: it went offline\"}\n", core);
    exit(1);
}

static bool read_text(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = 0;
    return length > 0;
}

static uint64_t number_in(const char *path) {
    char text[64];
    return read_text(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

static uint64_t meminfo(const char *name) {
    static char text[8192];
    if (!read_text("/proc/meminfo", text, sizeof text)) return 0;
    char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

uint64_t available_bytes(void) {
    uint64_t available = meminfo("MemAvailable:");
    /* Kernels before 3.14 have no MemAvailable. */
    if (!available) available = meminfo("MemFree:");
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
    uint64_t used = number_in("/sys/fs/cgroup/memory.current");
    if (limit && limit > used && limit - used < available) available = limit - used;
    return available;
}

static bool cache_text(int core, int index, const char *name, char *text, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", core, index, name);
    if (!read_text(path, text, size)) return false;
    text[strcspn(text, "\n")] = 0;
    return true;
}

static uint64_t cache_bytes(int index, int *level, bool *of_data) {
    char text[64], *unit;
    if (!cache_text(0, index, "level", text, sizeof text)) return 0;
    *level = atoi(text);
    *of_data = cache_text(0, index, "type", text, sizeof text) && strcmp(text, "Instruction") != 0;
    if (!cache_text(0, index, "size", text, sizeof text)) return 0;
    uint64_t size = strtoull(text, &unit, 10);
    return *unit == 'M' ? size << 20 : *unit == 'K' ? size << 10 : size;
}

uint64_t largest_cache_bytes(void) {
    uint64_t largest = 0;
    for (int index = 0; index < 8; index++) {
        int level;
        bool of_data = false;
        uint64_t size = cache_bytes(index, &level, &of_data);
        if (of_data && size > largest) largest = size;
    }
    return largest;
}

void print_facts(void) {
    int cores[MAX_CORES], count = allowed_cores(cores);
    printf("{\"event\":\"head\",\"format\":1,\"architecture\":\"%s\",\"clock\":\"%s\",\"cores\":[", architecture,
           choose_clock());
    for (int i = 0; i < count; i++) printf("%s%d", i ? "," : "", cores[i]);
    printf("],\"page_bytes\":%ld,\"available_bytes\":%llu,\"caches\":[", sysconf(_SC_PAGESIZE),
           (unsigned long long)available_bytes());
    bool first = true;
    for (int index = 0; index < 8; index++) {
        int level = 0;
        bool of_data = false;
        uint64_t size = cache_bytes(index, &level, &of_data);
        if (!size || !of_data) continue;
        printf("%s{\"level\":%d,\"size_bytes\":%llu}", first ? "" : ",", level, (unsigned long long)size);
        first = false;
    }
    printf("],\"lacking\":[");
    first = true;
    for (size_t i = 0; i < kernel_count; i++) {
        if (has_feature(kernels[i].feature)) continue;
        printf("%s{\"row\":\"%s\",\"feature\":\"%s\"}", first ? "" : ",", kernels[i].name, kernels[i].feature);
        first = false;
    }
    printf("]}\n");
    fflush(stdout);
}
