"""What surgery did for each conversion: `conversions.jsonl` of a workspace; of a case the last counts."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

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
        stream.write(json.dumps(asdict(conversion), sort_keys=True) + "\n")


def read(root: Path) -> list[Conversion]:
    """The last one of every case, board and precision; nothing where there is no file."""
    found: dict[tuple[str, str, str], Conversion] = {}
    if (root / FILE).is_file():
        for line in (root / FILE).read_text(encoding="utf-8").splitlines():
            # A killed run may leave half a line at the end.
            if line.endswith("}"):
                told = json.loads(line)
                lists = {name: tuple(told[name]) for name in ("lacking", "rewrites")}
                one = Conversion(**{**told, **lists})
                found[one.case, one.board, one.precision] = one
    return list(found.values())
