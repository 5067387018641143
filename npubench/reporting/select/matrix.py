"""Requirement by chip: pass, ? or fail, what is needed, what there is, and what would settle it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import TITLES, Check, Outcome
from npubench.reporting.select.verdict import ChipVerdict
from npubench.reporting.select.wording import kind_words, percent

SIGNS: Mapping[Outcome | None, str] = {
    Outcome.PASS: "✓",
    Outcome.UNKNOWN: "?",
    Outcome.FAIL: "×",
    None: "–",
}
"""What a cell is without its colour and its word."""

SHORT: Mapping[str, str] = {
    "npu_time": "NPU",
    "latency": "latency",
    "decode": "decode",
    "memory": "memory",
    "streams": "cameras",
    "operators": "operators",
    "accuracy": "accuracy",
    "price": "price",
    "power": "power",
}
"""Heads of columns."""

OF_NEED = frozenset({"npu_time", "memory"})
"""Requirements whose figure is what the job takes; of the others it is what the chip has."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One requirement on one chip."""

    name: str  # a key of TITLES
    check: Check | None  # None: it was not weighed there
    why: str  # of what is no plain pass

    @property
    def outcome(self) -> Outcome | None:
        """Whether it is met; None: not weighed."""
        return self.check.outcome if self.check else None

    @property
    def sign(self) -> str:
        """The outcome in one character."""
        return SIGNS[self.outcome]

    @property
    def word(self) -> str:
        """`pass`, `?`, `fail`; what nobody tried says so, what else was not weighed is a dash."""
        if self.outcome is None and self.name == "operators":
            return translate("not tried")
        if self.outcome is None or self.outcome is Outcome.UNKNOWN:
            return self.sign
        return translate(self.outcome.value)

    @property
    def figure(self) -> str:
        """What it rests on: `5.40 %`; of a `?` what is next, in a few words; empty where there is nothing."""
        if self.check is None:
            return ""
        if self.outcome is Outcome.UNKNOWN and self.check.steps:
            return self.check.steps[0].brief or self.check.steps[0].what
        shown = self.check.need if self.name in OF_NEED else self.check.have
        return "" if shown == "–" else shown

    @property
    def contested(self) -> str:
        """That another fact would turn the outcome; empty where none would."""
        return translate("facts contradict") if self.check and self.check.contested else ""

    @property
    def kind(self) -> Kind | None:
        """Of the figure; None: it is none of a kind, or what is next."""
        return self.check.kind if self.check and self.outcome is not Outcome.UNKNOWN else None

    @property
    def told(self) -> str:
        """All of it in a line: what is needed, what there is, the kind of that, why, and what is next."""
        if self.check is None:
            return self.why
        one = self.check
        parts = [
            f"{translate(TITLES[self.name])}: {translate(one.outcome.value)}",
            translate("needed: {need}", need=one.need),
            translate("there is: {have}", have=one.have),
        ]
        parts += [translate("kind: {kind}", kind=kind_words(one.kind))] if one.kind else []
        parts += [translate("room: {room}", room=percent(one.headroom))] if one.headroom is not None else []
        parts += [self.why] if self.why else []
        parts += [translate("Next: {step}", step=step.brief or step.what) for step in one.steps[:1]]
        return "; ".join(parts)


def names_of(verdicts: Sequence[ChipVerdict]) -> tuple[str, ...]:
    """The requirements that any chip was held against, in the order of TITLES."""
    there = {check.name for one in verdicts for check in one.checks}
    return tuple(name for name in TITLES if name in there)


def cells_of(verdict: ChipVerdict, names: Sequence[str]) -> tuple[Cell, ...]:
    """A cell for each of these requirements."""
    checks = {check.name: check for check in verdict.checks}
    return tuple(_cell(name, checks.get(name)) for name in names)


def _cell(name: str, check: Check | None) -> Cell:
    if check is not None:
        return Cell(name, check, check.why)
    whys = {
        "operators": translate("not tried: no row tells that its models run there, only predictions"),
        "streams": translate("simulated where the NPU's time is enough and nothing fails"),
    }
    return Cell(name, None, whys.get(name) or translate("not weighed here"))
