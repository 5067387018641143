"""The rules behind advice: each looks at a view's layers and says what stands out, or why it cannot."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from npubench.domain.layers import CPU, Join
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.layers.advice import (
    LEAST_SHARE,
    Advice,
    AdviceClass,
    Advised,
    amount_text,
    gain_of,
    label_of,
    named,
    of_total,
    percent,
    rate_text,
    taken,
)
from npubench.reporting.layers.convolutions import (
    SLOW,
    channels_of,
    convolves,
    first_convolution,
    is_depthwise,
    makes_float,
    makes_integer,
    may_convolve,
    may_multiply,
    multiplies,
    orders_data,
    rate_of,
    widths_of,
)
from npubench.reporting.layers.limits import Limit, limits_of
from npubench.reporting.layers.memory import by_memory
from npubench.reporting.layers.view import Amount, LayerRow, LayerView

Told = Advice | str | None
"""What stands out; why it cannot be judged; None: nothing stands out."""


def advise(view: LayerView) -> Advised:
    """What stands out of the layers, the largest possible gain first; what was looked for in vain, too.

    What the model cannot have is not looked for.
    """
    found: list[Advice] = []
    quiet: list[str] = []
    unjudged: list[str] = []
    for rule, looked_for, applies in _rules():
        if not applies(view):
            continue
        told = rule(view)
        if isinstance(told, Advice):
            found.append(told)
        elif told:
            unjudged.append(f"{looked_for}: {told}")
        else:
            quiet.append(looked_for)
    found.sort(key=lambda one: (one.gain is None, -(one.gain.amount if one.gain else 0.0)))
    return Advised(tuple(found), tuple(quiet), tuple(unjudged))


def _on_cpu(view: LayerView) -> Told:
    left = view.on_cpu
    if not any(row.layer.unit for row in view.rows):
        return translate("the tool does not tell what runs a layer")
    if not left:
        return None
    types = dict.fromkeys(word for row in left for word in row.layer.operators or (row.layer.tool_type,))
    evidence = list(named(view, left))
    if all(row.amount is None for row in left):
        evidence.append(translate("the tool counts nothing for them: the total lacks what they take"))
    return Advice(
        AdviceClass.ON_CPU,
        translate("left to the CPU: {operators}", operators=", ".join([one for one in types if one][:5])),
        tuple(row.number for row in left),
        tuple(evidence),
        translate(
            "replace these operators by ones that the NPU has, or cut them off where they end the model: data"
            " cross between the units once less each"
        ),
        gain_of(view, (row.amount for row in left)),
    )


def _few_channels(view: LayerView) -> Told:
    """The first convolution by its rate against the others: multipliers that wait for channels show there."""
    row = first_convolution(view)
    if row is None:
        return None
    if row.share is None:
        return translate("no figure")
    image = next(found for one in view.result.inputs if (found := channels_of(one.shape)))
    rate = rate_of([one for one in view.rows if one is not row and not is_depthwise(one)])
    own = rate_of((row,))
    if own is None or rate is None:
        return translate("no MACs are known to compare it with the others by")
    if row.share < LEAST_SHARE or own >= SLOW * rate:
        return None
    evidence = (
        f"{label_of(row)}{taken(view, row)}",
        _compared(view, own, rate),
        _at_rate(view, (row,), rate),
        *([_padded(row)] if _padded(row) else ()),
    )
    return Advice(
        AdviceClass.FEW_CHANNELS,
        translate("the first convolution reads {count} channels", count=image),
        (row.number,),
        evidence,
        translate(
            "channels are computed in groups that are filled up with zeros: move pixels into channels first"
            " (space to depth, with the kernel rearranged, keeps the function), or stride earlier"
        ),
        gain_of(view, (row.amount,)),
    )


def _compared(view: LayerView, own: float, others: float) -> str:
    """The rate of a layer beside that of the others."""
    return translate(
        "MACs at {rate}, those of the other layers that multiply at {others}",
        rate=rate_text(own, view.by),
        others=rate_text(others, view.by),
    )


def _at_rate(view: LayerView, rows: Sequence[LayerRow], rate: float) -> str:
    """What the layers would take at the rate of the others."""
    least = sum(row.macs or 0 for row in rows) / rate
    now = sum(row.amount or 0.0 for row in rows)
    by = view.by or Amount.TIME
    return translate(
        "at that rate {least} instead of {now}",
        least=amount_text(least, by),
        now=amount_text(now, by),
    )


def _padded(row: LayerRow) -> str:
    """That the tool itself counts more MACs than the graph has, where it does."""
    own, graph = row.layer.macs, row.layer.graph_macs
    if not own or not graph or own < 1.5 * graph:
        return ""
    return translate(
        "the tool counts {factor} times the MACs that the graph has", factor=significant(own / graph, 2)
    )


def _depthwise(view: LayerView) -> Told:
    rows = [row for row in view.rows if is_depthwise(row) and row.amount]
    if not rows and any(map(_tells_no_channels, view.rows)):
        return translate("neither MACs nor channels of all convolutions are known")
    if not rows or of_total(rows) < LEAST_SHARE:
        return None
    own, others = rate_of(rows), rate_of([row for row in view.rows if not is_depthwise(row)])
    if own is None or others is None:
        return translate("no MACs are known to compare it with the others by")
    if own >= SLOW * others:
        return None
    macs = sum(row.macs or 0 for row in rows) / max(1, sum(row.macs or 0 for row in view.rows))
    shares = translate(
        "{macs} of the MACs take {time} of the total", macs=percent(macs), time=percent(of_total(rows))
    )
    return Advice(
        AdviceClass.DEPTHWISE,
        translate("depthwise convolutions leave multipliers idle: {count}", count=len(rows)),
        tuple(row.number for row in sorted(rows, key=lambda one: -(one.amount or 0.0))),
        (_compared(view, own, others), shares, _at_rate(view, rows, others), *named(view, rows)),
        translate(
            "an ordinary or grouped convolution of fewer channels may take less time in spite of more MACs:"
            " try one in place of the heaviest"
        ),
        gain_of(view, (row.amount for row in rows)),
    )


def _tells_no_channels(row: LayerRow) -> bool:
    return convolves(row.layer) and row.macs is None and len(row.layer.input_shapes) < 2


def _low_rate(view: LayerView) -> Told:
    """Layers that multiply slowly and are neither depthwise, nor the first, nor held up by memory."""
    limits = limits_of(view)
    rows = [row for row in view.rows if limits[row.number - 1] is Limit.LOW_RATE]
    fast = [row for row in view.rows if limits[row.number - 1] is Limit.PRODUCTS]
    own, others = rate_of(rows), rate_of(fast)
    if of_total(rows) < LEAST_SHARE or own is None or others is None:
        return _rates_not_known(view)
    heaviest = sorted(rows, key=lambda row: -(row.amount or 0.0))
    lines = [f"{label_of(row)}{taken(view, row)}{_widths(row)}" for row in heaviest[:3]]
    widths = [found[0] for row in fast if (found := widths_of(row.layer))]
    usual = (
        [translate("the layers at the usual rate read {count} channels and more", count=min(widths))]
        if widths
        else []
    )
    return Advice(
        AdviceClass.LOW_RATE,
        translate(
            "layers that multiply slowly: {count}, {share} of the total",
            count=len(rows),
            share=percent(of_total(rows)),
        ),
        tuple(row.number for row in heaviest),
        (_compared(view, own, others), _at_rate(view, rows, others), *lines, *usual),
        translate(
            "multipliers wait where channels are few or fill no whole group: give these layers more channels"
            " and the model fewer layers, or merge them with their neighbours"
        ),
        gain_of(view, (row.amount for row in rows)),
    )


def _rates_not_known(view: LayerView) -> str | None:
    """Why slow layers cannot be told by their rates; None where they can."""
    doing = [row for row in view.rows if multiplies(row) and row.amount != 0 and not row.is_end]
    known = [row for row in doing if row.macs and row.amount]
    if not known:
        return translate("no MACs are known to compare it with the others by")
    if len(doing) == 1:
        return translate("a single layer multiplies: there is none to compare it with")
    untold = [row for row in doing if row not in known]
    if untold and (of_total(untold) >= LEAST_SHARE or any(row.amount is None for row in untold)):
        return translate(
            "MACs and time of {count} of the {all} layers that multiply are not known",
            count=len(untold),
            all=len(doing),
        )
    return None


def _widths(row: LayerRow) -> str:
    found = widths_of(row.layer)
    if found is None:
        return ""
    return f", {translate('{read} channels to {made}', read=found[0], made=found[1])}"


def _conversions(view: LayerView) -> Told:
    """Layers that only bring data into order: the tool's own, and the model's transposes."""
    rows = [row for row in view.rows if row.amount and not row.is_end and orders_data(row)]
    if of_total(rows) < LEAST_SHARE:
        return None
    added = sum(row.layer.join is Join.ADDED for row in rows)
    evidence = (
        translate("{added} of {count} were added by the tool", added=added, count=len(rows)),
        *named(view, rows),
    )
    return Advice(
        AdviceClass.CONVERSION,
        translate(
            "layers that only bring data into order: {count}, {share} of the total",
            count=len(rows),
            share=percent(of_total(rows)),
        ),
        tuple(row.number for row in sorted(rows, key=lambda one: -(one.amount or 0.0))),
        evidence,
        translate(
            "keep one layout from the input to the output: leave transposes and reshapes between convolutions"
            " out, and give and take tensors in the layout that the tool uses"
        ),
        gain_of(view, (row.amount for row in rows)),
    )


def _quantise_pairs(view: LayerView) -> Told:
    """Numbers made float and integer again, or the other way, with nothing computed between."""
    computing = [row for row in view.rows if not row.is_end]
    pairs = [
        (one, other)
        for one, other in pairwise(computing)
        if (makes_float(one) and makes_integer(other)) or (makes_integer(one) and makes_float(other))
    ]
    rows = list({row.number: row for pair in pairs for row in pair}.values())
    if not rows or (of_total(rows) < LEAST_SHARE and any(row.amount is not None for row in rows)):
        return None
    return Advice(
        AdviceClass.QUANTISE_PAIR,
        translate("numbers are made float and integer again: {count} times", count=len(pairs)),
        tuple(row.number for row in rows),
        named(view, rows),
        translate(
            "an operator beside them has no integer form here: quantise it, replace it, or move it to the end"
        ),
        gain_of(view, (row.amount for row in rows)),
    )


def _not_counted(view: LayerView) -> Told:
    missing = [row for row in view.rows if row.amount is None and not row.is_end]
    if view.by is None or not missing:
        return None
    computing = sum(not row.is_end for row in view.rows)
    types = dict.fromkeys(row.layer.tool_type or " ".join(row.layer.operators) for row in missing)
    on_cpu = sum(row.layer.unit == CPU for row in missing)
    evidence = [translate("of these types: {types}", types=", ".join([one for one in types if one][:8]))]
    if on_cpu:
        evidence.append(translate("on the CPU: {count} of them", count=on_cpu))
    return Advice(
        AdviceClass.NOT_COUNTED,
        translate("layers without a figure: {count} of {all}", count=len(missing), all=computing),
        tuple(row.number for row in missing),
        tuple(evidence),
        translate("the total is a lower bound: measure on the board before relying on it"),
    )


def _always(_view: LayerView) -> bool:
    return True


def _may_leave_to_cpu(view: LayerView) -> bool:
    """Whether there is an NPU beside it, or nothing tells what runs a layer."""
    return view.has_npu or not any(row.layer.unit for row in view.rows)


def _has_several(view: LayerView) -> bool:
    return sum(not row.is_end for row in view.rows) > 1


def _rules() -> tuple[tuple[Callable[[LayerView], Told], str, Callable[[LayerView], bool]], ...]:
    """Each rule with what it looks for, and whether the model can have that."""
    return (
        (_on_cpu, translate("operators on the CPU"), _may_leave_to_cpu),
        (_few_channels, translate("a slow first convolution of 1 to 4 channels"), may_convolve),
        (by_memory, translate("layers bound by memory"), _always),
        (_depthwise, translate("slow depthwise convolutions"), may_convolve),
        (_low_rate, translate("layers that multiply slowly"), may_multiply),
        (_conversions, translate("conversions of layout"), _always),
        (_quantise_pairs, translate("numbers made float and integer again"), _has_several),
        (_not_counted, translate("layers without a figure"), _always),
    )
