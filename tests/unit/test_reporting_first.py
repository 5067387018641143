"""The first screen of a run: its sentence, how sure it is, and the rankings, of any mixture of rows."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.domain.figures import Accuracy, Bound, BoundReason, Bounds, Kind
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import FailureClass, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.figures import figures_of, latency_text, time_us
from npubench.reporting.data.tables import case_tables, ordered
from npubench.reporting.data.translate import use_language
from npubench.reporting.first.screen import HEADINGS, first_screen
from npubench.reporting.first.sentences import Sentence
from npubench.reporting.page.page import PageContext, render
from npubench.reporting.sanity import doubts
from npubench.reporting.sanity.reliance import main_figures, reliances
from npubench.storage.hashing import digest
from tests import sample_results
from tests.sample_results import failed, figures, result

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "npubench run", "0.1.0", "out")
LEADS = frozenset(
    {
        Sentence.TAKES,
        Sentence.TAKES_UNJUDGED,
        Sentence.FASTEST,
        Sentence.FASTEST_UNJUDGED,
        Sentence.FASTEST_RELIED,
    }
)
BOUNDS = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, left_out=3, layers=57)


def screen(rows):
    rows = ordered(rows)
    found = doubts(rows)
    return first_screen(rows, case_tables(rows, found), found)


def sentence(rows):
    return "; ".join(map(str, screen(rows).answer))


def sureness(rows):
    return " · ".join(map(str, screen(rows).trust))


def simulated(name="resnet18", time_us=5_000.0, **changes):
    places = {"board": "rk", "chip": "rk3588", "backend": "rknn", "board_before": None, "board_after": None}
    return result(
        name,
        Precision.INT8,
        **{**places, "verdict": None, "figures": figures(time_us, Kind.SIMULATED), **changes},
    )


def wide(row):
    """Its latency with rounds far apart."""
    timed = row.figures.latency_us
    return replace(timed, spread=0.4, rounds_p50=(timed.p50, 1.4 * timed.p50, 1.2 * timed.p50))


def operator(name="relu_1", **changes):
    return result(name, case_kind=CaseKind.OPERATOR, operators={"Relu": 1}, macs=0, **changes)


def test_of_measured_models_the_fastest_is_told_with_its_kind():
    rows = [result("a", figures=figures(9_000.0)), result("b", figures=figures(4_000.0))]
    assert re.fullmatch(
        r"b is fastest on local: 3\.99 ms measured \(FP32\); 2 cases ran and none failed", sentence(rows)
    )
    assert sureness(rows) == "all 2 measured rows are stable · no doubts"


def test_one_row_is_not_the_fastest_of_anything():
    assert re.match(r"resnet18 takes 14\.\d ms on local, measured \(FP32\); 1 case ran", sentence([result()]))


def test_nothing_at_all_says_so():
    assert (sentence([]), sureness([])) == ("Nothing has been measured yet", "there are no rows")


def test_of_failures_alone_there_is_no_figure_to_rely_on():
    rows = sample_results.failures()
    assert sentence(rows) == (
        "4 of 4 models failed: 2 × unsupported_operator, 1 × not_found, 1 × hang; "
        "1 of 1 operator case failed: gridsample_1x8x32x32 (unsupported_operator)"
    )
    assert sureness(rows) == "nothing ran, so there is no figure to rely on"
    assert screen(rows).heading == "Models, none with a time"


def test_operators_are_ranked_where_no_model_ran():
    rows = [failed("yolox_s"), operator()]
    assert screen(rows).heading == "Operators, fastest first"
    assert sentence(rows).startswith("relu_1 takes 14.8 ms on local, measured (FP32); 1 of 1 model failed")


def test_a_codec_has_no_precision_and_tells_its_tool():
    assert sentence([sample_results.codec()]).startswith(
        "decode-h264-1080p takes 3.20 ms on local, measured (pyav)"
    )


def test_simulations_of_two_tools_are_two_rankings_and_two_clauses():
    rows = [
        simulated(),
        simulated(board="bm1688", chip="bm1688", backend="tpu-mlir", figures=figures(900.0, Kind.SIMULATED)),
    ]
    assert [(one.field.kind, one.field.simulator) for one in screen(rows).rankings] == [
        (Kind.SIMULATED, "rknn"),
        (Kind.SIMULATED, "tpu-mlir"),
    ]
    assert "on rk, simulated" in sentence(rows)
    assert "on bm1688, simulated" in sentence(rows)
    assert sureness(rows).startswith("nothing here was measured on a real board")


def test_a_model_that_is_fastest_on_several_boards_is_named_once():
    rows = [
        result(name, board=board, figures=figures(us))
        for board in ("one", "two")
        for name, us in (("a", 9_000.0), ("b", 4_000.0))
    ]
    assert sentence(rows).startswith(
        "b is fastest on one (3.99 ms measured, FP32), two (3.99 ms measured, FP32); 2 cases ran"
    )


def test_a_row_without_a_time_says_why():
    row = simulated(figures=replace(figures(1.0, Kind.SIMULATED), latency_us=None, throughput_fps=None))
    (line,) = screen([row]).rankings[0].lines
    assert (line.word, line.whys) == (
        "no time",
        ("rknn tells no time for this chip: run it on a board, without --simulate",),
    )


def test_a_column_of_no_verdicts_is_not_shown():
    assert not screen([simulated()]).rankings[0].has_verdicts
    assert screen([result()]).rankings[0].has_verdicts


def test_a_faster_row_that_is_noisy_has_no_place_in_the_sentence():
    rows = [
        result("a", figures=figures(9_000.0)),
        result("b", figures=figures(4_000.0), verdict=Verdict.NOISY),
    ]
    assert "a is fastest on local of what can be relied on: 8.99 ms measured" in sentence(rows)
    assert "1 of 2 measured rows not steady (1 noisy)" in sureness(rows)
    (ranking,) = screen(rows).rankings
    assert [(one.row.case, one.rank) for one in ranking.lines] == [("b", None), ("a", 1)]


def test_what_cannot_be_relied_on_gives_no_figure():
    rows = [result(name, verdict=Verdict.NOISY) for name in ("a", "b")]
    told = "local gives no answer: none of its 2 times, measured, can be relied on (2 noisy); 2 cases ran and none failed"
    assert sentence(rows) == told
    assert sentence(rows[:1]).startswith(
        "local gives no answer: its one time, measured, cannot be relied on (noisy)"
    )


def test_a_bound_is_no_time_and_says_what_is_not_counted():
    row = simulated(figures=replace(figures(5_000.0, Kind.SIMULATED), bounds=BOUNDS))
    assert sentence([row]).startswith(
        "rk gives no answer: its one time, simulated, cannot be relied on (bound)"
    )
    (line,) = screen([row]).rankings[0].lines
    assert line.by_field["time"].text == "≥ 4.99"
    assert any("3 of 57 layers" in why for why in line.whys), line.whys


def test_busy_machines_are_counted_and_the_reason_stands_beside_the_row():
    busy = Note(NoteCode.BUSY, {"count": 3, "cores": 2})
    rows = [result("a", warnings=(busy,), verdict=Verdict.NOISY), result("b", figures=figures(9_000.0))]
    assert "1 row on a busy machine" in sureness(rows)
    (ranking,) = screen(rows).rankings
    assert ranking.has_whys
    assert [one.whys for one in ranking.lines if one.row.case == "a"] == [(str(busy),)]
    assert not screen([result()]).rankings[0].has_whys


def test_a_headline_of_a_busy_machine_says_so_in_its_place():
    busy = Note(NoteCode.BUSY, {"count": 6, "cores": 2})
    rows = [result("a", warnings=(busy,)), result("b", figures=figures(90_000.0))]
    assert re.match(
        r"a is fastest on local: 14\.\d ms measured \(FP32, timed on a busy machine\);", sentence(rows)
    )
    assert "busy" not in sentence([result("a")])


def test_a_model_that_failed_in_one_precision_is_named_with_it():
    ran = result("one")
    rows = [ran, failed("one", precision=Precision.INT8), failed("odd")]
    assert sentence(rows).endswith(
        "2 of 2 models failed: odd (unsupported_operator), one (INT8: unsupported_operator)"
    )
    elsewhere = failed("one", board="rk", backend="rknn", precision=ran.precision)
    assert sentence([ran, elsewhere]).endswith("1 of 1 model failed: one (rk FP32: unsupported_operator)")
    many = [ran, *(failed(name, precision=Precision.INT8) for name in ("one", "b", "c"))]
    assert sentence(many).endswith(
        "failed: 3 × unsupported_operator (1 of them ran in another precision or on another board)"
    )


def test_a_chinese_sentence_has_chinese_words_and_marks():
    rows = [result("one"), failed("one", precision=Precision.INT8), failed("odd")]
    with use_language("zh"):
        told = sentence(rows)
        words = [line.word for line in screen(rows).rankings[0].lines if line.row.failure]
    assert "odd（有算子无法在此运行）、one（INT8：有算子无法在此运行）" in told
    assert not any("unsupported_operator" in text for text in [told, *words])


def test_what_is_unsteady_leads_to_where_it_stands():
    shaky = operator(verdict=Verdict.NOISY)
    targets = {said.text: said.target for said in screen([result("a"), shaky]).trust}
    assert targets[Sentence.UNSTEADY] == "operator"
    targets = {said.text: said.target for said in screen([result("a", verdict=Verdict.NOISY), shaky]).trust}
    assert targets[Sentence.UNSTEADY] == "ranking"


def test_the_statistic_of_latency_and_of_fps_stands_above_them():
    page = render([result("a"), result("b")], CONTEXT)
    head = page.split("data-ranking", 1)[1].split("</thead>", 1)[0]
    assert "Latency p50" in head
    assert ">fps (mean)</th>" in head


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (1, "the one model in both precisions cannot be relied on"),
        (2, "none of the 2 models in both precisions can be relied on"),
    ],
)
def test_a_speed_up_that_is_not_told_counts_in_good_english(models, told):
    rows = [
        result(name, precision, verdict=Verdict.NOISY)
        for name in ("a", "b")[:models]
        for precision in (Precision.FP32, Precision.INT8)
    ]
    assert told in render(rows, CONTEXT)


def test_what_is_said_of_a_row_stands_before_what_is_said_of_its_board():
    spread = Note(NoteCode.ROUNDS_DIFFER, {"spread": 0.4})
    rows = [
        replace(
            row, verdict=Verdict.NOISY, warnings=(spread,), figures=replace(row.figures, latency_us=wide(row))
        )
        for row in (result(f"m{i}", figures=figures(900.0 + 97 * i)) for i in range(12))
    ]
    assert {one.doubt_class for one in doubts(rows)} >= {"noisy_board"}
    for line in screen(rows).rankings[0].lines:
        assert line.whys[0] == str(spread)


@pytest.mark.parametrize("kind", list(HEADINGS))
def test_every_heading_of_rankings_has_its_chinese(kind):
    rows = [result(case_kind=kind)]
    with use_language("zh"):
        page = render(rows, replace(CONTEXT, language="zh"))
    heading = page.partition('<section id="ranking">')[2].partition("</h2>")[0]
    assert "，" in heading


cases = st.sampled_from(["a", "b", "c", "resnet18"])
times = st.sampled_from([40.0, 410.0, 4_100.0, 41_000.0])
verdicts = st.sampled_from([*Verdict, None])
accuracies = st.sampled_from([None, Accuracy(0.999, 40.0, 0.01, 1.0, 64), Accuracy(0.31, 4.0, 0.9, 0.1, 64)])


@st.composite
def any_row(draw):
    """A row of any status, kind, verdict, accuracy and board."""
    case, status = draw(cases), draw(st.sampled_from(["ok", "ok", "ok", "failed", "skipped", "no figures"]))
    precision = draw(st.sampled_from([Precision.FP32, Precision.INT8]))
    board, backend = draw(st.sampled_from([("local", "onnxruntime"), ("rk", "rknn"), ("bm", "tpu-mlir")]))
    more = {
        "case_kind": draw(st.sampled_from([CaseKind.MODEL, CaseKind.OPERATOR])),
        "emulated": draw(st.sampled_from([False, False, False, True])),
        **{"board": board, "backend": backend, "precision": precision, "key": digest(case, board, precision)},
    }
    if status == "failed":
        return failed(case, draw(st.sampled_from(list(FailureClass))), **more)
    if status == "skipped":
        return replace(sample_results.skipped(), case=case, **more)
    if status == "no figures":
        return result(case, figures=None, verdict=None, **more)
    kind = draw(st.sampled_from([Kind.MEASURED, Kind.SIMULATED]))
    bounds = draw(st.sampled_from([None, None, None, BOUNDS]))
    timed = figures(draw(times), kind, accuracy=draw(accuracies), bounds=bounds)
    verdict = draw(verdicts) if kind is Kind.MEASURED else None
    return result(case, figures=timed, verdict=verdict, **more)


def key_of(row):
    return row.case, row.case_kind, row.board, row.backend, row.precision


mixtures = st.lists(any_row(), max_size=14, unique_by=key_of)


@settings(max_examples=150, deadline=None)
@given(mixtures)
def test_the_headline_is_the_fastest_of_what_can_be_relied_on(rows):
    rows = ordered(rows)
    found = doubts(rows)
    relied = reliances(rows, found)
    seen = first_screen(rows, case_tables(rows, found), found)
    assert seen.answer
    assert seen.trust
    led = {
        latency_text(main_figures(row), time_us(row, main_figures(row).kind, "p50"))
        for row, one in zip(rows, relied, strict=True)
        if one.can_lead
    }
    for clause in seen.answer:
        told = re.findall(r"\(([\d.\u202f]+ \S+) ", clause.values.get("boards", ""))
        assert set(told) <= led
        if clause.text not in LEADS:
            assert "time" not in clause.values
            continue
        at = int(clause.target.removeprefix("r"))
        leader, kind = rows[at], main_figures(rows[at]).kind
        judged = [row for row, one in zip(rows, relied, strict=True) if one.can_lead]
        unjudged = [row for row, one in zip(rows, relied, strict=True) if one.can_stand_in]
        rivals = [
            time_us(row, kind, "p50")
            for row in (judged if leader in judged else unjudged)
            if (row.board, row.case_kind) == (leader.board, leader.case_kind)
            and (timed := main_figures(row)) is not None
            and timed.kind is kind
            and (row.backend == leader.backend or kind is Kind.MEASURED)
        ]
        assert leader in [*judged, *unjudged]
        assert time_us(leader, kind, "p50") == min(rivals)
        assert not leader.emulated


@settings(max_examples=150, deadline=None)
@given(mixtures)
def test_a_ranking_holds_one_kind_and_numbers_what_can_be_relied_on(rows):
    rows = ordered(rows)
    found = doubts(rows)
    relied = reliances(rows, found)
    listed = []
    for ranking in first_screen(rows, case_tables(rows, found), found).rankings:
        own = [ranking.table.rows[place.at] for place in ranking.places]
        listed += [number for number, _ in own]
        kinds = {timed.kind for _, row in own if (timed := main_figures(row)) is not None}
        assert kinds <= {ranking.field.kind}
        ranks = [place.rank for place in ranking.places if place.rank]
        assert ranks == list(range(1, len(ranks) + 1))
        for place, (number, row) in zip(ranking.places, own, strict=True):
            if place.rank:
                assert relied[number].can_lead or relied[number].can_stand_in
                assert figures_of(row, ranking.field.kind) is not None
    assert len(listed) == len(set(listed))


@settings(max_examples=25, deadline=None)
@given(mixtures, st.sampled_from(["en", "zh"]))
def test_a_page_of_any_mixture_begins_with_its_sentence_and_how_sure_it_is(rows, language):
    page = render(rows, replace(CONTEXT, language=language))
    answer, trust = page.index('<p class="answer">'), page.index('<p class="trust" role="note">')
    assert answer < trust < page.index('<main id="main">')
    for start in (answer, trust):
        text = html.unescape(re.sub(r"<[^>]+>", "", page[start : page.index("</p>", start)]))
        assert len(text.split(":")[-1].strip()) > 5
        assert "{" not in text
    targets = set(re.findall(r'href="?#([\w-]+)', page))
    assert targets <= {"main", *re.findall(r'\bid="?([\w-]+)', page)}
    counted = {row.case for row in rows if row.status is Status.FAILED}
    assert not counted or ("failed" if language == "en" else "失败") in page[answer:trust]
