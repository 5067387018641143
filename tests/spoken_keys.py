"""Every English text that the page, the verdict and the help of `select` say: the keys of translations."""

import ast
from functools import cache
from pathlib import Path

import jinja2
from jinja2 import nodes

from npubench.cli.select import select
from npubench.domain import notes
from npubench.domain.records import DataSource, Kind, Stage, Status, Verdict
from npubench.domain.specs import CaseKind
from npubench.reporting.data import (
    accuracy,
    columns,
    failure_words,
    processor,
    provenance,
    summary,
    tables,
)
from npubench.reporting.data import (
    columns as codec_columns,
)
from npubench.reporting.data import tables as grid
from npubench.reporting.first.sentences import Heading, Sentence
from npubench.reporting.history.series import State
from npubench.reporting.layers.limits import Limit
from npubench.reporting.page import page
from npubench.reporting.sanity.atlas import FigureDoubtClass
from npubench.reporting.sanity.doubt import DoubtClass
from npubench.reporting.sanity.reliance import Standing
from npubench.reporting.select import (
    answer,
    board_checks,
    checks,
    doubtful,
    matrix,
    ranking,
    steps,
    streams,
    tabled,
    terminal,
    verdict,
)

ROOT = Path(__file__).resolve().parents[1]


NOT_KEYS = {"", "en", "Latency that 90 % stay below", "Latency that 99 % stay below"}
"""Filled in already where the tables are read."""


@cache
def spoken_keys() -> frozenset[str]:
    """All keys: written out at calls, in tables that are said later, and in the templates."""
    return frozenset({*_in_code(), *_in_templates(), *_in_tables()} - NOT_KEYS)


def _in_code() -> set[str]:
    found = set()
    for module in (ROOT / "npubench").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "translate",
                "translate_count",
            }:
                # Of a count only the last text is a key: Chinese has one form.
                first = node.args[-1] if node.func.id == "translate_count" else node.args[0]
                found |= {c.value for c in ast.walk(first) if isinstance(c, ast.Constant) and isinstance(c.value, str)
                          and not isinstance(first, (ast.Subscript, ast.JoinedStr, ast.Call))}  # fmt: skip
    return found


def _in_templates() -> set[str]:
    found = set()
    for file in (ROOT / "reports").glob("*.j2"):
        tree = jinja2.Environment().parse(file.read_text())
        for call in tree.find_all(nodes.Call):
            name = getattr(call.node, "name", "")
            if name == "_" and isinstance(call.args[0], nodes.Const):
                found.add(call.args[0].value)
            elif name == "_n":
                found.add(call.args[2].value)
            elif name == "heads":
                found |= {one.items[0].value for one in call.args[0].items}
    return found


def _in_tables() -> set[str]:
    columns_said = [
        columns._MACS,
        columns._WHOLE_NPU,
        *(c for kind in Kind for c in columns._of_kind(kind, [])),
    ]
    columns_said += codec_columns.codec_columns()
    mean = columns._latency(Kind.MEASURED, "mean", "Mean of all runs, for rows without a median")
    return {
        *(kind.value for kind in Kind),
        *(kind.value for kind in (*Stage, *Verdict, *Status, *CaseKind, *DataSource)),
        *page.KINDS.values(),
        *page.SCRIPT_WORDS,
        *tables.TITLES.values(),
        *checks.TITLES.values(),
        *(one.value for one in checks.Outcome),
        *ranking.TITLES.values(),
        *(
            name
            for columns_of in (
                tabled.RANK,
                tabled.ROOM,
                tabled.COSTS,
                tabled.ASKED,
                tabled.CHECKS,
                tabled.TERM_COLUMNS,
                terminal.BEFORE,
                terminal.behind("board"),
            )
            for name, _ in columns_of
        ),
        *board_checks.ABOUT.values(),
        *(one.next_step for one in DoubtClass),
        *(one.next_step for one in FigureDoubtClass),
        *doubtful.WHAT.values(),
        *answer.DOES.values(),
        *matrix.SHORT.values(),
        *terminal.NARROW.values(),
        *("model", "figure", "mode", "precision", "by", "source"),
        *board_checks.ABOUT,
        *steps.WHAT,
        *streams.STATIONS,
        *verdict._BASES.values(),
        verdict._PUBLISHED_SIMULATION,
        *provenance._STATISTICS,
        *(label for label, _ in summary._facts([])),
        *(one.title for one in [*columns_said, mean]),
        *(one.hint for one in [*columns_said, mean]),
        *grid._NO_FIGURE.values(),
        *accuracy.WORDS.values(),
        *(one.value for one in (*Heading, *Sentence)),
        *(one.value for one in Standing),
        *(one.value for one in Limit),
        *(one.value for one in State),
        *MISSING,
        *(code.text for code in notes.NoteCode),
        *failure_words.WORDS.values(),
        *summary._EXTRA.values(),
        *processor._SAME,
        processor._OTHER,
        *PROCESSOR,
        *(option.help for option in select.params if getattr(option, "help", None)),
        " ".join((select.help or "").split()),
        "Show this message and exit.",
        "[OPTIONS]",
    }


MISSING = (
    *(
        "a shape is unknown",
        "not exported",
        "not a figure of half an NPU",
        "nothing to multiply",
        "not reported",
    ),
    *("the tool reports no single runs", "identical outputs: no noise", "does not apply", "not compared"),
    *("stands on the INT8 row", "no FP32 latency of this kind to compare with"),
    *("mean", "std", "min", "max", "load", "host overhead", "memory", "I/O per inference"),
    *("only of decoders of video", "the tool reports no checksum", "strong", "weak"),
    *("frames", "cores"),
    *("NPU", "CPU", "custom", "runs", "unsupported", "failed", "emulated"),
)
"""Said where they are shown: why a figure is missing, what suspicious rows share, where an operator runs."""


PROCESSOR = (
    "Instructions",
    "All cores",
    "Copying as MegPeak does",
    "Operation",
    "Instruction",
    "Working set",
    "What",
    "One core. Integer operations are never counted as floating-point ones; a multiply-add is two.",
    "Rates in GFLOP/s, Gop/s or GiB/s, as the instruction's own row says.",
    "Working set of one core, all arrays together; of the fastest loop, named when pointed at.",
    "What the library's memcpy does, on one core; on a small board of as much as fits.",
    "throughput",
    "latency",
    "MegPeak's figure",
    "one core",
    "slowest core",
    "all at once",
    "cycles",
    "copy",
    "read",
    "write",
    "triad",
    "bandwidth",
    "Time of an instruction among independent ones",
    "Time of an instruction that needs the result of the one before",
    "At the clock that dependent additions tell",
    "Floating-point operations of an instruction over its time",
    "Integer operations of an instruction over its time",
    "Bytes loaded or stored over the time",
    "Operations as MegPeak counts them, over the time",
    "Rate of the core that was measured alone",
    "The lowest rate of any core, each alone",
    "Sum of the rates of all cores that run the same loop at once",
    "Bytes that the loop asks for",
    "Read and written bytes over time; MegPeak prints it as Gbps",
    "not measured, or the processor lacks it",
)
"""Titles, notes and hints of `reporting.processor`, said by its template."""
