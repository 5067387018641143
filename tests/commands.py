"""`npubench` as a user calls it: in this process, which spares its imports, or in one of its own.

A process of its own is for what only one can show: signals, a terminal, an import that must not happen.
"""

import contextlib
import io
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from npubench.cli import main

OWN = ("HOME", "LANG", "TZ", "NPUBENCH_CACHE", "NPUBENCH_LEASES")


def argv(*words: Any) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "npubench", *map(str, words)]


def npubench(
    *words: Any, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in this process: what it printed, and its exit code.

    `env` is all of the environment, but for what keeps tests from the home folder and leases of this machine.
    """
    texts = list(map(str, words))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "argv", ["npubench", *texts]))
        if env is not None:
            own = {name: os.environ[name] for name in OWN if name in os.environ}
            stack.enter_context(mock.patch.dict(os.environ, {**own, **env}, clear=True))
        if cwd is not None:
            stack.enter_context(contextlib.chdir(cwd))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            code = main(texts)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except Exception:  # noqa: BLE001 - a traceback and exit code 1, as the interpreter does
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(["npubench", *texts], code, out.getvalue(), err.getvalue())


def process(*words: Any, timeout_s: float = 900, **more: Any) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    return subprocess.run(argv(*words), capture_output=True, text=True, timeout=timeout_s, **more)
