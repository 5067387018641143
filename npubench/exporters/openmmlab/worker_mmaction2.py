"""mmaction2: recognizers of clips, one view of one video."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmaction", name)


def build(loaded: Any) -> Any:
    """The recognizer, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    # Many views of a test are taken in portions; one view has none, and a batch of them is refused.
    (model.get("test_cfg") or {}).pop("max_testing_views", None)
    return worker_configs.build(model, "mmaction")


def forward(model: Any, x: Any) -> Any:
    """Class scores of one video, before any averaging over views."""
    features, more = model.extract_feat(x, stage="neck", test_mode=True)
    return model.cls_head(features, **more)
