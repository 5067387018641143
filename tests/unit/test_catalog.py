import os
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.catalog import find_board, load
from npubench.catalog.find import user_folders
from npubench.catalog.load import load_folders
from npubench.domain.errors import CatalogError, UsageError
from npubench.domain.specs import Fact, Precision, TimingAsked
from npubench.engine.assemble import choose_boards
from npubench.engine.plan import RunOptions
from npubench.storage.files import data_root

RELU = """
[[sweep]]
name = "{name}"
op = "Relu"
opset = {opset}
inputs = [{{ name = "input", shape = [1, 3] }}]
nodes = [{{ op = "Relu", inputs = ["input"], outputs = ["output"] }}]
outputs = ["output"]
"""
MODELS = """
codebase = "mmpretrain"
[defaults]
task = "classification"
input_shape = [1, 3, 224, 224]
mean = [123.675, 116.28, 103.53]
std = [58.395, 57.12, 57.375]
[[model]]
name = "resnet18_8xb32_in1k"
aliases = ["resnet18"]
[[model]]
name = "lenet5"
config = "lenet/lenet5.py"
input_shape = [1, 1, 32, 32]
input_name = "image"
mean = [33]
std = [78]
color = "gray"
layout = "nhwc"
opset = 17
seed = 3
"""
BOARD = """
name = "axera-pi"
title = "Axera-Pi"
chip = "ax620a"
transport = "ssh"
backend = "axera"
precisions = ["int8"]
[backend_options]
mode = 1
nested = { a = 1, b = 2 }
[transport_options]
port = 22
[[fact]]
field = "npu_tops"
value = "3.6"
source = "https://example.com/a"
[[fact]]
field = "memory"
value = "2 GB"
source = "https://example.com/b"
"""


def write(folder: Path, **files: str) -> Path:
    """Files by `kind__stem`, such as ops__a for ops/a.toml."""
    for name, text in files.items():
        kind, _, stem = name.partition("__")
        path = folder / kind / f"{stem}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def problems_of(folder: Path, **files: str) -> list[str]:
    """Problems of a folder of its own, with the folder's path taken off."""
    write(folder, **files)
    return [text.removeprefix(f"{folder}/") for text in load_folders([folder]).problems]


def test_the_shipped_catalogue_has_no_problems():
    catalog = load([])
    assert catalog.problems == ()
    assert catalog.boards["local"].precisions == (Precision.FP32, Precision.INT8)
    assert catalog.boards["local"].shares_host
    assert catalog.suites["operators"].cases == tuple(catalog.operators)
    assert catalog.suites["models"].cases == tuple(catalog.models)


def test_the_first_suite_needs_no_framework_and_the_second_step_is_openmmlabs_classifiers():
    catalog = load([])
    first = [catalog.models[name] for name in catalog.suites["default"].cases if name in catalog.models]
    assert {model.codebase for model in first} == {"npubench"}
    assert len(first) == 4
    assert len(catalog.suites["default"].cases) == 12
    second = [catalog.models[name] for name in catalog.suites["classifiers"].cases if name in catalog.models]
    assert {model.codebase for model in second} == {"mmpretrain"}
    assert len(second) == 8


def test_a_board_says_how_long_it_is_measured(tmp_path):
    table = 'title = "t"\nchip = "c"\ntransport = "t"\nbackend = "b"\nprecisions = ["fp32"]\n[timing]\n'
    catalog = load_folders([write(tmp_path, boards__a=f"{table}rounds = 15\nmin_duration_s = 1")])
    assert catalog.problems == ()
    assert catalog.boards["a"].timing == TimingAsked(rounds=15, min_duration_s=1.0)
    wrong = {"rounds = 0": "rounds", "min_duration_s = -1": "min_duration_s", "runs = 3": "runs"}
    for line, key in wrong.items():
        (problem,) = problems_of(tmp_path, boards__a=f"{table}{line}")
        assert problem.startswith("boards/a.toml:7: key 'timing."), problem
        assert key in problem
    shipped = load(()).boards
    assert shipped["local-1"].backend_options == {"threads": 1}
    assert shipped["local-1"].timing == shipped["local"].timing != TimingAsked()


def test_boards_alone_are_those_of_the_whole_catalogue():
    found = load((), ("boards",))
    assert found.boards
    assert found.boards == load(()).boards
    assert (found.operators, found.models, found.suites) == ({}, {}, {})


def test_models_take_defaults_and_their_own(tmp_path):
    catalog = load_folders([write(tmp_path, models__a=MODELS)])
    assert catalog.problems == ()
    resnet, lenet = catalog.models.values()
    assert catalog.aliases == {"resnet18": "resnet18_8xb32_in1k"}
    assert (resnet.config, resnet.opset, resnet.seed, resnet.weights) == (resnet.name, 13, 0, "random")
    assert resnet.inputs[0].name == "input"
    assert resnet.preprocessing.mean == (123.675, 116.28, 103.53)
    assert (resnet.preprocessing.color, resnet.preprocessing.layout) == ("rgb", "nchw")
    assert (lenet.config, lenet.opset, lenet.seed) == ("lenet/lenet5.py", 17, 3)
    assert (lenet.inputs[0].name, lenet.inputs[0].shape) == ("image", (1, 1, 32, 32))
    assert (lenet.preprocessing.color, lenet.preprocessing.layout) == ("gray", "nhwc")


def test_a_layer_adds_and_overrides_by_name(tmp_path):
    below = write(
        tmp_path / "below",
        ops__a=RELU.format(name="relu", opset=13) + RELU.format(name="other", opset=13),
        models__a=MODELS,
        suites__a='[[suite]]\nname = "s"\ntitle = "one"\ncases = ["*"]\nonly = "operators"\n',
    )
    above = write(
        tmp_path / "above",
        ops__z=RELU.format(name="relu", opset=11)
        + RELU.format(name="mine", opset=11)
        + RELU.format(name="lenet5", opset=11)
        + RELU.format(name="resnet18", opset=11),
    )
    catalog = load_folders([below, above])
    assert catalog.problems == ()
    assert {name: spec.opset for name, spec in catalog.operators.items()} == {
        "other": 13,
        "relu": 11,
        "mine": 11,
        "lenet5": 11,
        "resnet18": 11,
    }
    assert "lenet5" not in catalog.models
    assert catalog.aliases == {}
    assert set(catalog.suites["s"].cases) == set(catalog.operators)


def test_a_broken_override_leaves_what_is_below(tmp_path):
    below = write(tmp_path / "below", ops__a=RELU.format(name="relu", opset=13), boards__p=BOARD)
    above = write(
        tmp_path / "above",
        ops__a=RELU.format(name="relu", opset='"11"'),
        boards__p='name = "axera-pi"\nport = 1\n',
    )
    catalog = load_folders([below, above])
    assert catalog.operators["relu"].opset == 13
    assert catalog.boards["axera-pi"].chip == "ax620a"
    assert catalog.broken_boards == {"axera-pi"}
    with pytest.raises(UsageError, match=r"axera-pi is not run without what its file says"):
        choose_boards(catalog, RunOptions(boards=("axera-pi",)))
    assert [text.partition(": ")[0] for text in catalog.problems] == [
        f"{above}/ops/a.toml:5",
        f"{above}/boards/p.toml:2",
    ]


def test_a_board_is_merged_key_by_key(tmp_path):
    below = write(tmp_path / "below", boards__p=BOARD)
    above = write(
        tmp_path / "above",
        boards__mine="""\
            name = "axera-pi"
            [backend_options]
            nested = { b = 3 }
            [transport_options]
            host = "10.0.0.2"
            [[fact]]
            field = "memory"
            value = "4 GB"
            source = "its label"
            """,
    )
    catalog = load_folders([below, above])
    assert catalog.problems == ()
    board = catalog.boards["axera-pi"]
    assert (board.title, board.precisions) == ("Axera-Pi", (Precision.INT8,))
    assert board.transport_options == {"port": 22, "host": "10.0.0.2"}
    assert board.backend_options == {"mode": 1, "nested": {"a": 1, "b": 3}}
    assert board.facts == (
        Fact("npu_tops", "3.6", "https://example.com/a"),
        Fact("memory", "4 GB", "its label"),
    )


def test_an_address_is_all_that_a_shipped_board_needs(tmp_path):
    mine = write(
        tmp_path,
        **{"boards__axera-pi": '[transport_options]\nhost = "10.0.0.2"\nuser = "root"\nkey = "~/k"\n'},
    )
    shipped, catalog = load(()).boards["axera-pi"], load([mine])
    assert catalog.problems == ()
    board = catalog.boards["axera-pi"]
    assert board.transport_options == {"host": "10.0.0.2", "user": "root", "key": "~/k"}
    assert replace(board, transport_options={}) == replace(shipped, transport_options={})
    assert (board.chip, board.transport, board.backend) == ("AX620A", "ssh", "pulsar")
    assert board.backend_options["npu_mode"] == "111"
    assert all(fact.source for fact in board.facts)


def test_a_board_is_called_as_its_file(tmp_path):
    folder = write(tmp_path, boards__p=BOARD, boards__second='base = "axera-pi"\n')
    assert load_folders([folder]).boards["second"].chip == "ax620a"
    (tmp_path / "boards" / "no name.toml").write_text('base = "axera-pi"\n')
    (problem,) = load_folders([folder]).problems
    assert "the file's name must be the board's" in problem


def test_a_board_starts_from_another(tmp_path):
    folder = write(
        tmp_path,
        boards__p=BOARD,
        boards__a='name = "second"\nbase = "axera-pi"\n[transport_options]\nhost = "b"\n',
        boards__b='name = "third"\nbase = "second"\nemulated = true\n',
    )
    catalog = load_folders([folder])
    assert catalog.problems == ()
    third = catalog.boards["third"]
    assert (third.name, third.chip, third.emulated) == ("third", "ax620a", True)
    assert third.transport_options == {"port": 22, "host": "b"}
    assert not catalog.boards["second"].emulated


def test_boards_that_cannot_be(tmp_path):
    found = problems_of(
        tmp_path,
        boards__p=BOARD,
        boards__x='name = "x"\nbase = "y"\n',
        boards__y='\nbase = "x"\nname = "y"\n',
        boards__w='name = "w"\nbase = "axera-py"\n',
        boards__v='\n\nname = "v"\ntitle = "V"\n',
    )
    assert sorted(found) == [
        "boards/v.toml:3: key 'name': board 'v' has no chip, transport, backend, precisions: add it, or name a "
        "board to start from with 'base'",
        "boards/w.toml:2: key 'base': there is no board 'axera-py' (did you mean 'axera-pi'?): name one of "
        "axera-pi, v, w, x, y",
        "boards/x.toml:2: key 'base': goes in a circle: x -> y -> x: break it",
        "boards/y.toml:2: key 'base': goes in a circle: y -> x -> y: break it",
    ]


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"a = 1\n\nb = [1,\nc = 2\n", 4, "Invalid value"),
        (b'a = """\n\ntext\n\n', 3, "Unterminated string"),
        (b"a = 1\nb = 2\na = [\n 3,\n 4,\n]\n", 3, "Cannot overwrite a value"),
        (b"[a]\nb = 1\n# c\n[a]\n", 4, "twice"),
        (b"a = 1\r\nb = 2\r\nb c\r\n", 3, "Expected '='"),
        ("# \u2028 \u0085\nb c\n".encode(), 2, "Expected '='"),
        (b"a = 1\n# caf\xe9\n", 2, "byte 0xe9 is not UTF-8"),
        (b"\xff\xfea\x00", 1, "byte 0xff is not UTF-8"),
        (b"\n\nx = " + b"[" * 20000, 3, "nested too deeply"),
        (b"\nx = " + b"9" * 5000, 2, "a number is too long"),
    ],
)
def test_a_file_that_is_no_toml_is_one_line(tmp_path, data, line, says):
    write(tmp_path, ops__good=RELU.format(name="relu", opset=13))
    (tmp_path / "ops" / "bad.toml").write_bytes(data)
    catalog = load_folders([tmp_path])
    (problem,) = catalog.problems
    assert problem.startswith(f"{tmp_path}/ops/bad.toml:{line}: ")
    assert says in problem
    assert set(catalog.operators) == {"relu"}


def test_what_is_no_readable_file_is_one_line(tmp_path):
    write(tmp_path, ops__good=RELU.format(name="relu", opset=13))
    (tmp_path / "ops" / "a.toml").mkdir()
    (tmp_path / "ops" / "b.toml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "ops" / "c.toml")
    (tmp_path / "ops" / ".#lock.toml").symlink_to("nowhere")
    (tmp_path / "ops" / "notes.txt").write_text("[")
    problems = load_folders([tmp_path]).problems
    assert [text.partition(":")[0] for text in problems] == [f"{tmp_path}/ops/{name}.toml" for name in "abc"]
    assert all("is not a regular file" in text for text in problems)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    write(tmp_path, ops__a=RELU.format(name="relu", opset=13))
    path = tmp_path / "ops" / "a.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_folders([tmp_path]).problems == ()


def test_all_mistakes_of_a_file_at_once_with_their_lines(tmp_path):
    found = problems_of(
        tmp_path,
        models__a="""\
            codebase = 3
            colour = "rgb"

            [defaults]
            input_shape = [
                1,
                0,
            ]
            std = [1, inf]

            [[model]]
            name = "fine"

            [[model]]
            nam = "typo"
            mean = "1"
            color = "red"
            [[model]]
            name = "../x"
            seed = -1
            aliases = ["ok", "<script>", 7]
            """,
    )
    assert found == [
        "models/a.toml:1: key 'codebase': must be text in quotes, not 3",
        "models/a.toml:2: key 'colour': unknown key: the keys are codebase, defaults, model",
        "models/a.toml:7: key 'defaults.input_shape[1]': must be at least 1, not 0",
        "models/a.toml:9: key 'defaults.std[1]': must be a finite number, not inf",
        "models/a.toml:14: key 'model[1].name': is missing: add it",
        "models/a.toml:15: key 'model[1].nam': unknown key (did you mean 'name'?): the keys are task, "
        "input_shape, input_name, layout, mean, std, color, opset, seed, clip, exports, batch_axis, name, aliases, "
        "config",
        "models/a.toml:16: key 'model[1].mean': must be an array, not '1'",
        "models/a.toml:17: key 'model[1].color': must be 'bgr', 'gray' or 'rgb', not 'red'",
        "models/a.toml:19: key 'model[2].name': '../x' is not a name: use letters, digits and . _ + -",
        "models/a.toml:20: key 'model[2].seed': must be at least 0, not -1",
        "models/a.toml:21: key 'model[2].aliases[1]': '<script>' is not a name: use letters, digits and . _ + -",
        "models/a.toml:21: key 'model[2].aliases[2]': must be text in quotes, not 7",
    ]


def test_incomplete_models_name_what_they_lack(tmp_path):
    found = problems_of(
        tmp_path,
        models__a='codebase = "c"\n\n[[model]]\nname = "a"\n[[model]]\nname = "b"\nstd = [1]\ntask = "t"\n',
    )
    assert found == [
        "models/a.toml:3: key 'model[0].task': is missing: add it here or to [defaults]",
        "models/a.toml:3: key 'model[0].input_shape': is missing: add it here or to [defaults]",
        "models/a.toml:5: key 'model[1].input_shape': is missing: add it here or to [defaults]",
        "models/a.toml:7: key 'model[1].std': 'mean' and 'std' go together and hold one number a channel each",
    ]


def test_a_name_twice_in_a_layer(tmp_path):
    write(
        tmp_path,
        ops__a=RELU.format(name="relu", opset=13),
        ops__b=RELU.format(name="mine", opset=13) + RELU.format(name="relu", opset=13),
        models__m=MODELS.replace('"resnet18"]', '"relu"]'),
        suites__s='[[suite]]\nname = "s"\ntitle = "t"\ncases = ["relu"]\n' * 2,
    )
    catalog = load_folders([tmp_path])
    assert [text.removeprefix(f"{tmp_path}/") for text in catalog.problems] == [
        f"ops/b.toml:11: key 'sweep[1].name': 'relu' is declared at {tmp_path}/ops/a.toml:3 already: rename or "
        "remove one of them",
        f"models/m.toml:10: key 'model[0].aliases[0]': 'relu' is declared at {tmp_path}/ops/a.toml:3 already: "
        "rename or remove one of them",
        f"suites/s.toml:6: key 'suite[1].name': 's' is declared at {tmp_path}/suites/s.toml:2 already: rename or "
        "remove one of them",
    ]
    assert set(catalog.operators) == {"relu"}
    assert (catalog.models, catalog.suites) == ({}, {})


def test_an_alias_cannot_hide_a_case_of_a_layer_below(tmp_path):
    below = write(tmp_path / "below", ops__a=RELU.format(name="relu", opset=13))
    above = write(tmp_path / "above", models__m=MODELS.replace('"resnet18"]', '"relu"]'))
    catalog = load_folders([below, above])
    (problem,) = catalog.problems
    assert problem.startswith(f"{above}/models/m.toml:10: key 'model[0].aliases[0]': 'relu' is the full name")
    assert catalog.aliases == {}
    assert "resnet18_8xb32_in1k" in catalog.models


def test_suites_expand_names_aliases_and_globs_and_tell_what_matches_nothing(tmp_path):
    write(
        tmp_path,
        ops__a=RELU.format(name="relu_1", opset=13) + RELU.format(name="relu_2", opset=13),
        models__m=MODELS,
        suites__s="""\
            [[suite]]
            name = "s"
            title = "t"
            cases = [
                "relu_2",
                "relu_?",
                "resnet18",
                "Relu*",
                "lenet6",
                "[z-a]",
            ]
            [[suite]]
            name = "models"
            title = "t"
            cases = ["*"]
            only = "models"
            """,
    )
    catalog = load_folders([tmp_path])
    assert catalog.suites["s"].cases == ("relu_2", "relu_1", "resnet18_8xb32_in1k")
    assert catalog.suites["models"].cases == ("resnet18_8xb32_in1k", "lenet5")
    assert [
        text.removeprefix(f"{tmp_path}/suites/s.toml:").partition(" (")[0] for text in catalog.problems
    ] == [
        "8: key 'suite[0].cases[3]': no operator or model is called 'Relu*'",
        "9: key 'suite[0].cases[4]': no operator or model is called 'lenet6'",
        "10: key 'suite[0].cases[5]': no operator or model is called '[z-a]': correct or remove it",
    ]


def test_hostile_text_stays_on_one_line(tmp_path):
    (problem,) = problems_of(
        tmp_path, ops__a='"evil\\nkey\\u001b[31m" = 1\nsweep = [{ }]\n'.replace("{ }", "")
    )[:1]
    assert "\n" not in problem
    assert "\x1b" not in problem
    assert problem.startswith("ops/a.toml:1: key 'evil\\nkey\\x1b[31m'")


def test_find_board(tmp_path):
    catalog = load_folders([write(tmp_path, boards__p=BOARD)])
    assert find_board(catalog, "axera-pi").chip == "ax620a"
    with pytest.raises(CatalogError, match=r"no board is called 'Axera-Py' \(did you mean 'axera-pi'\?\)"):
        find_board(catalog, "Axera-Py")
    with pytest.raises(CatalogError, match="there are axera-pi"):
        find_board(catalog, "'; rm -rf ~" * 1000)


def test_user_folders_in_order(tmp_path, monkeypatch):
    for name in ("config/npubench", "first", "second", "third"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NPUBENCH_CATALOG", f"{tmp_path / 'first'}:{tmp_path / 'second'}:")
    names = [str(path.relative_to(tmp_path)) for path in user_folders([tmp_path / "third"])]
    assert names == ["config/npubench", "first", "second", "third"]


def test_the_configuration_folder_is_in_the_home_unless_said(tmp_path, monkeypatch):
    monkeypatch.delenv("NPUBENCH_CATALOG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folders([]) == ()
    (tmp_path / ".config" / "npubench").mkdir(parents=True)
    assert user_folders([]) == (tmp_path / ".config" / "npubench",)


def test_a_named_folder_must_be_there(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"--catalog .*nowhere': no such folder"):
        user_folders([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="no such folder"):
        user_folders([Path("x" * 5000)])
    monkeypatch.setenv("NPUBENCH_CATALOG", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="NPUBENCH_CATALOG"):
        user_folders([])


def test_a_folder_of_the_wrong_shape_is_told(tmp_path):
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(UsageError, match="belong into its ops/, models/, boards/, suites/"):
        user_folders([tmp_path])


def test_the_users_folder_lies_over_the_shipped_one(tmp_path):
    write(
        tmp_path,
        boards__l='name = "local"\ntitle = "Workstation"\n',
        ops__a=RELU.format(name="mine", opset=13),
    )
    catalog = load([tmp_path])
    assert catalog.boards["local"].title == "Workstation"
    assert catalog.boards["local"].backend == "onnxruntime"
    assert "mine" in catalog.suites["operators"].cases
    assert len(catalog.operators) == len(load_folders([data_root()]).operators) + 1


def test_a_manifest_says_along_which_axis_samples_lie(tmp_path):
    head = 'codebase = "mmaction2"\n[defaults]\ntask = "t"\ninput_shape = [2, 1, 3, 16, 8, 8]\n'
    for text, axes in (("batch_axis = 0", (("", 0),)), ('batch_axis = "none"', (("", None),)), ("", None)):
        manifest = f'{head}[[model]]\nname = "m"\n{text}\n'
        batch = load_folders([write(tmp_path, models__a=manifest)]).models["m"].batch
        assert (batch.axes if batch else None) == axes
    (problem,) = problems_of(tmp_path, models__a=f'{head}[[model]]\nname = "m"\nbatch_axis = 6\n')
    assert "the input has 6 dimensions" in str(problem)


def test_videos_of_the_catalogue_are_one_sample_each():
    models = [one for one in load([]).models.values() if one.codebase == "mmaction2"]
    assert models
    assert all(one.batch.axes == (("", 0),) for one in models)
