"""Groups of different cases with the same figures or the same artifact: one file read or run twice?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from npubench.backends.axera.equal_figures import EqualFigures, lowering, suspicious_groups
from npubench.domain.records import Kind, Result
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.suspects import suspects
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


def identical(results: Sequence[Result]) -> Iterator[Doubt]:
    """Different cases of one board that agree to the last digit without a reason known to npubench."""
    groups, alike = suspicious_groups(results), suspects(results)
    if not groups and not alike:
        return
    rows = {(r.board, r.precision.value, r.case): r for r in results}
    told = set()
    for group in groups:
        told.add((group.board, group.precision, group.cases))
        yield _figures(group, rows)
    for suspect in alike:
        cases = tuple(sorted(suspect.cases))
        where = (suspect.board, suspect.precision, cases)
        if where in told or len({lowering(case) for case in cases}) == 1:
            continue
        found = {case: rows[suspect.board, suspect.precision, case] for case in cases}
        artifact = suspect.shared == "artifact"
        shared = {r.artifact_sha256 for r in found.values()} if artifact else set()
        yield Doubt(
            DoubtClass.IDENTICAL_ARTIFACT if artifact else DoubtClass.IDENTICAL_FIGURES,
            Strength.STRONG,
            suspect.board,
            found[cases[0]].backend,
            suspect.precision,
            cases,
            say("different models, the same artifact: one file may have been run under several names")
            if artifact
            else say(
                "different models, the same measured times: one file may have been run under several names"
            ),
            tuple(
                chain(
                    (
                        say("artifact SHA-256 {sha256}", sha256=sha256)
                        for sha256 in sorted(filter(None, shared))
                    ),
                    (
                        say("{case}: model SHA-256 {sha256}", case=case, sha256=row.onnx_sha256)
                        for case, row in found.items()
                    ),
                )
            ),
        )


def _figures(group: EqualFigures, rows: Mapping[tuple[str, str, str], Result]) -> Doubt:
    labels = _labels(group.kind)
    shared = ", ".join(
        f"{label} {number:.12g}"
        for label, number in zip(labels, group.numbers, strict=True)
        if number is not None
    )
    found = {case: rows[group.board, group.precision, case] for case in group.cases}
    return Doubt(
        DoubtClass.IDENTICAL_FIGURES,
        Strength.STRONG,
        group.board,
        next(iter(found.values())).backend,
        group.precision,
        group.cases,
        say(
            "different networks with figures ({kind}) that are equal to the last digit: "
            "at most one of them is what it says",
            kind=_kind(group.kind),
        ),
        (say("shared: {figures}", figures=shared), *_fits(found)),
    )


def _fits(found: Mapping[str, Result]) -> Iterator[str]:
    """How the tool's count of MACs fits each of them."""
    for case, row in found.items():
        counts = [f.tool_macs for f in (row.estimate, row.figures) if f is not None and f.tool_macs]
        if counts and row.macs:
            yield say(
                "{case}: {own} GMAC in its graph, {ratio} times that by the tool",
                case=case,
                own=significant(row.macs / 1e9),
                ratio=significant(counts[0] / row.macs),
            )


def _kind(kind: Kind) -> str:
    """What is compared of published rows is their compiler's simulation: of the board there is one figure."""
    return say("published, simulated") if kind is Kind.PUBLISHED else say(kind.value)


def _labels(kind: Kind) -> tuple[str, ...]:
    """Names of what `equal_figures.shared_numbers` gives."""
    if kind is Kind.MEASURED:
        return say("mean latency, us"), say("load, us"), say("NPU time, us"), say("NPU counter")
    return say("latency, us"), say("inferences/s"), say("MACs by the tool"), say("MAC utilisation")
