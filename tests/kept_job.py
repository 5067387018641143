"""Jobs for a kept interpreter: what each does is named by its first argument."""

import os
import signal
import sys
import threading
from pathlib import Path

from npubench.tools.standalone import fork_server

seen: list[str] = []


def main(what: str, note: str) -> None:
    """Note what this process is, then do it."""
    seen.append(what)
    Path(note).write_text(f"{os.getpid()} {os.getppid()} {len(seen)} {Path.cwd()}")
    sys.stdout.write(f"doing {what}\n")
    sys.stdout.flush()
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "raise":
        raise ValueError("of the job")
    if what.startswith("waits"):
        for number in range(3):
            fork_server.between()
            sys.stdout.write(f"step {number}\n")
            sys.stdout.flush()
            if what == "waits and crashes" and number == 1:
                os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        sys.exit(7)
    if what == "hang":
        threading.Event().wait()
