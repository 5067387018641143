"""Networks measured here beside what was published of them on chips: kinds apart, each with its source."""

import json
import re
from dataclasses import replace

import pytest

from npubench.cli.beside import against_chips
from npubench.domain.figures import Kind
from npubench.domain.records import Verdict
from npubench.domain.specs import Precision, TensorSpec
from npubench.published.atlas import figures as shipped
from npubench.reporting.data.beside import beside
from npubench.reporting.page.page import KINDS, PageContext, render
from tests.commands import npubench
from tests.sample_results import failed, figures, result
from tests.unit.test_atlas_doubts import figure

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run", "0.1.0", "out")


def own(case="built-resnet18", time_us=28_000.0, **changes):
    return result(case, figures=figures(time_us), verdict=Verdict.STABLE, **changes)


def of_chip(chip, value, **changes):
    more = {"mode": "batch 1", "table": "made", "line": 7, **changes}
    return figure(chip, "resnet18", value, **more)


def chips(results, *published_figures):
    found = beside(results, lambda: published_figures)
    return [(chip.cell.chip, chip.image_us) for one in found for chip in one.chips]


def test_a_network_stands_beside_the_shortest_time_of_each_chip():
    made = (of_chip("RK3588", 4.0), of_chip("RK3588", 2.0, mode="3 cores"), of_chip("AX650N", 0.5))
    (one,) = beside([own(precision=Precision.INT8), own(time_us=80_000.0)], lambda: made)
    assert one.network == "resnet18@224x224"
    assert [(here.image_us, here.row.precision) for here in one.here] == [
        (pytest.approx(28_000, rel=0.1), Precision.INT8),
        (pytest.approx(80_000, rel=0.1), Precision.FP32),
    ]
    assert [(chip.cell.chip, chip.image_us, chip.where) for chip in one.chips] == [
        ("AX650N", 500.0, "batch 1, int8"),
        ("RK3588", 2000.0, "3 cores, int8"),
    ]
    assert one.chips[0].source == "own/er (made:7)"


def test_a_time_goes_before_a_rate_and_a_rate_is_told_as_its_inverse():
    rate = of_chip("RK3588", 270.0, metric="throughput", unit="fps", line=8)
    assert chips([own()], rate) == [("RK3588", pytest.approx(1e6 / 270))]
    assert chips([own()], rate, of_chip("RK3588", 4.0)) == [("RK3588", 4000.0)]


def test_what_is_strongly_doubted_stands_beside_nothing():
    rate = of_chip("RK3588", 1000.0, metric="throughput", unit="fps", line=8)
    assert chips([own()], rate, of_chip("RK3588", 4.0), of_chip("AX650N", 3.0, line=9)) == [
        ("AX650N", 3000.0)
    ]


def test_nothing_stands_beside_what_was_not_measured_or_is_another_network():
    made = of_chip("RK3588", 4.0)
    assert chips([own()], made)
    assert chips([own()], replace(made, kind=Kind.SIMULATED)) == []
    assert chips([own()], replace(made, input="320")) == []
    assert chips([own()], replace(made, model="resnet34")) == []
    assert chips([own("my-net")], made) == []
    assert chips([own(emulated=True)], made) == []
    assert chips([own(inputs=(TensorSpec("input", (1, 3, 256, 256)),))], made) == []
    assert chips([result("built-resnet18", figures=figures(9000.0, Kind.SIMULATED))], made) == []
    assert chips([failed("built-resnet18")], made) == []


def test_published_figures_are_read_only_where_something_was_measured_that_they_are_of():
    def unread():
        raise AssertionError("read for nothing")

    assert beside([], unread) == []
    assert beside([own("my-net"), failed("built-resnet18")], unread) == []


def test_the_networks_of_the_first_minutes_were_published_of_chips():
    names = ("built-resnet18", "built-mobilenetv1-1.0", "built-mobilenetv2-1.0", "built-squeezenet-1.1")
    found = beside([own(name) for name in names], shipped)
    assert [one.network.partition("@")[0] for one in found] == [name.partition("-")[2] for name in names]
    places = {f"{one.table}:{one.line}": one for one in shipped()}
    for one in found:
        assert len(one.chips) >= 5, one.network
        assert [chip.image_us for chip in one.chips] == sorted(chip.image_us for chip in one.chips)
        for chip in one.chips:
            line = places[chip.cell.place]
            assert line.source.startswith("https://")
            value = float(line.text)
            rate = "fps" in line.unit.casefold() or "qps" in line.unit.casefold()
            assert chip.image_us == pytest.approx(1e6 / value if rate else value * 1000, rel=1e-6), chip


def test_the_page_has_a_section_that_keeps_kinds_apart():
    hostile = of_chip("<script>alert(1)</script>", 4.0, mode="<b>x</b>")
    context = replace(CONTEXT, figures=lambda: (of_chip("RK3588", 2.0), hostile))
    page = render([replace(own(), verdict=Verdict.NOISY)], context)
    section = page[page.index('<section id="beside">') :]
    section = section[: section.index("</section>")]
    assert re.search(r'<bdi>RK3588</bdi></th><td class="pu n" data-v="2000.0">2.00 ms</td>', section)
    assert "<bdi>own/er (made:7)</bdi>" in section
    assert "noisy" in section[: section.index("</summary>")]
    assert "<script>alert" not in section
    assert "<b>x" not in section
    assert '<a href="#beside">' in page
    assert KINDS[Kind.PUBLISHED] in page
    without = render([own()], CONTEXT)
    assert 'id="beside"' not in without
    assert KINDS[Kind.PUBLISHED] not in without


def test_of_many_boards_the_page_shows_a_few_and_counts_the_rest():
    rows = [own(board=f"desk-{at}") for at in range(9)]
    page = render(rows, replace(CONTEXT, figures=lambda: (of_chip("RK3588", 2.0),)))
    summary = page[page.index('<section id="beside">') :].partition("</summary>")[0]
    assert summary.count('class="own"') == 6
    assert ">+3<" in summary


def test_the_terminal_names_kind_and_source_of_every_time():
    records, lines = against_chips([own(), own(precision=Precision.INT8)])
    assert {(one.kind, one.source != "", one.verdict != "") for one in records} == {
        ("measured", False, True),
        ("published", True, False),
    }
    assert lines[0].startswith("resnet18@224x224: one image, measured here, then published of ")
    times = [line for line in lines if re.search(r"\d (?:µs|ms) ", line)]
    assert len(times) == len(records)
    assert all(("measured, " in line) != ("published" in line) for line in times)
    assert against_chips([own("my-net")])[1][0].startswith(
        "no measured row is of a network that was published"
    )


def test_results_against_chips_is_a_view_like_the_others(tmp_path):
    quick = ("--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1", "--precision", "fp32")
    npubench("run", "--board", "local", *quick, "--out", tmp_path, "built-squeezenet-1.1")
    done = npubench("results", "--against", "chips", "--json", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["where"] for one in told if one["kind"] == "measured"] == ["local"]
    assert sum(one["kind"] == "published" for one in told) >= 5
    page = (tmp_path / "report.html").read_text()
    assert page.count("data-v=", page.index('<section id="beside">')) >= 5
