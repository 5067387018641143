"""What a Linux board is made of, from the text of its files: asked for by `npubench board check`.

Beside `board_facts`, which is about a moment and read around every case.
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


@dataclass(frozen=True, slots=True)
class HardwareFact:
    """One fact; `value` is None where the board does not tell it, then `missing` says why and what to do."""

    name: str
    value: str | None
    missing: str


def facts(output: str, mark: str) -> tuple[HardwareFact, ...]:
    """All facts in the order of reading, from what `READ` printed. Never raises."""
    texts = texts_of(output, mark)
    return (
        HardwareFact("machine", texts.get("machine") or None, "uname -m says nothing"),
        HardwareFact("cores online", _cores(texts), "sysfs is not mounted at /sys"),
        HardwareFact(
            "clock range", _clocks(texts), "no cpufreq: a virtual machine, or a kernel without CPU_FREQ"
        ),
        HardwareFact(
            "governors", _governors(texts), "no cpufreq: what the clock does cannot be known or fixed"
        ),
        HardwareFact("caches", _caches(texts), "the kernel tells none: cpupeak's memory rows show them"),
        HardwareFact("thermal zones", _zones(texts), "none: throttling can only be seen by the clock"),
        HardwareFact("contiguous memory", _cma(texts), "no CMA: the NPU's memory is apart, or there is none"),
        HardwareFact("page size", _page(texts), "neither getconf nor /proc/self/smaps tells it"),
        HardwareFact(
            "NPU driver", _driver(texts), "no known driver tells its version (debugfs may need root)"
        ),
    )


def _under(texts: Mapping[str, str], folder: str, name: str) -> dict[str, str]:
    """Texts of files `<folder><number>/<name>` by that number, in its order."""
    pattern = re.compile(rf"{re.escape(folder)}([0-9]{{1,6}})/{re.escape(name)}")
    found = {match[1]: text for path, text in texts.items() if (match := pattern.fullmatch(path)) and text}
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


_POLICY = "/sys/devices/system/cpu/cpufreq/policy"
_CACHE = "/sys/devices/system/cpu/cpu0/cache/index"
_ZONE = "/sys/class/thermal/thermal_zone"


def _cores(texts: Mapping[str, str]) -> str | None:
    online = texts.get("/sys/devices/system/cpu/online")
    possible = texts.get("/sys/devices/system/cpu/possible")
    return f"{online} of {possible}" if online and possible else online or None


def _clocks(texts: Mapping[str, str]) -> str | None:
    low, high = _under(texts, _POLICY, "cpuinfo_min_freq"), _under(texts, _POLICY, "cpuinfo_max_freq")
    cores = _under(texts, _POLICY, "related_cpus")
    ranges = [
        f"{_mhz(low[number])} to {_mhz(high[number])} MHz (cores {cores.get(number, number)})"
        for number in low
        if number in high
    ]
    return ", ".join(ranges) or None


def _governors(texts: Mapping[str, str]) -> str | None:
    now = _under(texts, _POLICY, "scaling_governor")
    offered = _under(texts, _POLICY, "scaling_available_governors")
    if not now:
        return None
    choice = " ".join(dict.fromkeys(word for text in offered.values() for word in text.split()))
    return " ".join(dict.fromkeys(now.values())) + (f" (of {choice})" if choice else "")


def _caches(texts: Mapping[str, str]) -> str | None:
    levels, kinds = _under(texts, _CACHE, "level"), _under(texts, _CACHE, "type")
    sizes = _under(texts, _CACHE, "size")
    return (
        ", ".join(
            f"L{levels[n]} {kinds.get(n, '').lower()} {size}" for n, size in sizes.items() if n in levels
        )
        or None
    )


def _zones(texts: Mapping[str, str]) -> str | None:
    temperatures, names = _under(texts, _ZONE, "temp"), _under(texts, _ZONE, "type")
    zones = [
        f"{names.get(number, number)} {celsius(int(text)):.1f} C"
        for number, text in temperatures.items()
        if re.fullmatch(r"-?[0-9]{1,9}", text)
    ]
    return ", ".join(zones) or None


def _cma(texts: Mapping[str, str]) -> str | None:
    size = kib(texts.get("/proc/meminfo", ""), "CmaTotal")
    return f"{size / 2**20:.0f} MiB" if size else None


def _page(texts: Mapping[str, str]) -> str | None:
    text = texts.get("page", "")
    if re.fullmatch(r"[0-9]{3,8}", text):
        return f"{text} bytes"
    size = kib(text, "KernelPageSize")
    return f"{size} bytes" if size else None


def _driver(texts: Mapping[str, str]) -> str | None:
    told = [f"{vendor}: {texts[path].splitlines()[0]}" for vendor, path in DRIVERS.items() if texts.get(path)]
    return ", ".join(told) or None


def _mhz(text: str) -> str:
    return f"{int(text) / 1000:.0f}" if re.fullmatch(r"[0-9]{1,12}", text) else "?"
