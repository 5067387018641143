"""Doubts about published figures: hand-made tables with one fault each, and the shipped one's known cases."""

import random
from dataclasses import replace

import pytest

from benchmarks import atlas_recall
from npubench import published
from npubench.domain.figures import Kind
from npubench.published.atlas import PublishedFigure
from npubench.reporting.sanity.atlas import FigureDoubtClass, figure_doubts
from npubench.reporting.sanity.atlas.cells import cells_of
from npubench.reporting.sanity.atlas.expected import expectations
from npubench.reporting.sanity.atlas.names import loose_name
from npubench.reporting.sanity.atlas.versions import versions_of
from npubench.reporting.sanity.doubt import Strength

SHIPPED = figure_doubts(published.figures())
NETWORKS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
TIMES_MS = (2.0, 3.0, 5.0, 7.0, 11.0, 13.0)
CHIPS = {"C1": 1.0, "C2": 2.5, "C3": 0.4}
"""Chips and how long each takes for a millisecond of the first."""


def figure(chip, model, value, metric="latency", unit="ms", **changes):
    words = {"mode": "", "precision": "int8", "tool": "", "note": "", "source": "https://github.com/own/er"}
    words |= {"table": "made", "line": 0, "input": "224", "kind": Kind.MEASURED, **changes}
    return PublishedFigure(
        chip=chip, model=model, metric=metric, value=value, text=f"{value:g}", unit=unit, **words
    )


def numbered(figures):
    return [replace(one, line=at) for at, one in enumerate(figures)]


def clean(**changes):
    """Six networks on three chips, each time the network's by the chip's factor."""
    return numbered(
        figure(chip, network, round(time * factor, 4), **changes)
        for chip, factor in CHIPS.items()
        for network, time in zip(NETWORKS, TIMES_MS, strict=True)
    )


def told(figures, kind):
    return [one for one in figure_doubts(figures) if one.doubt_class is kind]


def changed(figures, at, **changes):
    return [replace(one, **changes) if place == at else one for place, one in enumerate(figures)]


def test_a_table_without_fault_is_not_doubted():
    assert figure_doubts(clean()) == []


def test_each_figure_is_held_against_the_others_alone():
    figures = changed(clean(), 1, value=3000.0, text="3000")
    due = expectations(cells_of(figures))
    assert due[1].image_ratio == pytest.approx(1000)
    assert due[1].neighbours == 2
    assert due[0].image_ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "way"), [(3000.0, "too great by a factor of about 1000"), (0.003, "too small")]
)
def test_a_thousandfold_slip_is_told(value, way):
    (doubt,) = told(changed(clean(), 1, value=value, text=f"{value:g}"), FigureDoubtClass.UNIT_SLIP)
    assert doubt.places == ("made:1",)
    assert doubt.strength is Strength.STRONG
    assert way in doubt.reason
    assert doubt.evidence[1] == "expected about 3 ms, by 2 figures of the network"


def test_a_rate_that_stands_for_a_time_is_told():
    figures = changed(clean(), 1, value=333.0, text="333")
    (doubt,) = told(figures, FigureDoubtClass.UNIT_SLIP)
    assert doubt.reason.startswith("a rate stands for a time")


def test_a_rate_and_its_time_have_to_agree():
    pair = [
        figure("C1", "alpha", 20.0, mode="1 core"),
        figure("C1", "alpha", 41.0, "throughput", "fps", mode="1 core"),
    ]
    (doubt,) = told(numbered(pair), FigureDoubtClass.RATE_AND_TIME)
    assert doubt.reason == "41 fps is 0.82 times what 20 ms an inference give"
    assert doubt.strength is Strength.STRONG
    pair[1] = replace(pair[1], value=50.0, text="50")
    assert told(numbered(pair), FigureDoubtClass.RATE_AND_TIME) == []


@pytest.mark.parametrize(
    ("many_ms", "strength"), [(6.0, None), (5.5, None), (4.4, Strength.WEAK), (3.9, Strength.STRONG)]
)
def test_two_cores_gain_twice_at_most(many_ms, strength):
    pair = [figure("C1", "alpha", 10.0, mode="1 core"), figure("C1", "alpha", many_ms, mode="2 cores")]
    doubts = told(numbered(pair), FigureDoubtClass.IMPOSSIBLE_SPEED_UP)
    assert [one.strength for one in doubts] == ([strength] if strength else [])
    assert [one.places for one in doubts] == ([("made:1",)] if strength else [])


@pytest.mark.parametrize(
    ("fps", "kind", "strength"),
    [
        (100.0, None, None),
        (870.0, None, None),
        (900.0, "impossible_speed_up", "weak"),
        (1100.0, "impossible_speed_up", "strong"),
        (92.0, None, None),
        (80.0, "slower_batch", "weak"),
        (60.0, "slower_batch", "strong"),
    ],
)
def test_eight_images_at_once_gain_eightfold_at_most_and_cost_no_time(fps, kind, strength):
    one = figure("C1", "alpha", 100.0, "throughput", "fps", mode="batch 1")
    many = figure("C1", "alpha", fps, "throughput", "fps", mode="batch 8")
    found = [(d.doubt_class.value, d.strength.value) for d in figure_doubts(numbered([one, many]))]
    assert found == ([(kind, strength)] if kind else [])


def test_more_than_the_listed_peak_is_told():
    # MobileNetV2 at 224: 0.3 GMACs; RK3588 lists 6 TOPS for three cores, so one core does 1 TMAC/s.
    fast = figure("RK3588", "mobilenetv2", 5000.0, "throughput", "fps", mode="single core")
    source = "https://github.com/airockchip/rknn_model_zoo/blob/x/README.md"
    fast = replace(fast, source=source, model="mobilenetv2-12", input="[1, 3, 224, 224]")
    (doubt,) = told(numbered([fast]), FigureDoubtClass.ABOVE_PEAK)
    assert doubt.strength is Strength.STRONG
    assert " of 0.333 of its NPU" in doubt.reason
    assert told(numbered([replace(fast, value=450.0, text="450")]), FigureDoubtClass.ABOVE_PEAK) == []


def test_equal_figures_under_two_chips_are_told():
    digits = [2.137, 3.219, 5.077, 7.311, 11.43, 13.29]
    one = [figure("C1", name, ms) for name, ms in zip(NETWORKS, digits, strict=True)]
    other = [figure("C2", name, ms) for name, ms in zip(NETWORKS, digits, strict=True)]
    (doubt,) = told(numbered([*one, *other]), FigureDoubtClass.EQUAL_TABLES)
    assert doubt.reason.startswith("6 of 6 figures of C1 and C2 are equal")
    assert told(numbered([*one, *other[:2]]), FigureDoubtClass.EQUAL_TABLES) == []


def test_a_table_is_a_copy_whatever_its_publisher_calls_the_networks_ends():
    zoo = [one for one in published.figures() if one.chip == "RK3588" and one.mode == "single core"][:8]
    copied = [
        replace(one, chip="Foo-9", mode="", source="https://b.example/", line=9000 + at)
        for at, one in enumerate(zoo)
    ]
    (doubt,) = told([*zoo, *copied], FigureDoubtClass.EQUAL_TABLES)
    assert doubt.reason.startswith("8 of 8 figures of RK3588 and Foo-9 are equal")
    assert doubt.strength is Strength.STRONG


def test_of_two_figures_that_nothing_else_speaks_of_either_may_have_slipped():
    figures = [*clean(), *(figure(chip, "lonely", ms) for chip, ms in (("C1", 4.0), ("C2", 10_000.0)))]
    strong, weak = told(numbered(figures), FigureDoubtClass.UNIT_SLIP)
    # 10,000 ms is like nothing else on C2, 4 ms is among the figures of C1.
    assert (strong.chip, strong.strength) == ("C2", Strength.STRONG)
    assert (weak.chip, weak.strength) == ("C1", Strength.WEAK)
    assert weak.reason.endswith(", or its one neighbour was")


def both_publishers(extra_ms, factors):
    """Vision networks that both publish; the second takes so many times as long, and so much more."""
    zoo = "https://github.com/airockchip/rknn_model_zoo/blob/x/README.md"
    docs = "https://github.com/Qengineering/YoloV5-NPU"
    detectors = ("yolov5s", "yolov5m", "yolov8n", "yolov8m", "yolov6n", "yolov6s")[: len(factors)]
    made = []
    for at, (name, factor) in enumerate(zip(detectors, factors, strict=True)):
        ms = 10.0 + 3.7 * at
        made.append(figure("RK3588", name, ms, source=zoo, input="[1, 3, 640, 640]"))
        made.append(figure("RK3588", name, round(ms * factor + extra_ms, 4), source=docs, input="640"))
    return numbered(made)


def test_a_network_far_from_the_usual_ratio_of_two_publishers_is_told():
    (doubt,) = told(
        both_publishers(0, (1.3, 1.31, 1.29, 1.3, 4.0, 1.3)), FigureDoubtClass.FAR_FROM_PUBLISHERS
    )
    assert doubt.cases == ("yolov6n",)
    assert doubt.strength is Strength.STRONG
    assert "takes 0.25 of the time" in doubt.reason
    assert "usually 0.769 of it (6 networks)" in doubt.reason


def test_rows_that_do_not_share_a_tables_overhead_are_another_campaign():
    (doubt,) = told(both_publishers(5.0, (1, 1, 1, 1, 0.7, 1)), FigureDoubtClass.TWO_CAMPAIGNS)
    assert doubt.cases == ("yolov6n",)
    assert doubt.reason.startswith(
        "5 of 6 rows of Qengineering/YoloV5-NPU are those of airockchip/rknn_model_zoo and 5 ms"
    )


def test_versions_of_a_tool_are_read_and_told():
    assert versions_of("ax_run_model 2.1.2c, pulsar2 1.2-patch2") == {
        "ax_run_model": "2.1.2c",
        "pulsar2": "1.2-patch2",
    }
    assert versions_of("DFC v5.2.0.") == {"dfc": "5.2.0"}
    assert versions_of("bmrt_test") == {}
    figures = clean(tool="Pulsar2 3.2")
    figures[0] = replace(figures[0], tool="Pulsar2 1.2-patch2")
    (doubt,) = told(figures, FigureDoubtClass.TOOL_VERSIONS)
    assert doubt.reason == "its figures are of 2 versions of pulsar2: 3.2 (5), 1.2-patch2 (1)"
    assert doubt.places == ("made:0",)


def test_two_figures_of_one_name_are_told():
    pair = [
        figure("C1", "hand", 1.9, source="https://x.example/a/p"),
        figure("C1", "hand", 0.9, source="https://x.example/b/p"),
    ]
    (doubt,) = told(numbered(pair), FigureDoubtClass.ONE_CELL_TWICE)
    assert doubt.reason.startswith("two figures of one name, 2.11 times apart")
    assert doubt.evidence[-1] == "their pages: a and b"


def test_figures_of_language_models_are_held_against_their_own_metric():
    def language(slip):
        return numbered(
            figure(
                chip,
                f"llm-{size}b",
                round(1000 / size * factor * (slip if (chip, size) == ("C1", 3) else 1), 3),
                metric,
                unit,
            )
            for metric, unit in (("decode", "tokens/s"), ("ttft", "ms"))
            for chip, factor in CHIPS.items()
            for size in (1, 2, 3, 7)
        )

    assert figure_doubts(language(1)) == []
    assert {one.places for one in told(language(1000), FigureDoubtClass.UNIT_SLIP)} == {
        ("made:2",),
        ("made:14",),
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ResNet-50 v1.5", "resnet_v1_50"),
        ("ResNet: resnet50_int8_1b_2core", "resnet50"),
        ("yolov5s_relu", "YOLOv5s-Relu"),
    ],
)
def test_names_that_look_equal(one, other):
    assert loose_name(one) == loose_name(other)


@pytest.mark.parametrize(("one", "other"), [("mobilenet_v1", "mobilenet_v2"), ("yolov8s", "yolov8s-seg")])
def test_names_that_do_not(one, other):
    assert loose_name(one) != loose_name(other)


def shipped(kind, **wanted):
    return [
        one
        for one in SHIPPED
        if one.doubt_class is kind
        and all(text in " ".join(str(getattr(one, name)).split()) for name, text in wanted.items())
    ]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        # A table of one publisher that mixes two campaigns, and samples that were compiled at different dates.
        ("two_campaigns", {"publisher": "AXERA-TECH/axcl-docs", "cases": "YOLOv9s"}),
        ("compiled_apart", {"cases": "yolov5s_v6.1_3output_fp16_1b", "evidence": "yolov8s_fp16_1b", "chip": "BM1684X"}),
        # Names that look equal and are of different networks.
        ("unlike_networks", {"reason": "resnet50-v1-tfslim"}),
        ("unlike_networks", {"reason": "yolov5s-v2"}),
        ("unlike_networks", {"reason": "yolov6n-v1"}),
        ("unlike_networks", {"reason": "lprnet-hailo"}),
        ("one_cell_twice", {"cases": "HandLandmarkDetector"}),
        # Names that differ and are of one network, or of one with another head.
        ("same_figures", {"cases": "ESRGAN", "reason": "Real-ESRGAN-x4plus"}),
        ("one_network_apart", {"cases": "yolov6n_0.2.1_nms_core", "reason": "nms-core"}),
        ("one_network_apart", {"cases": "yolov8s_opt_int8_4b", "chip": "CV186X"}),
        ("one_network_apart", {"cases": "ppyolov3_fp16_1b", "reason": "one network"}),
        ("one_network_apart", {"cases": "deit_base", "evidence": "vit_base", "reason": "equal MACs"}),
        # Figures that cannot be, or that the rest of the table contradicts.
        ("rate_and_time", {"cases": "yolo26x", "reason": "41.0 fps"}),
        ("impossible_speed_up", {"cases": "yolo26s", "reason": "2.97 times as fast"}),
        ("slower_batch", {"cases": "yolov5n_seg", "chip": "Hailo-10H"}),
        ("equal_tables", {"chip": "WM9955", "reason": "AX650N"}),
        ("above_peak", {"cases": "centerpose_regnetx_800mf"}),
        ("far_from_neighbours", {"cases": "VIT", "reason": "no slip of one row"}),
        ("far_from_publishers", {"cases": "yolov5n-seg", "chip": "RK3566/RK3568"}),
        ("tool_versions", {"chip": "AX650N", "reason": "pulsar2"}),
    ],
)  # fmt: skip
def test_known_cases_of_the_shipped_table_are_named(kind, wanted):
    assert shipped(FigureDoubtClass(kind), **wanted)


def test_few_shipped_figures_are_strongly_doubted():
    strong = {place for one in SHIPPED if one.strength is Strength.STRONG for place in one.places}
    assert 0 < len(strong) < 0.01 * len(published.figures())
    assert all(one.next_step and one.evidence and one.places for one in SHIPPED)


@pytest.mark.parametrize("corruption", atlas_recall.CORRUPTIONS, ids=lambda one: one.name)
def test_the_recall_corrupts_what_it_says(corruption):
    figures, clean_figures = atlas_recall.clean_table(), atlas_recall.clean_table()
    wrong = corruption.corrupt(figures, random.Random(7))
    different = {one.place for one, other in zip(figures, clean_figures, strict=True) if one != other}
    assert different <= wrong
    assert different
