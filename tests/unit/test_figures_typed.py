"""Typed figures: each field has a writer and a reader, and nobody reads a string key of the details."""

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from npubench.domain import figures as typed_figures
from npubench.domain.figures import Figures, Kind, NpuPart, npu_part, part_of_npu
from npubench.storage.details import details_of, typed

PACKAGE = Path(__file__).parents[2] / "npubench"
WRITERS = ("backends", "benchmarks", "published", "measure", "graph", "engine", "tools")
READERS = ("reporting", "cli", "engine", "measure", "published")
BY_PRINTING = {"Kernels", "ProcessorRow", "Bounds"}
"""Records that are printed, or made of a tool's answer, whole: their fields are named in no code."""


def trees(*rooms):
    return [ast.parse(file.read_text()) for room in rooms for file in sorted((PACKAGE / room).rglob("*.py"))]


def written(found):
    """Names that calls give by keyword, and keys of tables that are spread into such calls."""
    for tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg:
                yield node.arg
            elif isinstance(node, ast.Dict):
                yield from (key.value for key in node.keys if isinstance(key, ast.Constant))
            elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                yield from [node.slice.value] if isinstance(node.ctx, ast.Store) else ()


def read(found):
    """Attributes, and names that are looked up among attributes."""
    for tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_field_of_figures_is_written_by_who_measures_and_read_by_who_shows():
    names = {one.name for one in fields(Figures)} - {"kind"}
    assert names - set(written(trees(*WRITERS))) == set()
    assert names - set(read(trees(*READERS))) == set()


def test_fields_of_the_records_in_it_are_written():
    records = [one for one in vars(typed_figures).values() if isinstance(one, type) and is_dataclass(one)]
    makers = set(written(trees(*WRITERS)))
    by_place = {"Sampling", "NpuPart"}
    for record in records:
        if record.__name__ not in BY_PRINTING | by_place and record.__module__ == typed_figures.__name__:
            assert {one.name for one in fields(record)} - makers - {"kind"} <= {"rows"}


@pytest.mark.parametrize("room", ["reporting", "measure", "published", "engine", "cli", "catalog"])
def test_nobody_reads_a_string_key_of_the_details(room):
    for file in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            asked = ()
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                asked = (node.value,)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                asked = (node.func.value,) if node.func.attr in {"get", "pop", "setdefault"} else ()
            elif isinstance(node, ast.Compare):
                asked = node.comparators
            assert not any(isinstance(one, ast.Attribute) and one.attr == "details" for one in asked), (
                f"{file}:{node.lineno}"
            )


def test_every_field_of_a_record_has_its_line():
    for module in ("figures", "records"):
        lines = (PACKAGE / "domain" / f"{module}.py").read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.AnnAssign) and node.col_offset == 4:
                beside, above = lines[node.lineno - 1], lines[node.lineno - 2]
                assert "  # " in beside or above.startswith("    # "), f"{module}:{node.lineno}"


OLD = {
    "npu_mode": "111",
    "neu_us": 5378.0,
    "perf_count_total": 12,
    "statistic": "mean of means",
    "call_means_us": [1.0, 2.0],
    "throughput_by_the_tool": 9.5,
    "output_resolution": {"steps": [0.5], "greatest": 2.0, "cosine": 0.9},
    "inputs": [{"name": "x", "shape": [1, 3]}],
    "tools_commit": "abc",
}


def test_details_of_earlier_rows_become_fields_and_are_printed_where_they_were():
    found = typed(Figures(Kind.MEASURED, details=OLD))
    assert found.npu == NpuPart("111", 1, halved=True)
    assert found.bounds == part_of_npu("111")
    assert (found.npu_time_us, found.npu_counter, found.statistic) == (5378.0, 12, "mean of means")
    assert (found.call_means_us, found.tool_throughput_fps) == ((1.0, 2.0), 9.5)
    assert [tensor.shape for tensor in found.told_inputs] == [(1, 3)]
    assert set(found.details) == {"inputs", "tools_commit"}
    assert details_of(found) == {
        **OLD,
        "call_means_us": (1.0, 2.0),
        "output_resolution": {"steps": (0.5,), "greatest": 2.0, "cosine": 0.9},
    }
    assert typed(found) == found


@pytest.mark.parametrize("hostile", ["text", None, {"deep": 1}, [1, "x"], True, float("nan")])
def test_what_others_wrote_there_stays_and_breaks_nothing(hostile):
    told = dict.fromkeys(
        ("npu_mode", "neu_us", "call_means_us", "rows", "operation", "inputs", "layers", "core_mask"), hostile
    )
    found = typed(Figures(Kind.MEASURED, details=told))
    assert set(told) <= set(details_of(found)) | {"operation", "rows"}


@pytest.mark.parametrize(
    ("details", "cores"),
    [({"core_mask": 7}, 3), ({"core_mask": "0_1"}, 2), ({"core_mask": 0}, None), ({"threads": 4}, 4)],
)
def test_cores_of_earlier_rows(details, cores):
    found = typed(Figures(Kind.MEASURED, details=details))
    assert (found.npu.cores if found.npu else None) == cores
    assert details_of(found) == details


@pytest.mark.parametrize(
    ("mode", "family", "share"),
    [("111", "", 0.5), ("NPU1", "AX650", 1 / 3), ("NPU2", "AX620E", None), ("0", "", None)],
)
def test_a_part_of_an_npu_is_an_upper_bound_of_the_whole(mode, family, share):
    bounds = part_of_npu(mode, family)
    assert (bounds.share if bounds else None) == share
    assert npu_part(mode).mode == mode
