"""What surgery did for each conversion: `conversions.jsonl` of a workspace; of a case the last counts."""

from dataclasses import dataclass
from pathlib import Path

from npubench.jsonio import decode_lines, encode

FILE = "conversions.jsonl"


@dataclass(frozen=True, slots=True)
class Conversion:
    """One `npubench convert --cut auto`. A failure class is empty where the case converted.

    `as_is` is without surgery, `with_cut` with it; `lacking` are the operators that were cut off or refused.
    """

    case: str
    backend: str
    board: str
    precision: str
    as_is: str
    with_cut: str
    lacking: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()


def note(root: Path, conversion: Conversion) -> None:
    """Append to the workspace at `root`. Raises OSError."""
    with (root / FILE).open("a", encoding="utf-8") as stream:
        stream.write(f"{encode(conversion)}\n")


def read(root: Path) -> list[Conversion]:
    """The last one of every case, board and precision; nothing where there is no file."""
    every = decode_lines(Conversion, root / FILE)
    return list({(one.case, one.board, one.precision): one for one in every}.values())
