"""What surgery did for each conversion: `conversions.jsonl` of a workspace; of a case the last counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from npubench.jsonio import decode_lines, encode

FILE = "conversions.jsonl"


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


def note(root: Path, conversion: Conversion) -> None:
    """Append to the workspace at `root`. Raises OSError."""
    with (root / FILE).open("a", encoding="utf-8") as stream:
        stream.write(f"{encode(conversion)}\n")


def lines(found: Iterable[Conversion]) -> str:
    """Conversions as `read` takes them: a line of JSON each."""
    return "".join(f"{encode(one)}\n" for one in found)


def read(place: Path) -> list[Conversion]:
    """The last one of every case, board and precision; nothing where there is no file.

    `place` is a file, or the folder of `npubench convert`. Raises UsageError.
    """
    every = decode_lines(Conversion, place if place.is_file() else place / ".npubench" / FILE)
    return list({(one.case, one.board, one.precision): one for one in every}.values())
