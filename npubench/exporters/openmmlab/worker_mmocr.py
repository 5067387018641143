"""mmocr: text detectors up to the maps that text is read out of."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmocr", name)


def build(loaded: Any) -> Any:
    """The detector, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmocr")


def forward(model: Any, x: Any) -> Any:
    """Maps of the head; of DBNet the probability map, as it predicts."""
    return model.det_head(model.extract_feat(x))
