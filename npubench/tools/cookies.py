"""Which npubench a process belongs to: what it carries in its environment, here and on boards.

A cookie is `npubench-<machine>-<process, 10 digits>-<its start, 16 digits>-<random>`. `machine` is a hash
of machine id, host name, user, boot and PID namespace: two containers that share all names, and a machine
before and after a reboot, differ. So whoever has this machine's prefix is a process whose end can be seen.
"""

import hashlib
import os
import re
import secrets
from pathlib import Path

VARIABLE = "NPUBENCH_PROCESS_COOKIE"
_COOKIE = re.compile(r"npubench-([0-9a-f]{12})-([0-9]{10})-([0-9]{16})(?:-|$)")


END_TREE = """\
pass=0
while [ $pass -lt 5 ]; do
    found=
    case "$(cat /proc/[0-9]*/environ 2>/dev/null)" in *"$1"*)
        for entry in /proc/[0-9]*; do
            case "$(cat "$entry/environ" 2>/dev/null)" in *"$1"*)
                kill -9 "${entry#/proc/}" 2>/dev/null && found=1 ;;
            esac
        done ;;
    esac
    [ -n "$found" ] || break
    pass=$((pass + 1))
done
"""
"""Ends every process whose environment holds `$1`. Again until none is found, as they may start others."""


def machine() -> str:
    """What the cookies of this PID namespace of this boot of this machine, and of this user, begin with."""
    namespace = _text("/proc/sys/kernel/random/boot_id")
    try:
        # The number alone is the initial namespace's on every machine.
        namespace += f" {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        namespace += " ?"
    name = f"{_text('/etc/machine-id')} {os.uname().nodename} {os.getuid()} {namespace}"
    return f"npubench-{hashlib.sha256(name.encode()).hexdigest()[:12]}-"


def owner() -> str:
    """What the cookies of this process begin with."""
    return f"{machine()}{os.getpid():010d}-{_started(os.getpid()) or 0:016d}"


def of_session() -> str:
    """A cookie that nobody else has, for what one connection starts on its board."""
    return f"{owner()}-{secrets.token_hex(8)}"


def of_process() -> str:
    """The same for a process on this machine, which is no session's even where this is also the board."""
    return f"{owner()}-here-{secrets.token_hex(8)}"


def is_dead(cookie: str) -> bool:
    """Whether the npubench of a cookie is surely no more: False for what cannot be seen from here."""
    match = _COOKIE.match(cookie)
    if match is None or f"npubench-{match[1]}-" != machine():
        return False
    return _started(int(match[2])) != int(match[3])


def _started(process: int) -> int | None:
    """Clock ticks from boot to the start of a process (proc(5)); None where there is none."""
    fields = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    # A zombie has ended.
    return int(fields[19]) if len(fields) > 19 and fields[0] not in {"Z", "X"} else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
