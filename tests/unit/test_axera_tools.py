"""Version, info, score table and build log of the compilers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.pulsar2_log import parse_build_log
from npubench.backends.axera.pulsar_figures import accuracy, parse_info, parse_scores
from npubench.backends.axera.toolchain import parse_version
from npubench.domain.records import Failure, Kind, OutputAccuracy

DATA = Path(__file__).parents[1] / "data" / "axera"
SCORES = (DATA / "pulsar_run.txt").read_text()
BUILD = (DATA / "pulsar2_build.log").read_text()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.5.34.2\n7ca3b9d5\n", {"version": "0.5.34.2", "commit": "7ca3b9d5"}),
        ("\x1b[32m0.6.1.14\x1b[0m\ndfdce086b\n", {"version": "0.6.1.14", "commit": "dfdce086b"}),
        ("version: 3.3\ncommit: 3cdead5e\n", {"version": "3.3", "commit": "3cdead5e"}),
        ("Usage: pulsar [-h]\n", {}),
        ("", {}),
    ],
)
def test_version(text, version):
    assert parse_version(text) == version


def test_info():
    info = parse_info((DATA / "pulsar_info.txt").read_text())
    assert info == {
        "npu_mode": "111",
        "memory_bytes": round(13.84 * 2**20),
        "toolchain": "dfdce086b",
    }
    assert parse_info("nothing of it\n") == {}
    twice = "Virtual NPU: AX620_VNPU_111\nVirtual NPU: AX620_VNPU_112\n"
    assert isinstance(parse_info(twice), Failure)


def test_scores_of_all_outputs_and_the_worst_counts():
    scores = parse_scores(SCORES)
    assert scores == {
        "resnetv15_dense0_fwd": OutputAccuracy(cosine=0.9989, relative_error=0.047),
        "head/boxes": OutputAccuracy(cosine=0.9712, relative_error=0.1205),
    }
    worst = accuracy(scores, ["resnetv15_dense0_fwd", "head/boxes"])
    assert (worst.cosine, worst.relative_error, worst.outputs) == (0.9712, 0.1205, scores)


def test_no_accuracy_when_an_output_has_no_score():
    assert accuracy(parse_scores(SCORES), ["a", "b", "c"]) is None
    assert accuracy({}, ["a"]) is None
    assert parse_scores("no table\n") == {}


@pytest.mark.parametrize(
    "new", ["cosine-sim: 0.99", "cosine-sim: 1.9989", "cosine-sim: nan", "cosine-sim: 0.9\n989"]
)
def test_a_damaged_score_is_a_failure(new):
    assert isinstance(parse_scores(SCORES.replace("cosine-sim: 0.9989", new)), Failure)


@given(st.integers(0, len(SCORES)))
def test_scores_of_any_cut_are_right(end):
    scores = parse_scores(SCORES[:end])
    if not isinstance(scores, Failure):
        assert scores.items() <= parse_scores(SCORES).items()


def test_build_log():
    figures = parse_build_log(BUILD)
    assert figures.kind is Kind.SIMULATED
    assert figures.tool_macs == 280_262_480
    assert figures.details == {"max_cycle": 782_940, "mcode_bytes": 168 * 1024, "subgraphs": 1}
    assert figures.latency_us is None


def test_subgraphs_add_up():
    two = BUILD.replace("fuse 1 subgraph", "fuse 2 subgraph") + BUILD.replace(
        "fuse 1 subgraph(s)\n", ""
    ).replace("Total mcode size: 168 KiB\n", "").replace("782,940", "17,060").replace(
        "280,262,480", "737,520"
    )
    figures = parse_build_log(two)
    assert figures.details["max_cycle"] == 800_000
    assert figures.tool_macs == 281_000_000


@pytest.mark.parametrize(
    ("old", "new"),
    [("782,940", "782,9"), ("782,940", "78x,940"), ("280,262,480", "280,262\n,480"), ("fuse 1", "fuse ?")],
)
def test_a_damaged_build_log_is_a_failure(old, new):
    assert isinstance(parse_build_log(BUILD.replace(old, new)), Failure)


def test_a_missing_subgraph_leaves_the_total_unknown():
    figures = parse_build_log(BUILD.replace("fuse 1 subgraph", "fuse 2 subgraph"))
    assert figures.tool_macs is None
    assert figures.details["max_cycle"] is None


@given(st.integers(0, len(BUILD)))
def test_the_build_log_cut_anywhere_is_right(end):
    figures = parse_build_log(BUILD[:end])
    if not isinstance(figures, Failure):
        assert figures.tool_macs in (None, 280_262_480)
        assert figures.details["max_cycle"] in (None, 782_940)
