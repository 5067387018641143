"""The shape of catalogue files. Strict: nothing unknown, nothing converted."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

NAME_LIMIT = 150
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

DType = Literal[
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]


def check_name(name: str) -> str:
    """A name that is safe as a file name everywhere. Raises ValueError for others."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:60]!r} is not a name: use letters, digits and . _ + -")
    if len(name) > NAME_LIMIT:
        raise ValueError(f"a name of {len(name)} characters: use at most {NAME_LIMIT}")
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name[:60]!r} is not a variable: use letters, digits and _")
    return name


def _whole_or_expression(value: Any) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be a whole number or an expression such as 'ic // g', not {value!r:.60}")


def _scalar(value: Any) -> int | float | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"must be a number or a text, not {value!r:.60} (ONNX writes true as 1)")


def _attribute(value: Any) -> Any:
    return [_scalar(item) for item in value] if isinstance(value, list) else _scalar(value)


Name = Annotated[str, AfterValidator(check_name)]
Text = Annotated[str, Field(min_length=1)]
Variable = Annotated[str, AfterValidator(_variable)]
Dim = Annotated[Any, PlainValidator(_whole_or_expression)]
Scalar = Annotated[Any, PlainValidator(_scalar)]
Attribute = Annotated[Any, PlainValidator(_attribute)]
Size = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Opset = Annotated[int, Field(ge=1, le=99)]
Seed = Annotated[int, Field(ge=0)]
Cases = Annotated[list[Text], Field(min_length=1)]
Element = dict[str, Any]


class Table(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(strict=True, extra="forbid")


class FactTable(Table):
    """`[[fact]]` of a board."""

    field: Text
    value: Text
    source: Text


class BoardTable(Table):
    """boards/*.toml. All may come from `base` or a board of that name below; the name, from the file's."""

    name: Name | None = None
    base: Name | None = None
    title: Text | None = None
    chip: Text | None = None
    transport: Text | None = None
    backend: Text | None = None
    precisions: Annotated[list[Literal["fp32", "int8"]], Field(min_length=1)] | None = None
    shares_host: bool = False
    emulated: bool = False
    backend_options: dict[str, Any] = {}
    transport_options: dict[str, Any] = {}
    benchmark_options: dict[str, dict[str, Any]] = {}
    fact: list[FactTable] = []


class ClipTable(Table):
    """`clip` of a video model: `clips` of `frames` frames, every `interval`th; `crops` of each."""

    frames: Size
    interval: Size
    clips: Size = 1
    crops: Size = 1


class ModelDefaults(Table):
    """`[defaults]` of models/*.toml. mean and std on 0..255 pixels, one number a channel."""

    task: Text | None = None
    input_shape: Annotated[list[Size], Field(min_length=1)] | None = None
    input_name: Text | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    mean: Annotated[list[Number], Field(min_length=1)] | None = None
    std: Annotated[list[Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=1)] | None = (
        None
    )
    color: Literal["rgb", "bgr", "gray"] | None = None
    opset: Opset | None = None
    seed: Seed | None = None
    clip: ClipTable | None = None
    exports: Text | None = None
    batch_axis: Annotated[int, Field(ge=0)] | Literal["none"] | None = None


class ModelTable(ModelDefaults):
    """`[[model]]`."""

    name: Name
    aliases: list[Name] = []
    config: Text | None = None


class ModelFile(Table):
    """models/*.toml."""

    codebase: Text
    defaults: ModelDefaults = ModelDefaults()
    model: Annotated[list[Element], Field(min_length=1)]


class SuiteTable(Table):
    """`[[suite]]`; `only` keeps globs to one kind of case; `codebase` and `task` add OpenMMLab's models."""

    name: Name
    title: Text
    cases: Cases | None = None
    codebase: Text | None = None
    task: Text | None = None
    only: Literal["operators", "models"] | None = None


class SuiteFile(Table):
    """suites/*.toml."""

    suite: Annotated[list[Element], Field(min_length=1)]


class InputTable(Table):
    """A graph input of a sweep."""

    name: Text
    shape: list[Dim]
    dtype: DType = "float32"


class WeightTable(InputTable):
    """An initializer: `values` row by row, `fill` for all elements, or seeded numbers."""

    values: list[Scalar] | None = None
    fill: Scalar | None = None


class NodeTable(Table):
    """A node. Texts among the attributes are expressions; plain text has inner quotes."""

    op: Text
    inputs: list[str] = []
    outputs: Annotated[list[str], Field(min_length=1)]
    attributes: dict[str, Attribute] = {}
    domain: str = ""


class SweepTable(Table):
    """`[[sweep]]`: each of `cases` crossed with `grid` is one operator case."""

    name: Text
    op: Text
    opset: Opset = 13
    seed: Seed = 0
    grid: dict[Variable, Annotated[list[Scalar], Field(min_length=1)]] = {}
    cases: Annotated[list[dict[Variable, Scalar]], Field(min_length=1)] | None = None
    inputs: list[InputTable]
    weights: list[WeightTable] = []
    nodes: Annotated[list[NodeTable], Field(min_length=1)]
    outputs: Annotated[list[Text], Field(min_length=1)]


class SweepFile(Table):
    """ops/*.toml."""

    sweep: Annotated[list[Element], Field(min_length=1)]
