"""What exceptions of PyTorch, OpenMMLab and ONNX Runtime mean; runs inside the OpenMMLab environment."""

import re
from collections.abc import Callable

_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|Cannot allocate memory")
_NO_PACKAGE = re.compile(r"No module named '(?P<module>[\w.]+)'|pip install \\?\"?(?P<package>[\w-]+)")
_DOWNLOAD = re.compile(
    r"URLError|HTTPError|ConnectionError|Max retries|couldn't connect|[Nn]ame resolution|LocalEntryNotFound"
    r"|offline mode"
)
_OPERATOR = re.compile(
    r"operator '?(?P<name>\w+::\w+)'? to ONNX opset|Unsupported: ONNX export of operator (\w+)"
)
_ADDED = re.compile(r"added in version (\d+)")


class Refused(Exception):  # noqa: N818 - a value on its way to the answer
    """Why there is no model: failure class, one line, operators at fault."""

    def __init__(self, failure_class: str, message: str, operators: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failure_class = failure_class
        self.operators = operators


def classify(error: BaseException) -> Refused:
    """The class of an exception, by its type, its own words and those of what caused it."""
    words = " ".join(f"{type(cause).__name__}: {cause}" for cause in _chain(error))
    for judge in _JUDGES:
        if refused := judge(words):
            return refused
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "it gives no reason"
    return Refused("export_failed", f"{type(error).__name__}: {text:.300}")


def _memory(words: str) -> Refused | None:
    if not (_NO_MEMORY.search(words) or words.startswith("MemoryError")):
        return None
    return Refused("out_of_memory", "the model does not fit into memory while it is exported")


def _package(words: str) -> Refused | None:
    match = _NO_PACKAGE.search(words)
    if not match:
        return None
    name = (match["module"] or match["package"]).partition(".")[0]
    return Refused("missing_package", f"it needs the package {name}, which its environment does not have")


def _download(words: str) -> Refused | None:
    match = _DOWNLOAD.search(words)
    if not match:
        return None
    message = f"it wants to download something while it is built, and cannot ({match[0]})"
    return Refused("export_failed", f"{message}: use a config without pretrained parts")


def _operators(words: str) -> Refused | None:
    names = tuple(dict.fromkeys(match[1] or match[2] for match in _OPERATOR.finditer(words)))
    if not names:
        return None
    added = _ADDED.search(words)
    advice = f": export at opset {added[1]} or above" if added else ""
    return Refused("unsupported_operator", f"PyTorch cannot export {', '.join(names)} to ONNX{advice}", names)


_JUDGES: tuple[Callable[[str], Refused | None], ...] = (_memory, _package, _download, _operators)


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
