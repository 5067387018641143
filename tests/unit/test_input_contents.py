"""What whole numbers an input gets: by the graph, the type and the name."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.domain.specs import CalibrationSpec, ContentKind, ModelInputs, Preprocessing, TensorSpec
from npubench.graph.read import describe
from npubench.measure.calibration import choose
from npubench.measure.inputs import content_text

TYPES = {
    "i64": TensorProto.INT64,
    "i32": TensorProto.INT32,
    "u8": TensorProto.UINT8,
    "i8": TensorProto.INT8,
    "u16": TensorProto.UINT16,
    "bool": TensorProto.BOOL,
    "f32": TensorProto.FLOAT,
}


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


@pytest.fixture
def described(tmp_path):
    def make(inputs, nodes, opset=17, **weights):
        """`inputs` are name -> (type, shape); the last node's outputs are the model's."""
        stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
        values = [helper.make_tensor_value_info(n, TYPES[t], shape) for n, (t, shape) in inputs.items()]
        outputs = [helper.make_empty_tensor_value_info(name) for name in nodes[-1].output]
        graph = helper.make_graph(nodes, "g", values, outputs, stored)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        )
        model.ir_version = 9
        inferred = onnx.shape_inference.infer_shapes(model)
        known = {
            v.name: v
            for v in (*inferred.graph.value_info, *inferred.graph.output)
            if v.type.WhichOneof("value")
        }
        for index, name in enumerate(nodes[-1].output):
            model.graph.output[index].CopyFrom(
                known.get(name) or helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            )
        onnx.save(model, tmp_path / "m.onnx")
        made = describe(tmp_path / "m.onnx", "m")
        assert hasattr(made, "fed"), made
        return made

    return make


def drawn(model, name, count=32):
    """All numbers of an input over calibration and evaluation."""
    chosen = choose(model.fed, CalibrationSpec(samples=count))
    return np.stack([one[name] for one in (*chosen.calibration(), *chosen.evaluation())])


TABLE = np.zeros((100, 4), np.float32)
CHAINS = {
    "at once": ([node("Gather", "t ids", "y")], 99),
    "through a cast": ([node("Cast", "ids", "c", to=TensorProto.INT32), node("Gather", "t c", "y")], 99),
    "reshaped": (
        [node("Unsqueeze", "ids one", "u"), node("Reshape", "u flat", "r"), node("Gather", "t r", "y")],
        99,
    ),
    "shifted": ([node("Add", "ids ten", "a"), node("Identity", "a", "b"), node("Gather", "t b", "y")], 89),
    "scaled": ([node("Mul", "ids ten", "a"), node("Gather", "t a", "y")], 9),
    "halved": ([node("Div", "ids two", "a"), node("Gather", "t a", "y")], 198),
    "of two tables": ([node("Gather", "t ids", "p"), node("Gather", "small ids", "q"), node("Add", "p q", "y")], 6),
    "one entry": ([node("Gather", "ids one", "e", axis=1), node("Gather", "t e", "y")], 99),
    "in one of two": ([node("Concat", "ids one_row", "c", axis=1), node("Gather", "t c", "y")], 99),
    "quantised": ([node("GatherBlockQuantized", "packed ids scales", "y", domain="com.microsoft", block_size=16, gather_axis=0, quantize_axis=1, bits=4)], 49),
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_token_ids_lie_in_the_table_that_they_index(described, chain):
    nodes, highest = CHAINS[chain]
    model = described(
        {"ids": ("i64", [1, 8])}, nodes, t=TABLE, small=TABLE[:7], one=np.array([1]), flat=np.array([-1]),
        ten=np.array(10), two=np.array(2), one_row=np.array([[3]]), packed=np.zeros((50, 16), np.uint8),
        scales=np.ones((50, 2), np.float32),
    )  # fmt: skip
    found = drawn(model, "ids", 64)
    assert (found.min(), found.max() <= highest) == (0, True)
    assert found.max() > highest * 0.9
    assert f"0..{highest}" in content_text(model.inputs[0], model.fed)


@pytest.mark.parametrize(
    ("nodes", "highest"),
    [
        ([node("Gather", "x ids", "y", axis=1)], 11),
        ([node("GatherElements", "x ids", "y", axis=1)], 11),
        ([node("OneHot", "ids depth onoff", "y")], 5),
        ([node("ScatterElements", "x ids x_part", "y", axis=1)], 11),
    ],
)
def test_indices_of_activations_stay_in_their_axis(described, nodes, highest):
    model = described(
        {"x": ("f32", [1, 12]), "ids": ("i64", [1, 4])}, nodes, depth=np.array(6),
        onoff=np.array([0.0, 1.0], np.float32), x_part=np.zeros((1, 4), np.float32),
    )  # fmt: skip
    found = drawn(model, "ids")
    assert (found.min(), found.max()) == (0, highest)


def test_coordinates_stay_in_every_axis_that_they_name(described):
    model = described({"x": ("f32", [9, 5]), "at": ("i64", [7, 2])}, [node("GatherND", "x at", "y")])
    assert drawn(model, "at").max() == 4


def test_an_index_inside_a_branch_counts(described):
    branch = helper.make_graph(
        [node("Gather", "t ids", "z")], "b", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 8, 4])]
    )  # fmt: skip
    choice = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    model = described({"c": ("bool", []), "ids": ("i64", [1, 8])}, [choice], t=TABLE)
    assert 90 < drawn(model, "ids").max() <= 99


def test_an_index_by_an_arithmetic_that_is_not_followed_stays_with_what_is_always_valid(described):
    nodes = [node("CumSum", "ids one", "s"), node("Gather", "t s", "y")]
    assert drawn(described({"ids": ("i64", [1, 8])}, nodes, t=TABLE, one=np.array(1)), "ids").max() == 1


@pytest.mark.parametrize(("kind", "low", "high"), [("u8", 0, 255), ("i8", -128, 127), ("u16", 0, 65535)])
@pytest.mark.parametrize("shape", [[1, 16, 16, 3], [1, 3, 16, 16], [1, 400]])
def test_small_whole_numbers_have_the_range_of_their_type(described, kind, low, high, shape):
    model = described({"img": (kind, shape)}, [node("Cast", "img", "y", to=TensorProto.FLOAT)])
    found = drawn(model, "img").astype(np.int64)
    span = high - low
    assert low <= found.min() < low + span / 50
    assert high - span / 50 < found.max() <= high


def test_wide_whole_numbers_of_an_image_are_pixels(described):
    model = described({"img": ("i32", [1, 3, 16, 16])}, [node("Cast", "img", "y", to=TensorProto.FLOAT)])
    assert (drawn(model, "img").min(), drawn(model, "img").max()) == (0, 255)


def test_masks_are_ones_and_then_padding(described):
    nodes = [node("Cast", "attention_mask", "y", to=TensorProto.FLOAT)]
    found = drawn(described({"attention_mask": ("i64", [2, 16])}, nodes), "attention_mask")
    assert set(np.unique(found)) == {0, 1}
    assert (np.diff(found, axis=-1) <= 0).all()
    assert found.sum(axis=-1).min() >= 8
    padding = [node("Not", "src_key_padding_mask", "y")]
    found = drawn(described({"src_key_padding_mask": ("bool", [1, 9])}, padding), "src_key_padding_mask")
    assert (np.diff(found.astype(int), axis=-1) >= 0).all()
    assert not found[..., 0].any()


SPEECH = {
    "batch, time, features": ("x", [2, 100, 8], "x_lens", [node("ReduceSum", "x axes", "y"), node("Abs", "x_lens", "z")], 100),
    "convolved over time": ("audio_signal", [2, 8, 100], "length", [node("Conv", "audio_signal w", "y"), node("Abs", "length", "z")], 100),
    "time first": ("x", [50, 2, 8], "lengths", [node("ReduceSum", "x axes", "y"), node("Abs", "lengths", "z")], 50),
    "with bands": ("feats", [2, 1, 60, 8], "feats_len", [node("ReduceSum", "feats axes", "y"), node("Abs", "feats_len", "z")], 60),
    "a wave": ("wav", [2, 400], "wav_lens", [node("ReduceSum", "wav axes", "y"), node("Abs", "wav_lens", "z")], 400),
    "by use": ("x", [30, 2, 8], "n", [node("Cast", "n", "c", to=TensorProto.INT32), node("LSTM", "x W R  c", "y", hidden_size=4)], 30),
}  # fmt: skip


@pytest.mark.parametrize("form", SPEECH)
def test_lengths_are_of_the_axis_of_time(described, form):
    name, shape, lengths, nodes, steps = SPEECH[form]
    if form == "by use":
        nodes = [nodes[0], helper.make_node("LSTM", ["x", "W", "R", "", "c"], ["y"], hidden_size=4)]
    else:
        nodes = [
            *nodes,
            node("Cast", "z", "zf", to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["zf"], ["out"]),
        ]
    model = described(
        {name: ("f32", shape), lengths: ("i64", [2])}, nodes, axes=np.array([1]), w=np.zeros((4, 8, 3), np.float32),
        W=np.zeros((1, 16, 8), np.float32), R=np.zeros((1, 16, 4), np.float32),
    )  # fmt: skip
    found = drawn(model, lengths)
    assert steps / 2 <= found.min() <= found.max() <= steps
    assert len(np.unique(found)) > 5


def test_the_longest_sequence_fills_the_axis_where_the_model_asks_for_it(described):
    nodes = [
        node("ReduceMax", "x_lens", "m", keepdims=0),
        node("Range", "z m o", "r"),
        node("Cast", "r", "y", to=TensorProto.FLOAT),
    ]
    model = described({"x": ("f32", [2, 30, 8]), "x_lens": ("i64", [2])}, nodes, z=np.array(0), o=np.array(1))
    assert set(np.unique(drawn(model, "x_lens"))) == {30}


def test_positions_steps_rates_and_divisors(described):
    assert drawn(
        described({"position_ids": ("i64", [1, 6])}, [node("Gather", "t position_ids", "y")], t=TABLE),
        "position_ids",
    )[0].tolist() == [[0, 1, 2, 3, 4, 5]]
    for name, low, high in (("timestep", 0, 999), ("sr", 16000, 16000), ("numbers", 0, 127)):
        model = described({name: ("i64", [64])}, [node("Cast", name, "y", to=TensorProto.FLOAT)])
        found = drawn(model, name)
        assert (low <= found.min(), found.max() <= high, found.max() > 1) == (True, True, True), name
    model = described({"a": ("i32", [64]), "b": ("i32", [64])}, [node("Div", "a b", "y")])
    assert drawn(model, "b").min() == 1


def test_what_asks_for_one_number_of_few(described):
    scores = {"x": ("f32", [4, 10])}
    asked = [
        (scores, "axis", [1], node("CumSum", "x axis", "y"), 0, 1),
        (scores, "k", [1], node("TopK", "x k", "y i"), 1, 10),
        (scores, "target", [4], node("NegativeLogLikelihoodLoss", "x target", "y"), 0, 9),
        (scores, "axes", [1], node("ReduceSum", "x axes", "y"), 0, 1),
        ({}, "shape", [3], node("ConstantOfShape", "shape", "y"), 0, 1),
        ({}, "step", [], node("Range", "zero ten step", "y"), 1, 127),
    ]
    for inputs, name, shape, one, low, high in asked:
        model = described({**inputs, name: ("i64", shape)}, [one], zero=np.array(0), ten=np.array(10))
        found = drawn(model, name, 64)
        assert (low <= found.min(), found.max() <= high) == (True, True), (
            one.op_type,
            found.min(),
            found.max(),
        )


def test_the_sequence_so_far_is_as_long_as_the_cache_says(described):
    shapes = {"q": [1, 1, 64], "k": [1, 1, 64], "v": [1, 1, 64], "pk": [1, 4, 7, 16], "pv": [1, 4, 7, 16]}
    inputs = {name: ("f32", shape) for name, shape in shapes.items()}
    attention = node(
        "GroupQueryAttention", "q k v pk pv seqlens_k total_sequence_length", "y",
        domain="com.microsoft", num_heads=4, kv_num_heads=4,
    )  # fmt: skip
    model = described(
        {**inputs, "seqlens_k": ("i32", [1]), "total_sequence_length": ("i32", [])}, [attention]
    )
    assert set(drawn(model, "seqlens_k").ravel()) == {7}
    assert set(drawn(model, "total_sequence_length").ravel()) == {8}


def test_a_table_of_unknown_size_is_told(described):
    nodes = [node("NonZero", "x", "n"), node("Gather", "n ids", "y", axis=1)]
    model = described({"x": ("f32", [1, 9]), "ids": ("i64", [4])}, nodes)
    assert "whose size is not fixed" in content_text(model.inputs[1], model.fed)


def test_pixels_go_through_the_models_preprocessing():
    image = TensorSpec("x", (1, 3, 32, 32))
    raw = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "rgb")
    inputs = ModelInputs((image,), preprocessing=raw)
    found = choose(inputs, CalibrationSpec()).calibration()[0]["x"]
    assert (found.min(), found.max(), found.dtype) == (0, 255, np.float32)
    bgr = ModelInputs((image,), preprocessing=Preprocessing((0.0, 255.0, 0.0), (255.0, 255.0, 1.0), "bgr"))
    found = choose(bgr, CalibrationSpec()).calibration()[0]["x"]
    assert [(c.min(), c.max()) for c in found[0]] == [(0, 1), (-1, 0), (0, 255)]
    whole = ModelInputs(
        (TensorSpec("x", (1, 32, 32, 3), "uint8"),),
        preprocessing=Preprocessing(raw.mean, raw.std, "rgb", "nhwc"),
    )
    assert choose(whole, CalibrationSpec()).calibration()[0]["x"].max() == 255


def test_a_row_says_what_its_data_were():
    inputs = ModelInputs((TensorSpec("img", (1, 8, 8, 3), "uint8"), TensorSpec("x", (1, 3))))
    use = choose(inputs, CalibrationSpec(samples=4)).use(2)
    assert (use.calibrated, use.evaluated, use.held_out) == (4, 2, True)
    assert use.inputs == {"img": "uint8 0..255 (all that uint8 holds)", "x": "float32 normal numbers"}


def test_floats_keep_normal_numbers(described):
    model = described({"x": ("f32", [1, 64])}, [node("Abs", "x", "y")])
    assert model.contents == {}
    assert drawn(model, "x").min() < -2
    additive = described(
        {"attn_mask": ("f32", [1, 64]), "x": ("f32", [1, 64])}, [node("Add", "x attn_mask", "y")]
    )
    assert "attn_mask" not in additive.contents
    kept = described({"mask": ("f32", [1, 64]), "x": ("f32", [1, 64])}, [node("Mul", "x mask", "y")])
    assert kept.contents["mask"].kind is ContentKind.MASK
