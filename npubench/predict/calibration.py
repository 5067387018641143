"""A board's calibration: prices, what was seen, and the rests of its networks, all of it in a TOML file.

The same figures give the same bytes: figures are sorted, numbers rounded; day and machine are not in it.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from npubench.domain.errors import UsageError
from npubench.domain.specs import Precision
from npubench.domain.text import printable
from npubench.predict.designs import Design, calibrations_folder, designs
from npubench.predict.fitting import Figure, Fitted, Rest, fit, kernels_sha256, scale_of
from npubench.predict.kernels import Kernel, counted
from npubench.storage.files import configuration_folder, write_atomically
from npubench.storage.hashing import digest
from npubench.storage.json import Positive, Table, Text
from npubench.storage.toml import checked

FORMAT = 1
"""Of the file. A change of what it means gets the next number, and older files are refused."""

BYTES_OF_A_WEIGHT = {Precision.FP32: 4.0, Precision.INT8: 1.0}


@dataclass(frozen=True, slots=True)
class Seen:
    """The sizes of a class that were timed."""

    figures: int  # that hold one of it
    least_work: float  # of one kernel, in the unit of its class
    most_work: float
    taps: tuple[int, ...]  # of its windows
    dilation: int  # the greatest


@dataclass(frozen=True, slots=True)
class BoardModel:
    """What is calibrated of a board in one precision."""

    precision: Precision
    design: Design
    prices: Mapping[str, float]
    seen: Mapping[str, Seen]  # by class
    rests: tuple[Rest, ...]
    operators: int  # figures of single operators behind it
    data_sha256: str  # of the figures
    scale: float = 1.0  # by which all of the design's prices were off together

    @property
    def weight_bytes(self) -> float:
        """Of one weight."""
        return BYTES_OF_A_WEIGHT[self.precision]

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks whose time is known, each once."""
        target = self.design.targets[-1]
        return tuple(dict.fromkeys(rest.name for rest in self.rests if rest.target == target))


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that is calibrated of a board."""

    board: str
    chip: str
    backend: str
    figure: str  # what a time is, one line
    made_of: str  # where the figures are from, one line
    models: tuple[BoardModel, ...]
    rows_until: str = ""  # ISO 8601, UTC, of the newest row; empty where it is none of a workspace

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that are calibrated."""
        return tuple(model.precision for model in self.models)


def calibrate(
    design: Design, precision: Precision, figures: Sequence[Figure], data_sha256: str
) -> BoardModel:
    """Fit a board's model. Raises ValueError without figures."""
    weight_bytes = BYTES_OF_A_WEIGHT[precision]
    scale = scale_of(design, figures, weight_bytes) if design.scales and figures else 1.0
    design = design.scaled(scale) if scale != 1 else design
    fitted: Fitted = fit(design, figures, weight_bytes)
    operators = sum(not one.is_network for one in figures)
    seen = seen_in(design, [one.kernels for one in figures])
    return BoardModel(precision, design, fitted.prices, seen, fitted.rests, operators, data_sha256, scale)


def seen_in(design: Design, figures: Sequence[Sequence[Kernel]]) -> Mapping[str, Seen]:
    """What classes were timed, and in which sizes."""
    found: dict[str, list[tuple[int, Kernel, float]]] = {}
    for number, kernels in enumerate(figures):
        for kernel in counted(kernels):
            cost = design.class_of(kernel)
            found.setdefault(cost.name, []).append((number, kernel, design.work_of(kernel, cost.work)))
    return {
        name: Seen(
            figures=len({number for number, _, _ in all_of}),
            least_work=min(work for _, _, work in all_of),
            most_work=max(work for _, _, work in all_of),
            taps=tuple(sorted({kernel.taps for _, kernel, _ in all_of})),
            dilation=max(kernel.dilation for _, kernel, _ in all_of),
        )
        for name, all_of in sorted(found.items())
    }


def figures_sha256(figures: Sequence[Figure]) -> str:
    """What identifies figures, whatever their order."""
    lines = [(one.name, one.target, kernels_sha256(one.kernels), one.time_us) for one in figures]
    return digest(sorted(lines))


def write(calibration: Calibration, path: Path) -> None:
    """Write the file, whole or not at all. Raises UsageError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_toml(calibration))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}): name another --calibration"
        ) from None


def to_toml(calibration: Calibration) -> str:
    """The text of the file."""
    head: dict[str, str | int | float] = {
        "format": FORMAT,
        "board": calibration.board,
        "chip": calibration.chip,
        "backend": calibration.backend,
        "figure": calibration.figure,
        "made_of": calibration.made_of,
        "rows_until": calibration.rows_until,
    }
    lines = [_COMMENT, *_pairs(head)]
    for model in calibration.models:
        lines.extend(_model_lines(model))
    return "\n".join(lines) + "\n"


_COMMENT = (
    "# Written by `npubench predict --fit`; docs/prediction.md says what it means. Fit again, do not edit."
)


def _model_lines(model: BoardModel) -> Iterator[str]:
    yield from ("", "[[model]]")
    yield from _pairs(
        {
            "precision": model.precision.value,
            "design": model.design.name,
            "design_sha256": digest(designs()[model.design.name]),
            "data_sha256": model.data_sha256,
            "operators": model.operators,
            "scale": model.scale,
        }
    )
    yield from ("", "[model.prices]", *_pairs(model.prices))
    for name, seen in model.seen.items():
        yield from ("", "[[model.seen]]")
        yield from _pairs({"name": name, "figures": seen.figures})
        yield from _pairs({"least_work": seen.least_work, "most_work": seen.most_work})
        yield from (f"taps = {list(seen.taps)}", f"dilation = {seen.dilation}")
    for rest in model.rests:
        yield from ("", "[[model.network]]")
        yield from _pairs({"name": rest.name, "target": rest.target, "kernels_sha256": rest.kernels_sha256})
        shares = ", ".join(f"{_text(name)} = {_value(share)}" for name, share in rest.composition.items())
        yield from (f"composition = {{ {shares} }}", f"log_ratio = {_value(rest.log_ratio)}")


def _pairs(values: Mapping[str, str | int | float]) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name if name.replace('_', '').isalnum() else _text(name)} = {_value(value)}"


def _value(value: str | int | float) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A basic string of TOML, which JSON's is one of, but for the character of deletion."""
    return json.dumps(text).replace("\x7f", "\\u007f")


Share = Annotated[float, Meta(ge=0, le=1)]
Finite = Annotated[float, Meta(ge=-100, le=100)]


class _Seen(Table, frozen=True, kw_only=True):
    name: Text
    figures: Annotated[int, Meta(ge=1)]
    least_work: Annotated[float, Meta(ge=0)]
    most_work: Annotated[float, Meta(ge=0)]
    taps: tuple[int, ...]
    dilation: int


class _Network(Table, frozen=True, kw_only=True):
    name: Text
    target: Text
    kernels_sha256: Text
    composition: dict[str, Share]
    log_ratio: Finite


class _Model(Table, frozen=True, kw_only=True):
    precision: Precision
    design: Text
    design_sha256: Text
    data_sha256: Text
    operators: Annotated[int, Meta(ge=0)]
    scale: Positive
    prices: dict[str, Positive]
    seen: tuple[_Seen, ...] = ()
    network: tuple[_Network, ...] = ()


class _File(Table, frozen=True, kw_only=True):
    format: int
    board: Text
    chip: Text
    backend: Text
    figure: Text
    made_of: Text
    rows_until: str
    models: tuple[_Model, ...] = field(name="model")


@dataclass(frozen=True, slots=True)
class Read:
    """A calibration with the file that holds it."""

    calibration: Calibration
    path: Path
    sha256: str  # of the file's bytes


def read(path: Path) -> Read:
    """The calibration of a file. Raises UsageError for one that is damaged, of another version or design."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}): correct its name or permissions"
        ) from None
    file = checked(path, data, _File)
    if file.format != FORMAT:
        again = f"fit it again: npubench predict --fit --board {printable(file.board, 60)}"
        raise UsageError(
            f"{path}: a calibration of format {file.format}, this npubench reads {FORMAT}: {again}"
        )
    models = tuple(_model(path, file.board, one) for one in file.models)
    words = file.board, file.chip, file.backend, file.figure, file.made_of
    return Read(Calibration(*words, models, file.rows_until), path, hashlib.sha256(data).hexdigest())


def _model(path: Path, board: str, table: _Model) -> BoardModel:
    design = designs().get(table.design)
    if design is None or digest(design) != table.design_sha256:
        told = f"made for another design of costs than this npubench's {printable(table.design, 40)!r}"
        raise UsageError(f"{path}: {told}: npubench predict --fit --board {printable(board, 60)}")
    wrong = next((one for one in table.network if one.target not in design.targets), None)
    if wrong is not None or any(not math.isfinite(price) for price in table.prices.values()):
        raise UsageError(f"{path}: is no calibration of {printable(board, 60)}: fit it again")
    seen = {
        one.name: Seen(one.figures, one.least_work, one.most_work, one.taps, one.dilation)
        for one in table.seen
    }
    rests = tuple(
        Rest(one.name, one.target, one.kernels_sha256, one.composition, one.log_ratio)
        for one in table.network
    )
    made = design.scaled(table.scale) if table.scale != 1 else design
    return BoardModel(
        *(table.precision, made, table.prices, seen, rests, table.operators, table.data_sha256, table.scale)
    )


def find(board: str, given: Path | None = None) -> Read:
    """The calibration of a board: the given file, the user's own, or the shipped one.

    Raises UsageError where there is none, and for a file that is another board's.
    """
    own = own_file(board)
    shipped = calibrations_folder() / "boards" / f"{board}.toml"
    path = given or next((path for path in (own, shipped) if path and path.is_file()), None)
    if path is None:
        again = f"npubench predict --fit --board {printable(board, 60)}"
        raise UsageError(f"board {printable(board, 60)} has no calibration: {again}")
    found = read(path)
    if found.calibration.board != board:
        told = f"is of board {printable(found.calibration.board, 60)}, not {printable(board, 60)}"
        raise UsageError(f"{path}: {told}: name its board, or another file")
    return found


def own_file(board: str) -> Path | None:
    """Where the user's own calibration of a board lies; None for an account without a home."""
    folder = configuration_folder()
    return folder / "calibrations" / f"{board}.toml" if folder else None
