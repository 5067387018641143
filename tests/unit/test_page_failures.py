"""Failures and doubts of a page, once a reason: what a reader needs to go on, and nothing of other files."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.cli.report import _named
from npubench.domain.records import FailureClass, Stage
from npubench.domain.specs import Precision
from npubench.reporting.data.failure_words import WORDS
from npubench.reporting.page.doubt_groups import doubt_groups
from npubench.reporting.page.failures import NAMED, TAIL_LINES, failure_groups, log_tails
from npubench.reporting.page.page import PageContext, render
from npubench.reporting.sanity import doubts
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength
from tests import sample_results
from tests.sample_results import failed

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "npubench run", "0.1.0", "out")


def logged(tmp_path, text, **changes):
    """A failed row whose log holds `text`."""
    row = failed("yolox_s", operators=("TopK",), log_path="logs/yolox_s.log", **changes)
    (tmp_path / "logs").mkdir(exist_ok=True)
    (tmp_path / row.log_path).write_text(text, encoding="utf-8")
    return row


def section(page, name):
    found = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
    return html.unescape(re.sub(r"<[^>]+>", "", found))


def test_rows_that_failed_alike_are_told_once():
    rows = [failed(f"conv_{i}", operators=("ArgMin",)) for i in range(3)]
    rows += [sample_results.result(), failed("swin", FailureClass.HANG, message="no end after 600 s")]
    first, second = failure_groups(rows, {})
    assert [number for number, _ in first.rows] == [0, 1, 2]
    assert (second.failure.failure_class, [row.case for _, row in second.rows]) == ("hang", ["swin"])


def test_a_failure_says_stage_class_operators_log_and_how_to_go_on(tmp_path):
    row = logged(tmp_path, "reading\ncompiling\nE no kernel for TopK\n# compile failed: a reason\n\n")
    page = render([row], replace(CONTEXT, log_tails=log_tails(tmp_path, [row]), out="my out"))
    told = section(page, "failures")
    for expected in (
        *("the toolchain does not know TopK", "compile: unsupported_operator", "TopK"),
        "reading\ncompiling\nE no kernel for TopK\n",
        "npubench show --out 'my out' --board local --precision fp32 --log yolox_s",
        "npubench run --fresh --out 'my out' --board local --precision fp32 yolox_s",
    ):
        assert expected in told
    assert "# compile failed" not in told


def test_of_a_long_log_the_last_lines_are_shown(tmp_path):
    row = logged(tmp_path, "".join(f"line {i} {'x' * 400}\n" for i in range(5000)))
    (lines,) = log_tails(tmp_path, [row]).values()
    assert [line.split(" x")[0] for line in lines] == [f"line {i}" for i in range(5000 - TAIL_LINES, 5000)]
    assert max(map(len, lines)) <= 240


@pytest.mark.parametrize(
    "path", ["../secret.log", "/etc/hostname", "logs/../../secret.log", "logs", "gone.log"]
)
def test_only_logs_of_the_folder_are_read(tmp_path, path):
    root = tmp_path / "out"
    (root / "logs").mkdir(parents=True)
    (tmp_path / "secret.log").write_text("secret")
    assert log_tails(root, [failed("a", log_path=path)]) == {}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    (tmp_path / "secret.log").write_text("secret")
    (root / "a.log").symlink_to(tmp_path / "secret.log")
    assert log_tails(root, [failed("a", log_path="a.log")]) == {}


def test_a_failure_of_the_board_is_tried_again_without_more():
    (group,) = failure_groups([failed("a", FailureClass.BOARD_LOST, Stage.MEASURE, "gone")], {})
    assert group.again == "npubench run --board local --precision fp32 a"


def test_a_file_is_named_by_its_path_and_a_simulation_stays_one():
    command = ("npubench", "run", "--simulate", "--board", "rk", "models/my net.onnx")
    row = failed("my net.onnx", board="rk", command=command, precision=Precision.INT8)
    (group,) = failure_groups([row], {})
    assert group.again == ("npubench run --fresh --simulate --board rk --precision int8 'models/my net.onnx'")


def test_what_was_imported_is_not_run_again():
    (group,) = failure_groups([failed("a", command=("npubench", "import", "log.txt"))], {})
    assert (group.again, group.show.startswith("npubench show")) == ("", True)


def test_a_command_names_no_more_cases_than_can_be_read():
    (group,) = failure_groups([failed(f"conv_{i}") for i in range(NAMED + 1)], {})
    assert group.again.endswith("fp32 conv_0")


def test_a_name_cannot_leave_its_place_in_a_command():
    for row in sample_results.hostile():
        for group in failure_groups([row], {}):
            assert group.show.count("npubench") == 1
    (group,) = failure_groups([failed("a; rm -rf /", board="$(id)")], {})
    assert group.again == "npubench run --fresh --board '$(id)' --precision fp32 'a; rm -rf /'"


def test_a_folder_is_named_as_one_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _named(tmp_path / "npubench-out") == ""
    assert _named(Path("other")) == "other"
    assert _named(tmp_path / "a" / "b") == "a/b"
    assert _named(tmp_path.parent) == str(tmp_path.parent)


def test_every_class_of_failure_has_its_words():
    assert set(WORDS) == set(FailureClass)


def doubt(case, reason="it is odd", strength=Strength.WEAK, of=DoubtClass.WIDE_SPREAD):
    return Doubt(of, strength, "local", "onnxruntime", "fp32", (case,), reason, (f"shown by {case}",), "look")


def test_doubts_of_one_kind_are_one_entry_with_strong_ones_first():
    found = [*(doubt(f"c{i}") for i in range(200)), doubt("z", "worse", Strength.STRONG)]
    strong, weak = doubt_groups(found)
    assert (strong.reasons, len(strong.doubts)) == (("worse",), 1)
    assert (weak.reasons, len(weak.doubts), weak.cases, weak.boards) == (("it is odd",), 200, 200, ("local",))


def test_every_doubt_of_a_page_is_in_one_of_its_entries():
    rows = [*sample_results.everything()]
    found = doubts(rows)
    assert found
    assert sorted(one.reason for group in doubt_groups(found) for one in group.doubts) == sorted(
        one.reason for one in found
    )
    told = section(render(rows, CONTEXT), "doubts")
    for one in found:
        assert one.reason in told
        assert all(line in told for line in one.evidence)
