"""Costs worked out by hand, fits that find the prices behind figures, and files that hold all of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from npubench.domain.errors import UsageError
from npubench.domain.specs import Precision
from npubench.predict.answer import Basis, Prediction, Refusal
from npubench.predict.ask import Asked, ask
from npubench.predict.calibration import Calibration, calibrate, figures_sha256, read, to_toml, write
from npubench.predict.costs import CostModel, classes_of, shares_of
from npubench.predict.designs import designs
from npubench.predict.fitting import Figure, kernels_sha256
from npubench.predict.kernels import Kernel, counted

NPU, CPU = designs()["npu"], designs()["processor"]
DENSE = Kernel("Conv kxk", 147456, 1024, 4608, 1024, taps=9, channels_in=16, channels_out=64)
ADD = Kernel("Add", 0, 2000, 0, 1000, channels_out=10)
RELU = Kernel("Relu", 0, 1000, 0, 1000, channels_out=10)


def _price(model, **values):
    named = {name: price.median for name, price in model.prior.items()}
    named |= {name.replace("_", " "): value for name, value in values.items()}
    return np.array([named[name] for name in model.names])


def _parts(model, prices, kernels, target):
    targets = np.array([model.design.targets.index(target)])
    return model.parts(model.spent(model.terms([counted(kernels)]), prices, targets))


def test_lanes_that_stand_idle_are_paid_for():
    # 3 channels fill 16 lanes, 20 fill 24 of 8, 49 taps fill 54 of 9.
    stem = Kernel("Conv kxk", 0, 3 * 64, 0, 20 * 16, taps=49, channels_in=3, channels_out=20)
    assert NPU.work_of(stem, NPU.class_of(stem).work) == 16 * 24 * 54 * 16


def test_strided_point_convolution_pays_for_the_mean_of_both_sides():
    kernel = Kernel("Conv 1x1", 0, 16 * 64, 0, 8 * 16, channels_in=16, channels_out=8)
    assert NPU.work_of(kernel, NPU.class_of(kernel).work) == 16 * 8 * math.sqrt(64 * 16)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (replace(DENSE, operator="Conv 1x1", channels_in=511), "Conv 1x1"),
        (replace(DENSE, operator="Conv 1x1", channels_in=512), "Conv 1x1 of 512 channels and more"),
        (Kernel("BatchNormalization", 0, 1, 1, 1, channels_out=512), "BatchNormalization"),
        (
            Kernel("BatchNormalization", 0, 1, 1, 1, channels_out=513),
            "BatchNormalization of more than 512 channels",
        ),
        (Kernel("Sigmoid", 0, 1, 0, 1), "Sigmoid"),
    ],
)
def test_classes_of_kernels(kernel, name):
    assert NPU.class_of(kernel).name == name


def test_time_of_kernels_that_hide_nothing_is_the_sum_of_all():
    deep = Kernel("Conv 1x1", 0, 512 * 4, 512 * 8, 8 * 4, channels_in=512, channels_out=8)
    model = CostModel(NPU, classes_of(NPU, [[deep, ADD]]), weight_bytes=1.0)
    prices = _price(
        model,
        **{"compute of Conv 1x1 of 512 channels and more": 5.0, "compute of Add": 100.0},
        fixed=2.0,
        launch=7.0,
        weights_of_board=4.0,
    )
    parts = _parts(model, prices, [deep, deep, ADD], "board")
    # Twice 512 x 8 x 4 lanes of 5 ps; 3,000 elements of 100 ps.
    assert parts.compute[0] == pytest.approx(2 * 0.08192 + 0.3)
    # Twice 4,096 bytes at 4,000 bytes/us.
    assert parts.memory[0] == pytest.approx(2 * 1.024)
    assert parts.fixed[0] == pytest.approx(3 * 2.0 + 7.0)
    shares = shares_of(parts)
    assert shares.compute + shares.memory + shares.fixed == pytest.approx(1.0)


def test_weights_hide_behind_the_work_of_a_dense_convolution():
    model = CostModel(NPU, classes_of(NPU, [[DENSE]]), weight_bytes=1.0)
    # 16 x 64 x 9 x 16 lanes at 10 ps are 1.47456 us, as are 4,608 bytes at 3,125 bytes/us.
    prices = _price(model, compute_of_Conv_kxk=10.0, weights_of_board=3.125, fixed=1e-9, launch=1e-9)
    parts = _parts(model, prices, [DENSE], "board")
    assert parts.total[0] == pytest.approx(1.47456 * 2**0.25)
    assert parts.compute[0] == pytest.approx(parts.memory[0])


def test_what_spills_goes_through_memory_of_the_target():
    wide = Kernel("BatchNormalization", 0, 6000, 0, 6000, channels_out=600)
    model = CostModel(NPU, classes_of(NPU, [[wide]]), weight_bytes=1.0)
    name = "BatchNormalization of more than 512 channels"
    prices = _price(
        model, **{f"compute of {name}": 1e-9, f"spill of {name}": 7.0}, activations_of_simulator=1.4
    )
    # 12,000 elements of 7 bytes at 1,400 bytes/us.
    assert _parts(model, prices, [wide], "simulator").memory[0] == pytest.approx(60.0)


def test_slopes_are_those_of_the_time():
    kernels = [DENSE, ADD, Kernel("BatchNormalization", 0, 6000, 10, 6000, channels_out=600)]
    model = CostModel(NPU, classes_of(NPU, [kernels]), weight_bytes=1.0)
    terms, targets = model.terms([counted(kernels)]), np.array([1])
    prices = model.prices(np.zeros(len(model.names)))
    spent = model.spent(terms, prices, targets)[0]
    for place in range(len(prices)):
        times = []
        for step in (1e-6, -1e-6):
            moved = prices.copy()
            moved[place] *= math.exp(step)
            times.append(float(model.parts(model.spent(terms, moved, targets)).total[0]))
        assert (times[0] - times[1]) / 2e-6 == pytest.approx(spent[place], rel=1e-5, abs=1e-9)


def _operators(compute_ps=50.0, fixed_us=4.0, launch_us=30.0):
    found = []
    for size in (1000, 10_000, 100_000, 1_000_000):
        for name, ps in (("Relu", compute_ps), ("Add", 3 * compute_ps)):
            kernel = Kernel(name, 0, size, 0, size, channels_out=10)
            time_us = launch_us + fixed_us + 2 * size * ps / 1e6
            found.append(Figure(f"{name}_{size}", "board", (kernel,), time_us, is_network=False))
    return found


def _networks(factor=1.5):
    kernel = Kernel("Relu", 0, 500_000, 0, 500_000, channels_out=10)
    return [Figure("net", "board", (kernel,) * 20, factor * (30 + 20 * (4 + 50)))]


def test_fit_finds_the_prices_behind_figures():
    model = calibrate(CPU, Precision.FP32, _operators(), "")
    assert model.prices["compute of Relu"] == pytest.approx(50, rel=0.2)
    assert model.prices["compute of Add"] == pytest.approx(150, rel=0.2)


def test_networks_bring_a_factor_that_single_operators_do_not_show():
    alone = calibrate(CPU, Precision.FP32, _operators(), "")
    model = calibrate(CPU, Precision.FP32, [*_operators(), *_networks()], "")
    kernel = Kernel("Add", 0, 300_000, 0, 300_000, channels_out=10)
    without, answer = (ask(one, Asked("other", (kernel,) * 10)) for one in (alone, model))
    assert isinstance(without, Prediction)
    assert isinstance(answer, Prediction)
    # 30 + 10 x (4 + 90) us; the one network takes 1.5 times as long as its kernels, which is believed in part.
    assert without.value == pytest.approx(0.970, rel=0.15)
    assert 1.05 < answer.value / without.value < 1.5
    assert answer.low < answer.value < answer.high
    assert answer.basis is Basis.SEEN_OPERATORS
    same = ask(model, Asked("same", _networks()[0].kernels))
    assert isinstance(same, Prediction)
    assert (same.basis, same.value) == (Basis.KNOWN_NETWORK, pytest.approx(1.5 * 1.11, rel=0.02))


def test_order_of_figures_and_file_change_nothing(tmp_path):
    figures = [*_operators(), *_networks()]
    made = [
        Calibration("b", "c", "d", 'a "time" \\ \x7f', "rows", (calibrate(CPU, Precision.FP32, some, "x"),))
        for some in (figures, figures[::-1])
    ]
    assert to_toml(made[0]) == to_toml(made[1])
    write(made[0], tmp_path / "deep" / "b.toml")
    assert read(tmp_path / "deep" / "b.toml").calibration == made[0]


def test_hash_of_figures_does_not_depend_on_their_order_and_sees_every_time():
    figures = _operators()
    assert figures_sha256(figures) == figures_sha256(figures[::-1])
    other = [replace(figures[0], time_us=figures[0].time_us + 0.1), *figures[1:]]
    assert figures_sha256(figures) != figures_sha256(other)


def test_kernels_are_known_by_their_sizes_whatever_their_order_and_what_they_took():
    one, other = (DENSE, ADD), (ADD, replace(DENSE, fused=("Relu",)))
    assert kernels_sha256(one) == kernels_sha256(other)
    assert kernels_sha256(one) != kernels_sha256((*one, ADD))


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        (Kernel("Softmax", 0, 10**6, 0, 10**6), "Softmax"),
        (Kernel("Relu", 0, 9 * 10**6, 0, 9 * 10**6), "Relu, 9 x the elements of the largest seen"),
    ],
)
def test_what_was_never_timed_is_named_with_its_share(kernel, named):
    model = calibrate(CPU, Precision.FP32, [*_operators(), *_networks()], "")
    answer = ask(model, Asked("n", (RELU, kernel), command="npubench run"))
    assert isinstance(answer, Refusal)
    (lacking,) = answer.lacking
    assert lacking.operator == named
    assert 0.9 < lacking.share <= 1
    assert named in answer.reason
    assert answer.command == "npubench run"


def test_a_little_of_what_was_never_timed_widens_the_band():
    model = calibrate(CPU, Precision.FP32, [*_operators(), *_networks()], "")
    known = (Kernel("Relu", 0, 500_000, 0, 500_000, channels_out=10),) * 20
    plain, more = (ask(model, Asked("n", k)) for k in (known, (*known, Kernel("Tanh", 0, 8, 0, 10**5))))
    assert isinstance(plain, Prediction)
    assert isinstance(more, Prediction)
    assert more.high / more.value > plain.high / plain.value
    assert any("Tanh" in line for line in more.rests_on)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format = 1", "format = 2", "a calibration of format 2, this npubench reads 1"),
        ('design = "processor"', 'design = "abacus"', "another design of costs"),
        ('design_sha256 = "', 'design_sha256 = "0', "another design of costs"),
        ("fixed = ", "fixed = -", "fixed"),
        ("format = 1", "format = 1\nsize = 3", "size"),
        ("[[model]]", "[[model]", "b.toml:"),
        ('target = "board"', 'target = "moon"', "is no calibration of"),
    ],
)
def test_damaged_calibrations_are_refused_in_a_line(tmp_path, old, new, told):
    model = calibrate(CPU, Precision.FP32, [*_operators(), *_networks()], "x")
    text = to_toml(Calibration("b", "c", "d", "a time", "rows", (model,)))
    assert old in text
    (tmp_path / "b.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=told) as caught:
        read(tmp_path / "b.toml")
    assert "\n" not in str(caught.value)


def test_calibration_that_is_not_there_or_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "b.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(Calibration("b", "c", "d", "e", "f", ()), tmp_path / "file" / "b.toml")


def test_graph_without_kernels_is_refused():
    model = calibrate(CPU, Precision.FP32, _operators(), "")
    with pytest.raises(UsageError, match="nothing in the graph takes time"):
        ask(model, Asked("views.onnx", ()))
