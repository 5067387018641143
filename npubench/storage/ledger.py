"""What came of exporting and of cutting models: lines of JSON in a workspace, of a case the last counts."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from npubench.domain.records import Failure, OnnxModel
from npubench.domain.specs import CaseSpec, ModelSpec
from npubench.storage.json import decode_lines, encode

EXPORTS = "exports.jsonl"
CONVERSIONS = "conversions.jsonl"


@dataclass(frozen=True, slots=True)
class Export:
    """One attempt. `failure_class` is empty for a model that was written and checked against PyTorch.

    `exported` is what the exporter says of the file: the part of the model, the weights, the difference.
    """

    case: str
    codebase: str
    duration_s: float
    failure_class: str = ""
    message: str = ""
    sha256: str = ""
    opset: int | None = None
    shape: str = ""
    macs: int | None = None
    parameters: int | None = None
    activation_bytes: int | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    exported: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One `npubench convert --cut auto`. A failure class is empty where the case converted.

    `as_is` is without surgery, `with_cut` with it; `lacking` are the operators that were cut off or refused.
    `joined_fp32` and `joined_target` are the lowest cosines of the joined parts' outputs with the whole
    model's, the body in FP32 and as its toolchain gave it; None where there is none.
    """

    case: str
    backend: str
    board: str
    precision: str
    as_is: str
    with_cut: str
    lacking: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    joined_fp32: float | None = None
    joined_target: float | None = None


def outcome(case: str, codebase: str, duration_s: float, made: OnnxModel | Failure) -> Export:
    """The record of an attempt."""
    if isinstance(made, Failure):
        return Export(case, codebase, duration_s, str(made.failure_class), made.message)
    return Export(
        case,
        codebase,
        duration_s,
        sha256=made.sha256,
        opset=made.opset,
        shape=" ".join("x".join(map(str, tensor.shape)) for tensor in made.inputs),
        macs=made.macs,
        parameters=made.parameters,
        activation_bytes=made.activation_bytes,
        operators=dict(made.operators),
        exported=dict(made.exported),
    )


def make_noted(root: Path, case: CaseSpec, make: Callable[[], OnnxModel | Failure]) -> OnnxModel | Failure:
    """Make the file of a case, and note the attempt when it is a model of a codebase. Raises OSError."""
    started = time.monotonic()
    made = make()
    if isinstance(case, ModelSpec):
        note(root, outcome(case.name, case.codebase, time.monotonic() - started, made))
    return made


def note(root: Path, record: Export | Conversion) -> None:
    """Append an attempt to the workspace at `root`, where a killed process leaves it. Raises OSError."""
    file = EXPORTS if isinstance(record, Export) else CONVERSIONS
    with (root / file).open("a", encoding="utf-8") as stream:
        stream.write(lines([record]))


def lines(records: Iterable[Export | Conversion]) -> str:
    """Attempts as `read_exports` and `read_conversions` take them: a line of JSON each."""
    return "".join(f"{encode(record)}\n" for record in records)


def read_exports(place: Path) -> dict[str, Export]:
    """The last attempt of every case, in order of first attempts; nothing where nothing is kept.

    `place` is a file, or the folder of an export or of a run. Raises UsageError.
    """
    files = [place] if place.is_file() else [place / EXPORTS, place / ".npubench" / EXPORTS]
    return {export.case: export for file in files for export in decode_lines(Export, file)}


def read_conversions(place: Path) -> list[Conversion]:
    """The last one of every case, board and precision; nothing where there is no file.

    `place` is a file, or the folder of `npubench convert`. Raises UsageError.
    """
    every = decode_lines(Conversion, place if place.is_file() else place / ".npubench" / CONVERSIONS)
    return list({(one.case, one.board, one.precision): one for one in every}.values())
