"""How publishers write inputs, batches and precisions in the names and cells of their tables."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Input:
    """Size of a network's input; None: not told."""

    height: int | None = None  # pixels
    width: int | None = None
    batch: int | None = None


_BATCH = re.compile(r"\bbatch[ =:]*(\d+)\b", re.I)
_NUMBERS = re.compile(r"\d+")
_CHANNELS = (1, 3)


def batch_of(text: str) -> int | None:
    """The batch that a mode or a note states (`3 cores, batch 8`); None: not told."""
    found = {int(number) for number in _BATCH.findall(text)}
    return found.pop() if len(found) == 1 and 0 not in found else None


def input_of(text: str) -> Input:
    """The size that an input cell states, in whichever of the usual ways; fields None where it does not.

    Read are `640`, `640x480` (height first), `640x640x3`, `3x640x640`, `1x3x640x640`, `[1, 3, 640, 640]`,
    `[1, 640, 640, 3]` and `112x112x48` (frames among the channels). Other numbers of parts are not, nor are
    three where none can be the channels.
    """
    numbers = [int(number) for number in _NUMBERS.findall(text)]
    if re.search(r"[^\d\sxX×*,()\[\]]", text) or not numbers or 0 in numbers:
        return Input()
    if len(numbers) == 1:
        return Input(numbers[0], numbers[0])
    batch = numbers.pop(0) if len(numbers) == 4 else None
    if len(numbers) == 3:
        if numbers[0] in _CHANNELS:
            numbers.pop(0)
        elif numbers[2] in _CHANNELS or numbers[0] == numbers[1]:
            numbers.pop()
    if len(numbers) != 2:
        return Input()
    height, width = numbers
    return Input(height, width, batch)
