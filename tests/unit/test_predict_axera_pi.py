"""The AX620A, calibrated from its published tables: what each network's figure is for the rest."""

import pytest

from npubench.predict.answer import Basis, Prediction, Refusal
from npubench.predict.ask import Asked, ask
from npubench.predict.calibration import read, to_toml
from npubench.predict.designs import calibrations_folder
from npubench.predict.from_tables import published_boards, read_kernels, write_kernels
from npubench.predict.kernels import Kernel
from npubench.predict.leave_out import block_of, left_out


@pytest.fixture(scope="module")
def published():
    return published_boards()["axera-pi"]


@pytest.fixture(scope="module")
def shipped():
    return read(calibrations_folder() / "boards" / "axera-pi.toml").calibration


@pytest.fixture(scope="module")
def network_and_family(published):
    summaries = left_out(published)
    return next(summaries), next(summaries)


def test_shipped_calibration_is_what_the_published_rows_give_to_the_last_digit(published):
    text = (calibrations_folder() / "boards" / "axera-pi.toml").read_text()
    assert to_toml(published.calibration()) == text


def test_one_network_left_out(network_and_family):
    one, _ = network_and_family
    assert len(one.errors) >= 12
    assert one.mean <= 0.03
    assert one.worst <= 0.06
    assert one.in_band == 1


def test_whole_family_left_out(network_and_family):
    _, family = network_and_family
    assert family.mean <= 0.08
    assert family.worst <= 0.12
    refused = {block_of(row.figure.name) for row in family.rows if isinstance(row.answer, Refusal)}
    assert refused == {"dense layer", "squeeze and excitation"}


def test_refusals_name_what_was_never_timed(network_and_family):
    _, family = network_and_family
    row = next(row for row in family.rows if row.figure.name.startswith("densenet169"))
    assert isinstance(row.answer, Refusal)
    named = {one.operator: one.share for one in row.answer.lacking}
    assert named["BatchNormalization of more than 512 channels"] > 0.4
    assert sum(named.values()) <= 1


def test_known_network_is_told_as_such_and_near_its_figure(shipped, published):
    figure = next(one for one in published.figures if one.name == "resnet18_8xb32_in1k")
    answer = ask(shipped.models[0], Asked("r", figure.kernels))
    assert isinstance(answer, Prediction)
    assert answer.basis is Basis.KNOWN_NETWORK
    # 5,390 us in the table.
    assert answer.low < 5.390 < answer.high
    assert answer.value == pytest.approx(5.390, rel=0.03)
    assert answer.costs is not None
    assert answer.costs.compute + answer.costs.memory + answer.costs.fixed == pytest.approx(1)


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        (Kernel("Conv depthwise", 10**6, 10**6, 288, 10**6, 9, 32, 32, 32), "Conv depthwise"),
        (Kernel("Conv kxk", 10**6, 10**6, 288, 10**6, 9, 1, 32, 32, 4), "Conv kxk, dilation 4"),
        (Kernel("Conv kxk", 10**6, 10**6, 288, 10**6, 121, 1, 32, 32), "Conv kxk, 121 taps"),
        (Kernel("Softmax", 0, 10**6, 0, 10**6), "Softmax"),
    ],
)
def test_kinds_that_the_tables_do_not_hold_are_refused(shipped, kernel, named):
    answer = ask(shipped.models[0], Asked("n", (kernel,)))
    assert isinstance(answer, Refusal)
    assert [one.operator for one in answer.lacking] == [named]


def test_compilers_figure_settles_what_is_refused_without(published):
    """SE-ResNet-50 of the published simulation alone, 9.09 inferences/s, and its time on the board."""
    figure = next(one for one in published.figures if one.name.startswith("seresnet50"))
    others = [one for one in published.figures if one.kernels != figure.kernels]
    alone = ask(published.model(others), Asked("se", figure.kernels))
    rest = type(published)(published.source, published.table, tuple(others))
    told = ask(rest.knowing(figure.kernels, 1e6 / 9.09), Asked("se", figure.kernels, compiler_us=1e6 / 9.09))
    assert isinstance(alone, Refusal)
    assert isinstance(told, Prediction)
    assert told.basis is Basis.COMPILER
    assert told.value == pytest.approx(47.904, rel=0.1)


def test_kernels_are_read_as_they_are_written(tmp_path, published):
    graphs = {"b": published.figures[0].kernels, "a": published.figures[-1].kernels}
    write_kernels(tmp_path / "k.csv", graphs)
    found = read_kernels(tmp_path / "k.csv")
    assert {name: sorted(one, key=lambda k: k.key) for name, one in graphs.items()} == {
        name: sorted(one, key=lambda k: k.key) for name, one in found.items()
    }


def test_band_of_a_graph_that_is_nearly_all_launch_is_as_wide_as_that_is_unknown(shipped):
    tiny = Kernel("Conv kxk", 1000, 100, 100, 100, 9, 1, 3, 4)
    answer = ask(shipped.models[0], Asked("tiny", (tiny,)))
    assert isinstance(answer, Prediction)
    assert answer.costs is not None
    assert answer.costs.fixed > 0.9
    assert answer.costs.memory >= 0
    assert answer.high / answer.value > 2
