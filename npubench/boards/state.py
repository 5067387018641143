"""A Linux board's state from the text of its files; the same for this machine and one behind SSH."""

import re
from collections.abc import Iterable, Mapping

from npubench.domain.records import BoardState
from npubench.tools.cpu_flags import processor_flags

PATHS = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/etc/os-release",
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq",
    "/sys/class/thermal/thermal_zone[0-9]*/temp",
)
"""Files (shell patterns) to read; `parse` takes their texts by path."""

ARM_PARTS = {
    "0xc05": "Cortex-A5",
    "0xc07": "Cortex-A7",
    "0xc09": "Cortex-A9",
    "0xc0f": "Cortex-A15",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
}
"""MIDR part numbers of implementer 0x41 (Arm), from the cores' technical reference manuals."""


def reading(files: Iterable[str]) -> str:
    """A shell script that prints every one of these files (shell patterns) that can be read.

    Each comes after a line with the mark `$1` and its path, for `texts_of`.
    """
    return f"""\
for file in {" ".join(files)}; do
    [ -r "$file" ] || continue
    echo "$1 $file"
    cat "$file" 2>/dev/null
    echo
done
"""


def texts_of(output: str, mark: str) -> dict[str, str]:
    """What such a script printed, by path. Never raises."""
    parts = (part.partition("\n") for part in f"\n{output}".split(f"\n{mark} ")[1:])
    return {path: text.strip() for path, _, text in parts}


def parse(texts: Mapping[str, str], taken_at: str) -> BoardState:
    """The state that these texts tell; what is absent or garbled is None. Never raises."""
    cpuinfo = texts.get("/proc/cpuinfo", "")
    governors = sorted({text.strip() for path, text in texts.items() if path.endswith("/scaling_governor")})
    clocks = [_number(text) for path, text in sorted(texts.items()) if path.endswith("/scaling_cur_freq")]
    temperatures = [_number(text) for path, text in texts.items() if "/thermal_zone" in path]
    return BoardState(
        taken_at=taken_at,
        hostname=texts.get("/proc/sys/kernel/hostname", "").strip() or None,
        cpu_model=_cpu_model(cpuinfo),
        kernel=texts.get("/proc/sys/kernel/osrelease", "").strip() or None,
        distribution=_field(texts.get("/etc/os-release", ""), r'PRETTY_NAME="?([^"\n]*)"?'),
        cores=len(re.findall(r"(?m)^processor\s*:", cpuinfo)) or None,
        governor=" ".join(governor for governor in governors if governor) or None,
        clocks_mhz=tuple(khz / 1000 for khz in clocks if khz) or _clocks_of_cpuinfo(cpuinfo),
        temperature_c=max((celsius(t) for t in temperatures if t is not None), default=None),
        load_1min=_number(texts.get("/proc/loadavg", "")),
        memory_total_bytes=kib(texts.get("/proc/meminfo", ""), "MemTotal"),
        memory_available_bytes=kib(texts.get("/proc/meminfo", ""), "MemAvailable"),
        uptime_s=_number(texts.get("/proc/uptime", "")),
        extra=_extra(texts),
        cpu_flags=processor_flags(cpuinfo),
    )


def _extra(texts: Mapping[str, str]) -> dict[str, str]:
    """`running`: runnable tasks besides the reader, the fourth field of /proc/loadavg (proc(5))."""
    running = re.search(r" ([0-9]{1,6})/[0-9]+ ", texts.get("/proc/loadavg", ""))
    return {"running": str(max(0, int(running[1]) - 1))} if running else {}


def _cpu_model(cpuinfo: str) -> str | None:
    parts = re.findall(r"(?m)^CPU part\s*:\s*(0x[0-9a-f]+)", cpuinfo)
    if parts:
        named = [ARM_PARTS.get(part, f"Arm part {part}") for part in parts]
        return " + ".join(f"{named.count(name)}x {name}" for name in dict.fromkeys(named))
    return _field(cpuinfo, r"(?m)^model name\s*:\s*(.+)$") or _field(cpuinfo, r"(?m)^uarch\s*:\s*(.+)$")


def _clocks_of_cpuinfo(cpuinfo: str) -> tuple[float, ...]:
    return tuple(
        float(mhz) for mhz in re.findall(r"(?m)^cpu MHz\s*:\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)$", cpuinfo)
    )


def _field(text: str, pattern: str) -> str | None:
    found = re.search(pattern, text)
    return (found[1].strip() or None) if found else None


def _number(text: str) -> float | None:
    found = re.match(r"\s*(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)(?=\s|$)", text)
    return float(found[1]) if found else None


def kib(text: str, name: str) -> int | None:
    """Bytes that a line such as `name:  12 kB` of the kernel tells."""
    found = re.search(rf"(?m)^{name}:\s+([0-9]{{1,15}}) kB", text)
    return int(found[1]) * 1024 if found else None


def celsius(value: float) -> float:
    """The kernel reports millidegrees (Documentation/driver-api/thermal); some vendors whole degrees."""
    return value / 1000 if abs(value) >= 1000 else value
