"""What a path holds that was given for a model: told by its kind and first bytes, before onnx parses it."""

import stat
from pathlib import Path

from npubench.domain.records import Failure, FailureClass
from npubench.graph.check import LONGEST_MESSAGE, invalid, refused, shown

PROTOBUF_LIMIT_BYTES = 2**31 - 1
"""A protobuf message ends below 2 GiB (protobuf.dev, "Proto Limits")."""

SNIFFED_BYTES = 512
GIT_LFS = b"version https://git-lfs"
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or a PyTorch checkpoint",
    b"\x80\x02": "a pickle, such as a PyTorch checkpoint",
    b"\x1f\x8b": "gzip-compressed",
    b"\x89HDF": "an HDF5 file, such as a Keras model",
    b"\x7fELF": "a program",
}


def not_a_model(path: Path) -> Failure | None:
    """Why the path cannot be a model; None when its bytes may be one. Pipes and devices are not opened."""
    name = shown(str(path), LONGEST_MESSAGE // 2)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            return invalid(f"{name} is {kind}: give the path of an .onnx file")
        with path.open("rb") as stream:
            start = stream.read(SNIFFED_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return refused(FailureClass.NOT_FOUND, f"{name} does not exist: correct the path")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return invalid(f"{name} cannot be read ({reason}): correct the path or its permissions")
    if kind := _other_kind(start):
        return invalid(f"{name} {kind}")
    if status.st_size > PROTOBUF_LIMIT_BYTES:
        return invalid(f"{name} is over 2 GiB: export it with external data (save_as_external_data of onnx)")
    return None


def _other_kind(start: bytes) -> str:
    if not start:
        return "is empty: export or download it again"
    if start.startswith(GIT_LFS):
        return "is a git-lfs pointer, not the model itself: run `git lfs pull` in its repository"
    for magic, kind in OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"is {kind}, not ONNX: export the model to ONNX first"
    text = _as_text(start)
    if text.lower().lstrip("\ufeff \t\r\n").startswith(("<!doctype", "<html", "<?xml", "<head", "<!--")):
        return "is a web page, not a model: download the file itself"
    return "is text, not an ONNX model: export the model to ONNX first" if text else ""


def _as_text(start: bytes) -> str:
    """The bytes as text; empty when they are none. A character may be cut at the end."""
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = start.decode(encoding, "ignore")
    if len(text.encode(encoding)) < len(start) - 3 or not all(
        c.isprintable() or c in "\t\r\n\f\ufeff" for c in text
    ):
        return ""
    return text
