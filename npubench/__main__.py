"""`python -m npubench`, and what the command `npubench` is.

Nothing else is imported before signals are heard, not even `signal`, which imports much itself.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys

INTERRUPTED = 130
_LINE = b"npubench: interrupted\n"
_IMPORTING = "<frozen importlib._bootstrap>"
_heard: "list[int]" = []


def start() -> None:
    """Run the command line; a signal ends it in 130 with a line, whenever it comes."""
    # What was started with a signal ignored, as by nohup, goes on ignoring it.
    numbers = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
    ours = [number for number in numbers if _signal.getsignal(number) != _signal.SIG_IGN]
    for number in ours:
        _signal.signal(number, _interrupt)
    from npubench.cli import main

    try:
        code = main()
    except BaseException:
        # An interrupt comes out as something else where Python or a package wraps what is raised.
        if not _heard:
            raise
        os.write(2, _LINE)
        code = INTERRUPTED
    finally:
        # What is left is to take Python apart, where an exception would only be printed.
        for number in ours:
            _signal.signal(number, _signal.SIG_IGN)
    sys.exit(code)


def _interrupt(number: int, frame: object) -> None:
    """Leave at once where nothing was started; an exception within an import may be lost or printed."""
    _heard.append(number)
    process = sys.modules.get("npubench.tools.process")
    running = getattr(process, "running", None)
    if _is_importing(frame) and not (running is not None and running()):
        os.write(2, _LINE)
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def _is_importing(frame: object) -> bool:
    if "npubench.cli" not in sys.modules or not hasattr(sys.modules["npubench.cli"], "main"):
        return True
    while frame is not None:
        if getattr(getattr(frame, "f_code", None), "co_filename", "") == _IMPORTING:
            return True
        frame = getattr(frame, "f_back", None)
    return False


if __name__ == "__main__":
    start()
