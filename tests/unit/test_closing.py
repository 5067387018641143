"""The closing words of a run: what cannot be relied on, and what may come next."""

from dataclasses import replace
from pathlib import Path

from npubench.catalog import load
from npubench.cli.closing import duration_told, next_steps, steadiness
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Verdict
from npubench.engine.plan import CaseOptions, RunOptions
from tests.sample_results import result

CROWDED = Note(NoteCode.CROWDED, {"share": 0.8})


def rows(*verdicts, board="local", warnings=()):
    return [
        replace(result(), case=f"c{number}", board=board, verdict=verdict, warnings=tuple(warnings))
        for number, verdict in enumerate(verdicts)
    ]


def test_steady_rows_need_no_words():
    assert [*steadiness(rows(Verdict.STABLE, Verdict.STABLE, None))] == []
    assert [*steadiness([])] == []


def test_a_few_rows_are_counted_and_a_machine_of_many_cannot_tell():
    few = [*steadiness(rows(Verdict.STABLE, Verdict.STABLE, Verdict.NOISY))]
    assert few == [
        "1 of 3 rows on local not steady (1 noisy); once it is idle: the same command with --fresh"
    ]
    many = rows(Verdict.DRIFTING, Verdict.NOISY, Verdict.NOISY, Verdict.STABLE, None, warnings=[CROWDED])
    (line,) = steadiness(many)
    assert line.startswith(
        "local cannot tell: other programs were running: 3 of 4 rows on local not steady (2 noisy, 1 drifting)"
    )
    assert "no figure here is a fact about it" in line


def test_other_programs_are_named_only_where_most_unsteady_rows_met_them():
    some = rows(Verdict.NOISY, warnings=[CROWDED]) + rows(Verdict.NOISY, Verdict.NOISY)
    (line,) = steadiness(some)
    assert line.startswith("local cannot tell: 3 of 3 rows")
    assert "other programs" not in line


def test_boards_are_judged_apart():
    found = [*steadiness(rows(Verdict.STABLE) + rows(Verdict.NOISY, board="\x1b[31mdesk"))]
    assert len(found) == 1
    assert found[0].startswith("\\x1b[31mdesk cannot tell: 1 of 1 row on ")


def test_what_comes_next_is_said_after_a_run_of_which_nothing_was_named():
    lines = [*next_steps(RunOptions(boards=("local", "local-1")))]
    then = load(()).suites["classifiers"]
    assert lines[0] == "next:"
    assert lines[1] == "  npubench results --against chips"
    assert lines[3] == "  npubench run --suite classifiers --board local --board local-1"
    assert lines[4].strip() == f"{then.title}: {then.takes}"
    elsewhere = "\n".join(next_steps(RunOptions(out=Path("my results"))))
    assert "--against chips --out 'my results'\n" in elsewhere
    assert "--suite classifiers --board local --out 'my results'\n" in elsewhere
    assert "PyTorch" in then.takes
    assert "minutes" in then.takes
    assert any("--simulate" in line for line in lines)
    for named in (CaseOptions(cases=("resnet18",)), CaseOptions(suites=("classifiers",))):
        assert [*next_steps(RunOptions(selection=named))] == []


def test_a_plan_of_one_suite_says_what_it_takes():
    assert duration_told(RunOptions()) == load(()).suites["default"].takes != ""
    assert duration_told(RunOptions(selection=CaseOptions(suites=("classifiers",)))).startswith(
        "about 11 min"
    )
    for several in (CaseOptions(suites=("default", "classifiers")), CaseOptions(cases=("relu*",))):
        assert duration_told(RunOptions(selection=several)) == ""
    assert duration_told(RunOptions(selection=CaseOptions(suites=("none-of-that-name",)))) == ""


def test_a_suite_of_ones_own_may_say_what_comes_next_or_nothing(tmp_path):
    suite = '[[suite]]\nname = "default"\ntitle = "mine"\ncases = ["relu_64x112x112"]\n'
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites/mine.toml").write_text(suite)
    lines = [*next_steps(RunOptions(selection=CaseOptions(catalog_folders=(tmp_path,))))]
    assert not any("--suite" in line for line in lines)
    assert len(lines) > 3
    (tmp_path / "suites/mine.toml").write_text(suite + 'then = "opertors"\n')
    (problem,) = load((tmp_path,)).problems
    assert "no suite is called 'opertors' (did you mean 'operators' or " in problem
