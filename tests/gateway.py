"""Five boards of three vendors, measured and simulated, and what a camera gateway asks of them."""

from dataclasses import replace
from pathlib import Path

from npubench.domain.records import Kind, Result
from npubench.domain.specs import BoardSpec, CaseKind, Fact, Precision
from npubench.reporting.data.translate import use_language
from npubench.reporting.page.page import PageContext
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.requirements import Requirements, read_requirements
from npubench.reporting.select.verdict import Decision
from npubench.storage.hashing import digest
from tests import sample_results

VENDORS = (
    # board, chip, toolchain, kind, share of this machine's time
    ("ax650", "AX650N", "pulsar2", Kind.MEASURED, 0.2),
    ("rk", "RK3588", "rknn", Kind.SIMULATED, 0.35),
    ("bm", "BM1688", "tpu-mlir", Kind.SIMULATED, 0.5),
)
FACTS = {
    "rk": ("6", "8K60 H.265, 8K30 H.264", "LPDDR4 up to 32 GB", "130 USD"),
    "bm": ("16", "H.264 16 x 1080p30", "8 GB", "199 USD"),
    "ax650": ("18", "H.264/H.265 8K60", "8 GB", "150 USD"),
    "local": ("1.2", "H.264 1080p60", "", "99 USD"),
}
ASKED = """
title = "4-channel 1080p camera gateway"
[limits]
latency_ms = 300
price_usd = 180
[ranking]
headroom = 3
price = 2
latency = 1
[[stream]]
name = "camera"
count = 4
resolution = "1920x1080"
fps = 15
codec = "h264"
[[stream.model]]
role = "person detection"
name = "resnet50"
rate = 5
minimum_accuracy = 0.99
[[stream.model]]
role = "re-identification"
name = "resnet18"
rate = 10
[[stream.model]]
role = "action recognition"
name = "mobilenet_v2"
rate = 2
minimum_accuracy = 0.95
"""


def rows() -> list[Result]:
    """What `sample_results` has, and the INT8 rows once more on boards of other vendors."""
    found = sample_results.everything()
    for board, chip, tool, kind, share in VENDORS:
        for row in (*sample_results.models()[1::2], *sample_results.operators(32)[1::2]):
            timed = sample_results.figures(row.figures.latency_us.p50 * share, kind)
            op = next(iter(row.operators)) if row.case_kind is CaseKind.OPERATOR else ""
            found.append(
                replace(
                    row,
                    **{"board": board, "chip": chip, "backend": tool, "op": op, "tools": {tool: "1.2"}},
                    key=digest(board, row.case),
                    figures=replace(
                        timed, accuracy=row.figures.accuracy, placement={op: "NPU"} if op else {}
                    ),
                    verdict=None if kind is Kind.SIMULATED else row.verdict,
                    board_before=None,
                    board_after=None,
                )
            )
    return found


def three_hundred() -> list[Result]:
    """Exactly 300 rows of five boards."""
    more = (replace(row, case=f"{row.case}_again", key=f"{row.key}2") for row in sample_results.operators(48))
    found = [*rows(), *more][:300]
    assert len(found) == 300
    assert len({row.board for row in found}) == 5
    return found


def boards() -> list[BoardSpec]:
    names = ("npu_tops_int8", "video_decode", "memory", "price_board")
    chips = {board: chip for board, chip, *_ in VENDORS} | {"local": "cpu"}
    return [
        BoardSpec(
            *(board, board, chips[board], "ssh", "x", (Precision.INT8,)),
            facts=tuple(
                Fact(n, value, "a data sheet") for n, value in zip(names, values, strict=True) if value
            ),
        )
        for board, values in FACTS.items()
    ]


def samples(found: list[Result]) -> dict[str, list[list[float]]]:
    """A row's single runs, a tail to the right."""
    return {
        row.key: [
            [row.figures.latency_us.p50 * (1 + 0.001 * (i % 7) + 0.02 * (i % 31 == 0)) for i in range(90)]
        ]
        * 3
        for row in found
        if row.figures and row.figures.latency_us and row.figures.latency_us.p50
    }


def asked(folder: Path) -> Requirements:
    file = folder / "requirements.toml"
    file.write_text(ASKED)
    return read_requirements(file)


def decision(folder: Path, found: list[Result], language: str = "en") -> Decision:
    with use_language(language):
        return decide(asked(folder), found, [], boards(), Beyond())


def context(folder: Path, found: list[Result], language: str = "en", **more) -> PageContext:
    judged = decision(folder, found, language)
    return PageContext(
        *(
            judged.asked.title,
            "2026-03-02T09:40:00+00:00",
            "select --requirements gateway.toml",
            "0.1.0",
            "out",
        ),
        **{"boards": boards(), "samples": samples(found), "language": language, "decision": judged, **more},
    )


def report(folder: Path, found: list[Result], language: str = "en", **more) -> PageContext:
    """The same rows as a report, which decides nothing."""
    return replace(context(folder, found, language, **more), decision=None)
