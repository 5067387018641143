"""npubench's own workers in forks of this process: `python -P -m npubench.tools.kept_server MODULE...`.

No session of ONNX Runtime is ever opened in this process: its threads would not be in a fork.
"""

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from npubench.tools.standalone.fork_server import serve


def import_all(modules: Sequence[str]) -> None:
    """Import what jobs need, and let those that have a `warm` do it; a job meets what fails here again."""
    for name in modules:
        try:
            module = importlib.import_module(name)
            if warm := getattr(module, "warm", None):
                warm()
        except Exception:  # noqa: BLE001 - the job meets the same error and tells it
            traceback.print_exc()


def run(request: Mapping[str, Any]) -> None:
    """The job in a fork: `main` of the module with the arguments."""
    sys.argv = [request["module"], *request["arguments"]]
    importlib.import_module(request["module"]).main(*request["arguments"])


if __name__ == "__main__":
    serve(lambda: import_all(sys.argv[1:]), run)
