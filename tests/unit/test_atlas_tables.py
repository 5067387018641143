import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench import published
from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.domain.text import printable
from npubench.published.atlas import load

FIGURES = published.figures()


def test_every_line_of_the_shipped_table_is_a_figure():
    assert len(FIGURES) == 4363
    first = FIGURES[0]
    assert (first.table, first.line, first.chip, first.mode, first.model) == (
        *("edge-npu", 2, "AX615", "1 core", "mobilenetv2"),
    )
    assert (first.metric, first.value, first.text, first.unit) == ("latency", 5.411, "5.411", "ms")
    assert (first.kind, first.tool, first.precision) == (Kind.MEASURED, "Pulsar2 4.2", "int8")
    assert {one.table for one in FIGURES} == {"edge-npu"}
    assert len({one.chip for one in FIGURES}) == 39


LONG = """[[table]]
name = "lab"
file = "lab.csv"
licence = "our own"
source = "https://lab.example/figures"

[[table.column]]
name = "figure"
role = "value"
kind = "measured"
"""


def write(folder, toml, **files):
    (folder / "tables.toml").write_text(toml)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def told(folder):
    """What is wrong, without the folder."""
    return [str(one).removeprefix(f"{folder}/") for one in load((folder,)).problems]


def test_a_long_table_of_ones_own(tmp_path):
    write(
        tmp_path,
        LONG,
        lab="chip,model,metric,figure,unit\nX1,resnet18,latency,2.5,ms\n\nX1,resnet18,throughput,400,fps\n",
    )
    added = published.figures((tmp_path,))[4363:]
    assert [(one.line, one.metric, one.value, one.unit, one.source) for one in added] == [
        (2, "latency", 2.5, "ms", "https://lab.example/figures"),
        (4, "throughput", 400.0, "fps", "https://lab.example/figures"),
    ]


def test_a_wide_table_has_a_figure_for_each_value_of_a_line(tmp_path):
    wide = """[[table]]
name = "wide"
file = "wide.csv"
licence = "CC0"
source = "a page"
chip = "X2"
precision = "int8"
missing = ["-"]

[[table.column]]
name = "Network"
role = "model"

[[table.column]]
name = "us"
role = "value"
metric = "latency"
unit = "us"
kind = "measured"

[[table.column]]
name = "sim fps"
role = "value"
metric = "throughput"
unit = "fps"
kind = "simulated"
"""
    write(tmp_path, wide, wide="Network,us,sim fps\na,1500,700\nb,,-\n")
    added = published.figures((tmp_path,))[4363:]
    assert [
        (one.model, one.metric, one.value, one.standard_value, one.kind, one.column) for one in added
    ] == [
        ("a", "latency", 1500.0, 1.5, Kind.MEASURED, "us"),
        ("a", "throughput", 700.0, 700.0, Kind.SIMULATED, "sim fps"),
        ("b", "throughput", None, None, Kind.SIMULATED, "sim fps"),
    ]
    assert {(one.chip, one.precision) for one in added} == {("X2", "int8")}


def test_every_mistake_of_a_declaration_is_told_at_once(tmp_path):
    toml = LONG.replace("licence", "license").replace('"measured"', '"measurd"') + "rol = 1\n"
    toml += LONG.replace('"lab"', '"two"').replace('name = "figure"', 'name = "figures"').partition("kind")[0]
    write(tmp_path, toml, lab="chip,model,metric,figure,unit,notes\n")
    assert told(tmp_path) == [
        "tables.toml:3: key 'table[0].file': lab.csv has a column 'notes': rename it to 'note', or declare it "
        "(without a role, to leave it out)",
        "tables.toml:4: key 'table[0].license': unknown key (did you mean 'licence'?): the keys are "
        + ", ".join(KEYS),
        "tables.toml:10: key 'table[0].column[0].kind': must be 'measured' or 'simulated', not 'measurd'",
        "tables.toml:11: key 'table[0].column[0].rol': unknown key (did you mean 'role'?): the keys are "
        "name, role, metric, unit, kind, meaning, chip, mode, model, input, precision, tool, note, source, field, "
        "scale, runs",
        "tables.toml:14: key 'table[1].file': lab.csv has a column 'notes': rename it to 'note', or declare it "
        "(without a role, to leave it out)",
        "tables.toml:19: key 'table[1].column[0].name': lab.csv has no column 'figures' (did you mean "
        "'figure'?): its columns are chip, model, metric, figure, unit, notes",
        "tables.toml:19: key 'table[1].column[0].name': column 'figures': set 'kind' to 'measured' or "
        "'simulated'",
    ]


def test_a_file_that_is_not_there_and_a_name_that_is_taken(tmp_path):
    write(tmp_path, LONG.replace('"lab.csv"', '"lap.csv"') + LONG.replace('"lab"', '"edge-npu"'), lab="a\n")
    missing, *others = told(tmp_path)
    assert missing == (
        "tables.toml:3: key 'table[0].file': there is no lap.csv beside this file (did you mean 'lab.csv'?): "
        "correct the name"
    )
    (taken,) = [line for line in others if "'edge-npu' is declared at " in line]
    assert "/tables.toml:7 already: rename one of them" in taken


KEYS = (
    *("name", "file", "title", "source", "licence", "published_at", "kind", "chip", "mode", "model", "input"),
    *("precision", "metric", "unit", "tool", "note", "board", "backend", "npu_mode", "missing", "column"),
)


def test_every_bad_cell_is_told_with_line_and_column(tmp_path):
    lab = (
        "chip,model,metric,figure,unit\n"
        "X1,a,latency,fast,ms\n"
        ",b,latency,1,ms\n"
        "X1,c,latency,-1,ms\n"
        "X1,d,throughput,1,ms\n"
        "X1,e,latancy,1,ms\n"
        "X1,f,latency,1\n"
        "X1,g,latency,nan,ms\n"
        "X1,h,latency,0,ms\n"
        "X1,i,latency,1e308,ms\n"
    )
    write(tmp_path, LONG, lab=lab)
    assert told(tmp_path) == [
        "lab.csv:2: column 'figure': 'fast' is no number: correct it, or name it in 'missing' where it tells "
        "of none",
        "lab.csv:3: column 'chip': is empty: fill it in",
        "lab.csv:4: column 'figure': '-1' cannot be: a figure is above 0",
        "lab.csv:5: column 'unit': 'ms' is no unit of 'throughput': use one of fps, inferences/s, images/s, "
        "frames/s, samples/s, img/s, ips, qps, 1/s",
        "lab.csv:6: column 'metric': 'latancy' is no metric that npubench knows (did you mean 'latency'?): "
        "correct it",
        "lab.csv:7: 4 cells under a header of 5: quote cells that hold commas",
        "lab.csv:8: column 'figure': 'nan' is no number: correct it, or name it in 'missing' where it tells "
        "of none",
        "lab.csv:9: column 'figure': '0' cannot be: a figure is above 0",
        "lab.csv:10: column 'figure': '1e308' cannot be: no metric is so small or great",
    ]
    with pytest.raises(UsageError, match=r"lab\.csv:3: column 'chip': is empty"):
        published.figures((tmp_path,))


def test_a_figure_in_ones_own_unit_stands_in_the_metrics(tmp_path):
    lab = "chip,model,metric,figure,unit\nX,a,latency,2500,us\nX,a,latency,0.5,s\nX,a,memory,2,GB\nX,a,mAP,0.4,\n"
    write(tmp_path, LONG, lab=lab)
    added = published.figures((tmp_path,))[4363:]
    assert [one.standard_value for one in added] == pytest.approx([2.5, 500.0, 2000.0, 0.4])
    assert [one.unit for one in added] == ["us", "s", "GB", ""]


def test_a_row_may_say_its_kind(tmp_path):
    toml = LONG.replace('kind = "measured"\n', "")
    lab = "chip,model,metric,figure,unit,kind\nX,a,latency,2,ms,simulated\nX,a,latency,2,ms,Measured\nX,a,latency,2,ms,felt\n"
    write(tmp_path, toml, lab=lab)
    assert told(tmp_path) == ["lab.csv:4: column 'kind': 'felt' is no kind: write 'measured' or 'simulated'"]
    (tmp_path / "lab.csv").write_text(lab.replace("felt", "measured"))
    assert [one.kind for one in published.figures((tmp_path,))[4363:]] == [
        *(Kind.SIMULATED, Kind.MEASURED, Kind.MEASURED),
    ]


def test_what_was_read_is_read_anew_when_it_changes(tmp_path):
    lab = "chip,model,metric,figure,unit\nX,a,latency,2,ms\n"
    write(tmp_path, LONG, lab=lab)
    assert len(published.figures((tmp_path,))) == 4364
    (tmp_path / "lab.csv").write_text(lab + "X,b,latency,2,ms\n")
    assert len(published.figures((tmp_path,))) == 4365


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"chip,model\xff\n", "lab.csv:1: byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"", "lab.csv:1: is empty: begin it with a line of column names"),
        (
            b'chip,model,metric,figure,unit\nX,"a\n',
            "lab.csv:2: is not CSV: unexpected end of data: correct the quotes",
        ),
        (
            b"chip,chip,model,metric,figure,unit\n",
            "lab.csv:1: column 'chip' is there more than once: rename one of them",
        ),
    ],
)
def test_files_that_are_no_tables(tmp_path, text, line):
    write(tmp_path, LONG)
    (tmp_path / "lab.csv").write_bytes(text)
    assert line in told(tmp_path)


def test_many_bad_cells_of_one_column_are_counted(tmp_path):
    write(tmp_path, LONG, lab="chip,model,metric,figure,unit\n" + 30 * 'X,a,latency,"3,5",ms\n')
    lines = told(tmp_path)
    assert len(lines) == 21
    assert lines[-1] == "lab.csv:31: column 'figure': 10 more bad cells, the last one here"


CELLS = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=6), st.booleans())
def test_no_csv_file_stops_the_reader(lines, headed):
    head = ["chip,model,metric,figure,unit"] if headed else []
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), LONG)
        (Path(name) / "lab.csv").write_text("\n".join([*head, *lines]), newline="")
        atlas = load((Path(name),))
    assert atlas.problems or "lab" in atlas.tables
    assert all(one.value is None or one.value >= 0 for one in atlas.figures)
    assert all(str(one) == printable(str(one)) for one in atlas.problems)


CHIPS_IN_COLUMNS = """[[table]]
name = "zoo"
file = "zoo.csv"
licence = "CC0"
source = "a page"
metric = "throughput"
unit = "fps"
kind = "measured"

[[table.column]]
name = "RK3566"
role = "value"
chip = "RK3566"

[[table.column]]
name = "RK3588 1 core"
role = "value"
chip = "RK3588"
mode = "single core"
precision = "int8"
"""


def test_a_column_of_values_may_be_of_a_chip_of_its_own(tmp_path):
    write(tmp_path, CHIPS_IN_COLUMNS, zoo="model,RK3566,RK3588 1 core\na,10,40\n")
    added = published.figures((tmp_path,))[4363:]
    assert [(one.chip, one.mode, one.precision, one.value) for one in added] == [
        ("RK3566", "", "", 10.0),
        ("RK3588", "single core", "int8", 40.0),
    ]


def test_a_chip_is_needed_of_every_column(tmp_path):
    toml = CHIPS_IN_COLUMNS.replace('chip = "RK3566"\n', "")
    write(tmp_path, toml, zoo="model,RK3566,RK3588 1 core\na,10,40\n")
    assert told(tmp_path) == [
        "tables.toml:1: key 'table[0]': no chip: set 'chip', or give a column that role"
    ]


def test_a_unit_that_does_not_fit_is_told_where_it_is_declared(tmp_path):
    toml = CHIPS_IN_COLUMNS.replace('chip = "RK3566"\n', 'chip = "RK3566"\nunit = "ms"\n')
    write(tmp_path, toml, zoo="model,RK3566,RK3588 1 core\n" + 30 * "a,10,40\n")
    (line,) = told(tmp_path)
    assert line.startswith(
        "tables.toml:14: key 'table[0].column[0].unit': column 'RK3566': 'ms' is no unit of 'throughput'"
    )


def test_one_empty_cell_that_spoils_several_figures_is_told_once(tmp_path):
    write(tmp_path, CHIPS_IN_COLUMNS, zoo="model,RK3566,RK3588 1 core\n,10,40\n")
    assert told(tmp_path) == ["zoo.csv:2: column 'model': is empty: fill it in"]


def test_a_right_table_of_a_taken_name_is_left_out(tmp_path):
    write(
        tmp_path, LONG.replace('"lab"', '"edge-npu"'), lab="chip,model,metric,figure,unit\nX,a,latency,2,ms\n"
    )
    (line,) = told(tmp_path)
    assert "'edge-npu' is declared at " in line
    atlas = load((tmp_path,))
    assert atlas.figures == FIGURES
    assert atlas.tables["edge-npu"].file.name == "edge_npu.csv"


def test_a_table_whose_name_is_wrong_is_checked_all_the_same(tmp_path):
    toml = LONG.replace('"lab"', "3").replace('licence = "our own"\n', "").replace('"figure"', '"v"')
    toml += 'metric = "latncy"\n'
    write(tmp_path, toml, lab="v;w\n1;2\n")
    assert told(tmp_path) == [
        "tables.toml:1: key 'table[0]': no chip: set 'chip', or give a column that role",
        "tables.toml:1: key 'table[0]': no model: set 'model', or give a column that role",
        "tables.toml:1: key 'table[0]': no licence: say in 'licence' what the figures may be used for",
        "tables.toml:2: key 'table[0].name': must be text in quotes, not 3",
        "tables.toml:7: key 'table[0].column[0].name': lab.csv has no column 'v' (cells are separated by "
        "commas): its columns are v;w",
        "tables.toml:10: key 'table[0].column[0].metric': column 'v': 'latncy' is no metric that npubench knows "
        "(did you mean 'latency'?): correct it",
    ]
