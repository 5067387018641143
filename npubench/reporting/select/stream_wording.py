"""What the simulation of streams came to, in words: a check where it fails, a table and lines a chip."""

from collections.abc import Iterator, Sequence

from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import Check, Outcome
from npubench.reporting.select.streams import Lacking, Load, StreamsVerdict

SURE = 0.05
"""Chance that all cameras hold below which a failure counts."""


def streams_check(found: StreamsVerdict) -> Iterator[Check]:
    """What is decided: a pass of all that there is, or a failure of what is known; else nothing is said.

    A failure that the band of a prediction may turn decides nothing.
    """
    sure = found.confidence is None or found.confidence <= SURE
    if not found.simulated or (found.outcome is Outcome.FAIL and not sure):
        return
    if found.outcome is not Outcome.UNKNOWN:
        yield Check(
            "streams",
            found.outcome,
            1 - found.cameras / found.most if found.most else -1.0,
            translate("{count} cameras", count=found.cameras),
            cameras_text(found),
            translate("bottleneck: {station}", station=station_text(found.bottleneck)),
            kind=found.kind,
            confidence=found.confidence,
            changes=found.advice,
        )


def cameras_text(found: StreamsVerdict | None) -> str:
    """How many hold at most: `≤ 12` where something is not in it."""
    if found is None or not (found.simulated or found.outcome is Outcome.FAIL):
        return "–"
    return f"{'≤ ' if found.at_most else ''}{found.most}"


def station_text(name: str) -> str:
    """`NPU: detector` as `NPU (detector)`; names of stations in the language of now."""
    station, _, role = name.partition(": ")
    return f"{translate(station)} ({role})" if role else translate(station)


def stream_lines(found: StreamsVerdict) -> list[tuple[str, str]]:
    """Name and value of each line; nothing of a chip of which nothing could be simulated."""
    if not found.simulated:
        return []
    bound = "≤ " if found.at_most else ""
    late = "≥ " if found.at_most else ""
    lines = [
        (translate("cameras that hold their rate"), f"{bound}{found.held} / {found.cameras}"),
        (translate("most cameras"), f"{bound}{found.most}"),
        (translate("frames on time"), f"{bound}{_percent(found.on_time)}"),
        (translate("latency"), f"{late}{_ms(found.p50_ms)} (p50), {late}{_p99(found)}"),
        (translate("dropped frames"), f"{late}{_percent(found.dropped)}"),
        (translate("bottleneck"), station_text(found.bottleneck)),
        (translate("busy"), ", ".join(map(_load, found.busy))),
    ]
    lines += [(translate("best share of cores"), found.split)] if found.split else []
    return lines


def stream_notes(found: StreamsVerdict) -> list[str]:
    """What would have to change, and what was taken for granted."""
    said = [translate("change: {what}", what=one) for one in found.advice]
    return [*said, *(translate("taken for granted: {what}", what=one) for one in found.assumptions)]


def lacking_lines(lacking: Sequence[Lacking]) -> list[str]:
    """What is not simulated, each with the command or fact that would tell it."""
    return [
        translate("not in it: {what}; told by: {settle}", what=one.what, settle=one.settle) for one in lacking
    ]


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return f"{significant(share * 100)} %" if share else "0 %"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{significant(value)} ms"


def _p99(found: StreamsVerdict) -> str:
    text = f"{_ms(found.p99_ms)} (p99)"
    if found.p99_interval_ms is not None:
        low, high = map(significant, found.p99_interval_ms)
        text = f"{_ms(found.p99_ms)} (p99, 95 %: {low} … {high})"
    return (
        text if found.limit_ms is None else f"{text}; {translate('limit {limit}', limit=_ms(found.limit_ms))}"
    )


def _load(one: Load) -> str:
    return f"{station_text(one.station)} {one.share:.0%}"
