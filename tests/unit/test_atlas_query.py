import pytest

from npubench import published
from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.domain.text import columns_of
from npubench.published.query import Query, matching, names_of, names_of_row
from npubench.reporting.data import atlas
from tests.unit.test_atlas_doubts import figure

FIGURES = published.figures()
NAMED = [names_of(one) for one in FIGURES]


def found(**words):
    return [FIGURES[at] for at in matching(Query(**{key: (value,) for key, value in words.items()}), NAMED)]


@pytest.mark.parametrize("name", ["RK3588", "rk3588", "RK-3588", "Rockchip RK3588"])
def test_a_chip_is_found_by_any_of_its_spellings(name):
    assert {one.chip for one in found(chip=name)} == {"RK3588"}
    assert len(found(chip=name)) == 129


def test_a_name_of_two_chips_speaks_for_both_and_three_together_for_none():
    assert {one.chip for one in found(chip="RK3568")} == {"RK3566/RK3568"}
    assert {one.chip for one in found(chip="BM1684X")} == {"BM1684X"}


def test_a_model_is_found_by_its_publishers_name_a_glob_and_the_networks():
    assert {one.model for one in found(model="yolov8_det: YOLOV8s_int8_?b")} == {
        "YOLOv8_det: yolov8s_int8_1b",
        "YOLOv8_det: yolov8s_int8_4b",
    }
    named = {one.model for one in found(model="yolov8s")}
    assert {"yolov8s", "YOLOv8s", "YOLOv8_det: yolov8s_int8_1b"} <= named
    assert "YOLOv8_seg: yolov8s_int8_1b" not in named
    assert {one.model.casefold() for one in found(case="yolov8s")} == {"yolov8s"}


def test_a_mode_is_found_by_a_part_of_it():
    assert {one.mode for one in found(mode="batch 4")} == {"batch 4", "2 cores, batch 4"}
    assert {one.mode for one in found(mode="*qnn_dlc", chip="qcs8550")} == {"QCS8550 (Proxy), qnn_dlc"}


@pytest.mark.parametrize("word", ["airockchip/rknn_model_zoo", "AIROCKCHIP/*zoo"])
def test_a_source_is_found_by_its_publisher(word):
    assert len(found(source=word)) == 242


def test_a_source_is_found_by_owner_table_and_address():
    assert len(found(source="airockchip")) == 242 + 261
    assert len(found(source="edge-npu")) == len(FIGURES)
    assert len(found(source="https://coral.ai/docs/edgetpu/benchmarks")) == 30


def test_families_share_no_figure():
    by_family = {name: found(family=name) for name in ("vision", "language", "other")}
    assert sum(map(len, by_family.values())) == len(FIGURES)
    assert {one.metric for one in by_family["vision"]} == {"latency", "throughput", "calculate time"}
    assert {"decode", "ttft", "memory", "prefill"} <= {one.metric for one in by_family["language"]}
    assert {"rtf", "cmm memory"} <= {one.metric for one in by_family["other"]}
    # Times of sound and of text are none of pictures.
    times = {name: {one.model for one in of if one.metric == "latency"} for name, of in by_family.items()}
    assert "YamNet" in times["other"]
    assert not times["other"] & times["vision"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"chip": "RK3589"}, "no published figure of chip 'RK3589' (did you mean 'RK3588'"),
        ({"model": "yolov8z"}, "did you mean 'yolov8"),
        ({"precision": "int9"}, "did you mean 'int8'"),
        ({"source": "hailo"}, "name an address, a publisher"),
        ({"chip": "\x1b[31m"}, r"of chip '\x1b[31m'"),
        (
            {"chip": "hailo-8l", "model": "resnet50"},
            "(did you mean 'resnet_v1_50', which is network 'resnet50-v1-tfslim'?)",
        ),
        ({"chip": "hailo-8l", "precision": "fp32"}, "without the precision there are 270 (int8)"),
    ],
)  # fmt: skip
def test_what_names_nothing_is_told_with_what_is_near(words, told):
    with pytest.raises(UsageError) as error:
        found(**words)
    assert told in str(error.value)


def test_rows_of_the_ax620a_are_found_by_the_same_words():
    rows = published.results()
    named = [names_of_row(row) for row in rows]
    (at,) = matching(
        Query(chip=("ax620a",), model=("resnet18_8xb32_in1k",), source=("ax620a-models",)), named
    )
    assert rows[at].board == "published-ax620a"


def test_text_has_a_table_for_each_family_and_each_figure_its_kind():
    decode = figure("C1", "llama-7b", 12.0, "decode", "tokens/s", kind=Kind.SIMULATED)
    text = atlas.to_text([figure("C1", "net", 2.0), decode], 200)
    vision, language, total = text.split("\n\n")
    assert "2 ms  published, measured" in vision
    assert "12 tokens/s  published, simulated" in language
    assert "tokens" not in vision
    assert total.startswith("2 figures of 1 chip by 1 publisher")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_untrusted_cells_are_escaped_and_cut(width):
    hostile = figure("C\x1b[2J1", "net\n\u202eevil" + "x" * 300, 2.0, source="https://a.example/\x07")
    text = atlas.to_text([hostile], width)
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert all(columns_of(line) <= width for line in text.splitlines())
    assert "2 ms" in text
    (line,) = atlas.json_lines([hostile])
    assert line.isascii()
    lines = atlas.to_csv([], [figure("C1", "=cmd()", 2.0)]).splitlines()
    assert ",'=cmd()," in lines[1]


def test_csv_has_the_columns_of_rows_and_those_of_figures():
    header, line = atlas.to_csv([], [figure("C1", "net", 2.0)]).splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=True))
    wanted = {"kind": "published", "origin": "measured", "chip": "C1", "case": "net", "metric": "latency"}
    assert row.items() >= {**wanted, "value": "2.0", "unit": "ms", "publisher": "own/er"}.items()
    assert row["latency_us.mean"] == ""
