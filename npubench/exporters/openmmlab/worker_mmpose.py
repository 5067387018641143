"""mmpose: heat maps or coordinate classes of one cropped person."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmpose", name)


def build(loaded: Any) -> Any:
    """The estimator, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmpose")


def forward(model: Any, x: Any) -> Any:
    """What the head gives before key points are decoded."""
    return model._forward(x)
