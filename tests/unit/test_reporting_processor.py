import csv
import html
import io
import json
import re

import pytest

from npubench.cli.results import print_rows
from npubench.domain.figures import Figures, Kind, ProcessorFigures, ProcessorRow
from npubench.reporting.data.processor import COLUMNS, processor_rows, processor_sheets
from npubench.reporting.page.page import PageContext, render
from tests import sample_processors, sample_results

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --stages cpu", "0.1.0", "out")


@pytest.fixture(scope="module")
def results():
    return sample_processors.rows()


def sheet(results, title):
    return next(one for one in processor_sheets(results) if one.title == title)


def test_measured_rows_stand_beside_published_ones_in_columns_of_their_own(results):
    found = sheet(results, "Instructions")
    assert [(group.kind, len(group.titles) > 0) for group in found.groups] == [
        (Kind.MEASURED, True),
        (Kind.MEASURED, True),
        (Kind.PUBLISHED, True),
    ]
    lines = {heads[1]: cells for heads, cells in found.lines}
    board, local, published = (len(group.titles) for group in found.groups)
    mla = [cell.sort for cell in lines["mla_f32"]]
    assert mla == [5.35449, 10.047442, 1.494073, *[None] * local, 5.35449, 10.047442, 1.494073]
    fma = [cell.sort for cell in lines["vfmadd132ps_avx"]]
    assert fma[:board] == [None] * board
    assert fma[board] > 0
    assert fma[-published:] == [None] * published
    assert {heads[0] for heads, _ in found.lines if heads[1] in {"mla_f32", "vfmadd132ps_avx"}} == {
        "multiply-add f32"
    }


def test_all_published_rows_are_there_and_none_without_a_measured_one(results):
    names = {heads[1] for heads, cells in sheet(results, "Instructions").lines if cells[-1].sort is not None}
    assert len(names) == 12
    bandwidth = sheet(results, "Copying as MegPeak does").lines[0][1]
    assert bandwidth[-1].sort == 1.861453
    assert processor_sheets(sample_results.everything()) == []


def test_a_tool_that_measures_one_core_has_no_column_among_all_cores(results):
    assert [group.label for group in sheet(results, "All cores").groups] == ["local, cpupeak"]


def test_what_was_not_measured_is_a_dash_and_never_zero(results):
    for one in processor_sheets(results):
        for _, cells in one.lines:
            assert all(cell.text != "0" for cell in cells)
            assert len(cells) == sum(len(group.titles) for group in one.groups)


def test_the_page_has_every_row_with_its_kind(results):
    text = render(results, CONTEXT)
    section = text[text.index('<section id="cpu">') :]
    for name in ("vfmadd132ps_avx", "mla_f32", "qrdmulh"):
        assert f"<bdi>{name}</bdi>" in section
    assert "deploee-benchmark" in html.unescape(section)
    assert 'class="kind k-published"' in section
    assert not re.search(r'class="absent"[^<]*<[^<]*published', text)


def test_names_of_rows_cannot_become_markup():
    rows = (ProcessorRow("<script>x</script>", throughput_ns=1.0),)
    told = Figures(Kind.MEASURED, processor=ProcessorFigures("one_core", rows))
    assert "<script>x" not in render([sample_processors.cpu_result("cpu-one-core", told)], CONTEXT)


def test_every_row_is_a_line_of_csv(results, capsys):
    print_rows(results, as_json=False, as_csv=True)
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(lines[0]) == list(COLUMNS)
    rows = processor_rows(results)
    assert len(lines) == len(rows)
    (mla,) = [line for line in lines if line["row"] == "mla_f32"]
    assert (mla["throughput_ns"], mla["gflop_per_s"], mla["megpeak_gflops"]) == ("5.35449", "", "1.494073")
    assert [
        line["gib_per_s"] for line in lines if line["row"] == "bandwidth" and line["tool"] == "megpeak"
    ] == ["1.861453"]


def test_rows_as_text_and_json(results, capsys):
    print_rows(results, as_json=False, as_csv=False)
    assert "vfmadd132ps_avx" in capsys.readouterr().out
    print_rows(results, as_json=True, as_csv=False)
    assert json.loads(capsys.readouterr().out) == processor_rows(results)
    print_rows([], as_json=False, as_csv=False)
    assert "npubench run --stages cpu" in capsys.readouterr().out
