from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.catalog.find import Catalog, Suite, find_cases
from npubench.domain.specs import FileSpec, ModelSpec, OperatorSpec


def operator(name: str) -> OperatorSpec:
    return OperatorSpec(name, "Relu", 13, (), (), (), ())


def model(name: str) -> ModelSpec:
    return ModelSpec(name, "mmpretrain", name, "classification", (), None, 13)


OPERATORS = ("conv3s1p0d1ic3oc1g1", "conv3s1p0d1ic3oc1g1.argmin", "add_1x3x112x112")
MODELS = ("resnet18_8xb32_in1k", "resnet50_8xb32_in1k")
CATALOG = Catalog(
    operators={name: operator(name) for name in OPERATORS},
    models={name: model(name) for name in MODELS},
    aliases={"resnet18": MODELS[0]},
    suites={
        "default": Suite("default", "t", (MODELS[1], OPERATORS[2])),
        "all": Suite("all", "t", MODELS + OPERATORS),
    },
)


def names(*patterns: str, suites: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(case.name for case in find_cases(CATALOG, patterns, suites).cases)


def test_names_aliases_and_globs_in_order_and_once():
    assert names("resnet18") == (MODELS[0],)
    assert names("add_1x3x112x112", "resnet18", "resnet18_8xb32_in1k", "resnet*") == (OPERATORS[2], *MODELS)
    assert names("conv[0-9]*") == OPERATORS[:2]
    assert names("*.argmin") == OPERATORS[1:2]


def test_suites_come_after_and_the_default_one_alone():
    assert names() == (MODELS[1], OPERATORS[2])
    assert names("resnet18", suites=("default",)) == (MODELS[0], MODELS[1], OPERATORS[2])
    assert names(suites=("default", "all")) == (MODELS[1], OPERATORS[2], MODELS[0], *OPERATORS[:2])


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("resnt18", "no operator or model is called 'resnt18' (did you mean 'resnet18'?)"),
        ("ResNet18", "(did you mean 'resnet18'?)"),
        ("RESNET*", "no operator or model matches 'RESNET*'"),
        ("resnet81*", "no operator or model matches 'resnet81*' (did you mean 'resnet18'?)"),
        ("..", "'..' is not a file, name the .onnx file itself"),
        ("zzz", "no operator or model is called 'zzz': see"),
        ("missing.onnx", "'missing.onnx': no such file or directory: check the path"),
        ("no/such.onnx", "no such file or directory"),
        ("no/such", "no operator or model is called 'no/such'"),
        ("../../no-such-folder", "no operator or model is called"),
        ("", "no operator or model is called ''"),
        ("a b;\"'<script>`$(x)`", "no operator or model is called"),
        ("a\0b.onnx", "no path has such characters"),
        ("x" * 100_000, "no operator or model is called"),
        ("x" * 100_000 + ".onnx", "file name too long"),
        ("[" * 500, "no operator or model matches"),
        ("[z-a]", "no operator or model matches"),
    ],
)
def test_what_cannot_be_found_is_no_case_and_a_line_that_says_so(pattern, says):
    found = find_cases(CATALOG, [pattern], [])
    (line,) = found.missing
    assert found.cases == ()
    assert says in line
    assert len(line) < 1000


def test_a_mistyped_file_is_told_with_what_lies_beside_it(tmp_path):
    (tmp_path / "detector.onnx").write_bytes(b"x")
    (tmp_path / "detector.txt").write_bytes(b"x")
    (line,) = find_cases(CATALOG, [str(tmp_path / "detecter.onnx")], []).missing
    assert "did you mean 'detector.onnx'?" in line
    (line,) = find_cases(CATALOG, ["no/resnet18.onnx"], []).missing
    assert "(the model 'resnet18' is named without .onnx)" in line


def test_a_file_without_its_ending_is_told_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("resnet.onnx").write_bytes(b"x")
    for word in ("resnet", "resnet.onxx"):
        (line,) = find_cases(CATALOG, [word], []).missing
        assert f"{word!r} (did you mean 'resnet.onnx'" in line


def test_the_others_are_found_all_the_same():
    found = find_cases(CATALOG, ["nope", "resnet18", "nope"], ["defualt"])
    assert [type(case).__name__ for case in found.cases] == ["ModelSpec"]
    nope, suite = found.missing
    assert "'nope'" in nope
    assert (
        suite == "no suite is called 'defualt' (did you mean 'default'?): there are all, default, onnx-node"
    )


def test_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net.onnx", "a/net.onnx", "b/other.onnx", "b/plain", "resnet18.onnx", "we ird;<b>.onnx"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"x")
    shapes = (("x", (1, 3)),)
    found = find_cases(CATALOG, ["b/other.onnx", "b/plain", "we ird;<b>.onnx"], [], shapes, "classification")
    assert found.cases == (
        FileSpec("other", Path("b/other.onnx"), shapes, "classification"),
        FileSpec("plain", Path("b/plain"), shapes, "classification"),
        FileSpec("we ird;<b>", Path("we ird;<b>.onnx"), shapes, "classification"),
    )
    assert names("net.onnx", "b/other.onnx", "a/net.onnx") == ("net.onnx", "other", "a/net.onnx")
    assert names("a/net.onnx") == ("net",)
    assert names("net.onnx", "./net.onnx", str(tmp_path / "net.onnx"), "a/../net.onnx") == ("net",)
    assert names("resnet18.onnx", "resnet18") == ("resnet18.onnx", MODELS[0])


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "zoo.onnx").mkdir()
    (line,) = find_cases(CATALOG, [str(tmp_path / "zoo.onnx")], []).missing
    assert "is not a file, name the .onnx file itself" in line


@given(st.lists(st.text(max_size=20) | st.sampled_from([*OPERATORS, "resnet18", "*", "conv*"]), max_size=4))
def test_any_words_give_cases_or_lines(words):
    found = find_cases(CATALOG, words, [])
    assert found.cases or found.missing
    assert len({case.name for case in found.cases}) == len(found.cases)
    assert all(isinstance(case, (ModelSpec, OperatorSpec)) for case in found.cases)
