"""The completion of published figures, on a small part of the atlas with the shipped calibration."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from npubench.domain.errors import UsageError
from npubench.predict.answer import Basis, Prediction, Refusal, RefusalKind
from npubench.predict.completion import OLDER, Completion, Left, atlas_samples, complete
from npubench.predict.experts import ALIKE, Opinions, Table, weighted_median
from npubench.predict.learning import Bands, width_needed
from npubench.predict.mixture import LEAST_FREEDOM, LEAST_SPREAD, START, Mixture
from npubench.predict.parameters import read_parameters, shipped_file, to_toml
from npubench.predict.physical import COMPUTE, MEMORY, WORK, Physics, fitted
from npubench.predict.process import Expected, Process
from npubench.predict.samples import Sample, sample_of
from npubench.predict.training import Objective, Plan

CHIPS = ("RK3588", "RK3576", "RV1126", "RV1109")


@pytest.fixture(scope="module")
def samples():
    return [one for one in atlas_samples() if one.column.chip in CHIPS]


@pytest.fixture(scope="module")
def made(samples):
    return Completion(samples, read_parameters(), "")


def asked(sample, **words):
    return sample_of(replace(sample.row, **words))


def with_value(samples, place, value):
    found = list(samples)
    found[place] = sample_of(replace(found[place].row, value=value))
    return found


def test_a_figure_of_ours_hardly_changes_its_own_prediction(samples, made):
    """It is left out; only other networks' costs were fitted to it, and a far-off figure counts little there."""
    place = next(i for i, one in enumerate(samples) if one.row.model == "yolov8s")
    (before,) = made.answers([samples[place]])
    other = Completion(with_value(samples, place, samples[place].row.value * 7), read_parameters(), "")
    (after,) = other.answers([other.samples[place]])
    assert isinstance(before, Prediction)
    assert after.value == pytest.approx(before.value, rel=0.03)


def test_a_basis_in_another_precision_says_which_is_known(samples, made):
    """YOLOv5s is known on the RK3588 in INT8 alone; the chip has figures of other networks in FP16."""
    known = next(
        one for one in samples if one.column.chip == "RK3588" and one.subject.network == "yolov5s-v6"
    )
    other = asked(known, precision="fp16")
    of_pair = [one for one in samples if one.column.chip == "RK3588" and one.subject.network == "yolov5s-v6"]
    assert {one.column.precision for one in of_pair} == {"int8"}
    ground = made.ground(other, Left.NOTHING)
    assert ground.basis is Basis.OTHER_PRECISION
    assert ground.rests_on[0] == "on RK3588 it is known in int8 alone, not in fp16"
    assert made.ground(known, Left.NOTHING).basis is Basis.SAME_CELL


def test_an_empty_value_changes_no_prediction(samples, made):
    rows = [samples[3], asked(samples[3], value=None)]
    first, second = made.answers(rows)
    assert first == second


def test_leaving_out_in_closed_form_is_leaving_out(samples, made):
    one = next(s for s in samples if s.row.model == "yolov5s" and s.column.chip == "RK3576")
    rest = [s for s in samples if s.cell != one.cell]
    # The same costs for both: those of a network never rest on its own figures.
    physics = Physics(samples)
    closed = Process(samples, made.parameters, physics).left_out([s.cell for s in samples])
    plain = Process(rest, made.parameters, physics).expected([one])
    place = samples.index(one)
    assert closed.means[place] == pytest.approx(plain.means[0], abs=1e-8)
    assert closed.deviations[place] == pytest.approx(plain.deviations[0], abs=1e-8)


def test_case_and_blanks_of_a_row_do_not_matter(samples, made):
    same = replace(samples[3].row, mode=f" {samples[3].row.mode.upper()} ", precision="INT8")
    first, second = made.answers([samples[3], sample_of(same)])
    assert (first.value, first.low) == (second.value, second.low)


def test_a_chip_is_answered_by_the_string_that_speaks_for_it():
    row = next(one.row for one in atlas_samples() if one.column.chip == "RK3566/RK3568")
    assert sample_of(replace(row, chip="rk3568")).column.chip == "RK3566/RK3568"


def test_the_same_question_has_the_same_answer_to_the_last_digit(samples, made):
    again = Completion(samples, read_parameters(), "")
    assert again.answers(samples[:5]) == made.answers(samples[:5])


def test_a_band_holds_its_value_and_the_metric_turns_it_round(samples, made):
    rate = next(s for s in samples if s.row.metric == "throughput")
    (answer,) = made.answers([rate])
    assert answer.low < answer.value < answer.high
    assert (answer.unit, answer.metric) == ("fps", "throughput")
    assert sum((answer.costs.compute, answer.costs.memory, answer.costs.fixed)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"chip": "RK3562"}, RefusalKind.CHIP, "has no figure"),
        ({"mode": "7 cores"}, RefusalKind.MODE, "known are"),
        ({"mode": "multi core"}, RefusalKind.MODE, "known are"),
        ({"mode": "some board"}, RefusalKind.MODE, "known are"),
        ({"mode": "single core, batch 3"}, RefusalKind.MODE, "known are"),
        ({"model": "yolov8s", "input": ""}, RefusalKind.NETWORK, "no input is told"),
        ({"model": "yolov8s", "input": "12"}, RefusalKind.REGIME, "12x12 is far from any input"),
        ({"precision": "w4a16"}, RefusalKind.MODE, "never measured"),
        ({"model": "no-such-network-xyz"}, RefusalKind.NETWORK, "joins to no network"),
    ],
)
def test_what_was_never_measured_is_refused_with_its_name(samples, made, words, kind, said):
    rk3588 = next(s for s in samples if s.column.chip == "RK3588")
    (answer,) = made.answers([asked(rk3588, **words)])
    assert isinstance(answer, Refusal)
    assert (answer.kind, said in answer.reason) == (kind, True)


def test_a_network_without_figures_is_answered_by_its_graph_and_refused_without(samples, made):
    one = next(s for s in samples if s.row.model == "yolov8s" and s.subject.features)
    lost = {s.subject.network for s in samples if s.subject.network == one.subject.network}
    rest = [s for s in samples if s.subject.network not in lost]
    other = Completion(rest, made.parameters, "")
    bare = replace(one, subject=replace(one.subject, features=None))
    known, refused = other.answers([one, bare])
    assert known.basis in (Basis.KNOWN_FAMILY, Basis.SEEN_OPERATORS)
    assert refused.kind is RefusalKind.GRAPH


def test_older_data_is_said(samples):
    (answer,) = Completion(samples, read_parameters(), "of other figures").answers(samples[:1])
    assert OLDER in answer.rests_on


def test_rows_that_cannot_be_answered_need_no_model(samples):
    found = complete([replace(samples[0].row, metric="decode")])
    assert [one.answer.kind for one in found.rows] == [RefusalKind.NOT_VISION]


def test_a_weighted_median_is_where_half_of_the_weight_is_reached():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0])) == 3


def test_an_expert_says_its_time_and_the_usual_ratio(samples):
    base = next(s for s in samples if s.subject.known)
    there = replace(base.column, chip="there")

    def of(column, name, time):
        subject = replace(base.subject, key=f"{name}|||", network=name, features=None)
        return Sample(replace(base.row, model=name, chip=column.chip), column, subject, base.join, time)

    here = [of(base.column, f"n{i}", 1.0 + i) for i in range(4)]
    twice = [of(there, f"n{i}", 1.0 + i + math.log(2)) for i in range(5)]
    found = Table([*here, *twice]).opinions([of(base.column, "n4", math.nan)], [False])
    assert found.mean == pytest.approx([5.0])
    assert found.alike[0, ALIKE.index("chip")] == 0
    # Without its own cell n0 has three networks in common with the other column, and the same ratio.
    found = Table([*here, *twice]).opinions([here[0]], [True])
    assert found.mean == pytest.approx([1.0])


def test_one_opinion_has_the_quantiles_of_its_distribution():
    nobody = Opinions(np.zeros(0, np.intp), *(np.zeros(0) for _ in range(3)), np.zeros((0, len(ALIKE))))
    mixture = Mixture(nobody, Expected(np.array([2.0]), np.array([0.5])))
    (low,) = mixture.quantiles(START, (0.05,))
    freedom = math.exp(START["process freedom"]) + LEAST_FREEDOM
    scale = math.exp(START["process scale"]) * (0.5 + LEAST_SPREAD)
    assert low[0] == pytest.approx(2 + scale * student.ppf(0.05, freedom), abs=1e-7)


def test_bands_are_widened_to_what_nine_of_ten_need():
    ends = np.ones(9)
    times = np.arange(1.0, 10.0) * np.array([1, -1] * 4 + [1])
    found = Bands(-ends, 0 * ends, ends, np.zeros(9, np.intp))
    assert width_needed(found, times) == pytest.approx(9)  # all of nine: 0.9 x 10 / 9 of them


def test_costs_are_found_and_never_below_zero():
    work = np.random.default_rng(1).random((40, 3)) + 0.1
    found = fitted(work, work @ np.array([2.0, 0.0, 1.0]), np.array([2.0, 0.0, 1.0]))
    assert found == pytest.approx([2, 0, 1], abs=1e-6)
    assert (fitted(work, work @ np.array([2.0, 0.5, 1.0]), np.array([0.0, 5.0, 0.0])) >= 0).all()


def test_work_that_is_scarce_in_a_column_keeps_the_vendors_cost():
    work = np.column_stack([np.ones(6), [1e-4, 0, 0, 0, 0, 0]])
    times = np.array([1.5, 1.0, 1.0, 1.0, 1.0, 1.0])
    prior = np.ones(2)
    loose = fitted(work, times, prior)
    firm = fitted(work, times, prior, np.array([1.0, 0.5]))
    assert loose[1] > 100  # one slow network of six: a network full of such work would take for ever
    assert firm[1] == pytest.approx(1, abs=0.1)


def test_costs_of_a_network_do_not_rest_on_its_own_figures(samples):
    place = next(i for i, one in enumerate(samples) if one.subject.features)
    before = Physics(samples).log_times([samples[place]])
    after = Physics(with_value(samples, place, 12345.0)).log_times([samples[place]])
    assert after == pytest.approx(before, abs=1e-12)


def test_work_is_compute_then_memory_then_fixed():
    assert WORK[: len(COMPUTE)] == COMPUTE
    assert WORK[len(COMPUTE) : -2] == MEMORY


def test_the_gradient_is_the_slope_of_the_objective(samples):
    few = samples[:40]
    left = np.array([one.log_ms for one in few])
    objective = Objective(few, left - left.mean(), Plan("g", (), 0.1).loading)
    start = objective.start()
    _, gradient = objective(start)
    generator = np.random.default_rng(3)
    for _ in range(4):
        direction = generator.standard_normal(len(start))
        step = 1e-4
        slope = (objective(start + step * direction)[0] - objective(start - step * direction)[0]) / (2 * step)
        assert slope == pytest.approx(float(gradient @ direction), rel=2e-2, abs=1e-2)


def test_a_calibration_comes_back_from_its_file(tmp_path):
    file = tmp_path / "atlas.toml"
    file.write_text(to_toml(read_parameters()), encoding="utf-8")
    found = read_parameters(file)
    assert to_toml(found) == to_toml(read_parameters())
    assert replace(found, sha256="") == replace(read_parameters(), sha256="")


@pytest.mark.parametrize("text", ["version = 99\n", "not toml", 'version = 1\nmean = "x"\n'])
def test_a_broken_calibration_is_one_line(tmp_path, text):
    file = tmp_path / "atlas.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        read_parameters(file)
    assert "\n" not in str(error.value)


def test_the_shipped_calibration_is_of_the_shipped_figures():
    from npubench.predict.completion import data_hash

    assert shipped_file().exists()
    assert read_parameters().data_sha256 == data_hash(atlas_samples())


def test_what_is_left_out_is_said_by_name():
    assert [str(one) for one in Left] == ["nothing", "cell", "network"]
