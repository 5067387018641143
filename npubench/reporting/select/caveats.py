"""How sure a verdict is: what its figures are, what moved under them, what may not be compared."""

from collections.abc import Sequence
from typing import Protocol

from npubench.domain.records import Kind, Verdict
from npubench.reporting.data.bounds import latency_text, main_latency_us
from npubench.reporting.data.words import say
from npubench.reporting.select.candidate import Candidate, Chosen

_BASES = {
    Kind.MEASURED: "times of the board itself",
    Kind.SIMULATED: "times of the vendor's simulator, not checked on a board",
    Kind.PREDICTED: "times that npubench predicts, not checked on a board",
    Kind.PUBLISHED: "times that somebody published, not measured here",
}


_PUBLISHED_SIMULATION = "times that the publisher's compiler simulated, not measured by anybody"


class Judged(Protocol):
    """What a warning looks at."""

    @property
    def kind(self) -> Kind | None:
        """Of its figures."""

    @property
    def origin(self) -> Kind | None:
        """What a published figure was for its publisher."""

    @property
    def backend(self) -> str:
        """The toolchain."""


def caveats_of(candidate: Candidate, chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """One line each, the basis first."""
    if candidate.kind is None:
        return (say("no row of it has a figure"),)
    simulated = candidate.origin is Kind.SIMULATED
    lines = [say(_PUBLISHED_SIMULATION) if simulated else say(_BASES[candidate.kind])]
    modes = sorted({str(c.figures.details["npu_mode"]) for c in chosen if c.share < 1})
    if modes:
        lines.append(
            say("figures of a part of the NPU (mode {modes}), not of the chip", modes=", ".join(modes))
        )
    shaky = [c.result for c in chosen if c.result.verdict not in (None, Verdict.STABLE)]
    if shaky and candidate.kind is Kind.MEASURED:
        names = ", ".join(f"{row.case} {say(str(row.verdict))}" for row in shaky)
        lines.append(say("not stable: {names}", names=names))
    for one in chosen:
        if one.at_least is not None:
            told = latency_text(one.figures, main_latency_us(one.figures) or one.time_us)
            lines.append(
                say(
                    "{case}: {latency}: a lower bound may fail a requirement and passes none",
                    case=one.result.case,
                    latency=told,
                )
            )
    if any(c.result.emulated for c in chosen):
        lines.append(say("the board is emulated: only its simulator's times count"))
    return tuple(lines)


def warnings_of(judged: Sequence[Judged]) -> tuple[str, ...]:
    """What holds for the whole comparison."""
    lines = []
    backends = sorted({one.backend for one in judged if Kind.SIMULATED in (one.kind, one.origin)})
    if len(backends) > 1:
        lines.append(
            say(
                "simulators of several vendors ({names}) stand side by side: each has its own model of clock "
                "and memory, so their times are no comparison of chips",
                names=", ".join(backends),
            )
        )
    if len({(one.kind, one.origin) for one in judged if one.kind}) > 1:
        lines.append(say("figures of several kinds: compare within a kind before you compare across"))
    return tuple(lines)
