"""Where the parts of a .joint run, by run_joint and by `pulsar info --part_info`."""

from dataclasses import replace
from pathlib import Path

import pytest

from npubench.backends.axera import pulsar_figures
from npubench.backends.axera.pulsar import PulsarBackend
from npubench.backends.axera.run_joint import parse_run_joint, placement, ran_on, read_parts
from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Shares
from npubench.domain.specs import Precision
from tests.fakes import model

DATA = Path(__file__).parents[1] / "data" / "axera"
NEU_ALONE = parse_run_joint((DATA / "run_joint.txt").read_text())
MIXED = parse_run_joint((DATA / "run_joint_whole_npu.txt").read_text())
INFO = (DATA / "pulsar_info.txt").read_text()
TABLES = {
    "files": "Parts:\n  part_0.neu  57200 B\n  part_1.axe  120 B\n",
    "cells": "| PART   | TYPE |\n|--------|------|\n| part_0 | NEU  |\n| part_1 | AXE  |\n",
    "numbers": "PART  KIND\n----  ----\n0     neu\n1     onnx\n",
}


@pytest.mark.parametrize("table", TABLES)
def test_parts_are_read_from_any_table_that_has_their_number_and_kind(table):
    parts = read_parts(INFO + TABLES[table])
    assert [(part.number, part.kind) for part in parts] == [
        (0, "NEU"),
        (1, "AXE" if table != "numbers" else "ONNX"),
    ]


def test_info_without_parts_and_parts_of_two_kinds_tell_nothing():
    assert read_parts(INFO) == ()
    assert read_parts("part_0 NEU\npart_0 AXE\n") == ()
    assert read_parts("part_0 NEU\npart_1 AX") == read_parts("part_0 NEU\n")


def test_one_kind_alone_ran_every_operator():
    assert ran_on([NEU_ALONE, NEU_ALONE]) == {"NEU": "NPU"}
    assert placement(["Conv", "Relu"], {"NEU": "NPU"}) == {"Conv": "NPU", "Relu": "NPU"}
    assert placement(["Conv"], {"ONNX": "CPU", "AXE": "CPU"}) == {"Conv": "CPU"}


def test_two_kinds_are_told_apart_only_by_rows_that_name_operators():
    kinds = ran_on([MIXED])
    assert kinds == {"NEU": "NPU", "ONNX": "CPU", "AXE": "CPU"}
    assert placement(["Conv", "Softmax"], kinds) == {}
    assert placement(["Softmax"], kinds) == {"Softmax": "CPU"}
    assert placement(["Conv"], kinds, read_parts("part_0 NEU Conv\npart_1 AXE Transpose\n")) == {
        "Conv": "NPU"
    }
    parts = read_parts("part_0 NEU Conv, Relu\npart_1 AXE Softmax, Relu\n")
    assert placement(["Conv", "Relu", "Softmax"], kinds, parts) == {
        "Conv": "NPU",
        "Relu": "CPU",
        "Softmax": "CPU",
    }


def test_a_list_that_may_lack_parts_places_nothing():
    cut = parse_run_joint((DATA / "run_joint_whole_npu.txt").read_text().partition("    Run ONNX")[0])
    assert cut.parts.keys() == {"NEU"}
    assert ran_on([cut]) == ran_on([MIXED, NEU_ALONE]) == ran_on([replace(MIXED, parts={})]) == {}
    assert placement(["Conv"], {}) == {}


def test_figures_carry_the_placement(tmp_path):
    (tmp_path / "m.joint").write_bytes(b"joint")
    info = tmp_path / pulsar_figures.INFO_LOG
    info.write_text(INFO + TABLES["cells"])
    onnx = replace(model(tmp_path / "m.joint"), operators={"Conv": 3, "Softmax": 1})
    artifact = Artifact(tmp_path / "m.joint", "ab", 5, "pulsar", {}, Precision.INT8, onnx, {}, (info,))
    assert pulsar_figures.measured([NEU_ALONE], "111", artifact).placement == {
        "Conv": "NPU",
        "Softmax": "NPU",
    }
    assert pulsar_figures.measured([NEU_ALONE], "111", artifact).computed.operators == Shares(npu=1.0)
    mixed = pulsar_figures.measured([MIXED], "111", artifact)
    assert (mixed.placement, mixed.computed) == ({}, None)
    assert mixed.details["parts_ran_on"] == {"AXE": "CPU", "NEU": "NPU", "ONNX": "CPU"}
    assert pulsar_figures.measured([NEU_ALONE], "111", None).placement == {}
    assert [part.kind for part in pulsar_figures.parts_of(artifact)] == ["NEU", "AXE"]


@pytest.mark.parametrize(
    ("npu_mode", "mode"), [("111", "1_1"), ("112", "1_1"), ("0", "disable"), ("0", None), ("111", None)]
)
def test_the_runners_mode_is_the_models(npu_mode, mode):
    given = {"npu_mode": npu_mode, "run_joint_mode": mode}
    assert PulsarBackend().settings(given, "AX620A").run_joint_mode == mode


@pytest.mark.parametrize(
    ("npu_mode", "mode", "words"),
    [
        ("0", "1_1", 'set run_joint_mode = "disable"'),
        ("111", "disable", 'set run_joint_mode = "1_1"'),
        ("111", "2_2", "one of 1_1, disable"),
        ("111", "", "a text"),
        ("111", 1, "a text"),
    ],
)
def test_a_mode_that_runs_no_such_model_is_refused(npu_mode, mode, words):
    with pytest.raises(UsageError, match="run_joint_mode") as refused:
        PulsarBackend().settings({"npu_mode": npu_mode, "run_joint_mode": mode}, "AX620A")
    assert words in str(refused.value)
