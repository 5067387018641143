"""Networks of smaller packages, each as its package defines it."""

from collections.abc import Iterator

from tests.network_graphs.recipe import Recipe, picture


def pytorchcv(name):
    def made(_shape):
        from pytorchcv.model_provider import get_model

        return get_model(name, pretrained=False)

    return made


PYTORCHCV = {
    "hardnet39ds": 224,
    "hardnet68": 224,
    "hardnet68ds": 224,
    "hardnet85": 224,
    "resnext26-32x4d": 224,
    "bninception": 224,
    "centernet-resnet18-gluon": 512,
    "centernet-resnet50-gluon": 512,
    "shufflenet-g1": 224,
    "igcv3-w1": 224,
    "peleenet": 224,
    "mobilenetv1-0.25": 224,
    "mobilenetv1-0.5": 224,
    "mobilenetv1-0.75": 224,
    "squeezenext": 224,
    "diracnet18v2": 224,
    "fastscnn-cityscapes": 1024,
    "lwopenpose-mobilenetv2": 368,
    "simplepose-resnet50": (256, 192),
    "preresnet50": 224,
    "preresnet18": 224,
    "preresnet101": 224,
    "preresnet152": 224,
    "resnet50-v1": 224,
    "resnet101-v1": 224,
    "resnet152-v1": 224,
    "zfnet": 224,
    "nin": 224,
    "darknet-ref": 224,
    "darknet-tiny": 224,
    "proxylessnas-mobile": 224,
    "proxylessnas-gpu": 224,
    "fishnet99": 224,
    "vovnet27s": 224,
    "selecsls60": 224,
    "ibnresnet50": 224,
    "bagnet9": 224,
    "sknet50": 224,
    "airnet50-1x64d": 224,
    "menet108-8x1-g3": 224,
}
CODES = {
    "hardnet39ds": "hardnet39ds", "resnext26-32x4d": "resnext26_32x4d", "centernet-resnet18-gluon": "centernet_resnet18_coco",
    "centernet-resnet50-gluon": "centernet_resnet50b_coco", "shufflenet-g1": "shufflenet_g1_w1", "igcv3-w1": "igcv3_w1",
    "mobilenetv1-0.25": "mobilenet_wd4", "mobilenetv1-0.5": "mobilenet_wd2", "mobilenetv1-0.75": "mobilenet_w3d4", "squeezenext": "sqnxt23_w1",
    "fastscnn-cityscapes": "fastscnn_cityscapes", "lwopenpose-mobilenetv2": "lwopenpose2d_mobilenet_cmupan_coco", "simplepose-resnet50": "simplepose_resnet50b_coco",
    "resnet50-v1": "resnet50", "resnet101-v1": "resnet101", "resnet152-v1": "resnet152",
    "darknet-ref": "darknet_ref", "darknet-tiny": "darknet_tiny", "proxylessnas-mobile": "proxylessnas_mobile", "proxylessnas-gpu": "proxylessnas_gpu",
    "ibnresnet50": "ibn_resnet50", "airnet50-1x64d": "airnet50_1x64d_r2", "menet108-8x1-g3": "menet108_8x1_g3",
}  # fmt: skip


def smp(kind, encoder, classes=1, **more):
    def made(_shape):
        import segmentation_models_pytorch

        return getattr(segmentation_models_pytorch, kind)(
            encoder, encoder_weights=None, classes=classes, **more
        )

    return made


def effdet(name):
    def made(shape):
        from effdet import EfficientDet, get_efficientdet_config

        config = get_efficientdet_config(name)
        config.image_size = shape[-2:]
        return EfficientDet(config, pretrained_backbone=False)

    return made


def transformer(kind, config, **changes):
    """A network of Hugging Face's transformers by its configuration."""

    def made(_shape):
        import torch
        import transformers

        settings = getattr(transformers, config)(**changes)
        settings._attn_implementation = "eager"
        model = getattr(transformers, kind)(settings)

        class Whole(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, x):
                return tuple(
                    one for one in self.model(x, return_dict=True).to_tuple() if isinstance(one, torch.Tensor)
                )

        return Whole()

    return made


def depth_anything(size, neck, hidden):
    from transformers import Dinov2Config

    width, depth, heads, layers = {
        "s": (384, 12, 6, (3, 6, 9, 12)),
        "b": (768, 12, 12, (3, 6, 9, 12)),
        "l": (1024, 24, 16, (5, 12, 18, 24)),
    }[size]
    # Hugging Face numbers stages from one; its published configurations use the same four.
    backbone = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        image_size=518,
        patch_size=14,
        out_features=[f"stage{n}" for n in layers],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    return transformer(
        "DepthAnythingForDepthEstimation",
        "DepthAnythingConfig",
        backbone_config=backbone,
        reassemble_hidden_size=width,
        neck_hidden_sizes=neck,
        fusion_hidden_size=hidden,
    )


def easyocr_craft(_shape):
    from easyocr.craft import CRAFT

    return CRAFT(pretrained=False)


def easyocr_recogniser(_shape):
    """Generation 2: VGG features, two LSTMs of 256, 97 characters."""
    import torch
    from easyocr.model.vgg_model import Model

    model = Model(1, 256, 256, 97)

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x, None)

    return Whole()


def super_gradient(name, classes=80):
    def made(_shape):
        import sys
        from unittest.mock import MagicMock

        for missing in (
            "boto3",
            "botocore",
            "botocore.exceptions",
            "jsonschema",
            "tensorboard",
            "torch.utils.tensorboard",
        ):
            sys.modules.setdefault(missing, MagicMock())
        from super_gradients.training import models

        model = models.get(name, num_classes=classes).eval()
        if hasattr(model, "prep_model_for_conversion"):
            model.prep_model_for_conversion(input_size=_shape)
        return model

    return made


def superpoint(_shape):
    """SuperPoint (DeTone et al., 2018): the encoder and both heads, up to the maps."""
    import torch
    from torch import nn

    def block(inner, outer):
        return [nn.Conv2d(inner, outer, 3, 1, 1), nn.ReLU()]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            pool = nn.MaxPool2d(2, 2)
            self.body = nn.Sequential(
                *block(1, 64),
                *block(64, 64),
                pool,
                *block(64, 64),
                *block(64, 64),
                pool,
                *block(64, 128),
                *block(128, 128),
                pool,
                *block(128, 128),
                *block(128, 128),
            )
            self.points = nn.Sequential(*block(128, 256), nn.Conv2d(256, 65, 1))
            self.words = nn.Sequential(*block(128, 256), nn.Conv2d(256, 256, 1))

        def forward(self, x):
            x = self.body(x)
            words = self.words(x)
            return torch.softmax(self.points(x), 1), words / words.norm(dim=1, keepdim=True)

    return Net()


def sam_encoder(kind):
    def made(_shape):
        from ultralytics.models.sam.build import build_mobile_sam, build_sam_vit_b

        return {"mobile": build_mobile_sam, "b": build_sam_vit_b}[kind]().image_encoder

    return made


def tiny_vit(shape):
    """MobileSAM's encoder (Zhang et al., 2023) at any size."""
    from ultralytics.models.sam.modules.tiny_encoder import TinyViT

    return TinyViT(
        img_size=shape[-1], in_chans=3, num_classes=1000, embed_dims=[64, 128, 160, 320], depths=[2, 2, 6, 2], num_heads=[2, 4, 5, 10],
        window_sizes=[7, 7, 14, 7], mlp_ratio=4.0, drop_rate=0.0, drop_path_rate=0.0, use_checkpoint=False, mbconv_expand_ratio=4.0,
        local_conv_size=3, layer_lr_decay=0.8,
    )  # fmt: skip


def sam2_encoder(_shape):
    """SAM 2.1's tiny encoder (Ravi et al., 2024): Hiera, the neck, and the two maps of high resolution."""
    import torch
    from ultralytics.models.sam.modules.encoders import FpnNeck, Hiera

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = Hiera(
                embed_dim=96,
                num_heads=1,
                stages=(1, 2, 7, 2),
                global_att_blocks=(5, 7, 9),
                window_pos_embed_bkg_spatial_size=(7, 7),
            )
            self.neck = FpnNeck(
                d_model=256,
                backbone_channel_list=[768, 384, 192, 96],
                fpn_top_down_levels=[2, 3],
                fpn_interp_model="nearest",
            )
            self.high = torch.nn.ModuleList((torch.nn.Conv2d(256, 32, 1), torch.nn.Conv2d(256, 64, 1)))

        def forward(self, x):
            maps, _places = self.neck(self.body(x))
            return self.high[0](maps[0]), self.high[1](maps[1]), maps[2]

    return Whole()


def recipes() -> Iterator[Recipe]:
    yield from picture(
        "sam2.1-hiera-tiny-encoder",
        [1024, 720],
        sam2_encoder,
        "Ravi et al., SAM 2, 2024; ultralytics' layers",
    )
    for name, size in PYTORCHCV.items():
        code = CODES.get(name, name)
        yield from picture(name, size, pytorchcv(code), f"pytorchcv {code}")
    for kind, encoder, sizes in (
        ("Unet", "resnet18", [256, 512]),
        ("Unet", "resnet34", [256, 512]),
        ("Unet", "mobilenet_v2", [256]),
        ("FPN", "resnet18", [512]),
        ("DeepLabV3Plus", "mobilenet_v2", [512]),
        ("Linknet", "resnet18", [512]),
    ):
        yield from picture(
            f"{kind.lower()}-{encoder.replace('_', '')}-smp",
            sizes,
            smp(kind, encoder),
            f"segmentation-models-pytorch {kind} {encoder}",
        )
    for n, size in enumerate((320, 384, 448, 512, 640)):
        yield from picture(
            f"efficientdet-lite{n}",
            size,
            effdet(f"tf_efficientdet_lite{n}"),
            f"effdet tf_efficientdet_lite{n}",
        )
    for n, size in enumerate((512, 640, 768)):
        yield from picture(
            f"efficientdet-d{n}", size, effdet(f"tf_efficientdet_d{n}"), f"effdet tf_efficientdet_d{n}"
        )
    anything = "transformers DepthAnything"
    yield from picture(
        "depth-anything-vits", [518, 224], depth_anything("s", [48, 96, 192, 384], 64), anything
    )
    yield from picture("depth-anything-vitb", [518], depth_anything("b", [96, 192, 384, 768], 128), anything)
    yield from picture("easyocr-craft", [(608, 800)], easyocr_craft, "easyocr CRAFT")
    yield from picture(
        "easyocr-recognizer", [(64, 800), (64, 1000)], easyocr_recogniser, "easyocr generation 2", channels=1
    )
    yield from picture(
        "superpoint", [(360, 640), (480, 640)], superpoint, "DeTone et al., SuperPoint, 2018", channels=1
    )
    for name in ("yolo_nas_s", "yolo_nas_m", "yolo_nas_l"):
        yield from picture(name.replace("_", "-"), 640, super_gradient(name), f"super-gradients {name}")
    for n in (1, 2):
        yield from picture(
            f"stdc{n}-sg",
            [(1024, 1920), (512, 1024)],
            super_gradient(f"stdc{n}_seg", 19),
            f"super-gradients stdc{n}_seg",
        )
    for n in ("t", "b"):
        yield from picture(
            f"pp-liteseg-{n}",
            [(512, 1024), 512],
            super_gradient(f"pp_lite_{n}_seg", 19),
            f"super-gradients pp_lite_{n}_seg",
        )
    yield from picture(
        "mobilesam-encoder-tinyvit", [1024, 448], sam_encoder("mobile"), "ultralytics MobileSAM"
    )
    yield from picture("sam-vit-b-encoder", [1024], sam_encoder("b"), "ultralytics SAM ViT-B")
    yield from picture(
        "trocr-small-encoder",
        [384],
        transformer(
            "DeiTModel",
            "DeiTConfig",
            hidden_size=384,
            num_attention_heads=6,
            intermediate_size=1536,
            image_size=384,
        ),
        "transformers DeiT small",
    )
    yield from picture(
        "segformer-b0-ade",
        [512],
        transformer("SegformerForSemanticSegmentation", "SegformerConfig", num_labels=150),
        "transformers Segformer",
    )
