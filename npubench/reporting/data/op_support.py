"""What became of an operator case on a backend, from its row alone: its cell, and why.

It is what the tool's placement, outputs and log told; an exit code is in none of them.
"""

from collections.abc import Collection, Iterable, Sequence

from npubench.domain.records import Accuracy, Failure, FailureClass, Figures, NoAccuracy, Result, Status

LEAST_COSINE = 0.98
"""Below it outputs count as wrong: Pulsar's documentation calls a cosine below 0.98 a loss of accuracy."""
ROUNDINGS = 3
"""An operator in 8 bits rounds inputs, weights and outputs; each may swap what is nearly equal."""

NPU, CPU, CUSTOM, HOST, UNPLACED = "NPU", "CPU fallback", "custom", "runs", "converts"
UNSUPPORTED, CRASH, WRONG, FAILED = "unsupported", "crash", "wrong result", "failed"

WORST_FIRST = (CRASH, WRONG, FAILED, UNSUPPORTED, CPU, CUSTOM, UNPLACED, HOST, NPU)
"""Of several rows of one thing the first of these stands: what failed once is never hidden by what worked."""

_OF_CLASS = {
    FailureClass.UNSUPPORTED_OPERATOR: UNSUPPORTED,
    FailureClass.UNSUPPORTED_ATTRIBUTE: UNSUPPORTED,
    FailureClass.UNSUPPORTED_OPSET: UNSUPPORTED,
    FailureClass.CRASH: CRASH,
    FailureClass.HANG: CRASH,
    FailureClass.OUTPUT_MISMATCH: WRONG,
}
_SAYS_NOTHING = {FailureClass.TOOL_MISSING, FailureClass.BOARD_UNREACHABLE, FailureClass.BOARD_LOST}


def worst(cells: Iterable[str]) -> str:
    """The cell that stands for several of one board."""
    return min(cells, key=WORST_FIRST.index)


def what_failed(failure: Failure) -> str | None:
    """The cell of a failure; None for one that says nothing of the operator."""
    if failure.failure_class in _SAYS_NOTHING:
        return None
    return _OF_CLASS.get(failure.failure_class, FAILED)


def units_of(figures: Figures, operators: Collection[str]) -> tuple[str, ...]:
    """Units of the layers that hold one of these operators, by type where the tool tells no layers of them.

    Where it made something else of all of them, the units of that: a layer that a tool adds beside them, as a
    Reshape for its own layout, is none of theirs.
    """
    named = [one.unit for one in figures.layers_on if not set(operators).isdisjoint(one.operators)]
    types = [figures.placement[name] for name in operators if name in figures.placement]
    if not named and not types:
        named = [one.unit for one in figures.layers_on if one.operators]
        types = [*figures.placement.values()]
    # One a type where no layer tells, or where the types know of another unit.
    return (*named, *dict.fromkeys(unit for unit in types if unit not in named))


def cell(result: Result) -> str | None:
    """What became of a case; None for a row that says nothing of the operator."""
    if result.status is Status.FAILED and result.failure:
        return what_failed(result.failure)
    figures = result.figures or result.estimate
    if result.status is not Status.OK or figures is None:
        return None
    if figures.accuracy and (_is_far(figures.accuracy) or _differs(figures.accuracy)):
        return WRONG
    return _placed(result, figures)


def _is_far(accuracy: Accuracy) -> bool:
    if accuracy.cosine is None:
        # Zeros in place of FP32's numbers have no direction, and yet a distance from them.
        return accuracy.psnr_db is not None
    return accuracy.cosine < LEAST_COSINE


def _differs(accuracy: Accuracy) -> bool:
    return accuracy.equal is not None and accuracy.equal < least_equal(accuracy)


def least_equal(accuracy: Accuracy) -> float:
    """The share of equal integers below which they are wrong, and not just others of nearly equal values.

    Where rounding the inputs to 8 bits changes nothing (Not, Cast), as good as all have to be equal.
    """
    kept = 1.0 if accuracy.equal_rounded is None else accuracy.equal_rounded
    return float(LEAST_COSINE * kept**ROUNDINGS)


def _placed(result: Result, figures: Figures) -> str:
    placed = units_of(figures, result.operators or (result.op,))
    if result.chip == "cpu":
        return HOST
    if "custom" in placed:
        return CUSTOM
    if "CPU" in placed:
        return CPU
    return NPU if placed else UNPLACED


def told(result: Result) -> str:
    """The cell with what makes a wrong result wrong."""
    text, accuracy = str(cell(result)), _accuracy(result)
    if text != WRONG or accuracy is None:
        return text
    far = _one_number(result) if accuracy.cosine is None else f"{accuracy.cosine:.3f}"
    found = [far] if _is_far(accuracy) else []
    found += [f"{accuracy.equal:.1%} equal"] if _differs(accuracy) else []
    return f"{text} ({', '.join(found)})"


def _one_number(result: Result) -> str:
    figures = result.figures or result.estimate
    constant = figures is not None and figures.no_accuracy is NoAccuracy.CONSTANT
    return "one number throughout" if constant else "nothing but zeros"


def reason(result: Result) -> str:
    """Why it is not all on the NPU, or not right there."""
    if result.failure:
        return result.failure.message
    figures = result.figures or result.estimate
    if cell(result) == CPU and figures:
        return f"left to the CPU: {', '.join(on_cpu(figures))}"
    return f"{told(result)}{_coarse(result)}{_swapped(result)}"


def on_cpu(figures: Figures) -> list[str]:
    """Operators of which a layer was left to the CPU, with how many of how many where it is not all."""
    types = {name for name, where in figures.placement.items() if where == "CPU"}
    counted: dict[str, list[bool]] = {}
    for layer in figures.layers_on:
        for name in layer.operators:
            counted.setdefault(name, []).append(layer.unit == "CPU")
    types |= {name for name, units in counted.items() if any(units)}
    return [_share(name, counted.get(name, ())) for name in sorted(types)]


def _share(name: str, units: Sequence[bool]) -> str:
    left = sum(units)
    return f"{name} ({left} of {len(units)} layers)" if 0 < left < len(units) else name


def _accuracy(result: Result) -> Accuracy | None:
    figures = result.figures or result.estimate
    return figures.accuracy if figures else None


def _coarse(result: Result) -> str:
    """Why a wrong result is no better, where the steps of its outputs are too far apart for their values."""
    figures = result.figures or result.estimate
    about = figures.details.get("output_resolution") if figures else None
    if cell(result) != WRONG or not about or about["cosine"] is None or about["cosine"] >= LEAST_COSINE:
        return ""
    steps = ", ".join(f"{step:.2g}" for step in about["steps"])
    return (
        f": its outputs have steps of {steps} for values up to {about['greatest']:.2g};"
        f" FP32's own rounded to them have a cosine of {about['cosine']:.3f}"
    )


def _swapped(result: Result) -> str:
    """How many integers could be equal at all, where too few are."""
    accuracy = _accuracy(result)
    if cell(result) != WRONG or accuracy is None or not _differs(accuracy) or accuracy.equal_rounded is None:
        return ""
    return f": with its inputs rounded to 8 bits FP32 keeps {accuracy.equal_rounded:.1%}"
