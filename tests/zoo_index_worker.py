"""Lists every model of a codebase with what its config says: `zoo_index_worker.py CODEBASE FILE`.

Runs inside the OpenMMLab environment, imports nothing of npubench; builds no model. FILE gets one line a
name: name, task, shape, mean, deviation, colour order, clip, parted by tabs; `-` for what is not told.
Names in mmpretrain's `list_models()` come first; then, after an empty line, those of other configs.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_codebases, worker_defaults
else:
    sys.path.insert(0, str(Path(__file__).parents[1] / "npubench/exporters/openmmlab"))
    import worker_codebases
    import worker_defaults


def main(codebase: str, path: Path) -> None:
    """Write the index; a config that cannot be read is listed with nothing told, so its name is known."""
    from mmengine.config import Config

    worker_codebases.define_torchvision_schemas()
    listed = hub() if codebase == "mmpretrain" else {}
    files = worker_codebases.files(worker_codebases.CODEBASES[codebase].package)
    others = {name: str(file) for name, file in files.items() if name not in listed}
    parts = []
    for sources in (listed, others):
        lines = []
        for name, source in sorted(sources.items()):
            try:
                config = Config.fromfile(source)
                told = worker_defaults.describe(codebase, name, config) if "model" in config else None
            except Exception as error:  # noqa: BLE001 - configs run code; the index goes on without them
                print(f"{name}: {type(error).__name__}: {str(error)[:200]}")  # noqa: T201 - for the log
                told = {}
            if told is not None:
                lines.append("\t".join([name, *columns(told)]))
        parts.append("\n".join(lines))
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def hub() -> dict[str, str]:
    """Files of mmpretrain's `list_models()`, whose names are not always those of their configs."""
    import mmpretrain
    from mmpretrain.apis.model import ModelHub

    names = mmpretrain.list_models()
    return {name: str(ModelHub._models_dict[name.lower()].config) for name in names}


def columns(told: dict[str, Any]) -> list[str]:
    """Task, shape, mean, deviation, colour order and clip as text."""
    clip = told.get("clip") or {}
    return [
        told.get("task") or "-",
        _joined(told.get("shape"), "x"),
        _joined(told.get("mean"), ","),
        _joined(told.get("std"), ","),
        told.get("color") or "-",
        _joined(list(clip.values()), ","),
    ]


def _joined(values: Any, by: str) -> str:
    return by.join(f"{value:.9g}" for value in values) if values else "-"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
