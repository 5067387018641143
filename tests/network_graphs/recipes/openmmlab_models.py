"""Networks by their configs in OpenMMLab's packages; detectors end with their raw heads."""

import sys
from collections.abc import Iterator
from types import ModuleType
from unittest.mock import MagicMock

from tests.network_graphs.recipe import Recipe, picture

YOLO, DET, SEG, POSE = "mmyolo", "mmdetection", "mmsegmentation", "mmpose"
PRETRAIN, ACTION, OCR = "mmpretrain", "mmaction2", "mmocr"
MODELS = {
    YOLO: {
        **{{"l": "yolov7", "x": "yolov7x", "tiny": "yolov7-tiny"}[m]: (f"yolov7_{m}_syncbn_fast_8x16b-300e_coco", [640] if m == "x" else [640, 416, (480, 640)]) for m in ("tiny", "l", "x")},
        **{f"yolov7-{m}": (f"yolov7_{m[0]}-p6_syncbn_fast_8x16b-300e_coco", 1280) for m in ("w6", "e6", "d6")},
        "yolov7-e6e": ("yolov7_e2e-p6_syncbn_fast_8x16b-300e_coco", 1280),
        **{f"yolov6{m}-v2": (f"yolov6_{m}_syncbn_fast_8xb32-{e}e_coco", 640) for m, e in (("n", 400), ("t", 400), ("s", 400), ("m", 300), ("l", 300))},
        **{f"yolov6{m}-v3": (f"yolov6_v3_{m}_syncbn_fast_8xb32-300e_coco", [640]) for m in "nsml"},
        **{f"ppyoloe-plus-{m}": (f"ppyoloe_plus_{m}_fast_8xb8-80e_coco", 640) for m in "smlx"},
        **{f"ppyoloe-{m}": (f"ppyoloe_{m}_fast_8xb{b}-{e}e_coco", 640) for m, b, e in (("s", 32, 400), ("l", 20, 300))},
        **{f"yolox-{m}": (f"yolox_{m}_fast_8xb8-300e_coco", [416, 640] if m in ("nano", "tiny") else [640, 416]) for m in ("nano", "tiny", "s", "m", "l", "x")},
        **{f"rtmdet-{m}": (f"rtmdet_{m}_syncbn_fast_8xb32-300e_coco", 640) for m in ("tiny", "s", "m", "l", "x")},
    },
    DET: {
        **{f"rtmdet-ins-{m}": (f"rtmdet-ins_{m}_8xb32-300e_coco", 640) for m in ("tiny", "s", "m")},
        "yolov3-darknet53": ("yolov3_d53_8xb8-ms-608-273e_coco", [608, 416]),
        "yolov3-mobilenetv2": ("yolov3_mobilenetv2_8xb24-ms-416-300e_coco", 416),
        "ssd300-vgg16": ("ssd300_coco", 300),
        "ssd512-vgg16": ("ssd512_coco", 512),
        "ssdlite-mobilenetv2-mmdet": ("ssdlite_mobilenetv2-scratch_8xb24-600e_coco", 320),
        "centernet-resnet18-mmdet": ("centernet_r18_8xb16-crop512-140e_coco", 512),
        "retinanet-resnet50": ("retinanet_r50_fpn_1x_coco", [(800, 1344), 640, (800, 800)]),
        "fcos-resnet50": ("fcos_r50-caffe_fpn_gn-head_1x_coco", [(800, 1344), 640]),
        "faster-rcnn-r50-c4-rpn": ("faster-rcnn_r50-caffe_c4-1x_coco", [800]),
        "faster-rcnn-r50-fpn-rpn": ("faster-rcnn_r50_fpn_1x_coco", [800, (800, 1344), 640]),
        "atss-resnet50": ("atss_r50_fpn_1x_coco", [640, (800, 1344)]),
        "detr-r50": ("detr_r50_8xb2-150e_coco", [480, 640, 800]),
        "detr-r101": ("detr_r101_8xb2-500e_coco", [480, 640, 800]),
        "conditional-detr-r50": ("conditional-detr_r50_8xb2-50e_coco", [640, 480, 800]),
        "yolact-r101": ("yolact_r101_1xb8-55e_coco", 550),
        "yolact-r50": ("yolact_r50_1xb8-55e_coco", 550),
        "nasfpn-retinanet-r50": ("retinanet_r50_nasfpn_crop640-50e_coco", 640),
        "solov2-light-r18": ("solov2-light_r18_fpn_ms-3x_coco", (448, 768)),
    },
    SEG: {
        **{f"segformer-{m}-ade": (f"segformer_mit-{m}_8xb2-160k_ade20k-{512 if m != 'b5' else 640}x{512 if m != 'b5' else 640}", 512) for m in ("b1", "b2", "b3")},
        "segformer-b0-cityscapes": ("segformer_mit-b0_8xb1-160k_cityscapes-1024x1024", [(512, 1024), 1024, (1024, 2048)]),
        "stdc1": ("stdc1_4xb12-80k_cityscapes-512x1024", [(1024, 1920), (512, 1024)]),
        "stdc2": ("stdc2_4xb12-80k_cityscapes-512x1024", [(1024, 1920), (512, 1024)]),
        "ocrnet-hrnet-w48": ("ocrnet_hr48_4xb2-80k_cityscapes-512x1024", [(1024, 2048), (512, 1024)]),
        "ocrnet-hrnet-w18s": ("ocrnet_hr18s_4xb2-80k_cityscapes-512x1024", [(512, 1024)]),
        **{f"pidnet-{m}": (f"pidnet-{m}_2xb6-120k_1024x1024-cityscapes", [(1024, 2048)]) for m in "sml"},
        "ddrnet23-slim": ("ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024", [(1024, 2048)]),
        "ddrnet23": ("ddrnet_23_in1k-pre_2xb6-120k_cityscapes-1024x1024", [(1024, 2048)]),
        "bisenetv1-r18": ("bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024", [1024, (512, 1024)]),
        "bisenetv2": ("bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024", [1024, (512, 1024)]),
        "fast-scnn": ("fast_scnn_8xb4-160k_cityscapes-512x1024", [(512, 1024)]),
        "pspnet50": ("pspnet_r50-d8_4xb4-80k_ade20k-512x512", [512, 473]),
        "pspnet101-ade20k-473": ("pspnet_r101-d8_4xb4-80k_ade20k-512x512", [480]),
        "unet-s5-d16-fcn": ("unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024", [256, 512]),
        "deeplabv3plus-resnet50": ("deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512", [512, 513]),
        "deeplabv3-resnet50-mmseg": ("deeplabv3_r50-d8_4xb4-80k_ade20k-512x512", 512),
        "fcn-resnet50-mmseg": ("fcn_r50-d8_4xb4-80k_ade20k-512x512", 512),
        "upernet-resnet50": ("upernet_r50_4xb4-80k_ade20k-512x512", 512),
        "upernet-swin-tiny": ("swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512", 512),
        "cgnet": ("cgnet_fcn_4xb8-60k_cityscapes-512x1024", [(512, 1024)]),
        "icnet-r50": ("icnet_r50-d8_4xb2-80k_cityscapes-832x832", [832]),
        "erfnet": ("erfnet_fcn_4xb4-160k_cityscapes-512x1024", [(512, 1024)]),
    },
    POSE: {
        **{f"hrnet-w{w}-pose": (f"td-hm_hrnet-w{w}_8xb{b}-210e_coco-256x192", [(256, 192), (384, 288)]) for w, b in ((32, 64), (48, 32))},
        **{f"rtmpose-{m}-wholebody": (f"rtmpose-{m}_8xb64-270e_coco-wholebody-256x192", [(256, 192)]) for m in "ml"},
        **{f"rtmpose-{m}": (f"rtmpose-{m}_8xb256-420e_coco-256x192", [(256, 192)]) for m in ("t", "s", "m", "l")},
        "litehrnet-18": ("td-hm_litehrnet-18_8xb64-210e_coco-256x192", [(256, 192)]),
        "litehrnet-30": ("td-hm_litehrnet-30_8xb64-210e_coco-256x192", [(256, 192)]),
        "hrnetv2-w18-cofw": ("td-hm_hrnetv2-w18_8xb64-60e_cofw-256x256", [256]),
        **{f"vitpose-{m}": (f"td-hm_ViTPose-{m}-simple_8xb64-210e_coco-256x192", [(256, 192)]) for m in ("small", "base")},
        **{f"vitpose-{m}-classic": (f"td-hm_ViTPose-{m}_8xb64-210e_coco-256x192", [(256, 192)]) for m in ("small", "base")},
        **{f"simplebaseline-res{d}": (f"td-hm_res{d}_8xb64-210e_coco-256x192", [(256, 192)]) for d in (50, 101)},
        "mspn50": ("td-hm_mspn50_8xb32-210e_coco-256x192", [(256, 192)]),
        "rtmo-s": ("rtmo-s_8xb32-600e_coco-640x640", 640),
    },
    OCR: {
        "dbnet-r18": ("dbnet_resnet18_fpnc_1200e_icdar2015", [640, 736]),
        "dbnet-r50": ("dbnet_resnet50_1200e_icdar2015", [640]),
    },
}  # fmt: skip
CLIPS = {
    "c3d": ("c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb", (1, 1, 3, 16, 112, 112)),
    "tsm-r50": ("tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb", (1, 8, 3, 224, 224)),
    "tsm-mobilenetv2": (
        "tsm_imagenet-pretrained-mobilenetv2_8xb16-1x1x8-100e_kinetics400-rgb",
        (1, 8, 3, 224, 224),
    ),
    "slowfast-r50": ("slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb", (1, 1, 3, 32, 224, 224)),
    "x3d-m": ("x3d_m_16x5x1_facebook-kinetics400-rgb", (1, 1, 3, 16, 256, 256)),
    "videomae-base-p16": ("vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400", (1, 1, 3, 16, 224, 224)),
}


def prepare() -> None:
    """What the packages import and no network needs: readers of annotations, and language models."""
    from worker_codebases import CODEBASES  # noqa: F401

    operators = ModuleType("mmcv._ext")
    operators.__getattr__ = lambda name: _operator(name)  # type: ignore[method-assign]
    sys.modules.setdefault("mmcv._ext", operators)
    for name in ("xtcocotools", "xtcocotools.coco", "xtcocotools.cocoeval", "xtcocotools.mask"):
        sys.modules.setdefault(name, MagicMock())
    for name in ("mmpretrain.models.multimodal", "mmaction.models.multimodal"):
        sys.modules.setdefault(name, ModuleType(name))


def _operator(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *_words, **_keywords: None


class Forward:
    """A model whose forward is what its codebase exports."""

    def __new__(cls, codebase, model):
        from torch import nn

        class Whole(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, x):
                return codebase.forward(self.model, x)

        return Whole()


def build(name: str, config: str, change=None, activation: str = ""):
    def made(_shape):
        prepare()
        import worker_codebases

        worker_codebases.prepare(name)
        codebase = worker_codebases.CODEBASES[name]
        loaded = codebase.config(config)
        if change:
            change(loaded.model)
        model = codebase.build(loaded).eval()
        if activation:
            with_activation(model, activation)
        for module in list(model.modules()):
            if hasattr(module, "switch_to_deploy"):
                module.switch_to_deploy()
        return Yolact(model) if "yolact" in config else Forward(codebase, model)

    return made


class Yolact:
    """YOLACT's heads and its prototypes, without the masks that follow from chosen boxes."""

    def __new__(cls, model):
        from torch import nn

        class Whole(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, x):
                maps = self.model.extract_feat(x)
                prototypes = maps[0]
                for layer in self.model.mask_head.protonet:
                    prototypes = layer(prototypes)
                return self.model.bbox_head.forward(maps), prototypes

        return Whole()


def with_activation(model, activation: str) -> None:
    """Another activation in place of SiLU."""
    from torch import nn

    other = {"relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.1)}[activation]
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.SiLU) or type(child).__name__ == "Swish":
                setattr(module, name, other())


def dilated(model) -> None:
    """DC5: the last stage of the backbone does not halve."""
    model.backbone.strides, model.backbone.dilations = (1, 2, 2, 1), (1, 1, 1, 2)


def regnet(arch: str, channels: list[int]):
    def change(model) -> None:
        model.backbone = {"type": "RegNet", "arch": arch, "out_indices": (0, 1, 2, 3), "style": "pytorch"}
        model.neck.in_channels = channels

    return change


def wide(model) -> None:
    """YOLOX-s of three quarters of the width."""
    for part in (model.backbone, model.neck, model.bbox_head.head_module):
        part.widen_factor = 0.75


def recipes() -> Iterator[Recipe]:
    for member in ("tiny", "s", "m", "l"):
        config = f"yolox_{member}_fast_8xb8-300e_coco"
        yield from picture(
            f"yolox-{member}-leaky",
            [640, 416],
            build(YOLO, config, activation="leaky"),
            f"{YOLO} {config}, LeakyReLU",
        )
        yield from picture(
            f"yolox-{member}-relu", [640], build(YOLO, config, activation="relu"), f"{YOLO} {config}, ReLU"
        )
    config = "yolox_s_fast_8xb8-300e_coco"
    yield from picture(
        "yolox-s-wide-leaky", [640], build(YOLO, config, wide, "leaky"), f"{YOLO} {config}, wider, LeakyReLU"
    )
    for depth in (50, 101):
        config = f"detr_r{depth}_8xb2-{ {50: 150, 101: 500}[depth] }e_coco"
        yield from picture(
            f"detr-r{depth}-dc5", [480, 640], build(DET, config, dilated), f"{DET} {config}, dilated"
        )
    yield from picture(
        "detr-r18-bn", [800], build(DET, "detr_r18_8xb2-500e_coco"), f"{DET} detr_r18_8xb2-500e_coco"
    )
    for size, channels in (("800mf", [64, 128, 288, 672]), ("1.6gf", [72, 168, 408, 912])):
        config = "yolact_r50_1xb8-55e_coco"
        yield from picture(
            f"yolact-regnetx-{size}",
            [512],
            build(DET, config, regnet(f"regnetx_{size}", channels)),
            f"{DET} {config}, RegNetX",
        )
    for codebase, members in MODELS.items():
        for name, (config, sizes) in members.items():
            yield from picture(name, sizes, build(codebase, config), f"{codebase} {config}")
    for name, (config, shape) in CLIPS.items():
        yield Recipe(name, shape, build(ACTION, config), f"{ACTION} {config}")
