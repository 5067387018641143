"""The codebases of OpenMMLab that can be exported, and the environment that each needs."""

import re
from pathlib import Path

from npubench.exporters.openmmlab.config_files import config_files
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
_SCOPES = {
    "mmpretrain": "mmpretrain",
    "mmaction": "mmaction2",
    "mmseg": "mmsegmentation",
    "mmdet": "mmdetection",
    "mmpose": "mmpose",
    "mmocr": "mmocr",
    "mmyolo": "mmyolo",
    "mmagic": "mmagic",
}


def installed(codebase: str) -> environments.Installed | None:
    """An environment that has the codebase, if one is there."""
    found = (environments.find(name) for name in CODEBASES[codebase])
    return next((ready for ready in found if ready), None)


def codebase_of(config: Path) -> str:
    """The codebase of a config file, by the `default_scope` that it or its bases set; else mmpretrain."""
    for file in config_files(config):
        if found := _SCOPE.search(file.read_text(encoding="utf-8", errors="replace")):
            return _SCOPES.get(found["scope"], "mmpretrain")
    return "mmpretrain"
