"""A decision on a terminal of 80 columns: sentence, ranking, requirements met, what is next."""

from collections.abc import Collection, Mapping, Sequence
from textwrap import indent

from npubench.domain.text import columns_of, folded, printable, shortened, text_table
from npubench.reporting.data.translate import translate
from npubench.reporting.select.answer import cameras_of, counts_of, summary_of
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.matrix import SHORT, Cell, cells_of, names_of
from npubench.reporting.select.presentation import arithmetic, name_of
from npubench.reporting.select.tabled import (
    Columns,
    Table,
    check_table,
    cost_table,
    figures_by_kind,
    fits_text,
    load_column,
    load_kinds,
    missing_table,
    stream_remarks,
    stream_table,
    table_of,
    term_table,
)
from npubench.reporting.select.trust import ORDER as KIND_ORDER
from npubench.reporting.select.trust import trust_line, trust_of
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import confidence_text, kind_words, load_text, percent, sign_of

WIDTH = 80
"""Columns of a terminal as it is opened."""
SHOWN = 12
"""Chips of the tables; the page, Markdown and JSON have all."""
STEPS = 3
"""Chips of which the next step is told."""
LEAST = 8
"""Columns that a chip's name keeps, however narrow the rest makes it."""

MOST_KINDS_WITH_BINDING = 2
"""Columns of the NPU's time beside which what binds has room."""

NARROW: Mapping[str, str] = {**SHORT, "operators": "ops", "accuracy": "acc."}
"""Heads of the matrix."""


def _word(outcome: Outcome) -> str:
    return "?" if outcome is Outcome.UNKNOWN else translate(outcome.value)


def _price(one: ChipVerdict, level: str) -> str:
    """Of the level that is compared without a word, of another one with it."""
    if one.price_usd is None:
        return "?"
    other = "" if one.price_about in ("", level) else f" {translate(one.price_about)}"
    return f"{one.price_usd:.6g}{other}"


BEFORE: Columns[ChipVerdict] = (
    ("rank", lambda one: str(one.rank or "–")),
    ("chip", lambda one: one.chip),
    ("verdict", lambda one: _word(one.outcome)),
)
"""Columns of the first table before those of the NPU's time."""


def behind(level: str, binds: bool = True) -> Columns[ChipVerdict]:
    """Columns behind them; `level`: what prices are of, `binds`: also what binds."""
    by: Columns[ChipVerdict] = (("by", lambda one: translate(NARROW[one.binding]) if one.binding else "–"),)
    return (
        ("room", lambda one: percent(one.headroom)),
        *(by if binds else ()),
        ("sure", lambda one: confidence_text(one.confidence)),
        ("USD", lambda one: _price(one, level)),
    )


def ranking(decision: Decision, shown: Sequence[ChipVerdict]) -> str:
    """The first table. The NPU's time has a column a kind; what binds is left out where they need room."""
    kinds = load_kinds(shown)
    loads: Columns[ChipVerdict] = [(f"NPU {sign_of(kind)}", load_column(kind, load_text)) for kind in kinds]
    after = behind(decision.levels.price, len(kinds) <= MOST_KINDS_WITH_BINDING)
    table = table_of((*BEFORE, *loads, *after), shown)
    numbers = {*(translate(head) for head in ("rank", "sure", "room", "USD")), *(head for head, _ in loads)}
    return fitted(table, 1, numbers)


def to_text(decision: Decision, why: bool = False) -> str:
    """The answer; with `why` also how each verdict came about, chip by chip, whose tables may be wider."""
    parts = [*folded(decision.asked.title, WIDTH), "", *folded(summary_of(decision), WIDTH)]
    if decision.verdicts:
        said = f"{counts_of(decision)} {cameras_of(decision)}".rstrip()
        parts += ["", *_tables(decision), "", *_lines(said, trust_line(trust_of(decision)))]
    parts += [line for warning in decision.warnings for line in folded(f"! {warning}", WIDTH, "  ")]
    parts += _next(decision)
    if why:
        parts += [line for table in _figures(decision) for line in ("", table)]
        parts += [line for one in decision.verdicts for line in _details(one)]
    elif decision.verdicts:
        more = translate("more: on the page, and how each came about with --why, --markdown or --json")
        parts += ["", *folded(more, WIDTH)]
    return "\n".join(parts)


def _figures(decision: Decision) -> list[str]:
    """Times of the models, each kind under its name; what has none; what else is known of a chip."""
    tables = [
        f"{kind_words(*one.kind)}:\n{text_table(*one.table, None)}" for one in figures_by_kind(decision)
    ]
    missing = missing_table(decision)
    tables += [f"{translate('without a figure')}:\n{text_table(*missing, None)}"] if missing[1] else []
    return [*tables, text_table(*cost_table(decision), None)]


def _lines(*texts: str) -> list[str]:
    return [line for text in texts for line in folded(text, WIDTH)]


def _tables(decision: Decision) -> list[str]:
    """The ranking and the matrix of the first chips, and how many have no room."""
    shown, names = decision.verdicts[:SHOWN], names_of(decision.verdicts)
    heads = [translate("chip"), *(translate(NARROW[name]) for name in names)]
    cells = [cells_of(one, names) for one in shown]
    lines = [[one.chip, *map(_marked, line)] for one, line in zip(shown, cells, strict=True)]
    parts = [ranking(decision, shown), "", fitted((heads, lines), 0)]
    kinds = {*load_kinds(shown), *((cell.kind, None) for line in cells for cell in line)}
    told = [f"{sign_of(kind)} {kind_words(*kind)}" for kind in KIND_ORDER if kind in kinds and kind[0]]
    parts += folded("   ".join(told), WIDTH)
    untried = any(cell.check is None and cell.name == "operators" for line in cells for cell in line)
    parts += folded(translate("ops –: its models were never tried there"), WIDTH) if untried else []
    contested = any(cell.contested for line in cells for cell in line)
    parts += folded(translate("!: another fact would turn it, see --why"), WIDTH) if contested else []
    if more := len(decision.verdicts) - SHOWN:
        parts += folded(translate("and {count} more chips", count=more), WIDTH) if more > 0 else []
    return parts


def _marked(cell: Cell) -> str:
    """`pass □`: the outcome, and the sign of its figure's kind."""
    word = cell.word if cell.check else cell.sign
    sign = sign_of((cell.kind, None))
    return f"{word}!{sign}" if cell.contested else f"{word} {sign}".rstrip()


def fitted(table: Table, giving: int, right: Collection[str] = ()) -> str:
    """A table in WIDTH columns: the cells of column `giving` are cut in their middle where it is wider."""
    heads, lines = table
    shown = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(columns_of, column)) for column in zip(heads, *shown, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    if over > 0:
        room = max(LEAST, widths[giving] - over)
        shown = [
            [shortened(cell, room) if at == giving else cell for at, cell in enumerate(line)]
            for line in shown
        ]
    return text_table(heads, shown, None, right)


def _next(decision: Decision) -> list[str]:
    """What would settle the first unknown chips; where nothing passes or may, what would have to change."""
    open_ones = [one for one in decision.verdicts if one.steps]
    lines: list[str] = []
    for one in open_ones[:STEPS]:
        first, *rest = one.steps
        more = translate(" (and {count} more)", count=len(rest)) if rest else ""
        lines += folded(f"{translate('Next: {step}', step=f'{one.chip}: {first.what}')}{more}", WIDTH, "  ")
        lines += _as_typed(first.command or first.fact, "  $ " if first.command else "    ")
    if not open_ones and decision.verdicts and decision.verdicts[0].outcome is Outcome.FAIL:
        first_chip = decision.verdicts[0]
        lines += [
            line for change in first_chip.changes[:STEPS] for line in folded(f"> {change}", WIDTH, "  ")
        ]
    return ["", *lines] if lines else []


def _as_typed(text: str, before: str) -> list[str]:
    """Lines to be copied: never folded."""
    return [f"{before}{printable(line)}" for line in text.splitlines()]


def _details(one: ChipVerdict) -> list[str]:
    parts = ["", *folded(f"{name_of(one)}: {translate(one.outcome.value)}", WIDTH)]
    parts += [
        line for said in (*one.caveats, fits_text(one)) if said for line in folded(f"- {said}", WIDTH, "  ")
    ]
    parts.append(indent(text_table(*check_table(one), width=None), "  "))
    parts += [line for said in arithmetic(one) for line in folded(f"  {said}", WIDTH, "    ")]
    for step in one.steps:
        parts += folded(f"? {step.what}", WIDTH, "  ")
        parts += _as_typed(step.command or step.fact, "  $ " if step.command else "    ")
    parts += [line for change in one.changes for line in folded(f"> {change}", WIDTH, "  ")]
    if stream_table(one)[1]:
        parts.append(indent(text_table(*stream_table(one), width=None), "  "))
        parts += [line for said in stream_remarks(one) for line in folded(f"  {said}", WIDTH, "    ")]
    if one.terms:
        parts.append(indent(text_table(*term_table(one), width=None), "  "))
    return parts
