"""Pictures of charts against golden ones, coarsely: what is gone or elsewhere shows, another font does not.

Both are shrunk to one grey value for every 16 x 16 pixels, the size of a letter or two, so what counts is
where ink is and how much of it, not how a letter is drawn.
"""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "data" / "charts"
RENEW = "NPUBENCH_RENEW_GOLDEN"
BLOCK_PX = 16
LEVEL = 22.0
"""Of 255: letters of another font cover a block by less more or less, a missing word by more."""

BLOCKS = 3
"""So many blocks may differ; a word, a mark with its value and an axis are more."""


def blocks(png: bytes) -> np.ndarray:
    """Mean grey of every block."""
    picture = Image.open(io.BytesIO(png)).convert("L")
    size = (round(picture.width / BLOCK_PX), round(picture.height / BLOCK_PX))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=float)


def differing(one: bytes, other: bytes) -> int:
    """Blocks whose grey differs by more than LEVEL; all of them where the sizes differ."""
    a, b = blocks(one), blocks(other)
    return int((np.abs(a - b) > LEVEL).sum()) if a.shape == b.shape else a.size


def check(name: str, png: bytes) -> None:
    """Compare with the golden picture of that name, or renew it where NPUBENCH_RENEW_GOLDEN=1 asks for it."""
    file = FOLDER / f"{name}.png"
    if os.environ.get(RENEW) == "1":
        Image.open(io.BytesIO(png)).convert("RGB").quantize(48).save(file, optimize=True)
        return
    count = differing(file.read_bytes(), png)
    assert count <= BLOCKS, f"{count} blocks of {name} differ from {file}: look at both, then `make golden`"
