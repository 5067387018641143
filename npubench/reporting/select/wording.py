"""Cells of a verdict as text, in the language of now: what text, Markdown and page show alike."""

from collections.abc import Mapping

from npubench.domain.figures import Bound, Kind
from npubench.reporting.data.figures import opposite
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import TITLES, Outcome
from npubench.reporting.select.verdict import ChipVerdict, Figure

KIND_SIGNS: Mapping[Kind, str] = {
    Kind.MEASURED: "●",
    Kind.SIMULATED: "○",
    Kind.PREDICTED: "◇",
    Kind.PUBLISHED: "□",
}
"""Kinds in one character, as the page draws them."""


def sign_of_bound(bound: Bound) -> str:
    """What stands before a figure: nothing of an exact one."""
    return {Bound.LOWER: "≥ ", Bound.UPPER: "≤ "}.get(bound, "")


def sign_of(kind: tuple[Kind | None, Kind | None]) -> str:
    """Of a kind and of what it was for its publisher: `□`, `□○`."""
    return "".join(KIND_SIGNS[one] for one in kind if one)


def kind_words(kind: Kind | None, origin: Kind | None = None) -> str:
    """`published`, with what it was for the publisher where a compiler simulated it."""
    text = translate(kind.value) if kind else "–"
    return f"{text} ({translate('simulated')})" if origin is Kind.SIMULATED else text


def kind_text(verdict: ChipVerdict) -> str:
    """The weakest kind of its figures."""
    return kind_words(verdict.kind, verdict.origin)


def percent(share: float | None) -> str:
    """A head-room."""
    return "–" if share is None else f"{significant(share * 100)} %"


def whole_percent(share: float) -> str:
    """The same in whole percents, for a sentence; near 0 and 100 with what tells it from them."""
    if 0.01 <= abs(share) <= 0.99 or abs(share) > 1:
        return f"{share * 100:.0f} %"
    return percent(share)


def confidence_text(value: float | None) -> str:
    """A chance in whole percents; never 100 % and never 0 %, which nothing with a band is."""
    if value is None:
        return "–"
    if value > 0.99:
        return "> 99 %"
    return "< 1 %" if value < 0.01 else f"{value * 100:.0f} %"


def time_text(figure: Figure) -> str:
    """The time of one inference, its band where it is predicted, and the part of the NPU that it is of."""
    if figure.time_us is None:
        return "–"
    doubt = "! " if figure.doubts else ""
    text = f"{doubt}{sign_of_bound(figure.bound)}{duration(figure.time_us)}"
    if figure.low_us is not None and figure.high_us is not None and figure.kind is Kind.PREDICTED:
        text += f" [{duration(figure.low_us)} … {duration(figure.high_us)}]"
    return text if figure.share == 1 else f"{text} ({share_text(figure.share)})"


def share_text(share: float) -> str:
    """`1/3 of the NPU`."""
    if share and abs(1 / share - round(1 / share)) < 1e-6:
        return translate("{share} of the NPU", share=f"1/{round(1 / share)}")
    return translate("{share} of the NPU", share=f"{share:.2g}")


def load_text(verdict: ChipVerdict) -> str:
    """What the job takes of the NPU's time."""
    return "–" if verdict.load is None else f"{sign_of_bound(verdict.bound)}{percent(verdict.load)}"


def band_text(verdict: ChipVerdict) -> str:
    """Ends of the same where it is predicted."""
    if verdict.load_band is None or verdict.kind is not Kind.PREDICTED:
        return ""
    return " … ".join(significant(end * 100) for end in verdict.load_band)


def share_of_second(verdict: ChipVerdict) -> str:
    """Both."""
    band = band_text(verdict)
    return f"{load_text(verdict)} [{band}]" if band else load_text(verdict)


def price_text(verdict: ChipVerdict) -> str:
    """With what it is the price of."""
    if verdict.price_usd is None:
        return translate("unknown")
    about = f" ({translate(verdict.price_about)})" if verdict.price_about else ""
    return f"{verdict.price_usd:.6g} USD{about}"


def power_text(verdict: ChipVerdict) -> str:
    """With what it is the power of."""
    if verdict.power_w is None:
        return translate("unknown")
    about = f" ({translate(verdict.power_about)})" if verdict.power_about else ""
    return f"{verdict.power_w:.6g} W{about}"


def binding_text(verdict: ChipVerdict) -> str:
    """What decides."""
    return translate(TITLES[verdict.binding]) if verdict.binding else "–"


def jobs_text(verdict: ChipVerdict) -> str:
    """How many times the job fits, and of what part of the chip that is told."""
    if verdict.jobs is None:
        return "–"
    part = f" ({share_text(verdict.share)})" if verdict.share < 1 else ""
    return f"{sign_of_bound(opposite(verdict.bound))}{significant(verdict.jobs)} ×{part}"


def score_text(verdict: ChipVerdict) -> str:
    """The sum of its terms, in [0, 1]."""
    return "–" if verdict.score is None else f"{verdict.score:.3f}"


def next_text(verdict: ChipVerdict) -> str:
    """What would settle the unknowns, in a few words, else the first of what would make a failure pass."""
    if verdict.outcome is Outcome.FAIL:
        return verdict.changes[0] if verdict.changes else "–"
    if not verdict.steps:
        return "–"
    first, *rest = (step.brief for step in verdict.steps)
    return f"{first} (+{len(rest)})" if rest else first
