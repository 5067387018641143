"""Cameras that hold their rate on a chip: numbers by hand, and nothing silently zero."""

from dataclasses import replace

import pytest

from npubench.domain.figures import Kind
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.requirements import Limits, ModelNeed, Requirements, StreamNeed
from npubench.reporting.select.streams import BoardCapacity, TimedModel, hold
from npubench.streams.pipeline import ServiceTime

DETECTOR = ModelNeed(("yolo",), "detector", 10.0)
CLASSIFIER = ModelNeed(("resnet",), "classifier", 10.0)
MS = 1e-3
BOARD = BoardCapacity({"h264": 1000 * 1000 * 200.0}, 2, board="toy")
"""5 ms a frame of a megapixel, two processor cores."""


def job(count: int, *models: ModelNeed, limit_ms: float | None = None, codec: str = "h264") -> Requirements:
    stream = StreamNeed("camera", count, 1000, 1000, 10.0, codec, models)
    return Requirements("job", (stream,), Limits(latency_ms=limit_ms), ())


def timed(asked: Requirements, *npu_ms: float, parts: int = 1, batch: int = 1) -> list[TimedModel]:
    """Each model with that NPU time; 2 ms of preprocessing, 1 ms of tail."""
    return [
        TimedModel(
            *(stream, need, ServiceTime(ms * MS, kind=Kind.MEASURED), parts, batch),
            preprocess=ServiceTime(2 * MS),
            tail=ServiceTime(1 * MS),
        )
        for (stream, need), ms in zip(asked.models, npu_ms, strict=True)
    ]


def test_two_models_share_the_npu() -> None:
    # 10/s x (20 + 10 ms) = 30 % a camera: three hold, four are 120 %.
    asked = job(3, DETECTOR, CLASSIFIER)
    found = hold(asked, timed(asked, 20, 10), BOARD)
    assert (found.outcome, found.held, found.most, found.bottleneck) == (Outcome.PASS, 3, 3, "NPU")
    assert found.simulated == ("decode", "preprocessing", "NPU", "tail")
    busy = {one.station: one.share for one in found.busy}
    assert busy["NPU"] == pytest.approx(0.9, abs=0.02)
    assert busy["decode"] == pytest.approx(0.15, abs=0.01)  # 3 x 10/s x 5 ms
    assert busy["CPU"] == pytest.approx(0.09, abs=0.01)  # 3 x 20/s x 3 ms on two cores
    assert found.kind is Kind.PUBLISHED  # the decoder's, which is weaker than a measured one
    assert (found.lacking, found.confidence, found.advice) == ((), None, ())
    # Alone: 5 + (2 + 20 + 1) + (2 + 10 + 1) ms.
    one = hold(job(1, DETECTOR, CLASSIFIER), timed(job(1, DETECTOR, CLASSIFIER), 20, 10), BOARD)
    assert one.p50_ms == pytest.approx(41)
    assert one.p99_ms == pytest.approx(41)


def test_equal_streams_are_two_and_models_of_one_role_have_cores_of_their_own() -> None:
    # Twice one camera of 10/s x 20 ms: 40 % of one NPU, and of two cores a fifth each.
    stream = StreamNeed("camera", 1, 1000, 1000, 10.0, "none", (DETECTOR,))
    asked = Requirements("job", (stream, replace(stream)), Limits(), ())
    found = hold(asked, timed(asked, 20, 20), BOARD)
    assert (found.outcome, found.most) == (Outcome.PASS, 5)
    assert {one.station: one.share for one in found.busy}["NPU"] == pytest.approx(0.4, abs=0.01)
    split = hold(asked, timed(asked, 20, 20, parts=2), replace(BOARD, npu_slowdown=(1.0, 1.0)))
    busy = {one.station: one.share for one in split.busy if one.station.startswith("NPU:")}
    assert all(share == pytest.approx(0.2, abs=0.01) for share in busy.values())


def test_too_many_cameras_fail_and_are_told_what_would_have_to_change() -> None:
    asked = job(4, DETECTOR, CLASSIFIER)
    found = hold(asked, timed(asked, 20, 10), BOARD)
    assert (found.outcome, found.most, found.bottleneck) == (Outcome.FAIL, 3, "NPU")
    assert "NPU 1.20 times as fast" in found.advice[0]
    assert found.dropped is not None
    assert found.dropped > 0.1


def test_what_is_not_known_is_named_with_its_command_and_passes_nothing() -> None:
    asked = job(2, DETECTOR)
    (model,) = timed(asked, 20)
    found = hold(asked, [replace(model, preprocess=None, tail=None)], BoardCapacity({}, None, board="toy"))
    assert (found.outcome, found.held, found.at_most) == (Outcome.UNKNOWN, 2, True)
    assert found.simulated == ("NPU",)
    told = {one.what: one.settle for one in found.lacking}
    assert told["decode of H264"] == "npubench run --board toy --stages codec; [[chip]] decode"
    assert set(told) == {
        "decode of H264",
        "cores of the processor",
        "preprocessing of detector",
        "tail of detector",
    }


def test_what_is_not_known_saves_nothing_that_fails() -> None:
    asked = job(6, DETECTOR)
    (model,) = timed(asked, 20)
    found = hold(asked, [replace(model, tail=None)], BOARD)
    assert (found.outcome, found.most) == (Outcome.FAIL, 5)


def test_a_model_without_a_figure_is_unknown_and_nothing_is_made_up() -> None:
    asked = job(2, DETECTOR)
    (model,) = timed(asked, 20)
    found = hold(asked, [replace(model, npu=None)], BOARD)
    assert (found.outcome, found.held, found.most, found.p99_ms) == (Outcome.UNKNOWN, 0, 0, None)
    assert found.lacking[0].settle == "npubench run --board toy yolo"


def test_a_codec_without_a_decoder_fails_whatever_else_there_is() -> None:
    asked = job(1, DETECTOR, codec="h265")
    found = hold(asked, timed(asked, 1), BoardCapacity({"h265": 0.0}, 2))
    assert (found.outcome, found.most, found.bottleneck) == (Outcome.FAIL, 0, "decode")


def test_raw_frames_need_no_decoder() -> None:
    asked = job(1, DETECTOR, codec="none")
    found = hold(asked, timed(asked, 50), BoardCapacity({}, 2))
    assert (found.outcome, found.p99_ms) == (Outcome.PASS, pytest.approx(53))


def test_the_decoder_can_be_the_bottleneck() -> None:
    # 5 ms a frame, 10 frames a second: 20 cameras are the decoder's all.
    found = hold(asked := job(21, DETECTOR), timed(asked, 1), BOARD)
    assert (found.outcome, found.most, found.bottleneck) == (Outcome.FAIL, 20, "decode")


def test_cores_of_an_npu_that_were_never_measured_at_once_are_no_sure_pass() -> None:
    # 80 ms x 10/s: one core holds one camera, three hold three if they do not slow each other.
    asked = job(3, DETECTOR)
    models = timed(asked, 80, parts=3)
    found = hold(asked, models, BOARD)
    assert (found.outcome, found.held) == (Outcome.UNKNOWN, 3)
    assert "slow each other" in found.lacking[-1].what
    measured = hold(asked, models, replace(BOARD, npu_slowdown=(1.0, 1.05, 1.1)))
    assert measured.outcome is Outcome.PASS
    too_slow = hold(asked, models, replace(BOARD, npu_slowdown=(1.0, 1.2, 1.4)))
    assert (too_slow.outcome, too_slow.most) == (Outcome.FAIL, 2)
    assert hold(job(1, DETECTOR), timed(job(1, DETECTOR), 80, parts=3), BOARD).outcome is Outcome.PASS


def test_figures_of_a_part_and_of_the_whole_run_one_at_a_time() -> None:
    asked = job(1, DETECTOR, CLASSIFIER)
    whole, part = timed(asked, 60, 60)
    found = hold(asked, [whole, replace(part, parts=3)], BOARD)
    # 120 % one after the other, 80 % if the one core leaves two free: nobody knows.
    assert (found.outcome, found.held, found.most, found.p99_ms) == (Outcome.UNKNOWN, 1, 1, None)
    assert "one core and on all cores" in found.lacking[-1].what
    # A model without a figure has no part of the NPU, and makes no bound of the others' smaller.
    alone = hold(asked, [replace(whole, npu=None), replace(part, parts=3)], BOARD)
    assert alone.most == 5  # 3 / (10/s x 60 ms)


def test_a_batch_is_of_one_npu_and_not_of_another() -> None:
    # 8 samples in 160 ms and 20 ms each of the other: 10/s x (20 + 20 ms) a camera, so two hold.
    asked = job(2, DETECTOR, CLASSIFIER)
    one, other = timed(asked, 160, 20)
    found = hold(asked, [replace(one, batch=8), other], BOARD)
    assert found.most <= 2
    busy = {load.station: load.share for load in found.busy}
    assert busy["NPU cores"] > 0.8


def test_the_limit_counts_the_whole_way() -> None:
    # 5 + 2 + 20 + 1 ms alone.
    assert hold(job(1, DETECTOR, limit_ms=29), timed(job(1, DETECTOR), 20), BOARD).outcome is Outcome.PASS
    found = hold(job(1, DETECTOR, limit_ms=27), timed(job(1, DETECTOR), 20), BOARD)
    assert (found.outcome, found.most) == (Outcome.FAIL, 0)
    assert "no station is overloaded" in found.advice[0]


def test_a_rate_alone_tells_no_latency() -> None:
    # 5 + 2 + 20 + 1 ms if one run is under way, 60 ms more if three are before it.
    asked = job(1, DETECTOR, limit_ms=50)
    (model,) = timed(asked, 20)
    found = hold(asked, [replace(model, in_flight=4)], BOARD)
    assert (found.outcome, found.held) == (Outcome.UNKNOWN, 1)
    assert found.lacking[-1].what == "latency of detector"
    late = job(1, DETECTOR, limit_ms=95)
    assert hold(late, [replace(timed(late, 20)[0], in_flight=4)], BOARD).outcome is Outcome.PASS


def test_cores_are_given_to_models_where_that_is_better() -> None:
    # A short and a long model on two cores: in one queue the short one waits behind the long one's runs.
    short, long = replace(DETECTOR, rate=10.0), replace(CLASSIFIER, rate=10.0)
    asked = Requirements(
        "job",
        (
            StreamNeed("fast", 1, 1000, 1000, 10.0, "none", (short,)),
            StreamNeed("slow", 2, 1000, 1000, 10.0, "none", (long,)),
        ),
        Limits(latency_ms=60),
        (),
    )
    found = hold(asked, timed(asked, 5, 48, parts=2), replace(BOARD, npu_slowdown=(1.0, 1.0)))
    assert found.split.startswith(("parts of the NPU", "all 2 parts"))
    assert found.held >= 1


def test_a_predicted_band_becomes_a_confidence() -> None:
    asked = job(1, DETECTOR)
    (model,) = timed(asked, 80)
    banded = ServiceTime(80 * MS, low_s=64 * MS, high_s=100 * MS, kind=Kind.PREDICTED)
    found = hold(asked, [replace(model, npu=banded)], BOARD)
    assert found.confidence == pytest.approx(0.95, abs=0.02)
    assert found.kind is Kind.PREDICTED


def test_the_same_job_is_judged_the_same_again() -> None:
    asked = job(3, DETECTOR, CLASSIFIER, limit_ms=100)
    assert hold(asked, timed(asked, 20, 10), BOARD) == hold(asked, timed(asked, 20, 10), BOARD)
