"""mmyolo: raw heads a level, before decoding and NMS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmyolo", name)


def build(loaded: Any) -> Any:
    """The detector, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmyolo")


def forward(model: Any, x: Any) -> Any:
    """Scores, boxes and objectness of every level."""
    return model._forward(x)
