"""How many models convert without and with `--cut auto`: sections of the coverage page, from records."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.reporting.data.coverage import table
from npubench.storage.ledger import Conversion

JOINED = (
    "The lowest cosine of an output of the joined parts with the whole model's: with the body in FP32, which"
    " is what surgery itself changes, and as its toolchain gave it, quantised. Blank where no output is of"
    " numbers, or the tool gave none."
)


@dataclass(frozen=True, slots=True)
class CutCounts:
    """Cases of one board in one precision that convert as they are, and that convert with surgery."""

    backend: str
    board: str
    precision: str
    cases: int
    as_is: int
    with_cut: int


def counts(conversions: Sequence[Conversion]) -> list[CutCounts]:
    """Every backend, board and precision, by name."""
    groups: dict[tuple[str, str, str], list[Conversion]] = defaultdict(list)
    for one in conversions:
        groups[one.backend, one.board, one.precision].append(one)
    return [
        CutCounts(
            *key, len(group), sum(not one.as_is for one in group), sum(not one.with_cut for one in group)
        )
        for key, group in sorted(groups.items())
    ]


def document(conversions: Sequence[Conversion]) -> str:
    """Counts, what surgery was needed for, and what no surgery helped."""
    rows = [[c.backend, c.board, c.precision, c.cases, c.as_is, c.with_cut] for c in counts(conversions)]
    head = ["backend", "board", "precision", "models", "convert as they are", "with --cut auto"]
    parts = [f"## Conversions without and with --cut auto\n\n{table(head, rows)}"]
    helped = [one for one in conversions if one.as_is and not one.with_cut]
    if helped:
        parts.append(f"### What was rewritten or cut off\n\n{_ranked(helped)}")
        parts.append(f"### Models that surgery got through\n\n{JOINED}\n\n{_joined(helped)}")
    stopped = [one for one in conversions if one.with_cut]
    if stopped:
        told = [
            [one.board, one.case, one.with_cut, ", ".join(one.lacking)]
            for one in sorted(stopped, key=lambda c: (c.board, c.case))
        ]
        parts.append(f"### No surgery helped\n\n{table(['board', 'model', 'class', 'operators'], told)}")
    return "\n\n".join(parts)


def _ranked(helped: Sequence[Conversion]) -> str:
    uses = Counter((one.board, what) for one in helped for what in _done(one))
    return table(
        ["board", "surgery", "models"], [[board, what, n] for (board, what), n in uses.most_common()]
    )


def _joined(helped: Sequence[Conversion]) -> str:
    rows = [
        [one.board, one.case, ", ".join(_done(one)), _cosine(one.joined_fp32), _cosine(one.joined_target)]
        for one in sorted(helped, key=lambda c: (c.board, c.case))
    ]
    return table(["board", "model", "surgery", "joined in FP32", "joined, body quantised"], rows)


def _done(one: Conversion) -> tuple[str, ...]:
    return (*one.rewrites, *(f"{operator} cut off" for operator in one.lacking))


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
