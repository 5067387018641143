"""The shape of a file that declares published tables. Strict: nothing unknown, nothing converted."""

from typing import Annotated, Literal

from msgspec import Meta

from npubench.storage.json import Positive, Table, Text

Name = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+-]*\Z",
        max_length=150,
        description="a name: use letters, digits and . _ + -",
    ),
]
OfPublisher = Literal["measured", "simulated"]
RoleName = Literal[
    "chip", "mode", "model", "input", "precision", "metric", "value", "unit",
    "kind", "tool", "note", "source",
]  # fmt: skip
FieldName = Literal[
    "latency_us", "throughput_fps", "tool_macs", "mac_utilisation", "memory_bytes", "failure"
]  # fmt: skip


class DeclaredColumn(Table, frozen=True, kw_only=True):
    """`[[table.column]]`: a column of the CSV file."""

    name: Text
    role: RoleName | None = None
    metric: Text = ""
    unit: str = ""
    kind: OfPublisher | None = None
    meaning: str = ""
    chip: str = ""
    mode: str = ""
    model: str = ""
    input: str = ""
    precision: str = ""
    tool: str = ""
    note: str = ""
    source: str = ""
    field: FieldName | Literal[""] = ""
    scale: Positive = 1.0
    runs: Annotated[int, Meta(ge=1)] | None = None


class DeclaredTable(Table, frozen=True, kw_only=True):
    """`[[table]]`: a CSV file beside the TOML file, and what holds for all of its rows."""

    name: Name
    file: Text
    title: str = ""
    source: str = ""
    licence: str = ""
    published_at: str = ""
    kind: OfPublisher | None = None
    chip: str = ""
    mode: str = ""
    model: str = ""
    input: str = ""
    precision: str = ""
    metric: str = ""
    unit: str = ""
    tool: str = ""
    note: str = ""
    board: str = ""
    backend: str = ""
    npu_mode: str = ""
    missing: tuple[Text, ...] = ()
    column: tuple[DeclaredColumn, ...] = ()


class TablesFile(Table, frozen=True, kw_only=True):
    """A TOML file of published tables."""

    table: Annotated[tuple[DeclaredTable, ...], Meta(min_length=1)]
