"""Configs of OpenMMLab by name or path, made fit for a model with weights of our own.

Runs inside the OpenMMLab environment, imports nothing of npubench.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    from worker_errors import Refused

DOWNLOADS = ("pretrained", "pretrained2d", "init_cfg", "load_from", "checkpoint")
"""Keys that make a model fetch weights while it is built; it gets others anyway."""


def folder(package: str) -> Path:
    """Where a package keeps its configs. Raises ModuleNotFoundError for one that is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)
    return Path(next(iter(spec.submodule_search_locations))) / ".mim" / "configs"


def files(package: str) -> dict[str, Path]:
    """Configs of models by their names; parts that configs are made of are none."""
    found = sorted(folder(package).rglob("*.py"))
    return {file.stem: file for file in found if "_base_" not in file.parts}


def find(package: str, config: str) -> Path:
    """The file of a config given by name or path. Raises Refused with the nearest names."""
    if Path(config).suffix == ".py":
        if not Path(config).is_file():
            raise Refused("not_found", f"the config {config} does not exist: correct the path")
        return Path(config)
    have = files(package)
    if config in have:
        return have[config]
    from difflib import get_close_matches

    near = get_close_matches(config[:100], have, n=3)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise Refused("not_found", f"{package} has no config {config[:100]!r}{hint}")


def load(package: str, config: str) -> Any:
    """The config, without anything that a model would download. Raises Refused, and what mmengine raises."""
    from mmengine.config import Config

    loaded = Config.fromfile(find(package, config))
    if "model" not in loaded:
        raise Refused("invalid_model", f"the config {config} has no model: name the config of a model")
    without_downloads(loaded.model)
    return loaded


def without_downloads(part: Any) -> None:
    """Take out, in place and at any depth, what makes a model fetch weights."""
    for table in _tables(part):
        for key in DOWNLOADS:
            if key in table:
                table[key] = False if isinstance(table[key], bool) else None


def _tables(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _tables(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _tables(value)


def build(model: Any, scope: str) -> Any:
    """The model of a config's `model` table, by the registry of its package."""
    from mmengine.registry import MODELS, DefaultScope

    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(model)
