"""The emulated Pulsar pair with its runner on the virtual ARM board: the toolchain is here, the runner there."""

import os
import subprocess
import time
from pathlib import Path

from npubench_virtual import places
from tests.board.virtual_board import HURRY, VirtualBoard
from tests.emulated_pair import QUICK, Pair, onnx_file

RUNNER = "/opt/bin/run_joint"
CALL_S = 240.0
END_S = 90.0
"""A run whose board is gone ends within this time, also on a busy machine."""


class BoardPair(Pair):
    """`npubench run --board virtual-a7` in a process of its own."""

    def __init__(self, root: Path, board: VirtualBoard) -> None:
        super().__init__(root)
        self.virtual = board
        self.virtual_cache = Path(os.environ["XDG_CACHE_HOME"])
        self.describe()

    def describe(self, **transport_options) -> None:
        """The user's own file of the board, with the timeouts of a test."""
        options = {**HURRY, **transport_options}
        self.board(
            places.NAME, transport="virtual", transport_options=options, backend_options={"run_joint": RUNNER}
        )

    def models(self, *names: str, **options) -> list[Path]:
        """A small model each."""
        return [onnx_file(self.root / f"{name}.onnx", **options) for name in names]

    def take(self, seconds: int) -> None:
        """From now on a call of the runner takes this long."""
        self.virtual.sh(f'echo "$1" > {RUNNER}.seconds', str(seconds))

    def measure(self, *words) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return self.run("--board", places.NAME, "--jobs", "1", *words)

    def struck(
        self, models: list[Path], fault, at_call: int = 2
    ) -> tuple[subprocess.CompletedProcess[str], float]:
        """A run to which something happens while the runner is at work; and how long it took to end then, s."""
        self.take(20)
        words = self.argv("run", *QUICK, "--out", self.out, "--board", places.NAME, "--jobs", "1", *models)
        running = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env
        )
        try:
            for call in range(1, at_call + 1):
                called = f'[ "$(wc -l < {RUNNER}.calls)" -ge {call} ]'
                through = " && kill $(pidof sleep)" if call < at_call else ""
                self.virtual.wait_for(called + through, f"call {call} of the runner", CALL_S)
            fault()
            struck = time.monotonic()
            stdout, stderr = running.communicate(timeout=300)
        except BaseException:
            running.kill()
            raise
        return subprocess.CompletedProcess(
            words, running.returncode, stdout, stderr
        ), time.monotonic() - struck

    def calls(self) -> list[str]:
        """The model of each call of the runner since the board's start."""
        return self.virtual.sh(f"cat {RUNNER}.calls").split()

    def outcomes(self) -> dict[str, object]:
        """Stage and class of each case's failure, or its status."""
        return {
            case: (row["failure"]["stage"], row["failure"]["class"]) if row["failure"] else row["status"]
            for case, row in self.by_case().items()
        }
