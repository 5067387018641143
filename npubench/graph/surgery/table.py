"""The table of rewrites that keep a model's function: what each replaces, by what, and what it gets round.

`docs/surgery.md` shows it; tests/unit/test_surgery_rewrites.py compares outputs before and after each.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.graph.surgery.graph_view import rewrite
from npubench.graph.surgery.rewrites import (
    decompose_hardswish,
    evaluate_constant,
    flatten_for_reshape,
    fold_normalisation,
    gemm_for_pointwise,
    pad_before_pooling,
)

if TYPE_CHECKING:
    from onnx import ModelProto

    from npubench.graph.surgery.graph_view import Rewriting

PULSAR_LIST = "Pulsar's list of ONNX operators for AX620A (toolchain of August 2023)"


@dataclass(frozen=True, slots=True)
class Restriction:
    """A limit of a toolchain that a rewrite gets round, and where it is told."""

    backend: str
    limit: str
    source: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One entry: it takes `replaces` away (empty: any operator) and makes nodes of the types in `makes`."""

    name: str
    replaces: str
    makes: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    rewriting: "Rewriting"

    def apply(self, model: "ModelProto") -> "tuple[ModelProto, int]":
        """The model rewritten, and how many nodes were replaced; the model itself where none was."""
        return rewrite(model, self.rewriting)


REWRITES = (
    Rewrite(
        "constants evaluated",
        "",
        (),
        (
            Restriction(
                "pulsar",
                "Range, Not and other operators of shape arithmetic are missing",
                f"{PULSAR_LIST}, and the operators that its models failed with",
            ),
        ),
        evaluate_constant,
    ),
    Rewrite(
        "BatchNormalization folded into Conv",
        "BatchNormalization",
        ("Conv",),
        (Restriction("pulsar", "BatchNormalization must follow a Conv", PULSAR_LIST),),
        fold_normalisation,
    ),
    Rewrite(
        "HardSwish decomposed",
        "HardSwish",
        ("Add", "Clip", "Mul"),
        (Restriction("pulsar", "HardSwish is not in the list; Add, Clip and Mul are", PULSAR_LIST),),
        decompose_hardswish,
    ),
    Rewrite(
        "Flatten for Reshape",
        "Reshape",
        ("Flatten",),
        (
            Restriction(
                "pulsar",
                "Reshape takes 3-D and 4-D inputs only; Flatten goes before a linear layer",
                PULSAR_LIST,
            ),
        ),
        flatten_for_reshape,
    ),
    Rewrite(
        "padded MaxPool as Pad and MaxPool",
        "MaxPool",
        ("Pad", "MaxPool"),
        (
            Restriction(
                "ethos-u",
                "onnx2tf pads a MaxPool with minus infinity (PADV2), which the quantizer cannot represent",
                "onnx2tf 2.6.9 with ai-edge-quantizer 0.10.0, tests/integration/test_toolchains.py",
            ),
        ),
        pad_before_pooling,
    ),
    Rewrite(
        "Gemm for 1x1 Conv",
        "Conv",
        ("Flatten", "Gemm", "Reshape"),
        (
            Restriction(
                "pulsar",
                "of a Conv kernel width x height x input channels is at most 65535, and the output's width a"
                " multiple of the stride",
                PULSAR_LIST,
            ),
        ),
        gemm_for_pointwise,
    ),
)
