from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.hardware import HardwareFact, facts

MARK = "=0123="
BOARD = {
    "/sys/devices/system/cpu/online": "0-3",
    "/sys/devices/system/cpu/possible": "0-3",
    "/sys/devices/system/cpu/cpufreq/policy0/related_cpus": "0 1",
    "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_min_freq": "408000",
    "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "1008000",
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "ondemand",
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors": "performance ondemand",
    "/sys/devices/system/cpu/cpu0/cache/index0/level": "1",
    "/sys/devices/system/cpu/cpu0/cache/index0/type": "Data",
    "/sys/devices/system/cpu/cpu0/cache/index0/size": "32K",
    "/sys/class/thermal/thermal_zone0/type": "soc",
    "/sys/class/thermal/thermal_zone0/temp": "51375",
    "/proc/meminfo": "MemTotal: 1 kB\nCmaTotal:  262144 kB",
    "/sys/kernel/debug/rknpu/version": "RKNPU driver: v0.9.8",
    "machine": "aarch64",
    "page": "4096",
}


def read(texts: dict[str, str]) -> dict[str, HardwareFact]:
    output = "".join(f"{MARK} {path}\n{text}\n\n" for path, text in texts.items())
    return {fact.name: fact for fact in facts(output, MARK)}


def test_a_board_that_tells_everything():
    told = {name: fact.value for name, fact in read(BOARD).items()}
    assert told == {
        "machine": "aarch64",
        "cores online": "0-3 of 0-3",
        "clock range": "408 to 1008 MHz (cores 0 1)",
        "governors": "ondemand (of performance ondemand)",
        "caches": "L1 data 32K",
        "thermal zones": "soc 51.4 C",
        "contiguous memory": "256 MiB",
        "page size": "4096 bytes",
        "NPU driver": "Rockchip RKNPU: RKNPU driver: v0.9.8",
    }


def test_what_is_not_told_is_none_with_a_reason():
    for fact in read({}).values():
        assert fact.value is None
        assert fact.missing


def test_the_page_size_without_getconf():
    assert read({"page": "KernelPageSize:       16 kB"})["page size"].value == "16384 bytes"


@given(st.dictionaries(st.sampled_from(sorted(BOARD)), st.text()))
def test_garbled_files_never_raise(texts):
    assert len(read(texts)) == 9
