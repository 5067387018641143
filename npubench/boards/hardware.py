"""What a Linux board is made of, from the text of its files: asked for by `npubench board check`.

Beside `state`, which is about a moment and read around every case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from npubench.boards.state import celsius, kib, reading, texts_of

DRIVERS = {
    "Rockchip RKNPU": "/sys/kernel/debug/rknpu/version",
    "Rockchip RKNPU (module)": "/sys/module/rknpu/version",
    "AXera": "/proc/ax_proc/version",
    "Sophgo": "/proc/bmsophon/driver_version",
    "Hailo": "/sys/module/hailo_pci/version",
    "VeriSilicon galcore": "/sys/module/galcore/version",
    "Arm Ethos": "/sys/module/ethosu/version",
    "Intel NPU": "/sys/module/intel_vpu/version",
    "NVIDIA": "/proc/driver/nvidia/version",
}
"""Where vendors' drivers tell their version; debugfs may be root's alone."""

FILES = (
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/cpufreq/policy[0-9]*/related_cpus",
    "/sys/devices/system/cpu/cpufreq/policy[0-9]*/cpuinfo_min_freq",
    "/sys/devices/system/cpu/cpufreq/policy[0-9]*/cpuinfo_max_freq",
    "/sys/devices/system/cpu/cpufreq/policy[0-9]*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy[0-9]*/scaling_available_governors",
    "/sys/devices/system/cpu/cpu0/cache/index[0-9]*/level",
    "/sys/devices/system/cpu/cpu0/cache/index[0-9]*/type",
    "/sys/devices/system/cpu/cpu0/cache/index[0-9]*/size",
    "/sys/class/thermal/thermal_zone[0-9]*/type",
    "/sys/class/thermal/thermal_zone[0-9]*/temp",
    "/proc/meminfo",
    *DRIVERS.values(),
)
"""Files (shell patterns) to read."""

READ = f"""\
{reading(FILES)}
echo "$1 machine"
uname -m
echo "$1 page"
getconf PAGESIZE 2>/dev/null || grep -m 1 KernelPageSize /proc/self/smaps 2>/dev/null
exit 0
"""
"""A shell script that prints every file of `FILES` that can be read after a line with the mark `$1`."""


Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HardwareFact:
    """One fact; `value` is None where the board does not tell it, then `missing` says why and what to do."""

    name: str
    value: str | None
    missing: str


def facts(output: str, mark: str) -> tuple[HardwareFact, ...]:
    """All facts in the order of reading, from what `READ` printed. Never raises."""
    texts = texts_of(output, mark)
    return tuple(HardwareFact(name, read(texts) or None, missing) for name, read, missing in _FACTS)


def _under(texts: Texts, folder: str, name: str) -> dict[str, str]:
    """Texts of files `<folder><number>/<name>` by that number, in its order."""
    pattern = re.compile(rf"{re.escape(folder)}([0-9]{{1,6}})/{re.escape(name)}")
    found = {match[1]: text for path, text in texts.items() if (match := pattern.fullmatch(path)) and text}
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


_POLICY = "/sys/devices/system/cpu/cpufreq/policy"
_CACHE = "/sys/devices/system/cpu/cpu0/cache/index"
_ZONE = "/sys/class/thermal/thermal_zone"


def _cores(texts: Texts) -> str:
    online = texts.get("/sys/devices/system/cpu/online")
    possible = texts.get("/sys/devices/system/cpu/possible")
    return f"{online} of {possible}" if online and possible else online or ""


def _clocks(texts: Texts) -> str:
    low, high = _under(texts, _POLICY, "cpuinfo_min_freq"), _under(texts, _POLICY, "cpuinfo_max_freq")
    cores = _under(texts, _POLICY, "related_cpus")
    ranges = [
        f"{_mhz(low[number])} to {_mhz(high[number])} MHz (cores {cores.get(number, number)})"
        for number in low
        if number in high
    ]
    return ", ".join(ranges)


def _governors(texts: Texts) -> str:
    now = _under(texts, _POLICY, "scaling_governor")
    offered = _under(texts, _POLICY, "scaling_available_governors")
    choice = " ".join(dict.fromkeys(word for text in offered.values() for word in text.split()))
    return " ".join(dict.fromkeys(now.values())) + (f" (of {choice})" if now and choice else "")


def _caches(texts: Texts) -> str:
    levels, kinds = _under(texts, _CACHE, "level"), _under(texts, _CACHE, "type")
    sizes = _under(texts, _CACHE, "size")
    caches = [f"L{levels[n]} {kinds.get(n, '').lower()} {size}" for n, size in sizes.items() if n in levels]
    return ", ".join(caches)


def _zones(texts: Texts) -> str:
    temperatures, names = _under(texts, _ZONE, "temp"), _under(texts, _ZONE, "type")
    zones = [
        f"{names.get(number, number)} {celsius(int(text)):.1f} C"
        for number, text in temperatures.items()
        if re.fullmatch(r"-?[0-9]{1,9}", text)
    ]
    return ", ".join(zones)


def _cma(texts: Texts) -> str:
    size = kib(texts.get("/proc/meminfo", ""), "CmaTotal")
    return f"{size / 2**20:.0f} MiB" if size else ""


def _page(texts: Texts) -> str:
    text = texts.get("page", "")
    size = int(text) if re.fullmatch(r"[0-9]{3,8}", text) else kib(text, "KernelPageSize")
    return f"{size} bytes" if size else ""


def _driver(texts: Texts) -> str:
    told = [f"{vendor}: {texts[path].splitlines()[0]}" for vendor, path in DRIVERS.items() if texts.get(path)]
    return ", ".join(told)


def _mhz(text: str) -> str:
    return f"{int(text) / 1000:.0f}" if re.fullmatch(r"[0-9]{1,12}", text) else "?"


_FACTS = (
    ("machine", lambda texts: texts.get("machine"), "uname -m says nothing"),
    ("cores online", _cores, "sysfs is not mounted at /sys"),
    ("clock range", _clocks, "no cpufreq: a virtual machine, or a kernel without CPU_FREQ"),
    ("governors", _governors, "no cpufreq: what the clock does cannot be known or fixed"),
    ("caches", _caches, "the kernel tells none: cpupeak's memory rows show them"),
    ("thermal zones", _zones, "none: throttling can only be seen by the clock"),
    ("contiguous memory", _cma, "no CMA: the NPU's memory is apart, or there is none"),
    ("page size", _page, "neither getconf nor /proc/self/smaps tells it"),
    ("NPU driver", _driver, "no known driver tells its version (debugfs may need root)"),
)
"""In the order of reading: what a fact is called, how it is read, why it is not told."""
