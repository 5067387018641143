"""Starts, stops and describes the virtual board. One npubench at a time, and as often as one likes."""

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardError, ToolchainError, UsageError
from npubench.domain.text import last_line
from npubench.tools import process
from npubench.tools.environments.installer import locked
from npubench_virtual import cpio, keys, machine, places, programs, qemu
from npubench_virtual import image as images
from npubench_virtual.image import Image, Kind, Say
from npubench_virtual.machine import Running
from npubench_virtual.qmp import QmpError, monitor, require

LAUNCH_S = 60.0
RESTORE_S = 60.0
SAVE_S = 120.0
LOG = "qemu.log"
STATE = "state.zst"
OVERLAY = PurePosixPath("overlay")
Files = dict[PurePosixPath, tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Status:
    """What is up: `state` as QEMU calls it (running, paused), None when its monitor does not answer."""

    running: Running
    state: str | None
    greets: bool


def start(kind_name: str | None, say: Say, files: Path | None = None) -> Running:
    """A running board that lets npubench in; nothing is done when it is up.

    What lies below the folder `files` is on the board at the same paths, also after it was reset.

    The image is built when it is missing; a tiny one is restored from its saved state, which the
    first start makes. Raises UsageError when another image is up, ToolchainError when something is
    missing here, BoardError when the board does not come up, Interrupted.
    """
    folder = places.machine()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(folder, say):
            up = machine.find(folder)
            kind = images.kind(kind_name or (up.image if up else "tiny"))
            if up is not None:
                return _as_it_is(up, kind)
            programs.require(programs.RUN)
            require()
            own = _read(files) if files else {}
            return _start(folder, images.built(kind, say), own, say)
    except OSError as error:
        reason = error.strerror or error
        raise ToolchainError(
            f"{error.filename or folder}: {reason}: make room for the virtual board, or set XDG_CACHE_HOME"
        ) from error


def stop(say: Say) -> bool:
    """Switch the board off; whether there was one."""
    folder = places.machine()
    if not folder.is_dir():
        return False
    with locked(folder, say):
        up = machine.find(folder)
        if up is not None:
            if any(folder.glob("disk-*")) and machine.greets(up.port):
                with contextlib.suppress(BoardError):
                    _ask(folder, "sync")
            machine.end(folder, up)
        return up is not None


def status() -> Status | None:
    """What is up, if anything is."""
    folder = places.machine()
    up = machine.find(folder)
    if up is None:
        return None
    state = None
    with contextlib.suppress(QmpError), monitor(folder, qemu.MONITOR) as qmp:
        state = str(qmp.command("query-status")["status"])
    return Status(up, state, machine.greets(up.port))


def _as_it_is(up: Running, kind: Kind) -> Running:
    if up.image != kind.name:
        raise UsageError(
            f"the virtual board is up with the image {up.image}: npubench board virtual stop first"
        )
    if not machine.wait_until(lambda: machine.greets(up.port), kind.boot_s):
        raise BoardError(
            "the virtual board is up but does not answer: npubench board virtual stop, then start"
        )
    return up


def _read(folder: Path) -> Files:
    """All files below a folder, for the board. Raises UsageError."""
    try:
        return {
            OVERLAY / path.relative_to(folder).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}: it cannot be put on the board") from error


def _start(folder: Path, image: Image, own: Files, say: Say) -> Running:
    keys.make(folder)
    initrd = folder / "initrd"
    packed = image.initrd.read_bytes()
    initrd.write_bytes(packed + bytes(-len(packed) % 4) + cpio.archive(keys.files(folder) | own))
    last = machine.last(folder)
    port = machine.free_port(last.port if last else None)
    keys.write_ssh_config(folder, port)
    wanted = qemu.Machine(folder, image.kernel, initrd, port, _disk(folder, image))
    state = _state_file(folder, wanted, image)
    up = None
    if state is not None and state.exists():
        up = _restored(wanted, image, state, say)
    up = up or _booted(wanted, image, state, say)
    try:
        # A restored board still has the time at which it was saved. This also proves that it lets us in.
        _ask(folder, "date", "-u", "-s", f"@{time.time():.0f}")
    except BaseException:
        machine.end(folder, up)
        raise
    return up


def _disk(folder: Path, image: Image) -> Path | None:
    """The machine's own copy of the image's disk: what is written there stays until the image changes."""
    if image.disk is None:
        return None
    disk = folder / f"disk-{image.kind.name}-{image.sha256[:12]}"
    if not disk.exists():
        for old in folder.glob(f"disk-{image.kind.name}-*"):
            old.unlink()
        part = disk.with_suffix(".part")
        done = process.run(
            ["cp", "--sparse=always", str(image.disk), str(part)], timeout_s=LAUNCH_S, log=folder / LOG
        )
        if done.returncode != 0:
            raise ToolchainError(f"{disk} cannot be made: {done.output.strip()[-200:]}")
        part.replace(disk)
    return disk


def _state_file(folder: Path, wanted: qemu.Machine, image: Image) -> Path | None:
    """Where the state of just this machine belongs; another QEMU, image or key has another place."""
    if not image.kind.saved:
        return None
    version = process.run([_qemu(), "--version"], timeout_s=LAUNCH_S, log=folder / LOG).output
    argv = [word.replace(f":{wanted.port}-", ":-") for word in wanted.argv("qemu")]
    text = "\n".join([version, image.sha256, *argv]).encode()
    digest = hashlib.sha256(text + wanted.initrd.read_bytes()).hexdigest()
    return folder / f"{digest[:12]}.{STATE}"


def _restored(wanted: qemu.Machine, image: Image, state: Path, say: Say) -> Running | None:
    """The machine out of its saved state, or None when that is of no use any more."""
    up = _launched(wanted, image, state)
    try:
        with monitor(wanted.folder, qemu.MONITOR) as qmp:
            if machine.wait_until(lambda: qmp.command("query-status")["status"] == "paused", RESTORE_S):
                qmp.command("cont")
                if machine.wait_until(lambda: machine.greets(up.port), RESTORE_S):
                    return up
            problem = "it does not answer"
    except QmpError as error:
        problem = str(error)
    machine.end(wanted.folder, up)
    state.unlink(missing_ok=True)
    say(f"the saved state could not be restored ({problem}): booting, and saving it anew")
    return None


def _booted(wanted: qemu.Machine, image: Image, state: Path | None, say: Say) -> Running:
    say(f"booting the virtual board ({image.kind.title})")
    up = _launched(wanted, image, None)
    try:
        came_up = machine.wait_until(
            lambda: machine.greets(up.port) or machine.find(wanted.folder) is None, image.kind.boot_s
        )
        if not came_up or machine.find(wanted.folder) is None:
            why = "QEMU ended" if came_up else f"no SSH server within {image.kind.boot_s:g} s"
            raise BoardError(f"the virtual board did not come up: {why}: see {wanted.folder / qemu.CONSOLE}")
        if state is not None:
            _save(wanted.folder, state, say)
    except BaseException:
        machine.end(wanted.folder, up)
        raise
    return up


def _save(folder: Path, state: Path, say: Say) -> None:
    for old in folder.glob(f"*.{STATE}"):
        old.unlink(missing_ok=True)
    part = state.with_suffix(".part")
    try:
        with monitor(folder, qemu.MONITOR) as qmp:
            qmp.command("stop")
            try:
                qmp.migrated(qemu.save_to(part), SAVE_S)
            finally:
                qmp.command("cont")
    except QmpError as error:
        raise BoardError(f"the virtual board's state could not be saved: {error}") from error
    part.replace(state)
    say(f"saved the booted board: later starts take a second ({state.stat().st_size / 2**20:.0f} MiB)")


def _launched(wanted: qemu.Machine, image: Image, incoming: Path | None) -> Running:
    (wanted.folder / qemu.PIDFILE).unlink(missing_ok=True)
    (wanted.folder / qemu.MONITOR).unlink(missing_ok=True)
    done = process.run(
        wanted.argv(_qemu(), incoming), timeout_s=LAUNCH_S, log=wanted.folder / LOG, cwd=wanted.folder
    )
    up = machine.record(wanted.folder, image.kind.name, wanted.port)
    if done.returncode != 0 or up is None:
        said = last_line(done.output)[-200:]
        raise BoardError(f"QEMU did not start: {said}: see {wanted.folder / LOG}")
    return up


def _qemu() -> str:
    return programs.path_of("qemu-system-arm") or "qemu-system-arm"


def _ask(folder: Path, *argv: str) -> None:
    """Run a command of our own on the board. Raises BoardError."""
    from npubench_virtual.transport import spec

    session = SshTransport().connect(spec(folder))
    try:
        session.run(argv, LAUNCH_S)
    finally:
        session.close()
