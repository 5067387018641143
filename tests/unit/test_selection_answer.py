"""The answer first: the sentence, the matrix and the trust line of random decisions agree with their verdicts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Verdict
from npubench.domain.specs import Fact, Precision
from npubench.domain.text import columns_of, folded
from npubench.reporting.data.translate import LANGUAGES, use_language
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.answer import next_step, summary_of
from npubench.reporting.select.cameras import Cameras, asked_by
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.doubtful import with_doubts
from npubench.reporting.select.matrix import cells_of, names_of
from npubench.reporting.select.presentation import to_json, to_markdown
from npubench.reporting.select.tabled import figures_by_kind, ranking_table
from npubench.reporting.select.terminal import WIDTH, to_text
from npubench.reporting.select.trust import rests_on, trust_line, trust_of
from npubench.reporting.select.verdict import Suspicion
from tests.unit.test_selection import board, row

MODELS = ("detector", "a-network-with-a-very-long-name-that-somebody-trained_8xb32-300e_coco", "small")
CHIPS = ("X1", "Y2 with a long name of a module 16 GB", "Z3", "W4")
FACTS = {
    "video_decode": ("H.264 only, 1080p60", "H.264 8K60", ""),
    "price_board": ("about 100 USD", "40 USD", ""),
    "memory": ("4 GB", "SIP DRAM 16 MB", ""),
}


@st.composite
def decisions(draw):
    """Some chips, each with figures of some of the models, of any kind and speed, and with some of the facts."""
    models = draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True))
    limits = st.none() | st.sampled_from([1.0, 50.0, 500.0])
    words = Cameras(
        draw(st.integers(1, 12)),
        tuple(models),
        budget_usd=draw(limits),
        power_w=draw(st.none() | st.just(5.0)),
        latency_ms=draw(limits),
    )
    asked = asked_by(words)
    minimum, (stream,) = draw(st.none() | st.just(0.99)), asked.streams
    needs = tuple(replace(need, minimum=minimum) for need in stream.models)
    asked = replace(asked, streams=(replace(stream, models=needs),))
    boards, rows = [], []
    for chip in draw(st.lists(st.sampled_from(CHIPS), min_size=1, max_size=4, unique=True)):
        facts = {name: draw(st.sampled_from(values)) for name, values in FACTS.items()}
        name = f"board-{chip[0]}"
        boards.append(replace(board(**facts), name=name, chip=chip))
        for model in models:
            kind = draw(st.none() | st.sampled_from([Kind.MEASURED, Kind.SIMULATED, Kind.PUBLISHED]))
            if kind:
                cosine = draw(st.sampled_from([0.999, 0.5, None]))
                us = draw(st.sampled_from([100.0, 4_000.0, 40_000.0]))
                rows.append(row(model, us, kind, cosine, board=name, chip=chip, key=f"{chip} {model}"))
    return decide(asked, rows, boards, boards, Beyond())


@settings(max_examples=25, deadline=None)
@given(decisions())
def test_the_matrix_agrees_with_the_verdicts_and_nothing_is_open_without_a_next_step(decision):
    names = names_of(decision.verdicts)
    for one in decision.verdicts:
        outcomes = [cell.outcome for cell in cells_of(one, names)]
        assert (Outcome.FAIL in outcomes) == (one.outcome is Outcome.FAIL)
        if one.outcome is Outcome.PASS:
            assert Outcome.UNKNOWN not in outcomes
        if one.outcome is Outcome.UNKNOWN:
            assert Outcome.UNKNOWN in outcomes
        for cell in cells_of(one, names):
            if cell.outcome is Outcome.UNKNOWN:
                assert cell.check.steps
                assert cell.why
                assert "Next: " in cell.told
            assert cell.outcome is None or (cell.check.need and cell.check.need in cell.told)


@settings(max_examples=25, deadline=None)
@given(decisions())
def test_the_sentence_names_the_first_chip_and_claims_what_its_row_does(decision):
    said, first = summary_of(decision), decision.verdicts[0]
    assert first.chip in said
    assert "\n" not in said
    assert said.endswith(".")
    claims = said.startswith((f"{first.chip} does the job", f"{first.chip} is predicted"))
    assert claims == (first.outcome is Outcome.PASS)
    if claims and first.kind is not Kind.MEASURED:
        assert not said.startswith(f"{first.chip} does the job with")
    told = next_step(decision.verdicts)
    assert (told is None) == (not any(one.outcome is Outcome.UNKNOWN for one in decision.verdicts))
    told_matrix = to_json(decision)["matrix"]
    assert [one["outcome"] for one in told_matrix["chips"]] == [one.outcome for one in decision.verdicts]


@settings(max_examples=12, deadline=None)
@given(decisions(), st.sampled_from(LANGUAGES))
def test_a_terminal_of_eighty_columns_holds_the_answer(decision, language):
    with use_language(language):
        lines = to_text(decision).splitlines()
        sentence = summary_of(decision)
    # What is to be copied stands in a line of its own, whatever its length.
    wide = [one for one in lines if columns_of(one) > WIDTH and not one.startswith(("  $ ", "    "))]
    assert wide == []
    joined = "".join("".join(lines).split())
    assert "".join(sentence.split()) in joined


def test_markdown_has_the_sentence_then_the_ranking_then_the_matrix():
    asked = asked_by(Cameras(2, ("detector",), fps=15.0))
    boards = [replace(board(), name="local", chip="X1"), replace(board(video_decode=""), name="b", chip="Z3")]
    rows = [row("detector", 500.0, board=name, chip=chip) for name, chip in (("local", "X1"), ("b", "Z3"))]
    text = to_markdown(decide(asked, rows, boards, boards, Beyond()))
    blocks = text.split("\n\n")
    assert blocks[1] == (
        "X1 does the job for 100 USD (board) with 50 % of room, bound by decode; "
        "Z3 lacks the rate of its decoder."
    )
    heads = [block.splitlines()[0] for block in blocks if block.startswith("|")]
    assert heads == [
        "| rank | chip | verdict | NPU time, measured | room | bound by | how sure | price | next |",
        "| chip | NPU | decode | memory | operators | rests on |",
    ]


def decided(*rows, chip="X1"):
    asked = asked_by(Cameras(2, ("detector",), codec="none"))
    one = replace(board(), name="local", chip=chip)
    return decide(asked, rows, [one], [one], Beyond())


def test_an_accuracy_that_only_another_precision_has_is_open_with_a_next_step():
    asked = asked_by(Cameras(2, ("detector",), codec="none", precision="int8"))
    (stream,) = asked.streams
    need = replace(stream.models[0], minimum=0.99)
    asked = replace(asked, streams=(replace(stream, models=(need,)),))
    rows = [row("detector", 500.0, cosine=None, key="int8"), row("detector", 900.0, key="fp32")]
    rows[1] = replace(rows[1], precision=Precision.FP32)
    one = board()
    (verdict,) = decide(asked, rows, [one], [one], Beyond()).verdicts
    check = next(check for check in verdict.checks if check.name == "accuracy")
    assert check.outcome is Outcome.UNKNOWN
    assert check.steps


def test_where_nothing_is_known_the_command_is_the_answer():
    decision = decided()
    assert summary_of(decision) == (
        "Nothing is known of detector on X1: `npubench run detector.onnx --board local` tells of X1."
    )
    assert "  $ npubench run detector.onnx --board local" in to_text(decision)


def test_the_trust_line_counts_kinds_doubts_and_unstable_rows():
    noisy = row("detector", 1_000.0, verdict=Verdict.NOISY, chip="X1")
    decision = decided(noisy)
    (verdict,) = decision.verdicts
    assert (
        trust_line(trust_of(decision))
        == "1 figure of models: 100 % measured; none is doubted; 1 row is not stable."
    )
    assert "(1 row is not stable)" in summary_of(decision)
    assert (verdict.rows, rests_on(verdict)) == ((noisy.key,), "measured")
    strong = Suspicion(Strength.STRONG, "too fast", "measure it again")
    doubted = replace(verdict, figures=(replace(verdict.figures[0], doubts=(strong,)),))
    told = replace(decision, verdicts=(doubted,))
    assert "1 is doubtful; 1 row is not stable." in trust_line(trust_of(told))
    assert "1 figure is doubtful" in summary_of(told)
    assert to_json(told)["trust"]["doubts"][0]["reason"] == "too fast"


def test_a_doubt_about_a_row_is_one_about_the_figure_that_it_gave():
    # A photo of the same time, to the last digit, of another network: one of them is not what it says.
    rows = [row(name, 1_234.567, chip="X1", key=name) for name in ("detector", "other", "third", "fourth")]
    decision = with_doubts(decided(*rows), rows, ())
    (figure,) = decision.verdicts[0].figures
    assert figure.row == "detector"
    assert figure.doubts
    assert all(one.reason and one.next_step for one in figure.doubts)
    assert with_doubts(decided(rows[0]), rows[:1], ()).verdicts[0].figures[0].doubts == ()


def test_a_line_is_folded_at_blanks_and_wide_characters():
    assert folded("one two three", 7) == ["one two", "three"]
    assert folded("one two three", 7, "  ") == ["one two", "  three"]
    assert folded("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert folded("按已公布的数字，能胜任", 8) == ["按已公布", "的数字，", "能胜任"]
    assert folded("", 8) == [""]
    assert folded("a\x1b[31mb", 80) == ["a\\x1b[31mb"]


@given(st.text(max_size=60), st.integers(4, 20))
def test_folding_loses_nothing_but_blanks_and_keeps_the_width(text, width):
    from npubench.domain.text import printable

    lines = folded(text, width)
    assert "".join("".join(lines).split()) == "".join(printable(text).split())
    assert all(columns_of(line) <= max(width, 2) for line in lines)


def test_a_title_of_cameras_is_said_in_the_language_that_is_asked():
    with use_language("zh"):
        assert (
            asked_by(Cameras(4, ("a", "b"))).title
            == "4 个摄像头（1920x1080，每秒 25 帧，h264），每帧经过 a, b"
        )
    with pytest.raises(UsageError):
        asked_by(Cameras(0, ("a",)))


def two(*specs, **facts):
    """Chips of one model, each with its name, time and kind; facts of all."""
    asked = asked_by(Cameras(2, ("detector",), fps=15.0))
    boards = [replace(board(**facts), name=f"b{at}", chip=chip) for at, (chip, *_) in enumerate(specs)]
    rows = [
        row("detector", us, kind, board=f"b{at}", chip=chip, key=chip)
        for at, (chip, us, kind) in enumerate(specs)
    ]
    return decide(asked, rows, boards, boards, Beyond())


def test_what_comes_out_even_shares_a_rank_and_the_sentence_says_so():
    # All three are bound by the same decoder, whatever their NPU's time is.
    decision = two(("A1", 500.0, Kind.SIMULATED), ("B1", 900.0, Kind.MEASURED), ("C1", 700.0, Kind.PUBLISHED))
    assert [(one.chip, one.rank) for one in decision.verdicts] == [("B1", 1), ("C1", 1), ("A1", 1)]
    assert "it is even with C1, A1: nothing known ranks one before the other" in summary_of(decision)
    apart = two(("A1", 500.0, Kind.MEASURED), ("B1", 30_000.0, Kind.MEASURED))
    assert [(one.chip, one.rank) for one in apart.verdicts] == [("A1", 1), ("B1", 2)]
    assert "even with" not in summary_of(apart)


def test_each_kind_has_its_own_column_and_a_chip_fills_one():
    decision = two(("A1", 500.0, Kind.MEASURED), ("B1", 900.0, Kind.PUBLISHED))
    heads, lines = ranking_table(decision)
    columns = [at for at, head in enumerate(heads) if head.startswith("NPU time")]
    assert [heads[at] for at in columns] == ["NPU time, measured", "NPU time, published"]
    assert [[line[at] for at in columns] for line in lines] == [["1.50 %", ""], ["", "2.70 %"]]
    for group in figures_by_kind(decision):
        figures = [figure for _, found in group.lines for figure in found if figure]
        assert figures
        assert {(figure.kind, figure.origin) for figure in figures} == {group.kind}


def test_a_fact_that_would_turn_the_outcome_is_told_in_its_cell_and_in_the_sentence():
    asked = asked_by(Cameras(2, ("detector",), fps=15.0))
    one = board()
    one = replace(one, facts=(*one.facts, Fact("video_decode", "H.264 1080p5", "another sheet")))
    decision = decide(asked, [row("detector", 500.0)], [one], [one], Beyond())
    assert "facts on decode contradict each other" in summary_of(decision)
    assert "1 outcome would turn by another fact" in trust_line(trust_of(decision))
    assert "pass!□" in to_text(decision)
    assert "; facts contradict)" in to_markdown(decision)
    (told,) = to_json(decision)["matrix"]["chips"]
    assert [name for name, cell in told["cells"].items() if cell["contested"]] == ["decode"]


def test_a_name_opens_no_tag_and_no_command():
    decision = two(("<img src=x>", 500.0, Kind.MEASURED), ("a `b` c", 900.0, Kind.MEASURED))
    assert "`" not in summary_of(decision)
    assert "<img" not in to_markdown(decision, why=True)


def test_a_row_of_a_busy_machine_is_counted_and_stands_behind_a_quiet_one_that_is_even():
    asked = asked_by(Cameras(2, ("detector",), fps=15.0))
    boards = [replace(board(), name=name, chip=name.upper()) for name in ("a", "b")]
    busy = Note(NoteCode.BUSY, {"count": 5, "cores": 4})
    rows = [row("detector", 500.0, board=name, chip=name.upper(), key=name) for name in ("a", "b")]
    rows[0] = replace(rows[0], warnings=(busy,))
    decision = decide(asked, rows, boards, boards, Beyond())
    assert [one.chip for one in decision.verdicts] == ["B", "A"]
    assert "1 row on a busy machine" in trust_line(trust_of(decision))
