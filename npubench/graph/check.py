"""What makes a file no usable model before any runtime is asked: its first bytes, then what onnx knows of it;
and the words of a refused model.
"""

import re
import stat
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.text import printable
from npubench.graph.walk import STANDARD_DOMAINS, all_nodes, bodies, default_opset, has_rank, is_tensor

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto

    Key = tuple[str, str, str]


DOMAINS_OF_ONNX = (*STANDARD_DOMAINS, "ai.onnx.ml")
_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")
INLINED_LIMIT = 1_000_000
"""Nodes after local functions are inlined: a few kilobytes of nested calls can ask for any number."""


def refusal(model: "ModelProto") -> Failure | None:
    """An opset that this onnx has not heard of, operators that ONNX's own domains do not have, or
    an attribute that would keep shape inference busy for ever.
    """
    import onnx

    newest = onnx.defs.onnx_opset_version()
    opset = default_opset(model)
    if not 1 <= opset <= newest:
        message = f"opset {opset} is not known here, 1 to {newest} are: export the model at one of these"
        return refused(FailureClass.UNSUPPORTED_OPSET, message)
    own = {(function.domain, function.name) for function in model.functions}
    unknown: dict[str, str] = {}
    for body, imports in ((model.graph, model.opset_import), *((f, f.opset_import) for f in model.functions)):
        versions = {entry.domain: entry.version for entry in imports if entry.domain in DOMAINS_OF_ONNX}
        for domain, op in sorted({(node.domain, node.op_type) for node in all_nodes(body)} - own):
            if domain in versions and (why := why_not(domain, op, versions[domain])):
                unknown[op] = why
    if not unknown:
        return _endless(model)
    names = tuple(sorted(unknown))
    listed = ", ".join(f"'{shown(name)}' ({unknown[name]})" for name in names)
    message = f"opset {opset} of ONNX has no operator {listed}: export at a fitting opset, or without it"
    return refused(FailureClass.UNSUPPORTED_OPERATOR, message, names)


def _endless(model: "ModelProto") -> Failure | None:
    """onnx's shape inference loops for ever over some Einsum equations that are none, such as `ij,jk-`."""
    for body in bodies(model):
        for node in all_nodes(body):
            for attribute in node.attribute if node.op_type == "Einsum" else ():
                equation = attribute.s.decode("utf-8", "replace").replace(" ", "")
                if attribute.name == "equation" and not _EQUATION.fullmatch(equation):
                    message = f"Einsum's equation '{shown(equation)}' is none: write it such as 'ij,jk->ik'"
                    return refused(FailureClass.UNSUPPORTED_ATTRIBUTE, message, ("Einsum",))
    return None


@cache
def why_not(domain: str, op: str, version: int) -> str:
    """Why a version of a domain does not offer an operator; empty when it does."""
    from onnx import defs

    domain = "" if domain in STANDARD_DOMAINS else domain
    try:
        schema = defs.get_schema(op, version, domain)
    except defs.SchemaError:
        if not defs.has(op, domain):
            return "unknown to ONNX"
        return f"newer, its present form is of opset {defs.get_schema(op, domain).since_version}"
    return f"withdrawn at opset {schema.since_version}" if schema.deprecated else ""


def checked(path: Path, model: "ModelProto", external: bool) -> Failure | None:
    """The verdict of ONNX's checker on the model at `path`; `model` is the same one, parsed.

    Outputs without a shape, which every runtime infers, are let pass; but their types are wanted.
    """
    import onnx

    bare = [value for value in model.graph.output if is_tensor(value) and not has_rank(value)]
    if bare and external:
        # In memory the checker would look for external data in the current folder.
        return None
    try:
        if not bare:
            onnx.checker.check_model(str(path))
            return None
        for value in bare:
            value.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(model.SerializeToString())
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return invalid(f"ONNX's checker refuses the model: {words}", str(error))
    finally:
        for value in bare:
            value.type.tensor_type.ClearField("shape")
    return None


def inlined(model: "ModelProto") -> "ModelProto | Failure":
    """The model without local functions: every call replaced by the function's nodes."""
    import onnx
    from onnx import inliner

    if not model.functions:
        return model
    if _inlined_size(model) > INLINED_LIMIT:
        return invalid(
            f"its local functions call each other to over {INLINED_LIMIT} nodes: export it without them"
        )
    try:
        return inliner.inline_local_functions(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        return invalid(f"its local functions cannot be inlined: {error}: export it without them", str(error))


def _inlined_size(model: "ModelProto") -> int:
    """Nodes after inlining, cut short above the limit; functions that call themselves are above it."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[Key, int] = {}

    def size(key: "Key") -> int:
        if key not in sizes:
            sizes[key] = INLINED_LIMIT + 1
            sizes[key] = total(functions[key])
        return sizes[key]

    def total(body: "FunctionProto") -> int:
        keys = [(node.domain, node.op_type, node.overload) for node in all_nodes(body)]
        return min(sum(size(key) if key in functions else 1 for key in keys), INLINED_LIMIT + 1)

    return total(model.graph)


LONGEST_NAME = 80
LONGEST_MESSAGE = 600


def refused(
    failure_class: FailureClass, message: str, operators: tuple[str, ...] = (), detail: str = ""
) -> Failure:
    """A failure whose message is one line whatever a model's names or a library's words hold."""
    line = shown(" ".join(message.split()), LONGEST_MESSAGE)
    return Failure(Stage.EXPORT, failure_class, line, operators, detail)


def invalid(message: str, detail: str = "") -> Failure:
    """A file that is no model, or a model that no runtime could load."""
    return refused(FailureClass.INVALID_MODEL, message, detail=detail)


def shown(text: str, limit: int = LONGEST_NAME) -> str:
    """A stranger's text for a message: what breaks lines or turns direction escaped, cut to `limit`."""
    return printable(text if len(text) <= limit else f"{text[: limit - 1]}…")


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


def near_input(name: str, names: Collection[str], otherwise: str) -> str:
    """What a mistyped name of an input may have meant."""
    from difflib import get_close_matches

    near = get_close_matches(name[:LONGEST_NAME], names, n=1, cutoff=0.3)
    return f"did you mean '{shown(near[0])}'?" if near else otherwise
