"""Test data on this machine: made when first asked for, known by hash, checked each time it is taken."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from npubench.benchmarks.codec.cases import LEAST_PSNR_DB, CodecCase, Operation, Recipe
from npubench.domain.errors import WorkspaceError
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.storage.files import cache_folder, write_atomically
from npubench.storage.hashing import digest, sha256_of_file

_FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Made:
    """What a maker tells of a file: `frames_sha256` of its decoded frames (I420; of raw data, its bytes).

    `psnr_db` is the distance of the decoded frames from their source, None where they are the source.
    """

    sha256: str
    frames: int
    frames_sha256: str
    psnr_db: float | None
    encoder: str


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file and what is known of it."""

    path: Path
    made: Made


Maker = Callable[[Recipe, Path], Made | Failure]
"""Writes a recipe's file at a path."""


def media_file(recipe: Recipe, versions: Mapping[str, str], make: Maker) -> MediaFile | Failure:
    """The file of a recipe, from the cache or made with tools of these versions.

    A file whose bytes are no longer what they were is made again. Raises WorkspaceError when the cache
    cannot be written.
    """
    try:
        return _kept_or_made(recipe, versions, make)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write to {cache_folder('codec')}: {error.strerror or error}:"
            " set NPUBENCH_CACHE to a folder with room"
        ) from error


def _kept_or_made(recipe: Recipe, versions: Mapping[str, str], make: Maker) -> MediaFile | Failure:
    folder = cache_folder("codec") / f"{recipe.name}-{digest(recipe, versions)[:16]}"
    kept = read(folder, recipe)
    if kept is not None:
        return kept
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
        new = Path(scratch) / recipe.name
        new.mkdir()
        made = make(recipe, new / f"{recipe.name}{recipe.suffix}")
        if isinstance(made, Failure):
            return made
        if failure := _not_as_asked(recipe, made):
            return failure
        write_atomically(new / _FACTS, json.dumps(asdict(made)))
        # Another npubench may have made it meanwhile, and then its bytes are the same.
        if (kept := read(folder, recipe)) is not None:
            return kept
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
        return MediaFile(folder / f"{recipe.name}{recipe.suffix}", made)


def read(folder: Path, recipe: Recipe) -> MediaFile | None:
    """What lies in a folder of the cache; None when it is not whole."""
    path = folder / f"{recipe.name}{recipe.suffix}"
    try:
        made = Made(**json.loads((folder / _FACTS).read_text(encoding="utf-8")))
        return MediaFile(path, made) if sha256_of_file(path) == made.sha256 else None
    except (OSError, ValueError, TypeError):
        return None


def _not_as_asked(recipe: Recipe, made: Made) -> Failure | None:
    message = ""
    if made.frames != recipe.frames:
        message = f"{made.encoder} made {made.frames} of {recipe.frames} frames of {recipe.name}"
    elif made.psnr_db is not None and made.psnr_db < LEAST_PSNR_DB:
        message = (
            f"{made.encoder} made {recipe.name} with {made.psnr_db:.1f} dB: its frames are not the source's"
        )
    return Failure(Stage.EXPORT, FailureClass.OUTPUT_MISMATCH, message) if message else None


IMAGES: Mapping[str, str] = {
    "nv12-to-bgr-1080p": "16268db3f981883b4b7777f5447bf65d4621a075f13431232ea3c0e9e2344c38",
    "letterbox-640": "f729796e43ded77e2c918c7f9f00e323c809c13b03b830281e85440308d90d71",
    "crop-roi-224": "4454930cb8c57bb2bb6857ae95b5ada37eab5366be5b360e5c136c873a2db41e",
}
"""SHA-256 of all results of the eight frames by swscale with `cases.EXACT`: integer arithmetic in
one fixed order; equal in FFmpeg 5.1 and 8.0."""


def expected_sha256(case: CodecCase, made: Made, ffmpeg: bool) -> str | None:
    """Of a decoder: what the reference decoder gave. Of a scaler: the figure above. Else None.

    H.264 and H.265 say to the bit what a decoder gives (ITU-T H.264 and H.265, clause 8). JPEG and
    scalers leave rounding open, so what is known of them counts for FFmpeg's own alone (`ffmpeg`).
    An encoder's choices are its own.
    """
    if case.operation in (Operation.DECODE, Operation.PIPELINE):
        return made.frames_sha256 if ffmpeg or case.codec != "jpeg" else None
    return IMAGES.get(case.name) if ffmpeg else None
