"""Networks as timm defines them, `timm.create_model` without weights."""

from collections.abc import Iterator

from tests.network_graphs.recipe import Recipe, picture

MODELS = {
    # MobileNets and their kin
    **{f"mobilenetv1-{width}": f"mobilenetv1_{width.replace('.', '')}0" for width in ("1.0",)},
    "mobilenetv1-1.25": "mobilenetv1_125",
    **{f"mobilenetv2-{width}": f"mobilenetv2_{code}" for width, code in
       (("0.35", "035"), ("0.5", "050"), ("0.75", "075"), ("1.4", "140"))},
    "mobilenetv3-large-0.75": "mobilenetv3_large_075",
    "mobilenetv3-small-0.75": "mobilenetv3_small_075",
    "mobilenetv3-large-minimalistic": "tf_mobilenetv3_large_minimal_100",
    "mobilenetv3-small-minimalistic": "tf_mobilenetv3_small_minimal_100",
    **{f"mobilenetv4-conv-{size}": (f"mobilenetv4_conv_{size}", sizes) for size, sizes in
       (("small", [224, 256]), ("medium", [224, 256, 320]), ("large", [384, 256]))},
    "mobilenetv4-conv-aa-large": ("mobilenetv4_conv_aa_large", [384, 480]),
    "mobilenetv4-hybrid-medium": ("mobilenetv4_hybrid_medium", [224, 256]),
    "mobilenetv4-hybrid-large": ("mobilenetv4_hybrid_large", [384, 256]),
    **{f"mobileone-s{n}": f"mobileone_s{n}" for n in range(5)},
    **{f"efficientnet-lite{n}": (f"efficientnet_lite{n}", size) for n, size in enumerate((224, 240, 260, 280, 300))},
    "ghostnet-1.0": "ghostnet_100",
    "ghostnet-1.3": "ghostnet_130",
    "ghostnetv2-1.0": "ghostnetv2_100",
    **{f"repghost-{width}x": f"repghostnet_{code}" for width, code in
       (("0.5", "050"), ("0.8", "080"), ("1.0", "100"), ("1.3", "130"), ("1.5", "150"), ("2.0", "200"))},
    **{f"lcnet-{width}": f"lcnet_{code}" for width, code in (("0.5", "050"), ("0.75", "075"), ("1.0", "100"), ("1.5", "150"))},
    **{f"hardcorenas-{letter}": f"hardcorenas_{letter}" for letter in "adf"},
    "fbnetc": "fbnetc_100",
    "spnasnet": "spnasnet_100",
    "mixnet-s": "mixnet_s",
    "mixnet-m": "mixnet_m",
    "mixnet-l": "mixnet_l",
    "nasnet-large": ("nasnetalarge", [331, 224]),
    "pnasnet-large": ("pnasnet5large", [331, 224]),
    # Residual and dense ones
    **{name: name for name in ("resnet10t", "resnet14t", "resnet26", "resnet26t")},
    "resnext101-32x4d": "resnext101_32x4d",
    "resnet50-v1d": "resnet50d",
    "resnet18-v1d": "resnet18d",
    **{f"seresnet{depth}": f"legacy_seresnet{depth}" for depth in (18, 34, 50, 101)},
    "seresnext50-32x4d": "legacy_seresnext50_32x4d",
    "senet154": "legacy_senet154",
    **{f"resnest{depth}d": (f"resnest{depth}d", 224) for depth in (14, 26, 50, 101)},
    "skresnet18": "skresnet18", "skresnet50": "skresnet50",
    **{f"res2net{depth}-26w-4s": f"res2net{depth}_26w_4s" for depth in (50, 101)},
    **{f"dpn{depth}": f"dpn{depth}" for depth in (68, 92, 107)},
    **{f"dla{member}": f"dla{member}" for member in ("34", "46_c", "60", "60x", "102", "102x", "102x2", "169")},
    **{f"hrnet-w{width}": f"hrnet_w{width}" for width in (18, 30, 32, 48, 64)},
    **{f"repvgg-{member}": f"repvgg_{member}" for member in ("a0", "a1", "a2", "b0", "b1", "b1g4", "b2", "b3")},
    **{"cspdarknet53": ("cspdarknet53", 256), "darknet53-classifier": ("darknet53", 256)},
    "cspresnet50": ("cspresnet50", 256),
    "cspresnext50": ("cspresnext50", 256),
    "inceptionv4": ("inception_v4", 299),
    "inception-resnet-v2": ("inception_resnet_v2", 299),
    "xception": ("legacy_xception", 299),
    "xception65": ("xception65", 299),
    **{f"vovnet{member}": f"ese_vovnet{member}" for member in ("19b_dw", "39b")},
    **{f"regnetx-{size}": f"regnetx_{code}" for size, code in (("200mf", "002"), ("600mf", "006"), ("4gf", "040"), ("6.4gf", "064"), ("12gf", "120"))},
    **{f"regnety-{size}": f"regnety_{code}" for size, code in (("200mf", "002"), ("600mf", "006"), ("4gf", "040"), ("6.4gf", "064"), ("12gf", "120"))},
    **{f"hgnetv2-b{n}": f"hgnetv2_b{n}" for n in (0, 1, 2, 4, 5)},
    **{"nfnet-f0": ("dm_nfnet_f0", [192, 256])},
    # Convolutions and attention
    **{f"convnextv2-{member}": f"convnextv2_{member}" for member in ("atto", "femto", "pico", "nano", "tiny", "base")},
    **{f"convnext-{member}": f"convnext_{member}" for member in ("atto", "femto", "pico", "nano")},
    **{f"efficientformer-{member}": f"efficientformer_{member}" for member in ("l1", "l3", "l7")},
    **{f"efficientformerv2-{member}": f"efficientformerv2_{member}" for member in ("s0", "s1", "s2", "l")},
    **{f"efficientvit-mit-{member}": (f"efficientvit_{member}", [224, 256]) for member in ("b0", "b1", "b2", "b3", "l1", "l2")},
    **{f"efficientvit-msra-{member}": f"efficientvit_{member}" for member in ("m0", "m1", "m2", "m3", "m4", "m5")},
    **{f"fastvit-{member}": (f"fastvit_{member}", [224, 256]) for member in ("t8", "t12", "s12", "sa12", "sa24", "sa36", "ma36")},
    "levit-128s": "levit_128s",
    **{f"levit-{width}": f"levit_{width}" for width in (128, 192, 256, 384)},
    **{f"mobilevit-{name}": (f"mobilevit_{code}", [256, 224]) for name, code in (("small", "s"), ("xs", "xs"), ("xxs", "xxs"))},
    **{f"mobilevitv2-{width}": (f"mobilevitv2_{code}", [256]) for width, code in (("0.5", "050"), ("1.0", "100"), ("1.5", "150"), ("2.0", "200"))},
    **{f"nextvit-{member}": f"nextvit_{member}" for member in ("small", "base", "large")},
    **{f"poolformer-{member}": f"poolformer_{member}" for member in ("s12", "s24", "s36", "m36")},
    **{f"davit-{member}": f"davit_{member}" for member in ("tiny", "small", "base")},
    **{f"edgenext-{member}": (f"edgenext_{member}", 256) for member in ("xx_small", "x_small", "small", "base")},
    **{f"repvit-{member}": f"repvit_{member}" for member in ("m0_9", "m1_0", "m1_1", "m1_5", "m2_3")},
    **{f"tinyvit-{member}": f"tiny_vit_{member}_224" for member in ("5m", "11m", "21m")},
    **{f"fasternet-{member}": f"fasternet_{member}" for member in ("t0", "t1", "t2", "s", "m", "l")},
    "sequencer2d-s": "sequencer2d_s",
    "sequencer2d-m": "sequencer2d_m",
    **{f"poolformerv2-{member}": f"poolformerv2_{member}" for member in ("s12",)},
    **{f"pvtv2-b{n}": f"pvt_v2_b{n}" for n in range(4)},
    **{f"mvitv2-{member}": f"mvitv2_{member}" for member in ("tiny", "small")},
    **{f"twins-{member}": f"twins_{member}" for member in ("pcpvt_small", "svt_small")},
    **{f"coatnet-{n}": f"coatnet_{n}_224" for n in (0, 1)},
    **{f"caformer-{member}": f"caformer_{member}" for member in ("s18",)},
    "resmlp12": "resmlp_12_224", "resmlp24": "resmlp_24_224", "mixer-base-p16": "mixer_b16_224", "gmlp-small-p16": "gmlp_s16_224",
    # Transformers
    **{f"deit-{member}": [(f"deit_{member}_patch16_224", 224)] for member in ("tiny", "small", "base")},
    **{f"deit3-{member}": [(f"deit3_{member}_patch16_224", 224)] for member in ("small", "medium", "base")},
    **{f"vit-{member}-p16": [(f"vit_{member}_patch16_224", 224), (f"vit_{member}_patch16_384", 384)] for member in ("tiny", "small")},
    "vit-base-p16": [("vit_base_patch16_384", 384)],
    "vit-small-p32": "vit_small_patch32_224",
    "vit-base-p14-dinov2": [("vit_base_patch14_dinov2", 518), ("vit_base_patch14_dinov2", 224)],
    "vit-small-p14-dinov2": [("vit_small_patch14_dinov2", 518), ("vit_small_patch14_dinov2", 224)],
    "vit-large-p14-dinov2": [("vit_large_patch14_dinov2", 518), ("vit_large_patch14_dinov2", 224)],
    "beit-base-p16": "beit_base_patch16_224",
    "beitv2-base-p16": "beitv2_base_patch16_224",
    "eva02-tiny-p14": ("eva02_tiny_patch14_224", 224),
    "eva02-base-p14": ("eva02_base_patch14_224", 224),
    **{f"cait-{member}": f"cait_{member}_224" for member in ("xxs24", "s24")},
    **{f"xcit-{member}": f"xcit_{member}_p16_224" for member in ("tiny_12", "small_12")},
    **{f"swinv2-cr-{member}": f"swinv2_cr_{member}_224" for member in ("tiny",)},
    "swin-large": "swin_large_patch4_window7_224",
    # Image encoders of CLIP and SigLIP: what comes out is the embedding
    "clip-vit-b-16-image-encoder": [("vit_base_patch16_clip_224", 224, 512)],
    "clip-vit-b-32-image-encoder": [("vit_base_patch32_clip_224", 224, 512)],
    "clip-vit-l-14-image-encoder": [("vit_large_patch14_clip_224", 224, 768)],
    "clip-vit-l-14-336-image-encoder": [("vit_large_patch14_clip_336", 336, 768)],
    "clip-vit-h-14-image-encoder": [("vit_huge_patch14_clip_224", 224, 1024)],
    "siglip-b-16-image-encoder": [("vit_base_patch16_siglip_224", 224, 0)],
    "siglip-b-16-256-image-encoder": [("vit_base_patch16_siglip_256", 256, 0)],
    "siglip-b-16-384-image-encoder": [("vit_base_patch16_siglip_384", 384, 0)],
    "siglip2-b-32-256-image-encoder": [("vit_base_patch32_siglip_256", 256, 0)],
    "siglip-l-16-256-image-encoder": [("vit_large_patch16_siglip_256", 256, 0)],
    "siglip-so400m-14-image-encoder": [("vit_so400m_patch14_siglip_224", 224, 0), ("vit_so400m_patch14_siglip_384", 384, 0)],
    "clip-resnet-50-image-encoder": [("resnet50_clip", 224, 1024)],
    "clip-resnet-101-image-encoder": [("resnet101_clip", 224, 512)],
    "clip-resnet-50x4-image-encoder": [("resnet50x4_clip", 288, 640)],
    "tinyclip-vit-39m-16-text-19m-yfcc15m-image-encoder": [(["vit_medium_patch16_clip_224", "tinyclip_yfcc15m"][0], 224, 512)],
    "tinyclip-vit-61m-32-text-29m-laion400m-image-encoder": [("vit_betwixt_patch32_clip_224", 224, 512)],
    "tinyclip-vit-40m-32-text-19m-laion400m-image-encoder": [("vit_medium_patch32_clip_224", 224, 512)],
    "tinyclip-vit-8m-16-text-3m-yfcc15m-image-encoder": [("vit_xsmall_patch16_clip_224", 224, 512)],
}  # fmt: skip


def build(member: str, classes: int | None = None):
    def made(shape):
        import timm
        from timm.layers import set_exportable, set_fused_attn
        from timm.utils.model import reparameterize_model

        set_exportable(True)
        set_fused_attn(False)
        more = {} if classes is None else {"num_classes": classes}
        try:
            model = timm.create_model(member, pretrained=False, img_size=shape[-2:], **more)
        except TypeError:
            model = timm.create_model(member, pretrained=False, **more)
        return reparameterize_model(model.eval())

    return made


def edgetpu(member: str):
    """As TensorFlow has it: a block that halves does so in its projection, timm's in its expansion."""

    def made(shape):
        from timm.models._efficientnet_blocks import EdgeResidual

        model = build(f"efficientnet_e{member}")(shape)
        for block in model.modules():
            if isinstance(block, EdgeResidual):
                block.conv_exp.stride, block.conv_pwl.stride = (1, 1), block.conv_exp.stride
        return model

    return made


def recipes() -> Iterator[Recipe]:
    for member, size in (("s", 224), ("m", 240), ("l", 300)):
        yield from picture(
            f"efficientnet-edgetpu-{member}",
            size,
            edgetpu(member),
            f"timm efficientnet_e{member}, strides as in TensorFlow",
        )
    for name, member in MODELS.items():
        listed = (
            member if isinstance(member, list) else [member if isinstance(member, tuple) else (member, 224)]
        )
        for model, sizes, *classes in listed:
            yield from picture(name, sizes, build(model, *classes), f"timm {model}")
