"""The report: results to one self-contained HTML file that asks the network for nothing."""

import base64
import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec
from npubench.domain.text import visible
from npubench.measure.statistics import least_samples
from npubench.reporting.charts.board_charts import charts_over_boards, missing_chart
from npubench.reporting.charts.distribution import Samples, distribution, widest
from npubench.reporting.charts.heatmap import heatmap
from npubench.reporting.charts.latency_charts import model_charts, operator_charts
from npubench.reporting.charts.roofline import rooflines
from npubench.reporting.data.beside import Beside, Figures, beside
from npubench.reporting.data.coverage import coverage_of
from npubench.reporting.data.failure_words import WORDS
from npubench.reporting.data.figures import kinds_of, whole_npu
from npubench.reporting.data.formatting import closeness, duration, significant
from npubench.reporting.data.op_support import missing_operators, word_of
from npubench.reporting.data.processor import Sheet, processor_sheets
from npubench.reporting.data.provenance import pack_provenance
from npubench.reporting.data.summary import environments, moment, summarise
from npubench.reporting.data.tables import LONG_FROM, case_tables, ordered
from npubench.reporting.data.translate import recorded, translate, translate_count, use_language
from npubench.reporting.first.screen import first_screen
from npubench.reporting.layers.section import layer_section
from npubench.reporting.page.doubt_groups import doubt_groups
from npubench.reporting.page.failures import Tails, failure_groups
from npubench.reporting.page.selection import selection_page
from npubench.reporting.sanity import doubts
from npubench.reporting.sanity.reliance import reliances
from npubench.reporting.select.verdict import Decision
from npubench.storage.files import cache_folder, data_root
from npubench.storage.ledger import Export

KINDS = {
    Kind.MEASURED: "timed on the board itself",
    Kind.SIMULATED: "the vendor tool's own simulation",
    Kind.PREDICTED: "npubench's own estimate, such as twice the rate of half an NPU as an upper bound",
    Kind.PUBLISHED: "taken from a publication",
}

ROW_LIMIT = 2000
"""Rows of the tables of failures and skips, and of pages that show chips beside what was measured; a page of
more is of no use to anybody."""

STYLES = (
    *("base", "frame", "marks", "tables", "charts", "details"),
    *("first", "selection", "layers", "phone", "print"),
)
"""Files of `reports/styles/`, in this order: what a narrow screen or paper changes comes last."""

SCRIPT_WORDS = (
    *(
        "Filter rows",
        "{shown} of {all} rows",
        "Copy",
        "Copied",
        "Show {count} more of {left}",
        "{count} more",
        "Not known",
        "emulated",
    ),
    "Not a real board: its figures are left out of comparisons",
)


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the page says of itself. `generated_at` is ISO 8601.

    `exports` are attempts by model; `boards` give chip facts, `samples` the runs' times of rows by key.
    `live` pages reload themselves when their server's newest row has another number. `earlier` are older
    rows, of which doubts learn what is usual on a board. `log_tails` are last lines of failed rows' logs,
    `out` is the folder of results as a command names it; empty: the one that commands take by themselves.
    `figures` reads what others published.
    """

    title: str
    generated_at: str
    command: str
    version: str
    workspace: str
    exports: Mapping[str, Export] = field(default_factory=dict)
    boards: Sequence[BoardSpec] = ()
    samples: Samples = field(default_factory=dict)
    language: str = "en"
    decision: Decision | None = None
    live: int | None = None
    earlier: Sequence[Result] = ()
    log_tails: Tails = field(default_factory=dict)
    out: str = ""
    figures: Figures = tuple


def render(results: Sequence[Result], context: PageContext) -> str:
    """The page of these rows: newest per case, board, backend and precision, in any order.

    Everything a row says is escaped; styles and script are inline and allowed by their hashes alone.
    """
    with use_language(context.language):
        rows = ordered(results)
        data = _decided(rows, context.decision) if context.decision else _data(rows, context)
        style, script = styles(), asset("page.js")
        if data.get("layers"):
            script += asset("layers.js")
        if context.live is not None:
            script += asset("live.js")
        text: str = (
            environment()
            .get_template("selection.html.j2" if context.decision else "page.html.j2")
            .render(
                context=context,
                style=style,
                script=script,
                policy=policy_of(style, script, context.live is not None),
                words=json.dumps({word: translate(word) for word in SCRIPT_WORDS}, ensure_ascii=False),
                **data,
            )
        )
    return text


def _decided(rows: Sequence[Result], decision: Decision) -> dict[str, Any]:
    return {"page": selection_page(rows, decision), "kind_texts": KINDS}


def _data(rows: Sequence[Result], context: PageContext) -> dict[str, Any]:
    beside_own = beside(rows, context.figures) if len(rows) <= ROW_LIMIT else []
    kinds, missing = kinds_of(rows), missing_operators(rows)
    shown, sheets = widest(rows), processor_sheets(rows)
    samples = context.samples.get(shown.key) if shown else None
    doubted = doubts(rows, context.earlier)
    tables, relied = case_tables(rows, doubted), reliances(rows, doubted)
    grey = {row.key: one.standing.value for row, one in zip(rows, relied, strict=True) if one.doubtful}
    return {
        "summary": summarise(rows, relied),
        "first": first_screen(rows, tables, doubted),
        "kinds": _kinds(rows, kinds, sheets, beside_own),
        "kind_texts": KINDS,
        "environments": environments(rows),
        "tables": tables,
        "processor_sheets": sheets,
        "charts": {"model": model_charts(rows, kinds, grey), "operator": operator_charts(rows, kinds, grey)},
        "overview": charts_over_boards(rows, kinds, context.boards, grey),
        "beside": beside_own,
        "rooflines": rooflines(rows, kinds, context.boards, grey),
        "layers": layer_section(rows, context.boards, grey),
        "heatmap": heatmap(rows, context.boards),
        "distribution": distribution(shown, samples) if shown and samples else None,
        "failures": [(number, row) for number, row in enumerate(rows) if row.status is Status.FAILED],
        "failure_groups": failure_groups(rows, context.log_tails, context.out),
        "failure_words": WORDS,
        "skips": [(number, row) for number, row in enumerate(rows) if row.status is Status.SKIPPED],
        "coverage": coverage_of(context.exports, rows),
        "missing": missing,
        "missing_chart": missing_chart(missing),
        "doubts": doubted,
        "doubt_groups": doubt_groups(doubted),
        "facts": pack_provenance(rows),
        "is_long": len(rows) >= LONG_FROM,
        "row_limit": ROW_LIMIT,
        "rows": rows,
    }


def _kinds(
    rows: Sequence[Result], own: Sequence[Kind], sheets: Sequence[Sheet], others: Sequence[Beside]
) -> set[Kind]:
    """Kinds that occur: of the rows, of what is made of them, and of what is shown beside them."""
    shown = {group.kind for sheet in sheets for group in sheet.groups}
    shown |= {Kind.PUBLISHED} if others else set()
    return {*own, *(Kind.PREDICTED for row in rows if whole_npu(row)), *shown}


def policy_of(style: str, script: str, live: bool) -> str:
    """Content Security Policy: nothing may be loaded; the inline style and script by SHA-256 (CSP 3).

    A live page may ask the server that it came from whether there is something new.
    """
    own = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
        f"{own}img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def environment() -> jinja2.Environment:
    """Every expression is made visible and escaped; an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_root() / "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        bytecode_cache=_compiled(),
    )
    made.filters.update(significant=significant, closeness=closeness, duration=duration)
    made.filters.update(moment=moment, recorded=recorded)
    made.globals.update(least_samples=least_samples, word_of=word_of)
    made.globals.update(_=translate, _n=translate_count)
    return made


@cache
def styles() -> Any:
    """The style sheet of every page: one file a concern, later ones win."""
    return Markup("").join(asset(f"styles/{name}.css") for name in STYLES)


def asset(name: str) -> Any:
    """A file beside the templates, as it is."""
    return Markup((data_root() / "reports" / name).read_text(encoding="utf-8"))


def _shown(value: Any) -> Any:
    """Every expression of a template passes here before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _compiled() -> jinja2.BytecodeCache | None:
    """Where compiled templates lie, by release of Jinja; None where nothing can be kept."""

    class Kept(jinja2.FileSystemBytecodeCache):
        """A full or read-only disk, or a file that is none of its own, costs the time to compile alone."""

        def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
            try:
                super().load_bytecode(bucket)
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                bucket.reset()

        def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
            try:
                super().dump_bytecode(bucket)
            except OSError:
                return

    folder: Path = cache_folder("templates") / jinja2.__version__
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return Kept(str(folder))
