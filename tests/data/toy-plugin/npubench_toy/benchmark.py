"""The toy's board benchmark: how long the board takes to say its name."""

import time

from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.specs import BenchmarkSpec, CaseKind


class ToyBenchmark:
    """One case; it asks the board a question three times."""

    name = "toy-echo"

    def cases(self, board, options):
        """What there is to measure, without connecting."""
        return (BenchmarkSpec("echo", CaseKind.BENCHMARK, self.name, "uname"),)

    def tools(self, case):
        """Versions that decide the figures."""
        return {"toy-echo": "1"}

    def prepare(self, case, board, deadline_s, log, say):
        """Files that `measure` needs: none."""
        return {}

    def measure(self, case, files, session, deadline_s, log):
        """Time calls of `uname` on the board."""
        times = []
        for _ in range(3):
            began = time.monotonic()
            done = session.run(["uname", "-s"], deadline_s, log)
            times.append((time.monotonic() - began) * 1e6)
            if done.returncode:
                return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, "uname failed")
        latency = Latency(n=3, mean=sum(times) / 3, min=min(times), max=max(times))
        return Figures(Kind.MEASURED, latency, tools={"uname": done.output.strip()})
