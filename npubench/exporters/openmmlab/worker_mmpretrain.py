"""mmpretrain: classifiers, and whatever else of it gives tensors for one image."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def warm() -> None:
    """Read the index of names, which takes longer than building most models."""
    import mmpretrain

    # The hub itself says that it has nothing until somebody asked for the list.
    mmpretrain.list_models()


def config(name: str) -> Any:
    """The config of a model of `list_models()`, of a config's name, or of a path. Raises Refused."""
    from mmengine.config import Config
    from mmpretrain.apis.model import ModelHub

    warm()
    if Path(name).suffix != ".py" and ModelHub.has(name.lower()):
        found = ModelHub.get(name).config
        if not isinstance(found, Config):
            found = Config.fromfile(found)
        worker_configs.without_downloads(found.model)
        return found
    return worker_configs.load("mmpretrain", name)


def build(loaded: Any) -> Any:
    """The model, weights as PyTorch starts them."""
    # What get_model does: TTA and preprocessing of batches are no part of the network.
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmpretrain")


def network(loaded: Any) -> Any:
    """What of a config decides the network. A third of the zoo's names differ in their training only."""
    model = loaded.model.to_dict()
    for key in ("data_preprocessor", "train_cfg"):
        model.pop(key, None)
    if isinstance(model.get("head"), dict):
        model["head"].pop("loss", None)
    return model


def forward(model: Any, x: Any) -> Any:
    """Logits of a classifier, features of other models."""
    return model(x, mode="tensor")
