"""`make zoo`: the index of OpenMMLab's names that is shipped as models/zoo/*.tsv.

`python -m tests.zoo_index FOLDER`, after other pins of the environment; its worker lists what the packages have.
"""

import sys
import tempfile
from pathlib import Path

from npubench.domain.errors import ToolchainError
from npubench.exporters.openmmlab.codebases import CODEBASES, FULL
from npubench.tools import environments, process

WORKER = Path(__file__).with_name("zoo_index_worker.py")
DEADLINE_S = 900.0


def write_index(folder: Path) -> None:
    """One file a codebase, by the full environment. Raises ToolchainError when that is not there."""
    ready = environments.find(FULL)
    if ready is None:
        raise ToolchainError(
            "the index is made by the full environment: npubench env install openmmlab --full"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for codebase in CODEBASES:
        target = folder / f"{codebase}.tsv"
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch) / "log"
            argv = [str(ready.python), "-I", str(WORKER), codebase, str(target.absolute())]
            done = process.run(argv, timeout_s=DEADLINE_S, log=log)
        if done.returncode or done.timed_out:
            raise ToolchainError(f"the index of {codebase} could not be made: {done.output[-500:]}")


if __name__ == "__main__":
    write_index(Path(sys.argv[1]))
