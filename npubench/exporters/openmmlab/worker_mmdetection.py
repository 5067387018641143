"""mmdetection: raw heads without NMS; of two stages the first, whose size does not follow the picture."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmdet", name)


def build(loaded: Any) -> Any:
    """The detector, weights as PyTorch starts them."""
    model = loaded.model.copy()
    model.pop("data_preprocessor", None)
    return worker_configs.build(model, "mmdet")


def forward(model: Any, x: Any) -> Any:
    """Scores and boxes a place as the head gives them: decoding and NMS belong to the host."""
    if hasattr(model, "forward_transformer"):
        return _transformer(model, x)
    if getattr(model, "with_rpn", False):
        return model.rpn_head.forward(model.extract_feat(x))
    return model._forward(x)


def _transformer(model: Any, x: Any) -> Any:
    """DETR and its kind mask what padding adds to a batch; one picture of fixed shape has no padding."""
    from mmdet.structures import DetDataSample

    height, width = x.shape[-2:]
    sample = DetDataSample()
    sample.set_metainfo(
        {"img_shape": (height, width), "batch_input_shape": (height, width), "pad_shape": (height, width)}
    )
    features = model.extract_feat(x)
    states = model.forward_transformer(features, [sample] * x.shape[0])
    return model.bbox_head.forward(**states)
