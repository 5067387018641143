"""What must come out of a case, where that is known."""

from collections.abc import Mapping

from npubench.benchmarks.codec.cases import CodecCase, Operation
from npubench.benchmarks.codec.media import Made

IMAGES: Mapping[str, str] = {
    "nv12-to-bgr-1080p": "16268db3f981883b4b7777f5447bf65d4621a075f13431232ea3c0e9e2344c38",
    "letterbox-640": "f729796e43ded77e2c918c7f9f00e323c809c13b03b830281e85440308d90d71",
    "crop-roi-224": "4454930cb8c57bb2bb6857ae95b5ada37eab5366be5b360e5c136c873a2db41e",
}
"""SHA-256 of all results of the eight frames by swscale with `recipes.EXACT`: integer arithmetic in
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
