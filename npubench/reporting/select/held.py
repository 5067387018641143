"""How many of the asked cameras a chip holds, simulated with what was decided on: the bridge to `streams`.

The simulation knows the decoder's rate and the NPU's times with their bands. Preprocessing and what comes
after the NPU are not known of published figures: its numbers are upper bounds there, and a failure stays one.
"""

from collections.abc import Sequence

from npubench.domain.figures import Kind
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.board_checks import decoders
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Job, Outcome
from npubench.reporting.select.requirements import Requirements
from npubench.reporting.select.streams import BoardCapacity, StreamsVerdict, TimedModel, hold
from npubench.reporting.select.times import ModelTime
from npubench.streams.pipeline import ServiceTime


def cameras_held(asked: Requirements, jobs: Sequence[Job], candidate: Candidate) -> StreamsVerdict | None:
    """The verdict of the simulation; None where a model has no time, or one that leaves something out."""
    times = [job.time for job in jobs]
    if not times or any(time is None or time.at_least for time in times):
        return None
    models = [
        TimedModel(job.stream, job.need, _service(job.time), _parts(job.time)) for job in jobs if job.time
    ]
    codecs = {stream.codec for stream in asked.streams} - {"none"}
    rates = {codec: told.value for codec in codecs if (told := decoders(codec, candidate).first)}
    return hold(asked, models, BoardCapacity(rates, board=candidate.board))


def streams_check(found: StreamsVerdict | None) -> Check | None:
    """The simulation as a requirement; None where it was not made, or where what it lacks leaves it open."""
    if found is None or found.outcome is Outcome.UNKNOWN:
        return None
    need = translate("{count} cameras", count=found.cameras)
    have = translate("{count} hold their rate", count=found.held)
    why = translate("bottleneck: {name}", name=translate(found.bottleneck)) if found.bottleneck else ""
    room = 1 - found.cameras / found.most if found.most else -1.0
    return Check(
        *("streams", found.outcome, room, need, have, why, told_of(found)),
        kind=found.kind,
        confidence=found.confidence,
        changes=found.advice if found.outcome is Outcome.FAIL else (),
    )


def told_of(found: StreamsVerdict | None) -> tuple[str, ...]:
    """What the simulation says, a line each; what it lacks makes its numbers upper bounds."""
    if found is None or not found.simulated:
        return ()
    most = "≤ " if found.at_most else ""
    words = {"held": f"{most}{found.held}", "cameras": found.cameras, "most": f"{most}{found.most}"}
    lines = [
        translate("simulated: {held} of {cameras} cameras hold their rate, {most} would", **words),
        *found.assumptions,
    ]
    if found.p99_ms is not None and found.dropped is not None:
        p99, dropped = significant(found.p99_ms), significant(100 * found.dropped)
        lines.append(
            translate(
                "99 % of answers within {p99} ms, {dropped} % of frames dropped", p99=p99, dropped=dropped
            )
        )
    if found.split:
        lines.append(found.split)
    if found.lacking:
        lacking = ", ".join(one.what for one in found.lacking)
        lines.append(translate("not in the simulation: {what}", what=lacking))
    return tuple(lines)


def _service(time: ModelTime) -> ServiceTime:
    low, high = time.uncertain.band
    banded = time.kind is Kind.PREDICTED and time.sigma > 0
    return ServiceTime(
        time.time_us / 1e6,
        low_s=low / 1e6 if banded else None,
        high_s=high / 1e6 if banded else None,
        kind=time.kind,
    )


def _parts(time: ModelTime) -> int:
    """Equal parts of the NPU that the figure is of one of."""
    return max(1, round(1 / time.share))
