"""The virtual ARM board as tests have it: a machine of their own beside the user's, images shared with it."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from npubench.domain.specs import BoardSpec, Precision
from npubench_virtual import control, machine, places, qemu
from npubench_virtual.qmp import monitor
from npubench_virtual.transport import VirtualTransport
from tests.integration.ssh_server import wait_until

HURRY = {
    "connect_timeout_s": 5.0,
    "banner_timeout_s": 5.0,
    "auth_timeout_s": 20.0,
    "keepalive_s": 1.0,
    "keepalive_count": 3,
    "command_timeout_s": 60.0,
    "reboot_wait_s": 3.0,
}
LOST_S = HURRY["keepalive_s"] * (HURRY["keepalive_count"] + 1)
"""A board that falls silent counts as lost after this time."""
BOOT_S = 240.0
"""Longest boot of the tiny image that is waited for, on a busy machine."""


class VirtualBoard:
    """The machine below $XDG_CACHE_HOME, and the faults that can befall it."""

    def __init__(self, image: str = "tiny", files: Path | None = None) -> None:
        self.image = image
        self.files = files
        self.transport = VirtualTransport()

    def start(self) -> None:
        """Switch it on; returns when it lets npubench in."""
        control.start(self.image, lambda _line: None, self.files)

    def stop(self) -> None:
        """Switch it off."""
        control.stop(lambda _line: None)

    def cut_power(self) -> None:
        """End it as a power cut does: nothing on it is told."""
        up = self.running()
        os.kill(up.pid, signal.SIGKILL)
        wait_until(lambda: machine.find(places.machine()) is None, "the end of QEMU")

    def freeze(self) -> None:
        """Stop its processors: TCP still connects, and nothing answers."""
        with monitor(places.machine(), qemu.MONITOR) as qmp:
            qmp.command("stop")

    def thaw(self) -> None:
        """Go on after `freeze`."""
        with monitor(places.machine(), qemu.MONITOR) as qmp:
            qmp.command("cont")

    def link(self, up: bool) -> None:
        """Plug the network cable in or out."""
        with monitor(places.machine(), qemu.MONITOR) as qmp:
            qmp.command("set_link", name=qemu.NETWORK, up=up)

    def reset(self) -> None:
        """Reboot it from within at once, without a word to anybody."""
        # The answer to this command never comes.
        with self.session(keepalive_s=0.5) as session:
            argv = [
                "sh",
                "-c",
                "(sleep 0.2; echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger) >/dev/null 2>&1 &",
            ]
            assert session.run(argv, 20).returncode == 0

    def wait_for_boot(self) -> None:
        """Wait until it greets again after a reset."""
        wait_until(lambda: machine.greets(self.running().port), "a boot", BOOT_S)

    def running(self) -> machine.Running:
        """The machine that is up."""
        up = machine.find(places.machine())
        assert up, "the virtual board is not up"
        return up

    def spec(self, **changes) -> BoardSpec:
        """Its description; `changes` are transport options."""
        options = {**HURRY, **changes}
        return BoardSpec(
            places.NAME,
            "V",
            "none",
            "virtual",
            "fake",
            (Precision.INT8,),
            transport_options=options,
            emulated=True,
        )

    @contextmanager
    def session(self, **changes):
        """A session on it."""
        session = self.transport.connect(self.spec(**changes))
        try:
            yield session
        finally:
            session.close()

    def sh(self, script: str, *arguments: str, timeout_s: float = 60.0) -> str:
        """What a shell script prints there."""
        with self.session() as session:
            done = session.run(["sh", "-c", script, "test", *arguments], timeout_s)
        assert done.returncode == 0, (script, done.output)
        return done.output

    def wait_for(self, script: str, what: str, limit_s: float = 60.0) -> None:
        """Look, over one connection, until a shell script there succeeds."""
        until = time.monotonic() + limit_s
        with self.session() as session:
            while session.run(["sh", "-c", script], 60).returncode != 0:
                assert time.monotonic() < until, f"{what} did not happen within {limit_s:g} s"
