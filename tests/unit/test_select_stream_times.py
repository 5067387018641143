"""Service times for the simulation of streams: of figures, codec rows, facts and the asker's words."""

from dataclasses import replace

import pytest

from npubench.domain.figures import Bound, BoundReason, Bounds, CodecFigures, Figures, Kind, Latency
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind, Fact, Precision
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Job, Outcome
from npubench.reporting.select.chip_facts import FactSheet
from npubench.reporting.select.requirements import Limits, ModelNeed, Requirements, StreamNeed, UserFacts
from npubench.reporting.select.stream_times import cores_said, npu_service, parts_of, streams_of, timed
from npubench.reporting.select.stream_wording import cameras_text, streams_check
from npubench.reporting.select.times import Found, ModelTime
from npubench.streams.pipeline import Spread
from tests import sample_results

NEED = ModelNeed(("net",), "net", 10.0, (640, 640))
STREAM = StreamNeed("camera", 2, 1920, 1080, 10.0, "h264", (NEED,))
FACTS = FactSheet(
    "chip",
    (
        Fact("video_decode", "H.264 4K30", "data sheet"),
        Fact("cpu", "4x Cortex-A76 2.4 GHz + 4x Cortex-A55", "data sheet"),
    ),
)
CHIP = Candidate("chip", ("board",), (), (), (), FACTS)
KNOWN = UserFacts("board", "me", preprocess_ms=2.0, tail_ms=0.0)


def job(time: ModelTime) -> Job:
    return Job(STREAM, NEED, Found(time))


def figure(time_us: float, **more: object) -> ModelTime:
    return ModelTime("net", "table", Kind.PUBLISHED, time_us, **more)  # type: ignore[arg-type]


def test_what_facts_and_the_asker_tell_is_simulated_and_nothing_is_lacking() -> None:
    asked = Requirements("job", (STREAM,), Limits(), ())
    found = streams_of(asked, [job(figure(20_000))], CHIP, KNOWN)
    assert (found.outcome, found.held, found.lacking) == (Outcome.PASS, 2, ())
    assert found.simulated == ("decode", "preprocessing", "NPU")  # an asked tail of 0 is none
    # 3840 x 2160 x 30 / (1920 x 1080) = 120 frames/s: 8.33 ms, then 2 + 20 ms; 10/s of 20 ms hold five at most.
    assert found.p50_ms == pytest.approx(30.3, abs=8)
    assert found.most == 5
    assert cameras_text(found) == "5"
    (check,) = streams_check(found)
    assert (check.outcome, check.headroom) == (Outcome.PASS, pytest.approx(1 - 2 / 5))


def test_without_the_askers_words_numbers_are_upper_bounds() -> None:
    asked = Requirements("job", (STREAM,), Limits(), ())
    found = streams_of(asked, [job(figure(20_000))], CHIP, None)
    assert found.outcome is Outcome.UNKNOWN
    assert [one.settle for one in found.lacking] == ["[[chip]] preprocess_ms", "[[chip]] tail_ms"]
    assert cameras_text(found) == "≤ 5"
    assert not list(streams_check(found))


def test_a_failure_is_a_check_that_says_the_bottleneck() -> None:
    asked = Requirements("job", (STREAM,), Limits(latency_ms=10), ())
    (check,) = streams_check(streams_of(asked, [job(figure(20_000))], CHIP, None))
    assert (check.outcome, check.need, check.have) == (Outcome.FAIL, "2 cameras", "≤ 0")


def test_a_rate_that_is_higher_than_one_over_the_latency_keeps_the_server_shorter() -> None:
    # 100 a second with 30 ms each: several are under way.
    service = npu_service(figure(10_000, latency=Latency(1, 30_000.0)), 1)
    assert (service.mean_s, service.delay_s) == pytest.approx((0.01, 0.02))


def test_a_batch_takes_its_samples_together() -> None:
    bounds = Bounds(Bound.LOWER, BoundReason.BATCH)
    model = timed(job(figure(1_000, mode="batch 8", bounds=bounds)), CHIP, KNOWN)
    assert model.batch == 8
    assert model.npu is not None
    assert model.npu.mean_s == pytest.approx(0.008)
    assert not model.leaves_out
    other = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED)
    assert timed(job(figure(1_000, bounds=other)), CHIP, KNOWN).leaves_out


def test_spread_and_band_are_taken_over() -> None:
    wide = npu_service(figure(10_000, latency=Latency(700, 10_000.0, p50=9_800.0, p99=12_000.0)), 1)
    assert wide.spread is Spread.LOG_NORMAL
    banded = npu_service(figure(10_000, sigma=0.1), 1)
    assert banded.low_s == pytest.approx(0.01 * 0.8483, rel=1e-3)
    assert banded.high_s == pytest.approx(0.01 * 1.1788, rel=1e-3)


def codec_row(**told: object) -> Result:
    figures = Figures(Kind.MEASURED, throughput_fps=100.0, codec=CodecFigures(**told))  # type: ignore[arg-type]
    changes = {"case_kind": CaseKind.CODEC, "figures": figures, "backend": "pyav"}
    return sample_results.result("codec", Precision.NONE, **changes)


def test_preprocessing_is_the_picture_operation_that_is_nearest_in_size() -> None:
    # 100 a second of half a core each: 5 ms for 320 x 320, four times as much for 640 x 640.
    near = codec_row(operation="image", codec="raw", output=(320, 320), cpu_cores=0.5)
    far = codec_row(operation="image", codec="raw", output=(32, 32), cpu_cores=1.0)
    other = codec_row(operation="encode", codec="h264", width=640, height=640, cpu_cores=1.0)
    before = timed(job(figure(1_000)), replace(CHIP, rows=(far, near, other)), None).preprocess
    assert before is not None
    assert (before.mean_s, before.kind) == (pytest.approx(0.02), Kind.MEASURED)
    # What the asker says comes first; without a size nothing is nearest.
    told = timed(job(figure(1_000)), replace(CHIP, rows=(near,)), KNOWN).preprocess
    assert told is not None
    assert told.mean_s == 0.002
    sizeless = Job(STREAM, replace(NEED, input_size=None), Found(figure(1_000)))
    assert timed(sizeless, replace(CHIP, rows=(near,)), None).preprocess is None


def test_a_decoder_that_is_a_program_takes_the_processors_time() -> None:
    # 100 frames a second by one core: 2 streams x 10/s x 10 ms = 20 % of one of the row's cores.
    row = codec_row(operation="decode", codec="h264", width=1920, height=1080, cpu_cores=1.0)
    asked = Requirements("job", (STREAM,), Limits(), ())
    cores = row.board_before.cores if row.board_before else None
    found = streams_of(asked, [job(figure(20_000))], replace(CHIP, rows=(row,)), KNOWN)
    busy = {one.station: one.share for one in found.busy}
    assert "decode (CPU)" in found.simulated
    assert cores
    assert busy["CPU"] == pytest.approx((0.2 + 0.04) / cores, abs=0.01)  # and 20/s x 2 ms of preprocessing
    hardware = codec_row(operation="decode", codec="h264", width=1920, height=1080, cpu_cores=0.1)
    assert (
        "decode" in streams_of(asked, [job(figure(20_000))], replace(CHIP, rows=(hardware,)), KNOWN).simulated
    )


def test_what_a_published_time_holds_of_the_host_is_no_tail_of_its_own() -> None:
    tail = timed(job(figure(1_000, with_host=True)), CHIP, None).tail
    assert tail is not None
    assert tail.mean_s == 0


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("4x Cortex-A76 2.4 GHz + 4x Cortex-A55 1.8 GHz", 8),
        ("1x 2.7 GHz + 3x 2.4 GHz + 4x 1.9 GHz Kryo", 8),
        ("Quad-core Cortex-A7", 4),
        ("8 × Cortex-A53", 8),
        ("Cortex-A7 1.2 GHz", None),
        ("", None),
    ],
)
def test_cores_are_read_from_the_texts_of_facts(text: str, cores: int | None) -> None:
    assert cores_said(text) == cores


def test_parts_of_an_npu() -> None:
    assert [parts_of(share) for share in (1.0, 0.5, 1 / 3, 2 / 3)] == [1, 2, 3, 1]
