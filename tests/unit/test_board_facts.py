from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.state import PATHS, parse

AXERA_PI = {
    "/proc/cpuinfo": "".join(
        f"processor\t: {i}\nmodel name\t: ARMv7 Processor rev 5 (v7l)\nCPU implementer\t: 0x41\nCPU part\t: 0xc07\n\n"
        for i in range(4)
    ),
    "/proc/meminfo": "MemTotal:         739328 kB\nMemFree:          600000 kB\nMemAvailable:     650000 kB\n",
    "/proc/loadavg": "0.52 0.40 0.10 3/120 4711\n",
    "/proc/uptime": "350735.47 234388.90\n",
    "/proc/sys/kernel/hostname": "AXERA-PI\n",
    "/proc/sys/kernel/osrelease": "4.19.125\n",
    "/etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\n',
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "userspace\n",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1000000\n",
    "/sys/class/thermal/thermal_zone0/temp": "52300\n",
    "/sys/class/thermal/thermal_zone1/temp": "48000\n",
}


def test_an_arm_board():
    state = parse(AXERA_PI, "now")
    assert state.cpu_model == "4x Cortex-A7"
    assert (state.cores, state.governor, state.clocks_mhz) == (4, "userspace", (1000.0,))
    assert (state.temperature_c, state.load_1min, state.uptime_s) == (52.3, 0.52, 350735.47)
    assert (state.memory_total_bytes, state.memory_available_bytes) == (739328 * 1024, 650000 * 1024)
    assert (state.hostname, state.kernel) == ("AXERA-PI", "4.19.125")
    assert state.distribution == "Debian GNU/Linux 11 (bullseye)"
    assert state.extra == {"running": "2"}


def test_two_clusters_are_both_named():
    cpuinfo = "".join(
        f"processor\t: {i}\nCPU part\t: {p}\n\n" for i, p in enumerate(["0xd05", "0xd05", "0xd0b"])
    )
    assert parse({"/proc/cpuinfo": cpuinfo}, "now").cpu_model == "2x Cortex-A55 + 1x Cortex-A76"


def test_an_x86_machine_tells_its_clocks_in_cpuinfo():
    cpuinfo = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\ncpu MHz\t\t: 2100.000\n"
    state = parse({"/proc/cpuinfo": cpuinfo}, "now")
    assert (state.cpu_model, state.clocks_mhz, state.cores) == ("Intel(R) Xeon(R) Processor", (2100.0,), 1)


def test_what_is_not_told_is_none():
    state = parse({}, "now")
    assert (state.cpu_model, state.temperature_c, state.memory_total_bytes, state.governor) == (None,) * 4
    assert state.clocks_mhz == ()


@given(st.dictionaries(st.sampled_from([path.replace("[0-9]*", "0") for path in PATHS]), st.text()))
def test_garbled_files_never_raise(texts):
    assert parse(texts, "now").taken_at == "now"


@given(st.text(max_size=40))
def test_a_cut_number_is_no_number(garbage):
    value = parse({"/sys/class/thermal/thermal_zone0/temp": "5x" + garbage}, "now").temperature_c
    assert value is None
