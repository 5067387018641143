"""The codebases of OpenMMLab: how each finds a config, builds its model, and what of it is exported.

Configs go by name or path and are made fit for a model with weights of our own. What the packages need
before they import on this stack stands at the end: each entry says why, and disappears by itself where the
package does not need it. Runs inside the OpenMMLab environment, imports nothing of npubench.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    from worker_errors import Refused

DOWNLOADS = ("pretrained", "pretrained2d", "init_cfg", "load_from", "checkpoint")
"""Keys that make a model fetch weights while it is built; it gets others anyway."""


def package_folder(package: str) -> Path:
    """Where a package lies. Raises ModuleNotFoundError for one that is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)
    return Path(next(iter(spec.submodule_search_locations)))


def files(package: str) -> dict[str, Path]:
    """Configs of models by their names; parts that configs are made of are none."""
    found = sorted((package_folder(package) / ".mim" / "configs").rglob("*.py"))
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


class Codebase:
    """What holds for most: the model of the config, and its raw heads before any decoding and NMS."""

    def __init__(self, package: str) -> None:
        self.package = package

    def warm(self) -> None:
        """Do once what every job would."""

    def config(self, name: str) -> Any:
        """The config by name or path. Raises Refused."""
        return load(self.package, name)

    def network(self, loaded: Any) -> Any:  # noqa: ARG002 - one codebase can tell
        """What of a config decides the network; None where only exporting tells."""
        return None

    def build(self, loaded: Any) -> Any:
        """The model, weights as PyTorch starts them; preprocessing of batches is no part of the network."""
        model = loaded.model.copy()
        model.pop("data_preprocessor", None)
        return build(model, self.package)

    def forward(self, model: Any, x: Any) -> Any:
        """What is exported: what the head gives, a pixel, a level or a key point."""
        return model._forward(x)


class Pretrain(Codebase):
    """Classifiers, and whatever else of mmpretrain gives tensors for one image."""

    def warm(self) -> None:
        """Read the index of names, which takes longer than building most models."""
        import mmpretrain

        # The hub itself says that it has nothing until somebody asked for the list.
        mmpretrain.list_models()

    def config(self, name: str) -> Any:
        """The config of a model of `list_models()`, of a config's name, or of a path. Raises Refused."""
        from mmengine.config import Config
        from mmpretrain.apis.model import ModelHub

        self.warm()
        if Path(name).suffix != ".py" and ModelHub.has(name.lower()):
            found = ModelHub.get(name).config
            if not isinstance(found, Config):
                found = Config.fromfile(found)
            without_downloads(found.model)
            return found
        return load(self.package, name)

    def network(self, loaded: Any) -> Any:
        """What of a config decides the network. A third of the zoo's names differ in their training only."""
        model = loaded.model.to_dict()
        for key in ("data_preprocessor", "train_cfg"):
            model.pop(key, None)
        if isinstance(model.get("head"), dict):
            model["head"].pop("loss", None)
        return model

    def forward(self, model: Any, x: Any) -> Any:
        """Logits of a classifier, features of other models."""
        return model(x, mode="tensor")


class Action(Codebase):
    """Recognizers of clips, one view of one video."""

    def build(self, loaded: Any) -> Any:
        """Many views of a test are taken in portions; one view has none, and a batch of them is refused."""
        (loaded.model.get("test_cfg") or {}).pop("max_testing_views", None)
        return super().build(loaded)

    def forward(self, model: Any, x: Any) -> Any:
        """Class scores of one video, before any averaging over views."""
        features, more = model.extract_feat(x, stage="neck", test_mode=True)
        return model.cls_head(features, **more)


class Detection(Codebase):
    """Raw heads without NMS; of two stages the first, whose size does not follow the picture."""

    def forward(self, model: Any, x: Any) -> Any:
        """Scores and boxes a place as the head gives them: decoding and NMS belong to the host."""
        if hasattr(model, "forward_transformer"):
            return self._transformer(model, x)
        if getattr(model, "with_rpn", False):
            return model.rpn_head.forward(model.extract_feat(x))
        return model._forward(x)

    def _transformer(self, model: Any, x: Any) -> Any:
        """DETR and its kind mask what padding adds to a batch; one picture of fixed shape has no padding."""
        from mmdet.structures import DetDataSample

        size = tuple(x.shape[-2:])
        sample = DetDataSample()
        sample.set_metainfo({"img_shape": size, "batch_input_shape": size, "pad_shape": size})
        features = model.extract_feat(x)
        states = model.forward_transformer(features, [sample] * x.shape[0])
        return model.bbox_head.forward(**states)


class Ocr(Codebase):
    """Text detectors up to the maps that text is read out of."""

    def forward(self, model: Any, x: Any) -> Any:
        """Maps of the head; of DBNet the probability map, as it predicts."""
        return model.det_head(model.extract_feat(x))


class Magic(Codebase):
    """Generators of super-resolution; the rest of mmagic does not import on this stack."""

    def build(self, loaded: Any) -> Any:
        """The generator, which is all that makes the picture."""
        return build(loaded.model["generator"], self.package)

    def forward(self, model: Any, x: Any) -> Any:
        """The enlarged picture."""
        return model(x)


CODEBASES = {
    "mmpretrain": Pretrain("mmpretrain"),
    "mmaction2": Action("mmaction"),
    "mmsegmentation": Codebase("mmseg"),
    "mmdetection": Detection("mmdet"),
    "mmpose": Codebase("mmpose"),
    "mmocr": Ocr("mmocr"),
    "mmyolo": Codebase("mmyolo"),
    "mmagic": Magic("mmagic"),
}


def prepare(codebase: str) -> None:
    """Import the package of a codebase with all its models registered. Raises ImportError."""
    define_torchvision_schemas()
    name = CODEBASES[codebase].package
    if name == "mmaction":
        _stand_in_for_drn()
    if name in {"mmyolo", "mmocr"}:
        import mmcv

        # mmyolo 0.6.0 and mmocr 1.0.1 refuse 2.1, which is the first that compiles against today's PyTorch.
        mmcv.__version__ = "2.0.1"
        import mmdet

        # mmocr 1.0.1 refuses 3.2 and later, though it works with it.
        mmdet.__version__ = "3.1.0"
    if name == "mmagic":
        _import_parts_of_mmagic()
        return
    importlib.import_module(f"{name}.models")
    if name == "mmyolo":
        importlib.import_module("mmdet.models")


def define_torchvision_schemas() -> None:
    """Let torchvision be imported where its compiled operators do not load; no exported model calls them."""
    import torch

    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        for name in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", schema)


def _stand_in_for_drn() -> None:
    """mmaction2 1.2.0's wheel lacks the subpackage localizers.drn, which its models import by name."""
    if (package_folder("mmaction") / "models" / "localizers" / "drn").is_dir():
        return
    name = "mmaction.models.localizers.drn"
    for module in (name, f"{name}.drn"):
        sys.modules[module] = ModuleType(module)
    sys.modules[f"{name}.drn"].DRN = type("DRN", (), {})  # type: ignore[attr-defined]


def _import_parts_of_mmagic() -> None:
    """Super-resolution networks alone.

    mmagic's editors import diffusers, transformers and an old numpy altogether; these networks need none
    of it, so the packages above them are entered without running what stands in them.
    """
    import numpy

    if not hasattr(numpy, "bool8"):
        # numpy 2 took the name away; mmagic 1.2.0 only compares types with it.
        numpy.bool8 = numpy.bool_  # type: ignore[attr-defined]
    root = package_folder("mmagic")
    editors = [f"models/editors/{name}" for name in ("edsr", "rdn", "esrgan", "srgan")]
    for place in ("models", "models/archs", "models/utils", "models/editors", *editors):
        module = ModuleType(f"mmagic.{place.replace('/', '.')}")
        module.__path__ = [str(root / place)]
        sys.modules[module.__name__] = module
    # utils.model_utils itself reaches for the editors' packages; the two helpers are mmagic's, shortened.
    _fill_helpers(sys.modules["mmagic.models.utils"])
    for part, attribute in (
        ("upsample", "PixelShufflePack"),
        ("sr_backbone", "ResidualBlockNoBN"),
        ("downsample", "pixel_unshuffle"),
    ):
        source = importlib.import_module(f"mmagic.models.archs.{part}")
        setattr(sys.modules["mmagic.models.archs"], attribute, getattr(source, attribute))
    for editor in ("edsr.edsr_net", "rdn.rdn_net", "esrgan.rrdb_net", "srgan.sr_resnet"):
        importlib.import_module(f"mmagic.models.editors.{editor}")


def _fill_helpers(utils: ModuleType) -> None:
    """`make_layer` and `default_init_weights`; weights are filled later, so that does nothing."""
    from torch.nn import Sequential

    def make_layer(block: type, num_blocks: int, **keywords: object) -> Sequential:
        return Sequential(*(block(**keywords) for _ in range(num_blocks)))

    utils.make_layer = make_layer  # type: ignore[attr-defined]
    utils.default_init_weights = lambda *_words, **_keywords: None  # type: ignore[attr-defined]
