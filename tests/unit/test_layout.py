import shlex
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.domain.layout import (
    Column,
    Gives,
    Labelled,
    command_lines,
    fitted_table,
    labelled_lines,
    packed,
    terminal_columns,
    wrapped,
)
from npubench.domain.text import columns_of, printable

NAMES = st.text(
    st.one_of(
        st.sampled_from("abcXYZ019 _-./"), st.sampled_from("漢字ﾊカ한글😀"), st.sampled_from("אבجد\u202e\u2066"),
        st.characters(), st.sampled_from("\x1b\x07\x00\r\n\t\x9b"), st.sampled_from("é\u0301\u200d\ufe0f"),
    ),
    max_size=90,
)  # fmt: skip
FIGURES = st.from_regex(r"(>= )?[0-9]{1,7}(\.[0-9]{1,3})?( (us|ms|fps))?", fullmatch=True)
WIDTHS = st.integers(20, 200)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, FIGURES, NAMES, FIGURES), min_size=1, max_size=6), WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_lost(rows, width):
    names, first, texts, second = zip(*rows, strict=True)
    table = [
        Column("case", names, Gives.MIDDLE),
        Column("p50", first, right=True),
        Column("why", texts, Gives.LINES),
        Column("fps", second, right=True),
    ]
    lines = fitted_table(table, width)
    assert all(columns_of(line) <= width for line in lines)
    assert all(printable(line) == line for line in lines)
    whole = "\n".join(lines)
    for figure in (*first, *second):
        assert figure in " ".join(whole.split()) or figure in whole


@settings(max_examples=150, deadline=None)
@given(NAMES, WIDTHS)
def test_wrapped_text_loses_nothing_but_blanks(text, width):
    lines = wrapped(text, width, "- ", "  ")
    assert all(columns_of(line) <= width for line in lines)
    joined = "".join(line[2:] for line in lines)
    assert joined.replace(" ", "") == printable(text).replace(" ", "")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
        min_size=1,
        max_size=6,
    ),
    WIDTHS,
)
def test_a_command_that_is_copied_is_the_command(words, width):
    lines = command_lines(["printf", "%s\\0", *words], width)
    assert all(printable(line) == line for line in lines)
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


def test_a_long_command_goes_on_after_a_backslash():
    words = ["npubench", "run", "a b", "--board", "rk3588"]
    assert command_lines(words, 80) == ["    npubench run 'a b' --board rk3588"]
    lines = command_lines(words, 24)
    assert lines == ["    npubench run 'a b' \\", "      --board rk3588"]
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == words


def test_names_give_way_before_a_table_becomes_paragraphs():
    columns = [Column("case", ["resnet18_8xb32_in1k"], Gives.MIDDLE), Column("us", ["12.5"], right=True)]
    assert fitted_table(columns, 40) == ["case                   us", "resnet18_8xb32_in1k  12.5"]
    assert fitted_table(columns, 20) == ["case              us", "resnet1…2_in1k  12.5"]
    wide = [*columns, Column("board", ["a-board-of-mine"]), Column("status", ["ok"])]
    assert fitted_table(wide, 24) == [
        "resnet18_8xb32_in1k",
        "  us 12.5,",
        "  board a-board-of-mine,",
        "  status ok",
    ]


def test_a_name_to_be_copied_stands_whole_above_its_row():
    columns = [Column("model", ["a" * 30, "b"], Gives.ABOVE, least=6), Column("task", ["detection"] * 2)]
    row, other = f"{'':23}detection", f"{'b':23}detection"
    assert fitted_table(columns, 32) == ["model                  task", "a" * 30, row, other]


def test_labels_stand_in_a_column_or_above_where_it_is_narrow():
    facts = [Labelled("latency", "3.08 ms mean of 20 runs"), Labelled("rate", "325 fps", ("    more",))]
    assert labelled_lines(facts, 40) == [
        "  latency  3.08 ms mean of 20 runs",
        "  rate     325 fps",
        "    more",
    ]
    assert labelled_lines(facts, 20)[:3] == ["  latency", "    3.08 ms mean of", "    20 runs"]


def test_items_stay_whole():
    assert packed(["one two", "three", "four"], 14) == ["one two,", "three, four"]


def test_columns_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal_columns() == 40
    monkeypatch.setenv("COLUMNS", "3")
    assert terminal_columns() == 20
    monkeypatch.setenv("COLUMNS", "wide")
    monkeypatch.setattr("sys.__stdout__", None)
    assert terminal_columns() == 80
