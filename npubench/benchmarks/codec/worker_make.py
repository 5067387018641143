"""Makes test data with PyAV, in the worker's process."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.recipes import FORMATS, RATE, RECIPES, Recipe
from npubench.benchmarks.codec.worker_frames import decoded, i420, psnr_db, sources
from npubench.storage.hashing import sha256_of_file

SEI = {"h264": "filter_units=remove_types=6"}
"""x264 writes its version into every stream, as supplemental information; frames do not need it."""


def make(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write a recipe's file; the fields of `media.Made`."""
    recipe, path = RECIPES[job["recipe"]], Path(job["output"])
    if recipe.codec == "raw":
        return _raw(recipe, path)
    _encode(recipe, path)
    told = _told(decoded(path, recipe.codec), sources(recipe))
    return {"sha256": sha256_of_file(path), "encoder": f"{recipe.encoder} of PyAV", **told}


def _raw(recipe: Recipe, path: Path) -> dict[str, Any]:
    total, count = hashlib.sha256(), 0
    with path.open("wb") as stream:
        for frame in sources(recipe):
            samples = memoryview(frame.to_ndarray()).cast("B")
            stream.write(samples)
            total.update(samples)
            count += 1
    known = {"frames": count, "psnr_db": None, "encoder": "testsrc2 of PyAV"}
    return {"sha256": total.hexdigest(), "frames_sha256": total.hexdigest(), **known}


def _encode(recipe: Recipe, path: Path) -> None:
    import av
    from av.bitstream import BitStreamFilterContext

    with av.open(str(path), "w", format=FORMATS[recipe.codec]) as container:
        stream: Any = container.add_stream(recipe.encoder, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixels
        stream.codec_context.thread_count = 1
        stream.options = {**dict(recipe.options), "flags": "bitexact"}
        cleaned = None
        for frame in [*sources(recipe), None]:
            if frame is not None:
                frame.pict_type = 0
            for packet in stream.encode(frame):
                if recipe.codec in SEI:
                    cleaned = cleaned or BitStreamFilterContext(SEI[recipe.codec], stream)
                    container.mux(cleaned.filter(packet))
                else:
                    container.mux(packet)


def _told(ours: Iterator[Any], theirs: Iterator[Any]) -> dict[str, Any]:
    """Number and SHA-256 of the decoded frames, and the least PSNR against the pictures."""
    total, count, worst = hashlib.sha256(), 0, None
    for one, other in zip(ours, theirs, strict=True):
        samples = i420(one)
        total.update(memoryview(samples).cast("B"))
        count += 1
        distance = psnr_db(samples[: other.height : 4, ::4], i420(other)[: other.height : 4, ::4])
        worst = min(distance, worst or distance) if distance is not None else worst
    return {"frames": count, "frames_sha256": total.hexdigest(), "psnr_db": worst}
