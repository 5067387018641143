"""What OpenMMLab's packages need before they import on this stack; everything of it is here.

Runs inside the OpenMMLab environment, imports nothing of npubench. Each entry says why it is needed and
disappears by itself where the package does not need it.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npubench.exporters.openmmlab.worker_codebases import CODEBASES
else:
    from worker_codebases import CODEBASES

MMCV_FOR_GUARDS = "2.0.1"
"""mmyolo 0.6.0 and mmocr 1.0.1 refuse mmcv 2.1, which is the first that compiles against today's PyTorch."""

MMDET_FOR_GUARDS = "3.1.0"
"""mmocr 1.0.1 refuses mmdet 3.2 and later, though it works with it."""

GUARDED = ("mmyolo", "mmocr")


def prepare(codebase: str) -> None:
    """Import the package of a codebase with all its models registered. Raises ImportError."""
    define_torchvision_schemas()
    name = CODEBASES[codebase].package
    if name == "mmaction":
        _stand_in_for_drn()
    if name in GUARDED:
        _pass_version_guards()
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
    if (_folder("mmaction") / "models" / "localizers" / "drn").is_dir():
        return
    name = "mmaction.models.localizers.drn"
    for module in (name, f"{name}.drn"):
        sys.modules[module] = ModuleType(module)
    sys.modules[f"{name}.drn"].DRN = type("DRN", (), {})  # type: ignore[attr-defined]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)
    return Path(next(iter(spec.submodule_search_locations)))


def _pass_version_guards() -> None:
    import mmcv

    mmcv.__version__ = MMCV_FOR_GUARDS
    import mmdet

    mmdet.__version__ = MMDET_FOR_GUARDS


def _import_parts_of_mmagic() -> None:
    """Super-resolution networks alone.

    mmagic's editors import diffusers, transformers and an old numpy altogether; these networks need none
    of it, so the packages above them are entered without running what stands in them.
    """
    import numpy

    if not hasattr(numpy, "bool8"):
        # numpy 2 took the name away; mmagic 1.2.0 only compares types with it.
        numpy.bool8 = numpy.bool_  # type: ignore[attr-defined]
    root = _folder("mmagic")
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
