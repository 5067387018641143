"""Which files a config of OpenMMLab is made of: itself and those it inherits from."""

import ast
from collections.abc import Iterator
from pathlib import Path


def config_files(config: Path) -> tuple[Path, ...]:
    """`config` and all it names in `_base_` or imports from beside it, each once, the config first.

    Both styles of mmengine 0.10: `_base_ = ["../a.py"]`, and `from ..a import *` below `read_base()`. What
    is not there or cannot be parsed is left to mmengine to complain about.
    """
    found: dict[Path, None] = {}
    waiting = [config.resolve()]
    while waiting:
        file = waiting.pop(0)
        if file in found or not file.is_file():
            continue
        found[file] = None
        waiting += [(file.parent / base).resolve() for base in _bases(file)]
    return tuple(found)


def _bases(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from _imported(node)
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
        ):
            # `mmpretrain::...` means a file of the pinned package, whose version is known anyway.
            texts = (item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and "::" not in text)


def _imported(node: ast.ImportFrom) -> Iterator[str]:
    folder = "../" * (node.level - 1)
    if node.module:
        yield f"{folder}{node.module.replace('.', '/')}.py"
    else:
        yield from (f"{folder}{alias.name}.py" for alias in node.names)
