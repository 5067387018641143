"""QEMU's command line for the virtual board. Pure."""

import shlex
from dataclasses import dataclass
from pathlib import Path

MONITOR = "monitor"
PIDFILE = "qemu.pid"
CONSOLE = "console.log"
NETWORK = "nic0"
"""The network card's name, for the monitor's set_link."""
CORES = 2
MEMORY_MIB = 512


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine is started with; `disk` only for an image that has one."""

    folder: Path
    kernel: Path
    initrd: Path
    port: int
    disk: Path | None = None

    def argv(self, qemu: str, incoming: Path | None = None) -> list[str]:
        """The command line; it leaves QEMU in the background. Runs in `folder`, where its files come to lie.

        The guest reaches nothing but the one forwarded port on loopback. `incoming` is a saved state.
        """
        drive = f"if=none,id=disk,format=raw,cache=writeback,file={_escaped(self.disk)}" if self.disk else ""
        return [
            *(qemu, "-name", "npubench-virtual-a7", "-M", "virt,highmem=off", "-cpu", "cortex-a7"),
            *("-smp", str(CORES), "-m", str(MEMORY_MIB), "-display", "none", "-nodefaults"),
            *("-kernel", str(self.kernel), "-initrd", str(self.initrd)),
            *("-append", "console=ttyAMA0 quiet panic=-1"),
            *("-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-device", f"virtio-net-device,netdev=n0,id={NETWORK}", "-device", "virtio-rng-device"),
            *(("-drive", drive, "-device", "virtio-blk-device,drive=disk") if drive else ()),
            *("-serial", f"file:{CONSOLE}", "-qmp", f"unix:{MONITOR},server=on,wait=off"),
            *("-daemonize", "-pidfile", PIDFILE),
            *(("-incoming", f"exec:zstd -q -dc < {shlex.quote(str(incoming))}") if incoming else ()),
        ]


def save_to(path: Path) -> str:
    """The address that `migrate` writes a compressed state to."""
    return f"exec:zstd -q -3 > {shlex.quote(str(path))}"


def _escaped(path: Path) -> str:
    """A comma is doubled within an option of QEMU."""
    return str(path).replace(",", ",,")
