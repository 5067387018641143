"""The shape of catalogue files. Strict: nothing unknown, nothing converted."""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from npubench.storage.json import Number, Positive, Table, Text

NAME_LIMIT = 150
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._+-]*\Z")
NAME_RULE = "a name: use letters, digits and . _ + -"

DType = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool",
]  # fmt: skip


def check_name(name: str) -> str:
    """A name that is safe as a file name everywhere. Raises ValueError for others."""
    if not _NAME.search(name):
        raise ValueError(f"{name[:60]!r} is not {NAME_RULE}")
    if len(name) > NAME_LIMIT:
        raise ValueError(f"a name of {len(name)} characters: use at most {NAME_LIMIT}")
    return name


Name = Annotated[str, Meta(pattern=_NAME.pattern, max_length=NAME_LIMIT, description=NAME_RULE)]
Variable = Annotated[
    str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z", description="a variable: use letters, digits and _")
]
Dim = Annotated[int | str, Meta(title="a whole number or an expression such as 'ic // g'")]
Scalar = Annotated[int | Number | str, Meta(title="a number or a text (ONNX writes true as 1)")]
Attribute = Annotated[
    int | Number | str | list[Scalar], Meta(title="a number, a text or an array of them (true is 1)")
]
Size = Annotated[int, Meta(ge=1)]
Opset = Annotated[int, Meta(ge=1, le=99)]
Seconds = Annotated[float, Meta(ge=0, le=86_400, title="a number of seconds from 0 to 86400")]
Seed = Annotated[int, Meta(ge=0)]
Element = dict[str, Any]
Elements = Annotated[list[Element], Meta(min_length=1)]


class FactTable(Table, frozen=True, kw_only=True):
    """`[[fact]]` of a board. Two of one field and `about` differ in their `condition`."""

    field: Text
    value: Text
    source: Text
    about: Literal["chip", "module", "board", ""] = ""
    condition: str = ""
    date: str = ""
    unit: str = ""


class TimingTable(Table, frozen=True, kw_only=True):
    """`[timing]` of a board: what `npubench run` does where its options do not say otherwise."""

    warmup: Annotated[int, Meta(ge=0)] | None = None
    warmup_min_s: Seconds | None = None
    warmup_max_s: Seconds | None = None
    repeat: Size | None = None
    min_duration_s: Seconds | None = None
    rounds: Size | None = None


class BoardTable(Table, frozen=True, kw_only=True):
    """boards/*.toml. All may come from `base` or a board of that name below; the name, from the file's."""

    name: Name | None = None
    base: Name | None = None
    title: Text | None = None
    chip: Text | None = None
    transport: Text | None = None
    backend: Text | None = None
    precisions: Annotated[list[Literal["fp32", "int8"]], Meta(min_length=1)] | None = None
    shares_host: bool = False
    emulated: bool = False
    backend_options: dict[str, Any] = field(default_factory=dict)
    transport_options: dict[str, Any] = field(default_factory=dict)
    benchmark_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    fact: tuple[FactTable, ...] = ()
    timing: TimingTable | None = None


class ClipTable(Table, frozen=True, kw_only=True):
    """`clip` of a video model: `clips` of `frames` frames, every `interval`th; `crops` of each."""

    frames: Size
    interval: Size
    clips: Size = 1
    crops: Size = 1


class ModelDefaults(Table, frozen=True, kw_only=True):
    """`[defaults]` of models/*.toml. mean and std on 0..255 pixels, one number a channel."""

    task: Text | None = None
    input_shape: Annotated[list[Size], Meta(min_length=1)] | None = None
    input_name: Text | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    mean: Annotated[list[Number], Meta(min_length=1)] | None = None
    std: Annotated[list[Positive], Meta(min_length=1)] | None = None
    color: Literal["rgb", "bgr", "gray"] | None = None
    opset: Opset | None = None
    seed: Seed | None = None
    clip: ClipTable | None = None
    exports: Text | None = None
    batch_axis: Annotated[int, Meta(ge=0)] | Literal["none"] | None = None


class ModelTable(ModelDefaults, frozen=True, kw_only=True):
    """`[[model]]`."""

    name: Name
    aliases: tuple[Name, ...] = ()
    config: Text | None = None


class ModelFile(Table, frozen=True, kw_only=True):
    """models/*.toml."""

    codebase: Text
    defaults: ModelDefaults = ModelDefaults()
    model: Elements


class SuiteTable(Table, frozen=True, kw_only=True):
    """`[[suite]]`; `only` keeps globs to one kind of case; `codebase` and `task` add OpenMMLab's models.

    `takes` says in words what a run of it costs, `then` names the suite that a user may run after it.
    """

    name: Name
    title: Text
    cases: Annotated[list[Text], Meta(min_length=1)] | None = None
    codebase: Text | None = None
    task: Text | None = None
    only: Literal["operators", "models"] | None = None
    takes: Text | None = None
    then: Name | None = None


class SuiteFile(Table, frozen=True, kw_only=True):
    """suites/*.toml."""

    suite: Elements


class InputTable(Table, frozen=True, kw_only=True):
    """A graph input of a sweep."""

    name: Text
    shape: list[Dim]
    dtype: DType = "float32"


class WeightTable(InputTable, frozen=True, kw_only=True):
    """An initializer: `values` row by row, `fill` for all elements, or seeded numbers."""

    values: list[Scalar] | None = None
    fill: int | Number | str | None = None


class NodeTable(Table, frozen=True, kw_only=True):
    """A node. Texts among the attributes are expressions; plain text has inner quotes."""

    op: Text
    inputs: tuple[str, ...] = ()
    outputs: Annotated[list[str], Meta(min_length=1)]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    domain: str = ""


class SweepTable(Table, frozen=True, kw_only=True):
    """`[[sweep]]`: each of `cases` crossed with `grid` is one operator case."""

    name: Text
    op: Text
    opset: Opset = 13
    seed: Seed = 0
    grid: dict[Variable, Annotated[list[Scalar], Meta(min_length=1)]] = field(default_factory=dict)
    cases: Annotated[list[dict[Variable, Scalar]], Meta(min_length=1)] | None = None
    inputs: list[InputTable]
    weights: tuple[WeightTable, ...] = ()
    nodes: Annotated[list[NodeTable], Meta(min_length=1)]
    outputs: Annotated[list[Text], Meta(min_length=1)]


class SweepFile(Table, frozen=True, kw_only=True):
    """ops/*.toml."""

    sweep: Elements
