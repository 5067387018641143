"""How many models convert without and with surgery, as the records say."""

from click.testing import CliRunner

from npubench.cli import npubench
from npubench.reporting.data.coverage import counts
from npubench.reporting.data.coverage import cuts_document as document
from npubench.storage import ledger
from npubench.storage.ledger import Conversion, Export, note, read_conversions

PLAIN = Conversion("a", "rknn", "rk3566", "int8", "", "")
CUT = Conversion(
    "b",
    "rknn",
    "rk3566",
    "int8",
    "unsupported_operator",
    "",
    ("TopK",),
    ("HardSwish decomposed",),
    1.0,
    0.9876,
)
STOPPED = Conversion("c|<i>", "rknn", "rk3566", "int8", "crash", "crash", ("Det",))
OTHER = Conversion("a", "qnn", "qnn-htp-v73", "int8", "hang", "hang")


def test_each_board_has_its_counts():
    found = {one.board: (one.cases, one.as_is, one.with_cut) for one in counts([PLAIN, CUT, STOPPED, OTHER])}
    assert found == {"rk3566": (3, 1, 2), "qnn-htp-v73": (1, 0, 0)}


def test_the_page_says_what_helped_and_what_did_not():
    text = document([PLAIN, CUT, STOPPED, OTHER])
    assert "| rknn | rk3566 | int8 | 3 | 1 | 2 |" in text
    assert "| rk3566 | TopK cut off | 1 |" in text
    assert "| rk3566 | HardSwish decomposed | 1 |" in text
    assert "| rk3566 | c\\|&lt;i> | crash | Det |" in text
    assert "| rk3566 | b | HardSwish decomposed, TopK cut off | 1.00000 | 0.98760 |" in text
    assert "### No surgery helped" not in document([PLAIN, CUT])
    assert "### Models that surgery got through" not in document([PLAIN, STOPPED])


def test_the_last_of_a_case_counts_and_half_a_line_does_not(tmp_path):
    kept = tmp_path / ".npubench"
    kept.mkdir()
    note(kept, Conversion("a", "rknn", "rk3566", "int8", "hang", "hang"))
    note(kept, PLAIN)
    note(kept, OTHER)
    with (kept / ledger.CONVERSIONS).open("a") as stream:
        stream.write('{"case": "z"')
    assert read_conversions(tmp_path) == [PLAIN, OTHER]
    assert read_conversions(tmp_path / "nothing") == []


def test_the_coverage_page_has_them_where_they_are_asked_for(tmp_path):
    kept = tmp_path / ".npubench"
    kept.mkdir()
    note(kept, Export("a", "mmpretrain", 1.0))
    asked = ["coverage", "--exports", str(tmp_path), "--cuts", str(tmp_path)]
    nothing = CliRunner().invoke(npubench, asked)
    assert "has no conversions: run `npubench convert --cut auto" in str(nothing.exception)
    note(kept, PLAIN)
    note(kept, CUT)
    done = CliRunner().invoke(npubench, asked, standalone_mode=False)
    assert "| rknn | rk3566 | int8 | 2 | 1 | 2 |" in done.output


def test_conversions_of_several_places_are_joined_and_kept(tmp_path):
    for name, one in (("first", PLAIN), ("second", CUT), ("second", OTHER)):
        kept = tmp_path / name / ".npubench"
        kept.mkdir(parents=True, exist_ok=True)
        note(kept, one)
        note(kept, Export("a", "mmpretrain", 1.0))
    file = tmp_path / "kept.jsonl"
    exports = ["coverage", "--exports", str(tmp_path / "first")]
    both = ["--cuts", str(tmp_path / "first"), "--cuts", str(tmp_path / "second")]
    CliRunner().invoke(npubench, [*exports, *both, "--keep-cuts", str(file)], standalone_mode=False)
    assert read_conversions(file) == [PLAIN, CUT, OTHER]
    again = CliRunner().invoke(npubench, [*exports, "--cuts", str(file)], standalone_mode=False)
    assert "| rknn | rk3566 | int8 | 2 | 1 | 2 |" in again.output
