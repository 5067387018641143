"""Verdicts by hand: what a requirement needs, what a chip has, and what is not known."""

from dataclasses import replace

import pytest

from npubench.domain.errors import UsageError
from npubench.domain.figures import CodecFigures
from npubench.domain.records import (
    Accuracy,
    Bound,
    BoundReason,
    Bounds,
    FailureClass,
    Figures,
    Kind,
    Latency,
    Verdict,
)
from npubench.domain.specs import BoardSpec, CaseKind, Fact, Precision
from npubench.reporting.data.translate import use_language
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.requirements import Limits, read_requirements
from npubench.reporting.select.wording import jobs_text
from npubench.storage.details import typed
from tests import sample_results

TOML = """
title = "gate"
[limits]
latency_ms = 100
[ranking]
headroom = 3
price = 1
[[stream]]
name = "camera"
count = 4
resolution = "1920x1080"
fps = 15
codec = "h264"
[[stream.model]]
role = "detector"
name = ["big", "Big_1"]
rate = 5
minimum_accuracy = 0.99
[[stream.model]]
role = "re-id"
name = "small"
rate = 10
"""
FACTS = {"video_decode": "H.264 only, 1080p60", "price_board": "about 100 USD", "memory": "SIP DRAM 256 MB"}


@pytest.fixture
def asked(tmp_path):
    return requirements(tmp_path)


def requirements(folder, text=TOML):
    file = folder / "requirements.toml"
    file.write_text(text)
    return read_requirements(file)


def board(**facts) -> BoardSpec:
    told = tuple(Fact(name, value, "a page") for name, value in {**FACTS, **facts}.items() if value)
    return BoardSpec("local", "local", "cpu", "local", "onnxruntime", (Precision.INT8,), facts=told)


def row(case, mean_us, kind=Kind.MEASURED, cosine=0.999, **changes):
    details = changes.pop("details", {})
    accuracy = None if cosine is None else Accuracy(cosine, None, None)
    timed = Figures(kind, Latency(99, mean_us), memory_bytes=10 * 2**20, accuracy=accuracy, details=details)
    timed = typed(timed)
    return sample_results.result(case, Precision.INT8, figures=timed, **changes)


def judged(asked, rows, *boards):
    return decide(asked, rows, [], boards or [board()], Beyond()).verdicts


def one(asked, rows, *boards):
    (found,) = judged(asked, rows, *boards)
    return found, {check.name: check for check in found.checks}


FITTING = [row("big", 20_000.0), row("small", 2_000.0)]


def test_npu_time_is_shared_among_models_and_streams(asked):
    found, checks = one(asked, FITTING)
    # 4 x 5/s x 20 ms + 4 x 10/s x 2 ms = 0.4 + 0.08 of a second
    assert found.load == pytest.approx(0.48)
    assert found.jobs == pytest.approx(1 / 0.48)
    assert checks["npu_time"].outcome is Outcome.PASS
    assert checks["npu_time"].headroom == pytest.approx(0.52)
    # All frames at once: 4 x (20 + 2) ms
    assert checks["latency"].headroom == pytest.approx(1 - 88 / 100)
    # 4 x 15/s of 1080p against 60/s
    assert checks["decode"].headroom == pytest.approx(0.0)
    # Accuracy ranks and is no capacity: 0.001 of the 0.01 that big may lose is gone.
    assert (checks["accuracy"].headroom, found.accuracy) == (None, pytest.approx(0.9))
    assert found.outcome is Outcome.PASS
    assert found.binding == "decode"


def test_one_missing_model_makes_the_whole_unknown_and_never_a_pass(asked):
    found, checks = one(asked, FITTING[:1])
    assert found.outcome is Outcome.UNKNOWN
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    assert checks["npu_time"].headroom is None
    assert "no row of small" in checks["operators"].why
    assert found.load is None


def test_a_file_is_found_by_its_name_with_or_without_its_ending(tmp_path):
    for name, case in (
        ("small.onnx", "small"),
        ("nets/small.onnx", "small"),
        ("small", "small"),
        ("a/s.onnx", "a/s.onnx"),
    ):
        asked = requirements(tmp_path, TOML.replace('name = "small"', f'name = "{name}"'))
        found, _ = one(asked, [row("big", 20_000.0), row(case, 2_000.0)])
        assert found.load == pytest.approx(0.48), (name, case)
    both = [row("small.onnx", 2_000.0), row("small", 1.0)]
    asked = requirements(tmp_path, TOML.replace('name = "small"', 'name = "small.onnx"'))
    assert one(asked, [row("big", 20_000.0), *both])[0].load == pytest.approx(0.48)


def test_what_is_known_to_be_too_much_fails_without_the_rest(asked):
    found, checks = one(asked, [row("big", 60_000.0)])
    assert checks["npu_time"].outcome is Outcome.FAIL
    assert found.binding == "latency"
    assert checks["latency"].headroom == pytest.approx(1 - 240 / 100)


def test_a_figure_of_half_a_chip_is_of_half_a_chip(asked):
    half = {"npu_mode": "111"}
    rows = [row("big", 20_000.0, details=half), row("small", 2_000.0, details=half)]
    found, checks = one(asked, rows)
    assert found.share == 0.5
    assert checks["npu_time"].outcome is Outcome.PASS
    assert "half" in checks["npu_time"].have
    assert any("mode 111" in caveat for caveat in found.caveats)
    # 1.36 of the half may be 0.68 of the whole: an estimate, so it is not known.
    slow = [row("big", 64_000.0, details=half), row("small", 2_000.0, details=half)]
    relaxed = replace(asked, limits=Limits())
    _, checks = one(relaxed, slow)
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    assert "68.0 %" in checks["npu_time"].why
    _, checks = one(relaxed, [row("big", 128_000.0, details=half)])
    assert checks["npu_time"].outcome is Outcome.FAIL


def test_a_chip_is_one_candidate_and_its_stronger_kind_speaks_model_by_model(asked):
    both = replace(FITTING[0], estimate=Figures(Kind.SIMULATED, Latency(1, 9_000.0)))
    found, checks = one(asked, [both, row("small", 2_000.0, Kind.SIMULATED)])
    # 4 x 5/s x 20 ms measured + 4 x 10/s x 2 ms simulated: the sum bears the weaker name.
    assert [(figure.kind, figure.time_us) for figure in found.figures] == [
        (Kind.MEASURED, 20_000.0),
        (Kind.SIMULATED, 2_000.0),
    ]
    assert found.load == pytest.approx(0.48)
    assert (found.kind, checks["npu_time"].kind) == (Kind.SIMULATED, Kind.SIMULATED)
    assert "20.0 ms (measured)" in checks["npu_time"].arithmetic[0]
    assert "2.00 ms (simulated)" in checks["npu_time"].arithmetic[1]


def test_published_speaks_before_simulated_and_two_boards_of_a_chip_are_one_candidate(asked):
    published = row("big", 30_000.0, Kind.PUBLISHED, board="a-board", chip="X1")
    simulated = row("big", 10_000.0, Kind.SIMULATED, board="other", chip="x1")
    found, _ = one(asked, [simulated, published, row("small", 2_000.0, board="other", chip="X1")])
    assert found.boards == ("a-board", "other")
    assert [(figure.kind, figure.board) for figure in found.figures] == [
        (Kind.PUBLISHED, "a-board"),
        (Kind.MEASURED, "other"),
    ]
    assert found.kind is Kind.PUBLISHED


def test_times_of_an_emulated_board_do_not_count(asked):
    found, _ = one(asked, [replace(one_, emulated=True) for one_ in FITTING])
    assert found.kind is None
    assert (found.outcome, found.score) == (Outcome.UNKNOWN, None)


def test_a_model_that_does_not_convert_fails_and_says_why(asked):
    failed = sample_results.failed("small", operators=("TopK",), precision=Precision.INT8)
    found, checks = one(asked, [FITTING[0], failed])
    assert found.outcome is Outcome.FAIL
    assert "TopK" in checks["operators"].why
    gone = sample_results.failed("small", FailureClass.BOARD_LOST, message="gone")
    _, checks = one(asked, [FITTING[0], gone])
    assert checks["operators"].outcome is Outcome.UNKNOWN


def test_a_model_that_ran_without_a_time_is_supported_and_as_accurate_as_it_was(asked):
    untimed = Figures(Kind.SIMULATED, accuracy=Accuracy(0.995, None, None))
    rows = [replace(FITTING[0], figures=untimed), FITTING[1]]
    measured, _ = one(asked, rows)
    checks = {check.name: check for check in measured.checks}
    assert checks["operators"].outcome is Outcome.PASS
    assert measured.accuracy == pytest.approx(0.5)
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    assert measured.outcome is Outcome.UNKNOWN


def test_accuracy_that_nobody_compared_is_unknown(asked):
    _, checks = one(asked, [row("big", 20_000.0, cosine=None), FITTING[1]])
    assert checks["accuracy"].outcome is Outcome.UNKNOWN
    found, checks = one(asked, [row("big", 20_000.0, cosine=0.98), FITTING[1]])
    assert checks["accuracy"].outcome is Outcome.FAIL
    assert (checks["accuracy"].headroom, found.accuracy) == (None, pytest.approx(-1.0))
    assert found.binding == "accuracy"


def test_the_accurate_row_is_taken_before_the_fast_one(asked):
    fast = row("big", 1_000.0, cosine=0.9)
    exact = replace(row("big", 20_000.0, cosine=None), precision=Precision.FP32)
    found, checks = one(asked, [fast, exact, FITTING[1]])
    assert found.load == pytest.approx(0.48)
    assert checks["accuracy"].outcome is Outcome.PASS


def test_a_percentile_that_is_not_there_is_not_replaced(asked):
    strict = replace(asked, limits=Limits(latency_ms=100, percentile=99))
    _, checks = one(strict, FITTING)
    assert checks["latency"].outcome is Outcome.UNKNOWN
    assert "no p99" in checks["latency"].why
    _, checks = one(replace(strict, limits=Limits(latency_ms=50, percentile=99)), FITTING)
    assert checks["latency"].outcome is Outcome.FAIL


def test_figures_at_another_input_size_do_not_count(tmp_path):
    asked = requirements(tmp_path, TOML.replace('name = "small"', 'name = "small"\ninput = "128x256"'))
    _, checks = one(asked, FITTING)
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    assert "128x256" in checks["npu_time"].why


@pytest.mark.parametrize("fact", ["video_decode", "price_board", "memory"])
def test_a_fact_that_nobody_told_is_unknown(asked, fact):
    bounded = replace(asked, limits=Limits(latency_ms=100, price_usd=150))
    rows = [replace(r, board_before=None, board_after=None) for r in FITTING]
    assert one(bounded, rows)[0].outcome is Outcome.PASS
    found, checks = one(bounded, rows, board(**{fact: ""}))
    assert found.outcome is Outcome.UNKNOWN
    name = {"video_decode": "decode", "price_board": "price"}.get(fact, fact)
    assert checks[name].outcome is Outcome.UNKNOWN


def test_a_measured_decoder_comes_before_a_listed_one(asked):
    details = {"operation": "decode", "codec": "h264", "width": 1920, "height": 1080}
    held = {**details, "streams": 10, "streams_fps": 25}
    for told, rate in ((details, 90.0), (held, 250.0)):
        figures = Figures(Kind.MEASURED, throughput_fps=90.0, codec=CodecFigures(**told))
        codec = {"case_kind": CaseKind.CODEC, "figures": figures, "backend": "pyav"}
        _, checks = one(asked, [*FITTING, sample_results.result("decode", Precision.NONE, **codec)])
        assert checks["decode"].headroom == pytest.approx(1 - 60 / rate)
        assert checks["decode"].kind is Kind.MEASURED


def test_a_board_of_which_only_codecs_were_measured_has_no_figures_of_models(asked):
    found, checks = one(asked, [sample_results.codec()])
    assert (found.outcome, found.kind) == (Outcome.UNKNOWN, None)
    assert checks["decode"].kind is Kind.MEASURED


def test_a_codec_that_was_measured_makes_no_candidate_of_measured_figures(asked):
    simulated = [row("big", 20_000.0, Kind.SIMULATED), row("small", 2_000.0, Kind.SIMULATED)]
    found, checks = one(asked, [*simulated, sample_results.codec()])
    assert found.kind is Kind.SIMULATED
    assert checks["decode"].kind is Kind.MEASURED


def test_a_codec_that_is_not_listed_fails(asked):
    h265 = replace(asked, streams=(replace(asked.streams[0], codec="h265"),))
    found, checks = one(h265, FITTING)
    assert checks["decode"].outcome is Outcome.FAIL
    assert found.binding == "decode"


def test_the_score_is_the_sum_of_its_terms(asked):
    (found,) = judged(asked, FITTING)
    assert found.score == pytest.approx(sum(term.points for term in found.terms))
    assert {term.name: term.weight for term in found.terms} == {"headroom": 0.75, "price": 0.25}
    assert found.score == pytest.approx(0.75 * 0.0 + 0.25 * 1.0)


def test_simulators_of_several_vendors_carry_their_warning(asked):
    rows = [row(case, us, Kind.SIMULATED, board=b, backend=b) for b in ("rknn", "vela") for case, us in
            (("big", 20_000.0), ("small", 2_000.0))]  # fmt: skip
    warnings = decide(asked, rows, [], [], Beyond()).warnings
    assert any("rknn, vela" in warning for warning in warnings)
    assert decide(asked, rows[:2], [], [], Beyond()).warnings == ()


def test_rows_that_are_not_stable_are_named(asked):
    found, _ = one(asked, [replace(FITTING[0], verdict=Verdict.NOISY), FITTING[1]])
    assert any("big noisy" in caveat for caveat in found.caveats)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("count = 4", "count = 0"), "stream[0].count"),
        (('"1920x1080"', '"wide"'), "is not a resolution: write it as 1920x1080"),
        (("fps = 15", "fps = nan"), "stream[0].fps"),
        (("headroom = 3", "luck = 3"), "ranking.luck"),
        (('title = "gate"', "title = "), "is not TOML"),
        (('codec = "h264"', 'codec = "h263"'), "stream[0].codec"),
    ],
)
def test_a_broken_file_is_told_in_a_line(tmp_path, change, told):
    with pytest.raises(UsageError, match=r"requirements\.toml") as error:
        requirements(tmp_path, TOML.replace(*change))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_every_mistake_of_a_file_is_told(tmp_path):
    broken = TOML.replace("count = 4", "count = 0").replace("headroom = 3", "luck = 3")
    with pytest.raises(UsageError) as error:
        requirements(tmp_path, broken)
    assert "key 'stream[0].count': must be at least 1, not 0" in str(error.value)
    assert "key 'ranking.luck': unknown key" in str(error.value)


def test_the_chinese_verdict_has_the_same_figures(asked):
    (english,) = judged(asked, FITTING)
    with use_language("zh"):
        (chinese,) = judged(asked, FITTING)
    assert [(c.name, c.outcome, c.headroom) for c in english.checks] == [
        (c.name, c.outcome, c.headroom) for c in chinese.checks
    ]
    assert english.caveats != chinese.caveats


LEFT_OUT = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, 18, 93)


def bounded(case, us, bounds=LEFT_OUT):
    found = row(case, us, Kind.SIMULATED)
    return replace(found, figures=replace(found.figures, bounds=bounds))


def test_a_lower_bound_fails_what_it_exceeds_and_passes_nothing(asked):
    found, checks = one(asked, [bounded("big", 20_000.0), bounded("small", 2_000.0)])
    # 4 x 22 ms of 100 ms, and 48 % of a second: enough, if nothing were left out.
    assert found.outcome is Outcome.UNKNOWN
    assert {checks[name].outcome for name in ("npu_time", "latency")} == {Outcome.UNKNOWN}
    assert checks["latency"].headroom is None
    assert "18 of 93 layers not counted" in checks["latency"].why
    assert "measure it on a board" in checks["npu_time"].why
    assert any("a lower bound may fail a requirement" in caveat for caveat in found.caveats)
    assert (found.bound, jobs_text(found)[:2]) == (Bound.LOWER, "≤ ")
    slow, checks = one(asked, [bounded("big", 60_000.0), bounded("small", 2_000.0)])
    assert slow.outcome is Outcome.FAIL
    assert {checks[name].outcome for name in ("npu_time", "latency")} == {Outcome.FAIL}
    assert checks["latency"].have.startswith("≥")


def test_an_exact_row_speaks_before_a_faster_bound(asked):
    rows = [bounded("big", 10.0), row("Big_1", 20_000.0, Kind.SIMULATED), row("small", 10.0, Kind.SIMULATED)]
    rows[1] = replace(rows[1], case="big", precision=Precision.FP32)
    found, _ = one(asked, rows)
    assert found.load == pytest.approx(4 * 5 * 0.02 + 4 * 10 * 1e-5)


def test_half_an_npu_that_is_too_slow_says_nothing_sure_of_the_whole(asked):
    half = {"details": {"npu_mode": "111"}}
    found, checks = one(asked, [row("big", 30_000.0, **half), row("small", 2_000.0, **half)])
    # 4 x 32 ms on the half: 64 ms at best on the whole.
    assert checks["latency"].outcome is Outcome.UNKNOWN
    assert found.outcome is Outcome.UNKNOWN
    _, checks = one(asked, [row("big", 60_000.0, **half), row("small", 2_000.0, **half)])
    assert checks["latency"].outcome is Outcome.FAIL
