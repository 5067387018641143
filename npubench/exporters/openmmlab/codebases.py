"""The codebases of OpenMMLab that can be exported, and the environment that each needs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from npubench.tools import environments

LIGHT, FULL = "openmmlab", "openmmlab-full"
CODEBASES = {
    "mmpretrain": (LIGHT, FULL),
    "mmaction2": (LIGHT, FULL),
    "mmsegmentation": (FULL,),
    "mmdetection": (FULL,),
    "mmpose": (FULL,),
    "mmocr": (FULL,),
    "mmyolo": (FULL,),
    "mmagic": (FULL,),
}
"""Codebase -> environments that have it; the first one is what its exports are said to come from."""

_SCOPE = re.compile(r"^\s*default_scope\s*=\s*['\"](?P<scope>\w+)['\"]", re.MULTILINE)
_SCOPES = {"mmaction": "mmaction2", "mmseg": "mmsegmentation", "mmdet": "mmdetection"}
"""Those of another name than their codebase."""


def installed(codebase: str) -> environments.Installed | None:
    """An environment that has the codebase, if one is there."""
    found = (environments.find(name) for name in CODEBASES[codebase])
    return next((ready for ready in found if ready), None)


def codebase_of(config: Path) -> str:
    """The codebase of a config file, by the `default_scope` that it or its bases set; else mmpretrain."""
    for file in config_files(config):
        if found := _SCOPE.search(file.read_text(encoding="utf-8", errors="replace")):
            name = _SCOPES.get(found["scope"], found["scope"])
            return name if name in CODEBASES else "mmpretrain"
    return "mmpretrain"


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
            folder = "../" * (node.level - 1)
            names = [node.module.replace(".", "/")] if node.module else [one.name for one in node.names]
            yield from (f"{folder}{name}.py" for name in names)
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
        ):
            # `mmpretrain::...` means a file of the pinned package, whose version is known anyway.
            texts = (item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and "::" not in text)
