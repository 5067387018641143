"""The boundary cases of ops/boundaries.toml against the restrictions, written here a second time."""

import pytest

from npubench.catalog import load

OPERATORS = load(()).operators
CONV = [
    spec
    for name, spec in OPERATORS.items()
    if name.startswith("limit_conv_") and name.endswith(("_ok", "_no"))
]


def conv_is_inside(spec) -> bool:
    """The list's words on Conv: kernel, stride, width, volume (docs of the AX620A's toolchain)."""
    (node,) = spec.nodes
    width = spec.inputs[0].shape[-1]
    channels_out, channels_in, kh, kw = spec.weights[0].tensor.shape
    sh, sw = node.attributes.get("strides", (1, 1))
    dilation = node.attributes.get("dilations", (1, 1))[0]
    reach = [(k - 1) * dilation + 1 for k in (kh, kw)]
    strides = (sh, sw) in {(1, 1), (1, 2), (2, 1), (2, 2), (3, 3)}
    square = (sh, sw) == (kh, kw) and (kh == kw or (1 in (kh, kw) and not {2, 3} & {kh, kw}))
    out_width = (width - reach[1]) // sw + 1
    return (
        all(1 <= k <= 18 for k in reach)
        and (strides or square)
        and width <= 8191
        and out_width % sw == 0
        and kw * kh * channels_in <= 65535
        and channels_out > 0
    )


@pytest.mark.parametrize("spec", CONV, ids=lambda spec: spec.name)
def test_a_convolution_lies_on_the_side_that_its_name_says(spec):
    assert conv_is_inside(spec) == spec.name.endswith("_ok")


def test_both_sides_of_each_restriction_are_there():
    assert len(CONV) > 30
    assert {spec.name[-3:] for spec in CONV} == {"_ok", "_no"}
    names = set(OPERATORS)
    for inside, outside in (
        ("limit_softplus_after_conv_ok", "limit_softplus_alone_no"),
        ("limit_pad_constant_ok", "limit_pad_reflect_no"),
        ("limit_slice_step1_ok", "limit_slice_step2_no"),
        ("limit_conv_kernel18d1_ok", "limit_conv_kernel19d1_no"),
        ("limit_ReduceL2_4d_ok", "limit_ReduceL2_3d_no"),
    ):
        assert {inside, outside} <= names


def test_indices_are_of_more_than_one_place_so_that_they_can_be_wrong():
    found = [spec for name, spec in OPERATORS.items() if name.startswith(("limit_argmax", "limit_argmin"))]
    assert len(found) == 4
    for spec in found:
        axis = spec.nodes[-1].attributes.get("axis", 0)
        assert spec.inputs[0].shape[axis] > 1, spec.name


SUPPORT_LIST = """
Abs Add ArgMax ArgMin AveragePool BatchNormalization Clip Concat Conv ConvTranspose DepthToSpace Div Flatten GRU
Gemm GlobalAveragePool GlobalMaxPool HardSigmoid Identity LRN LSTM LeakyRelu MatMul MaxPool MaxRoiPool Mul PRelu
Pad ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Slice Softmax Softplus SpaceToDepth
Sub Tanh Tile Transpose Unsqueeze TopK InstanceNormalization Not NonMaxSuppression Range ReduceL1
"""


@pytest.mark.parametrize("op", SUPPORT_LIST.split())
def test_every_operator_of_the_support_list_has_a_case(op):
    assert any(node.op == op for spec in OPERATORS.values() for node in spec.nodes)
