"""mmsegmentation: raw logits a pixel, at the resolution that the decoder has."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmseg", name)


def build(loaded: Any) -> Any:
    """The segmentor, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmseg")


def forward(model: Any, x: Any) -> Any:
    """Logits of the decoder."""
    return model._forward(x)
