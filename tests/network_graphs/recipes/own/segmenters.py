"""Segmentation, counting and depth: what gives a map as large as the picture or a part of it."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import (
    Parallel,
    Residual,
    SqueezeExcite,
    conv,
    repeated,
    separable,
    up,
)


def basic(inner, outer, stride=1):
    shortcut = conv(inner, outer, 1, stride, act="") if stride > 1 or inner != outer else None
    return Residual(
        nn.Sequential(conv(inner, outer, 3, stride), conv(outer, outer, act="")), shortcut, "relu"
    )


def stage(inner, outer, count, stride):
    return nn.Sequential(basic(inner, outer, stride), *(basic(outer, outer) for _ in range(count - 1)))


class FfNet(nn.Module):
    """FFNet for mobiles (Mehta et al., 2022): a slim ResNet of basic blocks, FPN of four widths, a plain head."""

    def __init__(self, counts, channels, first, head, narrow):
        super().__init__()
        if narrow:
            stem = [conv(3, 64, 3, 2), conv(64, 64, 3, 2), conv(64, channels[0])]
            stages = [nn.Sequential(*stem)]
            inner = channels[0]
            widths = channels[1:]
        else:
            stages, inner, widths = [], 64, channels
        for place, (count, outer) in enumerate(zip(counts, widths, strict=True)):
            body = stage(inner, outer, count, first if place == 0 and not narrow else 2)
            stem = [conv(3, 32, 3, 2), conv(32, 64, 3, 2)] if place == 0 and not narrow else []
            stages.append(nn.Sequential(*stem, body))
            inner = outer
        self.stages = nn.ModuleList(stages)
        base, outer, middle, kernel = {
            "B": ((64, 128, 128, 256), (96, 96, 64, 32), 256, 3), "C": ((128, 128, 128, 128), (128, 16, 16, 16), 128, 1),
        }[head]  # fmt: skip
        self.adapt = nn.ModuleList(conv(one, two, 1) for one, two in zip(channels, base, strict=True))
        self.smooth = nn.ModuleList(conv(one, two) for one, two in zip(base, outer, strict=True))
        self.down = nn.ModuleList(conv(base[n + 1], base[n], 1) for n in range(3))
        self.head = nn.Sequential(
            conv(sum(outer), middle, kernel, bias=True), nn.Conv2d(middle, 19, kernel, padding=kernel // 2)
        )

    def forward(self, x):
        found = []
        for one in self.stages:
            x = one(x)
            found.append(x)
        found = [adapt(one) for adapt, one in zip(self.adapt, found, strict=True)]
        merged = [found[3]]
        for n in (2, 1, 0):
            merged.insert(
                0, found[n] + functional.interpolate(self.down[n](merged[0]), size=found[n].shape[-2:])
            )
        maps = [smooth(one) for smooth, one in zip(self.smooth, merged, strict=True)]
        size = maps[0].shape[-2:]
        return self.head(
            torch.cat([maps[0], *(functional.interpolate(one, size=size) for one in maps[1:])], 1)
        )


SLIM, NARROW = (64, 128, 192, 320), (64, 64, 128, 256)


class CasVit(nn.Module):
    """CAS-ViT (Zhang et al., 2024): convolutional additive attention, four stages, two heads averaged."""

    def __init__(self, counts, widths):
        super().__init__()
        parts = [conv(3, widths[0] // 2, 3, 2), conv(widths[0] // 2, widths[0], 3, 2)]
        for n, (count, width) in enumerate(zip(counts, widths, strict=True)):
            if n:
                parts.append(conv(widths[n - 1], width, 3, 2, act=""))
            parts += [CasBlock(width) for _ in range(count)]
        self.body = nn.Sequential(*parts, nn.BatchNorm2d(widths[-1]))
        self.heads = nn.ModuleList(nn.Linear(widths[-1], 1000) for _ in range(2))

    def forward(self, x):
        x = self.body(x).flatten(2).mean(-1)
        return (self.heads[0](x) + self.heads[1](x)) / 2


class CasBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        depthwise = lambda: nn.Conv2d(width, width, 3, 1, 1, groups=width)
        self.local = Residual(nn.Sequential(
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), depthwise(), nn.GELU(), nn.Conv2d(width, width, 1)
        ))  # fmt: skip
        self.norm, self.qkv = nn.BatchNorm2d(width), nn.Conv2d(width, 3 * width, 1, bias=False)
        gate = lambda: nn.Sequential(
            Gate(
                nn.Sequential(
                    depthwise(), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 1, 1, bias=False)
                )
            ),
            Gate(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1, bias=False))),
        )
        self.q, self.k, self.mix, self.last = gate(), gate(), depthwise(), depthwise()
        self.mlp = Residual(
            nn.Sequential(
                nn.BatchNorm2d(width),
                nn.Conv2d(width, 4 * width, 1),
                nn.GELU(),
                nn.Conv2d(4 * width, width, 1),
            )
        )

    def forward(self, x):
        x = self.local(x)
        q, k, v = self.qkv(self.norm(x)).chunk(3, 1)
        return self.mlp(x + self.last(self.mix(self.q(q) + self.k(k)) * v))


class Gate(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x * self.body(x).sigmoid()


def inverted(inner, outer, stride, ratio, dilation=1):
    middle = inner * ratio
    parts = [conv(inner, middle, 1, act="relu6")] if ratio != 1 else []
    body = nn.Sequential(
        *parts, conv(middle, middle, 3, stride, middle, "relu6", dilation), conv(middle, outer, 1, act="")
    )
    return Residual(body) if stride == 1 and inner == outer else body


MOBILENETV2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenetv2(output_stride=32, width=1.0, dilate=True):
    """MobileNetV2 (Sandler et al., 2018), dilated where `output_stride` ends the halving: its stages."""
    inner, at, dilation = round(32 * width), 2, 1
    stages = [[conv(3, inner, 3, 2, act="relu6")]]
    for ratio, channels, count, stride in MOBILENETV2:
        outer = max(8, round(channels * width / 8) * 8)
        blocks = []
        if stride == 2 and at >= output_stride:
            stride, dilation = 1, dilation * (2 if dilate else 1)
        at *= stride
        for n in range(count):
            blocks.append(inverted(inner, outer, stride if n == 0 else 1, ratio, dilation))
            inner = outer
        stages.append(blocks)
    return [nn.Sequential(*blocks) for blocks in stages]


class Aspp(nn.Module):
    """Atrous pyramid (Chen et al., DeepLabv3, 2017)."""

    def __init__(self, inner, outer=256, rates=(6, 12, 18), separate=False):
        super().__init__()
        wide = (
            (lambda rate: separable(inner, outer, dilation=rate))
            if separate
            else (lambda rate: conv(inner, outer, dilation=rate))
        )
        self.ways = nn.ModuleList([conv(inner, outer, 1), *(wide(rate) for rate in rates)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(inner, outer, 1))
        self.last = conv(outer * (len(rates) + 2), outer, 1)

    def forward(self, x):
        found = [way(x) for way in self.ways]
        pooled = functional.interpolate(self.pool(x), size=x.shape[-2:], mode="bilinear")
        return self.last(torch.cat([*found, pooled], 1))


class DeepLab(nn.Module):
    """DeepLabv3 or, with `low` channels of an early stage, v3+ (Chen et al., 2018)."""

    def __init__(
        self, early, late, deep, low=0, classes=21, rates=(6, 12, 18), separate=False, aspp=None, resize=True
    ):
        super().__init__()
        self.early, self.late, self.resize = early, late, resize
        self.aspp = aspp or Aspp(deep, rates=rates, separate=separate)
        wide = separable if separate else conv
        self.side = conv(low, 48, 1) if low else None
        head = [wide(304, 256), wide(256, 256)] if low else []
        self.head = nn.Sequential(*head, nn.Conv2d(256, classes, 1))

    def forward(self, x):
        size = x.shape[-2:]
        low = self.early(x)
        x = self.aspp(self.late(low))
        if self.side is not None:
            side = self.side(low)
            x = torch.cat([functional.interpolate(x, size=side.shape[-2:], mode="bilinear"), side], 1)
        x = self.head(x)
        return functional.interpolate(x, size=size, mode="bilinear") if self.resize else x


def deeplab_mobilenet(output_stride, plus, resize=True, rates=(6, 12, 18), light=False, dilate=True):
    def made(_shape):
        stages = mobilenetv2(output_stride, dilate=dilate)
        aspp = Aspp(320, rates=()) if light else None
        return DeepLab(
            nn.Sequential(*stages[:3]),
            nn.Sequential(*stages[3:]),
            320,
            24 if plus else 0,
            rates=rates,
            aspp=aspp,
            resize=resize,
        )

    return made


def xception_block(inner, outer, stride=1, dilation=1, last_stride=None, skip=True):
    parts = [
        nn.ReLU(),
        separable(inner, outer, act=""),
        nn.ReLU(),
        separable(outer, outer, act=""),
        nn.ReLU(),
        separable(outer, outer, 3, stride, act=""),
    ]
    shortcut = (
        (conv(inner, outer, 1, stride, act="") if inner != outer or stride > 1 else nn.Identity())
        if skip
        else None
    )
    return Residual(nn.Sequential(*parts), shortcut)


def deeplab_xception(_shape):
    """Modified aligned Xception-65 at stride 16."""
    early = nn.Sequential(conv(3, 32, 3, 2), conv(32, 64), xception_block(64, 128, 2))
    late = nn.Sequential(
        xception_block(128, 256, 2),
        xception_block(256, 728, 2),
        repeated(16, lambda _: xception_block(728, 728)),
        xception_block(728, 1024),
        nn.ReLU(),
        separable(1024, 1536),
        separable(1536, 1536),
        separable(1536, 2048),
    )
    return DeepLab(early, late, 2048, 128, classes=19, separate=True)


class Unet(nn.Module):
    """U-Net (Ronneberger et al., 2015) with padding and BatchNorm, as milesial/Pytorch-UNet."""

    def __init__(self, widths=(64, 128, 256, 512, 1024), classes=2, inner=3):
        super().__init__()
        twice = lambda i, o: nn.Sequential(conv(i, o), conv(o, o))
        self.down = nn.ModuleList(twice(i, o) for i, o in zip((inner, *widths), widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[-2::-1])
        self.after = nn.ModuleList(twice(2 * w, w) for w in widths[-2::-1])
        self.last = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        found = []
        for n, one in enumerate(self.down):
            x = one(functional.max_pool2d(x, 2) if n else x)
            found.append(x)
        for widen, after, side in zip(self.up, self.after, found[-2::-1], strict=True):
            x = after(torch.cat([side, widen(x)], 1))
        return self.last(x)


class UnetMobile(nn.Module):
    """The U-Net of TensorFlow's tutorial: MobileNetV2's expansions, transposed convolutions of 512 to 64."""

    def __init__(self, kernel=3, classes=3, ups=(512, 256, 128, 64)):
        super().__init__()
        first, *rest = mobilenetv2()
        self.stem = nn.Sequential(first, rest[0])
        blocks = [block for part in rest[1:] for block in part]
        # Skips are the expanded maps before each halving: 96, 144, 192 and 576 channels.
        self.blocks = nn.ModuleList(blocks[:-1])
        self.last_block = blocks[-1]
        self.cut = (0, 2, 5, 12)
        sides, inner = (576, 192, 144, 96), 320
        self.ups = nn.ModuleList()
        for outer, side in zip(ups, sides, strict=True):
            self.ups.append(
                nn.Sequential(
                    nn.ConvTranspose2d(inner, outer, kernel, 2, 1, 4 - kernel, bias=False),
                    nn.BatchNorm2d(outer),
                    nn.ReLU(),
                )
            )
            inner = outer + side
        self.end = nn.ConvTranspose2d(inner, classes, kernel, 2, 1, 4 - kernel)

    def forward(self, x):
        x = self.stem(x)
        sides = []
        for n, block in enumerate(self.blocks):
            if n in self.cut:
                wide = block[0](x)
                sides.append(wide)
                x = block[2](block[1](wide))
            else:
                x = block(x)
        x = self.last_block(x)
        for widen, side in zip(self.ups, sides[::-1], strict=True):
            x = torch.cat([widen(x), side], 1)
        return self.end(x)


class BiSeNet(nn.Module):
    """BiSeNet (Yu et al., 2018) as ooooverflow/BiSeNet: ResNet-18 for context, three convolutions for place."""

    def __init__(self, classes=12):
        super().__init__()
        self.place = nn.Sequential(conv(3, 64, 3, 2), conv(64, 128, 3, 2), conv(128, 256, 3, 2))
        stem = nn.Sequential(
            conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), stage(64, 64, 2, 1), stage(64, 128, 2, 2)
        )
        self.c3, self.c4 = nn.Sequential(stem, stage(128, 256, 2, 2)), stage(256, 512, 2, 2)
        gate = lambda c: nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(c, c, 1, act="sigmoid"))
        self.gates = nn.ModuleList((gate(256), gate(512)))
        self.join = conv(1024, classes)
        self.excite = SqueezeExcite(classes, classes)
        self.last = nn.Conv2d(classes, classes, 1)

    def forward(self, x):
        place = self.place(x)
        c3 = self.c3(x)
        c4 = self.c4(c3)
        tail = c4.mean((2, 3), keepdim=True)
        c3, c4 = c3 * self.gates[0](c3), c4 * self.gates[1](c4) * tail
        size = place.shape[-2:]
        wide = [functional.interpolate(one, size=size, mode="bilinear") for one in (c3, c4)]
        x = self.join(torch.cat([place, *wide], 1))
        return self.last(functional.interpolate(x + self.excite(x), scale_factor=8, mode="bilinear"))


class P2p(nn.Module):
    """P2PNet (Song et al., 2021): VGG-16 with BatchNorm, three levels, points at stride 8."""

    def __init__(self):
        super().__init__()
        import torchvision

        features = torchvision.models.vgg16_bn(weights=None).features
        self.body = nn.ModuleList((features[:13], features[13:23], features[23:33], features[33:43]))
        self.side = nn.ModuleList(nn.Conv2d(c, 256, 1) for c in (256, 512, 512))
        self.smooth = nn.ModuleList(nn.Conv2d(256, 256, 3, 1, 1) for _ in range(3))
        head = lambda: nn.Sequential(
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(256, 8, 3, 1, 1),
        )
        self.points, self.scores = head(), head()

    def forward(self, x):
        found = []
        for one in self.body:
            x = one(x)
            found.append(x)
        c3, c4, c5 = (side(one) for side, one in zip(self.side, found[1:], strict=True))
        x = self.smooth[1](c4 + functional.interpolate(c5, size=c4.shape[-2:]))
        flat = lambda one: one.permute(0, 2, 3, 1).reshape(1, -1, 2)
        return flat(self.points(x)), flat(self.scores(x))


class BgNet(nn.Module):
    """BGNet (Sun et al., 2022) for camouflaged objects: Res2Net-50, edges, three merged levels."""

    def __init__(self):
        super().__init__()
        import timm

        self.body = timm.create_model(
            "res2net50_26w_4s", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
        )
        self.low, self.high = conv(256, 64, 1), conv(2048, 256, 1)
        self.edge = nn.Sequential(conv(320, 256), conv(256, 256), nn.Conv2d(256, 1, 1))
        self.lift = nn.ModuleList(conv(c, c) for c in (256, 512, 1024, 2048))
        self.weigh = nn.ModuleList(nn.Conv1d(1, 1, 5, padding=2, bias=False) for _ in range(4))
        self.less = nn.ModuleList(conv(i, o, 1) for i, o in ((256, 64), (512, 128), (1024, 256), (2048, 256)))
        self.merge = nn.ModuleList(Context(h, c) for h, c in ((128, 64), (256, 128), (256, 256)))
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in (64, 128, 256))

    def forward(self, x):
        found = self.body(x)
        resize = lambda one, like: functional.interpolate(one, size=like.shape[-2:], mode="bilinear")
        edge = self.edge(torch.cat([resize(self.high(found[3]), found[0]), self.low(found[0])], 1))
        gate = edge.sigmoid()
        levels = []
        for one, lift, weigh, less in zip(found, self.lift, self.weigh, self.less, strict=True):
            one = lift(one * resize(gate, one) + one)
            pooled = weigh(one.mean((2, 3)).unsqueeze(1)).sigmoid().reshape(1, -1, 1, 1)
            levels.append(less(one * pooled))
        out, maps = levels[3], []
        for n in (2, 1, 0):
            out = self.merge[n](levels[n], out)
            maps.append(functional.interpolate(self.heads[n](out), scale_factor=4 * 2**n, mode="bilinear"))
        return *maps, functional.interpolate(edge, scale_factor=4, mode="bilinear")


class Context(nn.Module):
    def __init__(self, other, width):
        super().__init__()
        quarter = width // 4
        self.first, self.mix, self.last = (
            conv(other + width, width, 1),
            conv(width, width, 1),
            conv(width, width),
        )
        self.ways = nn.ModuleList(conv(quarter, quarter, dilation=n) for n in (1, 2, 3, 4))

    def forward(self, low, high):
        x = self.first(
            torch.cat([low, functional.interpolate(high, size=low.shape[-2:], mode="bilinear")], 1)
        )
        parts = x.chunk(4, 1)
        a = self.ways[0](parts[0] + parts[1])
        b = self.ways[1](parts[1] + a + parts[2])
        c = self.ways[2](parts[2] + b + parts[3])
        return self.last(x + self.mix(torch.cat([a, b, c, self.ways[3](parts[3] + c)], 1)))


class Midas(nn.Module):
    """MiDaS v2.1 small (Ranftl et al., 2020): EfficientNet-Lite3 and RefineNet merging of growing width."""

    def __init__(self):
        super().__init__()
        import timm

        self.body = timm.create_model(
            "tf_efficientnet_lite3", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
        )
        inner, widths = (32, 48, 136, 384), (64, 128, 256, 512)
        self.side = nn.ModuleList(
            nn.Conv2d(i, o, 3, 1, 1, bias=False) for i, o in zip(inner, widths, strict=True)
        )
        unit = lambda c: Residual(
            nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(), nn.Conv2d(c, c, 3, 1, 1))
        )
        self.units = nn.ModuleList(nn.ModuleList((unit(c), unit(c))) for c in widths)
        self.less = nn.ModuleList(nn.Conv2d(c, max(64, c // 2), 1) for c in widths)
        self.head = nn.Sequential(
            nn.Conv2d(64, 32, 3, 1, 1),
            up(2, "bilinear"),
            nn.Conv2d(32, 32, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(32, 1, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        levels = [side(one) for side, one in zip(self.side, self.body(x), strict=True)]
        x = None
        for n in (3, 2, 1, 0):
            first, second = self.units[n]
            x = second(levels[n] if x is None else x + first(levels[n]))
            x = self.less[n](functional.interpolate(x, scale_factor=2, mode="bilinear"))
        return self.head(x)


class FastDepth(nn.Module):
    """FastDepth (Wofk et al., 2019): MobileNet, NNConv5 depthwise, additions; not pruned."""

    def __init__(self):
        super().__init__()
        plan = (
            (32, 2),
            (64, 1),
            (128, 2),
            (128, 1),
            (256, 2),
            (256, 1),
            (512, 2),
            *[(512, 1)] * 5,
            (1024, 2),
            (1024, 1),
        )
        parts, inner = [conv(3, 32, 3, 2)], 32
        for outer, stride in plan[1:]:
            parts.append(separable(inner, outer, 3, stride))
            inner = outer
        self.body = nn.ModuleList(parts)
        pairs = ((1024, 512), (512, 256), (256, 128), (128, 64), (64, 32))
        self.ups = nn.ModuleList(nn.Sequential(conv(i, i, 5, groups=i), conv(i, o, 1)) for i, o in pairs)
        self.last = conv(32, 1, 1)

    def forward(self, x):
        sides = {}
        for n, one in enumerate(self.body):
            x = one(x)
            sides[n] = x
        for n, one in enumerate(self.ups):
            x = functional.interpolate(one(x), scale_factor=2)
            if n in (1, 2, 3):
                x = x + sides[(5, 3, 1)[n - 1]]
        return self.last(x)


def fcn8_resnet18(_shape):
    """FCN-8s (Long et al., 2015) on ResNet-18: scores of three strides added, eight times enlarged."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Sequential(
                conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), stage(64, 64, 2, 1), stage(64, 128, 2, 2)
            )
            self.b, self.c = stage(128, 256, 2, 2), stage(256, 512, 2, 2)
            self.score = nn.ModuleList(nn.Conv2d(c, 19, 1) for c in (128, 256, 512))

        def forward(self, x):
            a = self.a(x)
            b = self.b(a)
            x = self.score[2](self.c(b))
            x = functional.interpolate(x, scale_factor=2, mode="bilinear") + self.score[1](b)
            x = functional.interpolate(x, scale_factor=2, mode="bilinear") + self.score[0](a)
            return functional.interpolate(x, scale_factor=8, mode="bilinear")

    return Net()


class Linknet(nn.Module):
    """LinkNet (Chaurasia, Culurciello, 2017) of ResNet-18."""

    def __init__(self, classes=19):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        widths = (64, 128, 256, 512)
        self.down = nn.ModuleList(
            stage(i, o, 2, 1 if n == 0 else 2)
            for n, (i, o) in enumerate(zip((64, *widths), widths, strict=False))
        )
        decoder = lambda i, o, s: nn.Sequential(
            conv(i, i // 4, 1),
            nn.ConvTranspose2d(i // 4, i // 4, 3, s, 1, s - 1),
            nn.BatchNorm2d(i // 4),
            nn.ReLU(),
            conv(i // 4, o, 1),
        )
        self.up = nn.ModuleList(
            (decoder(512, 256, 2), decoder(256, 128, 2), decoder(128, 64, 2), decoder(64, 64, 1))
        )
        self.last = nn.Sequential(
            nn.ConvTranspose2d(64, 32, 3, 2, 1, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, classes, 2, 2),
        )

    def forward(self, x):
        found = [self.stem(x)]
        for one in self.down:
            found.append(one(found[-1]))
        x = found[-1]
        for widen, side in zip(self.up, (*found[-2:0:-1], None), strict=True):
            x = widen(x) if side is None else widen(x) + side
        return self.last(x)


class ScDepth(nn.Module):
    """SC-Depth v3's depth network (Sun et al., 2023): ResNet-18 and the decoder of Monodepth2."""

    def __init__(self):
        super().__init__()
        self.stem, self.pool = conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)
        widths = (64, 128, 256, 512)
        self.down = nn.ModuleList(
            stage(i, o, 2, 1 if n == 0 else 2)
            for n, (i, o) in enumerate(zip((64, *widths), widths, strict=False))
        )
        block = lambda i, o: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(i, o, 3), nn.ELU())
        outs, sides = (256, 128, 64, 32, 16), (256, 128, 64, 64, 0)
        self.first = nn.ModuleList(block(i, o) for i, o in zip((512, *outs), outs, strict=False))
        self.second = nn.ModuleList(block(o + s, o) for o, s in zip(outs, sides, strict=True))
        self.last = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(16, 1, 3), nn.Sigmoid())

    def forward(self, x):
        sides = [self.stem(x)]
        x = self.pool(sides[0])
        for one in self.down:
            x = one(x)
            sides.append(x)
        for n, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            x = functional.interpolate(first(x), scale_factor=2)
            x = second(torch.cat([x, sides[3 - n]], 1) if n < 4 else x)
        return self.last(x)


class AotGan(nn.Module):
    """AOT-GAN's generator (Zeng et al., 2021): eight blocks of four dilations at a quarter of the size."""

    def __init__(self, width=256):
        super().__init__()
        pad = nn.ReflectionPad2d
        self.first = nn.Sequential(
            pad(3),
            nn.Conv2d(4, 64, 7),
            nn.ReLU(),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(128, width, 4, 2, 1),
            nn.ReLU(),
        )
        self.body = repeated(8, lambda _: AotBlock(width))
        self.last = nn.Sequential(
            up(2, "bilinear"),
            nn.Conv2d(width, 128, 3, 1, 1),
            nn.ReLU(),
            up(2, "bilinear"),
            nn.Conv2d(128, 64, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(64, 3, 3, 1, 1),
        )

    def forward(self, picture, mask):
        return self.last(self.body(self.first(torch.cat([picture * (1 - mask) + mask, mask], 1)))).tanh()


class AotBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        pad = nn.ReflectionPad2d
        self.ways = Parallel(
            *(
                nn.Sequential(pad(rate), nn.Conv2d(width, width // 4, 3, dilation=rate), nn.ReLU())
                for rate in (1, 2, 4, 8)
            )
        )
        self.fuse = nn.Sequential(pad(1), nn.Conv2d(width, width, 3))
        self.gate = nn.Sequential(pad(1), nn.Conv2d(width, width, 3))

    def forward(self, x):
        gate = self.gate(x)
        mean = gate.mean((2, 3), keepdim=True)
        gate = ((gate - mean) / (gate - mean).pow(2).mean((2, 3), keepdim=True).sqrt()).sigmoid()
        return x * (1 - gate) + self.fuse(self.ways(x)) * gate


def with_mask(make):
    return lambda shape: (make(), (torch.zeros(shape), torch.zeros((1, 1, *shape[-2:]))))


def lama(_shape):
    """LaMa with dilated convolutions (Suvorov et al., 2022): pix2pixHD's generator, nine blocks of 512 channels."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            ways = lambda c: MultiDilated(c)
            block = lambda _: Residual(
                nn.Sequential(ways(512), nn.BatchNorm2d(512), nn.ReLU(), ways(512), nn.BatchNorm2d(512))
            )
            parts = [
                nn.ReflectionPad2d(3),
                conv(4, 64, 7, padding=0),
                conv(64, 128, 3, 2),
                conv(128, 256, 3, 2),
                conv(256, 512, 3, 2),
                repeated(9, block),
            ]
            for inner in (512, 256, 128):
                parts += [
                    nn.ConvTranspose2d(inner, inner // 2, 3, 2, 1, 1),
                    nn.BatchNorm2d(inner // 2),
                    nn.ReLU(),
                ]
            self.body = nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Sigmoid())

        def forward(self, image, mask):
            out = self.body(torch.cat([image * (1 - mask), mask], 1))
            return mask * out + (1 - mask) * image

    return Net()


class MultiDilated(nn.Module):
    """Equal parts of the output by 3 x 3 convolutions of dilation 1, 2, 4 and 8."""

    def __init__(self, width):
        super().__init__()
        self.ways = nn.ModuleList(nn.Conv2d(width, width // 4, 3, 1, rate, rate) for rate in (1, 2, 4, 8))

    def forward(self, x):
        return torch.cat([way(x) for way in self.ways], 1)


def resmlp_relu(_shape):
    import timm

    model = timm.create_model("resmlp_12_224", pretrained=False)
    for block in model.blocks:
        block.mlp_channels.act = nn.ReLU()
    return model


def recipes() -> Iterator[Recipe]:
    ff = "Mehta et al., FFNet, 2022"
    for name, counts in (
        ("40s", (4, 5, 6, 4)),
        ("54s", (5, 8, 8, 5)),
        ("78s", (6, 12, 12, 8)),
        ("86s", (8, 12, 16, 6)),
    ):
        yield from picture(
            f"ffnet-{name}", [(1024, 2048)], lambda _, c=counts: FfNet(c, SLIM, 2, "B", False), ff
        )
        yield from picture(
            f"ffnet-{name}", [(512, 1024)], lambda _, c=counts: FfNet(c, SLIM, 1, "C", False), ff
        )
    for name, counts in (("46ns", (6, 8, 8)), ("74ns", (8, 12, 16)), ("122ns", (16, 24, 20))):
        yield from picture(
            f"ffnet-{name}", [(512, 1024)], lambda _, c=counts: FfNet(c, NARROW, 2, "C", True), ff
        )
    cas = "Zhang et al., CAS-ViT, 2024"
    for name, counts, widths in (
        ("xs", (2, 2, 4, 2), (48, 56, 112, 220)),
        ("s", (3, 3, 6, 3), (48, 64, 128, 256)),
        ("m", (3, 3, 6, 3), (64, 96, 192, 384)),
        ("t", (3, 3, 6, 3), (96, 128, 256, 512)),
    ):
        yield from picture(f"cas-vit-{name}", [384, 224], lambda _, c=counts, w=widths: CasVit(c, w), cas)
    lab = "Chen et al., DeepLabv3+, 2018"
    yield from picture("deeplabv3plus-mobilenetv2-jfzhang", [520, 513], deeplab_mobilenet(16, True), lab)
    yield from picture("deeplabv3-mobilenetv2-dilated", [513], deeplab_mobilenet(8, False, light=True), lab)
    yield from picture(
        "deeplabv3-mobilenetv2-wo-dilation", [513], deeplab_mobilenet(32, False, light=True), lab
    )
    yield from picture("deeplabv3-mobilenetv2", [513], deeplab_mobilenet(16, False, light=True), lab)
    yield from picture(
        "deeplabv3plus-mobilenetv2-tf", [513], deeplab_mobilenet(16, False, resize=False, light=True), lab
    )
    yield from picture("deeplabv3plus-xception", [(480, 520)], deeplab_xception, lab)
    yield from picture("unet-milesial", [(640, 1280)], lambda _: Unet(), "Ronneberger et al., U-Net, 2015")
    yield from picture(
        "unet-mobilenetv2", [256, 128], lambda _: UnetMobile(), "TensorFlow's tutorial of segmentation"
    )
    yield from picture(
        "unet-mobilenetv2-hailo",
        [256],
        lambda _: UnetMobile(4),
        "TensorFlow's tutorial of segmentation, kernels of 4 x 4",
    )
    yield from picture("bisenet-ooooverflow", [(720, 960)], lambda _: BiSeNet(), "Yu et al., BiSeNet, 2018")
    yield from picture("p2pnet", [512], lambda _: P2p(), "Song et al., P2PNet, 2021")
    yield from picture("bgnet-res2net50", [416], lambda _: BgNet(), "Sun et al., BGNet, 2022")
    yield from picture("midas-v2-small", [256], lambda _: Midas(), "Ranftl et al., MiDaS, 2020")
    yield from picture("fastdepth", [224], lambda _: FastDepth(), "Wofk et al., FastDepth, 2019")
    yield from picture("fcn8-resnet18", [(1024, 1920)], fcn8_resnet18, "Long et al., FCN, 2015")
    yield from picture(
        "linknet-resnet18", [512], lambda _: Linknet(), "Chaurasia, Culurciello, LinkNet, 2017"
    )
    yield from picture("scdepthv3", [(256, 320)], lambda _: ScDepth(), "Sun et al., SC-DepthV3, 2023")
    yield from picture("aot-gan", [512], with_mask(AotGan), "Zeng et al., AOT-GAN, 2021")
    yield from picture("lama-dilated", [512], with_mask(lambda: lama(None)), "Suvorov et al., LaMa, 2022")
    yield from picture("resmlp12-relu", [224], resmlp_relu, "Touvron et al., ResMLP, 2021; ReLU")
