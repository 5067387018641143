import csv
from pathlib import Path

import pytest

from npubench.catalog import load
from npubench.catalog.load import load_folders
from npubench.domain.specs import NodeSpec, TensorSpec, WeightSpec

PUBLISHED = Path(__file__).parents[1] / "data" / "ax620a_operators.csv"

SWEEP = """
[[sweep]]
name = "pool_{kind}_{k}_{c}"
op = "{kind}Pool"
opset = 12
seed = 7
grid = { k = [2, 4], kind = ["Max", "Average"] }
cases = [{ c = 8, scale = 0.5 }, { c = 16, scale = 2 }]
inputs = [{ name = "input", shape = [1, "c", "k * 8", 32], dtype = "float32" }]
weights = [
    { name = "scale", shape = ["c", 1, 1] },
    { name = "target", shape = [2], dtype = "int64", values = [1, "c * k"] },
    { name = "ones", shape = [3], fill = 1.0 },
]
outputs = ["output"]
[[sweep.nodes]]
op = "{kind}Pool"
inputs = ["input"]
outputs = ["pooled"]
[sweep.nodes.attributes]
kernel_shape = ["k", "k"]
pads = ["k // 2 - 1", 0, 0, 0]
auto_pad = "'NOTSET'"
alpha = "scale"
kind = "kind"
beta = 1.5
[[sweep.nodes]]
op = "Mul"
inputs = ["pooled", "scale"]
outputs = ["output"]
"""


def sweep_problems(tmp_path, text):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "a.toml").write_text(text)
    return [problem.removeprefix(f"{tmp_path}/ops/a.toml:") for problem in load_folders([tmp_path]).problems]


def test_grid_times_cases(tmp_path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "a.toml").write_text(SWEEP)
    catalog = load_folders([tmp_path])
    assert catalog.problems == ()
    assert len(catalog.operators) == 8
    spec = catalog.operators["pool_Average_4_16"]
    assert (spec.op, spec.opset, spec.seed) == ("AveragePool", 12, 7)
    assert spec.inputs == (TensorSpec("input", (1, 16, 32, 32)),)
    assert spec.weights == (
        WeightSpec(TensorSpec("scale", (16, 1, 1))),
        WeightSpec(TensorSpec("target", (2,), "int64"), (1, 64)),
        WeightSpec(TensorSpec("ones", (3,)), (1.0, 1.0, 1.0)),
    )
    attributes = {
        "kernel_shape": (4, 4),
        "pads": (1, 0, 0, 0),
        "auto_pad": "NOTSET",
        "alpha": 2,
        "kind": "Average",
        "beta": 1.5,
    }
    assert spec.nodes == (
        NodeSpec("AveragePool", ("input",), ("pooled",), attributes),
        NodeSpec("Mul", ("pooled", "scale"), ("output",)),
    )
    assert spec.outputs == ("output",)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            '"k * 8"',
            '"k * 8 - 16"',
            "9: key 'sweep[0].inputs[0].shape': 'k * 8 - 16' is 0: a dimension is at least 1",
        ),
        ('"k * 8"', '"8 // (k - 2)"', "9: key 'sweep[0].inputs[0].shape': '8 // (k - 2)' divides by zero"),
        (
            '"k * 8"',
            '"n"',
            "9: key 'sweep[0].inputs[0].shape': unknown variable 'n': the grid has c, scale, k, kind",
        ),
        ('"k * 8"', '"kind"', "9: key 'sweep[0].inputs[0].shape': 'kind' is text, a whole number is wanted"),
        (
            '"k * 8"',
            "4294967296",
            "9: key 'sweep[0].inputs[0].shape': 1099511627776 elements: a tensor has at most",
        ),
        ('"k * 8"', "1.5", "9: key 'sweep[0].inputs[0].shape[2]': must be a whole number or an expression"),
        ('"float32"', '"float33"', "9: key 'sweep[0].inputs[0].dtype': must be 'bool', 'float16', 'float32'"),
        ("k = [2, 4]", "k = []", "7: key 'sweep[0].grid.k': is empty"),
        (
            "k = [2, 4]",
            "k = [true]",
            "7: key 'sweep[0].grid.k[0]': must be a number or a text (ONNX writes true as 1), not True",
        ),
        (
            "k = [2, 4]",
            "k = [[2]]",
            "7: key 'sweep[0].grid.k[0]': must be a number or a text (ONNX writes true as 1), not [2]",
        ),
        ("k = [2, 4]", '"k l" = [2]', "7: key 'sweep[0].grid.k l': 'k l' is not a variable"),
        (
            "k = [2, 4]",
            f"k = {list(range(1, 6000))}",
            "7: key 'sweep[0].grid': gives 23996 cases: 20000 are the limit",
        ),
        ("k = [2, 4]", "k = [2, 2]", "3: key 'sweep[0].name': two cases get the name 'pool_Max_2_8'"),
        ("k = [2, 4]", "k = [2, 4], c = [1]", "7: key 'sweep[0].grid.c': is given by 'cases', too"),
        (", scale = 2 }", " }", "8: key 'sweep[0].cases[1]': has other variables than the first case"),
        ("pool_{kind}", "pool/{kind}", "3: key 'sweep[0].name': 'pool/Max_2_8' is not a name"),
        ("pool_{kind}", "pool_{typo}", "3: key 'sweep[0].name': unknown variable 'typo'"),
        ("pool_{kind}", "x" * 150 + "{kind}", "3: key 'sweep[0].name': a name of "),
        ('"c * k"', '"c * k", 3', "12: key 'sweep[0].weights[1].values': are 3 numbers, the shape holds 2"),
        (
            "values = [1, ",
            "values = [1.5, ",
            "12: key 'sweep[0].weights[1].values': 1.5 is not a whole number",
        ),
        (
            "values = [1, ",
            "values = [9223372036854775808, ",
            "12: key 'sweep[0].weights[1].values': 9223372036854775808 does not fit",
        ),
        (
            ', values = [1, "c * k"]',
            "",
            "12: key 'sweep[0].weights[1].values': are missing: seeded weights are",
        ),
        (
            "fill = 1.0",
            "fill = 1.0, values = [1, 2, 3]",
            "13: key 'sweep[0].weights[2].values': are given besides",
        ),
        (
            "shape = [3], fill",
            "shape = [70000], fill",
            "13: key 'sweep[0].weights[2].fill': fills 70000 elements",
        ),
        ("fill = 1.0", "fill = 1e39", "13: key 'sweep[0].weights[2].fill': 1e+39 does not fit float32"),
        (
            "fill = 1.0",
            "fill = nan",
            "13: key 'sweep[0].weights[2].fill': must be a finite number, not nan",
        ),
        (
            "\"'NOTSET'\"",
            '"NOTSET"',
            "23: key 'sweep[0].nodes[0].attributes.auto_pad': unknown variable 'NOTSET'",
        ),
        (
            "beta = 1.5",
            "beta = true",
            "26: key 'sweep[0].nodes[0].attributes.beta': must be a number, a text or an array of them",
        ),
        (
            "beta = 1.5",
            "beta = 1979-05-27",
            "26: key 'sweep[0].nodes[0].attributes.beta': must be a number, a text or",
        ),
        (
            '["pooled", "scale"]',
            '["polled", "scale"]',
            "29: key 'sweep[0].nodes[1].inputs[0]': no tensor 'polled'",
        ),
        (
            'outputs = ["pooled"]',
            'outputs = ["ones"]',
            "19: key 'sweep[0].nodes[0].outputs[0]': 'ones' is the name",
        ),
        (
            'outputs = ["output"]\n[[',
            'outputs = ["out"]\n[[',
            "15: key 'sweep[0].outputs[0]': no tensor 'out' comes",
        ),
        (
            '"scale", shape',
            '"input", shape',
            "11: key 'sweep[0].weights[0].name': 'input' is the name of another",
        ),
        ("opset = 12", "opset = 0", "5: key 'sweep[0].opset': must be at least 1, not 0"),
        ("opset = 12", "opset = 12.0", "5: key 'sweep[0].opset': must be a whole number, not 12.0"),
        ("seed = 7", "sede = 7", "6: key 'sweep[0].sede': unknown key (did you mean 'seed'?)"),
    ],
)
def test_an_impossible_sweep_names_line_and_key(tmp_path, old, new, problem):
    assert SWEEP.count(old) >= 1
    found = sweep_problems(tmp_path, SWEEP.replace(old, new, 1))
    assert found[0].startswith(problem)
    assert load_folders([tmp_path]).operators == {}


def test_one_message_a_place_however_many_cases(tmp_path):
    found = sweep_problems(
        tmp_path, SWEEP.replace('"c", 1, 1]', '"c - 99", 1, 1]').replace('"k * 8"', '"k - 99"')
    )
    assert [text.partition(":")[0] for text in found] == ["9", "11"]
    assert all("in the case c=8, scale=0.5, k=2, kind=Max" in text for text in found)


def test_the_published_table_is_a_suite():
    with PUBLISHED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [row["name"] for row in rows]
    expected = {}
    for row in rows:
        name = row["name"] if names.count(row["name"]) == 1 else f"{row['name']}_{row['in_shape']}"
        expected[name] = row
    assert len(rows) == len(expected) == 167
    catalog = load([])
    assert set(catalog.suites["ax620a-operators"].cases) == set(expected)
    for name, row in expected.items():
        spec = catalog.operators[name]
        assert (spec.op, spec.opset) == (row["op"], 13)
        assert {"x".join(map(str, tensor.shape)) for tensor in spec.inputs} == {row["in_shape"]}
        assert len(spec.inputs) == (2 if row["op"] in {"Add", "Concat"} else 1)
        if row["k"]:
            k, s, p, d, g = (int(row[key]) for key in "kspdg")
            assert spec.nodes[0].attributes == {
                "kernel_shape": (k, k),
                "strides": (s, s),
                "pads": (p, p, p, p),
                "dilations": (d, d),
                "group": g,
            }
            shapes = [weight.tensor.shape for weight in spec.weights]
            assert shapes == [(int(row["oc"]), int(row["ic"]) // g, k, k), (int(row["oc"]),)]
