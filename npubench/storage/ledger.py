"""What came of exporting each model: `exports.jsonl` of a workspace; of a case the last line counts."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from npubench.domain.records import Failure, OnnxModel
from npubench.domain.specs import CaseSpec, ModelSpec
from npubench.storage.json import decode_lines, encode

FILE = "exports.jsonl"


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


def noted(root: Path, case: CaseSpec, make: Callable[[], OnnxModel | Failure]) -> OnnxModel | Failure:
    """Make the file of a case, and note the attempt when it is a model of a codebase. Raises OSError."""
    started = time.monotonic()
    made = make()
    if isinstance(case, ModelSpec):
        note(root, outcome(case.name, case.codebase, time.monotonic() - started, made))
    return made


def note(root: Path, export: Export) -> None:
    """Append an attempt to the workspace at `root`. Raises OSError."""
    with (root / FILE).open("a", encoding="utf-8") as stream:
        stream.write(lines([export]))


def lines(exports: Iterable[Export]) -> str:
    """Attempts as `read` takes them: a line of JSON each."""
    return "".join(f"{encode(export)}\n" for export in exports)


def read(place: Path) -> dict[str, Export]:
    """The last attempt of every case, in order of first attempts; nothing where nothing is kept.

    `place` is a file, or the folder of an export or of a run. Raises UsageError.
    """
    files = [place] if place.is_file() else [place / FILE, place / ".npubench" / FILE]
    return {export.case: export for file in files for export in decode_lines(Export, file)}


CONVERSIONS_FILE = "conversions.jsonl"


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


def conversions_note(root: Path, conversion: Conversion) -> None:
    """Append to the workspace at `root`. Raises OSError."""
    with (root / CONVERSIONS_FILE).open("a", encoding="utf-8") as stream:
        stream.write(f"{encode(conversion)}\n")


def conversions_lines(found: Iterable[Conversion]) -> str:
    """Conversions as `read` takes them: a line of JSON each."""
    return "".join(f"{encode(one)}\n" for one in found)


def conversions_read(place: Path) -> list[Conversion]:
    """The last one of every case, board and precision; nothing where there is no file.

    `place` is a file, or the folder of `npubench convert`. Raises UsageError.
    """
    every = decode_lines(Conversion, place if place.is_file() else place / ".npubench" / CONVERSIONS_FILE)
    return list({(one.case, one.board, one.precision): one for one in every}.values())
