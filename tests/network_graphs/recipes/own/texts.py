"""Reading text, LiDAR rings, salient objects: networks of PaddleOCR and others that no package here defines."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import Residual, SqueezeExcite, conv, repeated


class Affine(nn.Module):
    """Hard swish between two scales and shifts of one number each, as PP-LCNetV3 learns them."""

    def __init__(self, act=True):
        super().__init__()
        self.numbers, self.act = nn.Parameter(torch.ones(4)), act

    def forward(self, x):
        x = x * self.numbers[0] + self.numbers[1]
        return functional.hardswish(x) * self.numbers[2] + self.numbers[3] if self.act else x


DET = (
    ((3, 16, 32, 1, 0),),
    ((3, 32, 64, 2, 0), (3, 64, 64, 1, 0)),
    ((3, 64, 128, 2, 0), (3, 128, 128, 1, 0)),
    ((3, 128, 256, 2, 0), *[(5, 256, 256, 1, 0)] * 4),
    ((5, 256, 512, 2, 1), (5, 512, 512, 1, 1), *[(5, 512, 512, 1, 0)] * 2),
)
REC = (
    ((3, 16, 32, 1, 0),),
    ((3, 32, 64, 1, 0), (3, 64, 64, 1, 0)),
    ((3, 64, 128, (2, 1), 0), (3, 128, 128, 1, 0)),
    ((3, 128, 256, (1, 2), 0), *[(5, 256, 256, 1, 0)] * 4),
    ((5, 256, 512, (2, 1), 1), (5, 512, 512, 1, 1), (5, 512, 512, (2, 1), 0), (5, 512, 512, 1, 0)),
)


def lcnet(plan, scale):
    """PP-LCNetV3 (PP-OCRv4, 2023) as deployed: its parallel branches are one convolution each."""
    width = lambda c: int((c * scale + 8) // 16 * 16) or 16
    stages = []
    for n, blocks in enumerate(plan):
        parts = [nn.Conv2d(3, width(16), 3, 2, 1, bias=False), nn.BatchNorm2d(width(16))] if n == 0 else []
        for kernel, inner, outer, stride, gate in blocks:
            i, o = width(inner), width(outer)
            parts += [nn.Conv2d(i, i, kernel, stride, kernel // 2, groups=i), Affine(act=stride != 2)]
            parts += [SqueezeExcite(i, i // 4, gate=nn.Hardsigmoid())] if gate else []
            parts += [nn.Conv2d(i, o, 1), Affine()]
        stages.append(nn.Sequential(*parts))
    return stages, [width(blocks[-1][2]) for blocks in plan]


class Gated(nn.Module):
    """A convolution and its own gate of channels, added."""

    def __init__(self, inner, outer, kernel):
        super().__init__()
        self.body, self.gate = (
            nn.Conv2d(inner, outer, kernel, padding=kernel // 2, bias=False),
            SqueezeExcite(outer, outer // 4, gate=nn.Hardsigmoid()),
        )

    def forward(self, x):
        x = self.body(x)
        return x + self.gate(x)


class OcrDetector(nn.Module):
    """PP-OCR's mobile text detector, versions 4 and 5: RSE-FPN and the probability map of DB (Liao et al., 2020)."""

    def __init__(self, scale=0.75):
        super().__init__()
        stages, channels = lcnet(DET, scale)
        self.first, self.rest = nn.Sequential(*stages[:2]), nn.ModuleList(stages[2:])
        outs = [int(c * scale) for c in (16, 24, 56, 480)]
        self.out = nn.ModuleList(nn.Conv2d(c, o, 1) for c, o in zip(channels[1:], outs, strict=True))
        self.side = nn.ModuleList(Gated(o, 96, 1) for o in outs)
        self.smooth = nn.ModuleList(Gated(96, 24, 3) for _ in outs)
        self.head = nn.Sequential(
            conv(96, 24),
            nn.ConvTranspose2d(24, 24, 2, 2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.ConvTranspose2d(24, 1, 2, 2),
            nn.Sigmoid(),
        )

    def forward(self, x):
        found = [self.first(x)]
        for one in self.rest:
            found.append(one(found[-1]))
        levels = [side(out(one)) for side, out, one in zip(self.side, self.out, found, strict=True)]
        for n in (2, 1, 0):
            levels[n] = levels[n] + functional.interpolate(levels[n + 1], scale_factor=2)
        maps = [
            functional.interpolate(smooth(one), scale_factor=2**n) if n else smooth(one)
            for n, (smooth, one) in enumerate(zip(self.smooth, levels, strict=True))
        ]
        return self.head(torch.cat(maps[::-1], 1))


class OcrReader(nn.Module):
    """PP-OCR's mobile recogniser, version 4: PP-LCNetV3, two SVTR blocks (Du et al., 2022), CTC over the characters."""

    def __init__(self, scale=0.95, classes=6625):
        super().__init__()
        stages, channels = lcnet(REC, scale)
        self.body, inner = nn.Sequential(*stages, nn.AvgPool2d((3, 2))), channels[-1]
        eighth = inner // 8
        self.first = nn.Sequential(
            conv(inner, eighth, (1, 3), act="silu", padding=(0, 1)), conv(eighth, 120, 1, act="silu")
        )
        self.blocks = nn.ModuleList(Svtr(120) for _ in range(2))
        self.norm, self.back = nn.LayerNorm(120), conv(120, inner, 1, act="silu")
        self.last = nn.Sequential(
            conv(2 * inner, eighth, (1, 3), act="silu", padding=(0, 1)), conv(eighth, 120, 1, act="silu")
        )
        self.score = nn.Linear(120, classes)

    def forward(self, x):
        x = self.body(x)
        z = self.first(x)
        size = z.shape
        z = z.flatten(2).transpose(1, 2)
        for block in self.blocks:
            z = block(z)
        z = self.norm(z).transpose(1, 2).reshape(size)
        z = self.last(torch.cat([x, self.back(z)], 1))
        return self.score(z.squeeze(2).transpose(1, 2)).softmax(-1)


class Svtr(nn.Module):
    def __init__(self, width, heads=8, ratio=2):
        super().__init__()
        self.norm1, self.norm2, self.heads = nn.LayerNorm(width), nn.LayerNorm(width), heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.SiLU(), nn.Linear(ratio * width, width))

    def forward(self, x):
        n, c = x.shape[1:]
        q, k, v = self.qkv(self.norm1(x)).reshape(1, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(1, n, c))
        return x + self.mlp(self.norm2(x))


class SalsaNext(nn.Module):
    """SalsaNext (Cortinhal et al., 2020) on range pictures of five channels."""

    def __init__(self, classes=20):
        super().__init__()
        self.start = nn.Sequential(
            Rings(5, 32, start=True), Rings(32, 32, start=True), Rings(32, 32, start=True)
        )
        self.down = nn.ModuleList(
            Rings(i, o) for i, o in ((32, 64), (64, 128), (128, 256), (256, 256), (256, 256))
        )
        self.up = nn.ModuleList(
            Back(i, s, o) for i, s, o in ((256, 256, 128), (128, 256, 128), (128, 128, 64), (64, 64, 32))
        )
        self.last = nn.Conv2d(32, classes, 1)

    def forward(self, x):
        x, sides = self.start(x), []
        for n, one in enumerate(self.down):
            x = one(x)
            if n < 4:
                sides.append(x)
                x = functional.avg_pool2d(x, 3, 2, 1)
        for one, side in zip(self.up, sides[::-1], strict=True):
            x = one(x, side)
        return self.last(x).softmax(1)


def leaky(inner, outer, kernel, dilation=1, padding=0):
    return nn.Sequential(
        nn.Conv2d(inner, outer, kernel, 1, padding, dilation), nn.LeakyReLU(), nn.BatchNorm2d(outer)
    )


class Rings(nn.Module):
    def __init__(self, inner, outer, start=False):
        super().__init__()
        self.side = nn.Sequential(nn.Conv2d(inner, outer, 1), nn.LeakyReLU())
        self.start = start
        self.a = leaky(outer if start else inner, outer, 3, padding=1)
        self.b = leaky(outer, outer, 3, 2, 2)
        if not start:
            self.c, self.mix = leaky(outer, outer, 2, 2, 1), leaky(3 * outer, outer, 1)

    def forward(self, x):
        side = self.side(x)
        a = self.a(side if self.start else x)
        b = self.b(a)
        return side + (b if self.start else self.mix(torch.cat([a, b, self.c(b)], 1)))


class Back(nn.Module):
    def __init__(self, inner, side, outer):
        super().__init__()
        self.wide = nn.PixelShuffle(2)
        self.a, self.b = leaky(inner // 4 + side, outer, 3, padding=1), leaky(outer, outer, 3, 2, 2)
        self.c, self.mix = leaky(outer, outer, 2, 2, 1), leaky(3 * outer, outer, 1)

    def forward(self, x, side):
        a = self.a(torch.cat([self.wide(x), side], 1))
        b = self.b(a)
        return self.mix(torch.cat([a, b, self.c(b)], 1))


class Rsu(nn.Module):
    """Residual U-block of U2-Net (Qin et al., 2020) of some height; `flat` dilates instead of pooling."""

    def __init__(self, height, inner, middle, outer, flat=False):
        super().__init__()
        self.first, self.flat = conv(inner, outer), flat
        rate = lambda n: 2**n if flat else 1
        self.down = nn.ModuleList(
            conv(outer if n == 0 else middle, middle, dilation=rate(n)) for n in range(height - 1)
        )
        self.bottom = conv(middle, middle, dilation=rate(height - 1) if flat else 2)
        self.up = nn.ModuleList(
            conv(2 * middle, outer if n == 0 else middle, dilation=rate(n)) for n in range(height - 1)
        )

    def forward(self, x):
        x = first = self.first(x)
        found = []
        for n, one in enumerate(self.down):
            x = one(x if n == 0 or self.flat else functional.max_pool2d(x, 2, 2, ceil_mode=True))
            found.append(x)
        x = self.bottom(x)
        for n in range(len(self.up) - 1, -1, -1):
            x = functional.interpolate(x, size=found[n].shape[-2:], mode="bilinear")
            x = self.up[n](torch.cat([x, found[n]], 1))
        return x + first


class U2Net(nn.Module):
    def __init__(self, down, up, sides):
        super().__init__()
        self.down = nn.ModuleList(Rsu(*one) for one in down)
        self.up = nn.ModuleList(Rsu(*one) for one in up)
        self.side = nn.ModuleList(nn.Conv2d(c, 1, 3, 1, 1) for c in sides)
        self.last = nn.Conv2d(6, 1, 1)

    def forward(self, x):
        found = []
        for n, one in enumerate(self.down):
            x = one(functional.max_pool2d(x, 2, 2, ceil_mode=True) if n else x)
            found.append(x)
        outs = [x]
        for n, one in enumerate(self.up):
            like = found[4 - n]
            x = one(torch.cat([functional.interpolate(x, size=like.shape[-2:], mode="bilinear"), like], 1))
            outs.insert(0, x)
        size = outs[0].shape[-2:]
        maps = [
            functional.interpolate(side(one), size=size, mode="bilinear")
            for side, one in zip(self.side, outs, strict=True)
        ]
        return self.last(torch.cat(maps, 1)).sigmoid(), *(one.sigmoid() for one in maps)


U2 = (
    (
        (7, 3, 32, 64),
        (6, 64, 32, 128),
        (5, 128, 64, 256),
        (4, 256, 128, 512),
        (4, 512, 256, 512, True),
        (4, 512, 256, 512, True),
    ),
    ((4, 1024, 256, 512, True), (4, 1024, 128, 256), (5, 512, 64, 128), (6, 256, 32, 64), (7, 128, 16, 64)),
    (64, 64, 128, 256, 512, 512),
)
U2P = (
    (
        (7, 3, 16, 64),
        (6, 64, 16, 64),
        (5, 64, 16, 64),
        (4, 64, 16, 64),
        (4, 64, 16, 64, True),
        (4, 64, 16, 64, True),
    ),
    ((4, 128, 16, 64, True), (4, 128, 16, 64), (5, 128, 16, 64), (6, 128, 16, 64), (7, 128, 16, 64)),
    (64,) * 6,
)


class SsdResnet34(nn.Module):
    """SSD of MLPerf at 1200 pixels: ResNet-34 whose third stage does not halve, five extras, 81 classes."""

    def __init__(self):
        super().__init__()
        import torchvision

        net = torchvision.models.resnet34(weights=None)
        net.layer3[0].conv1.stride = net.layer3[0].downsample[0].stride = (1, 1)
        self.body = nn.Sequential(
            net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3
        )
        plan = (
            (256, 256, 512, 2, 1),
            (512, 256, 512, 2, 1),
            (512, 128, 256, 2, 1),
            (256, 128, 256, 2, 0),
            (256, 128, 256, 1, 0),
        )
        self.extras = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, m, 1), nn.ReLU(), nn.Conv2d(m, o, 3, s, p), nn.ReLU())
            for i, m, o, s, p in plan
        )
        heads = tuple(
            zip((256, 512, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4), (3, 3, 2, 2, 2, 2), strict=True)
        )
        self.boxes = nn.ModuleList(nn.Conv2d(c, a * 4, 3, s, 1) for c, a, s in heads)
        self.scores = nn.ModuleList(nn.Conv2d(c, a * 81, 3, s, 1) for c, a, s in heads)

    def forward(self, x):
        maps = [self.body(x)]
        for one in self.extras:
            maps.append(one(maps[-1]))
        flat = lambda heads, n: torch.cat(
            [h(o).reshape(1, n, -1) for h, o in zip(heads, maps, strict=True)], 2
        )
        return flat(self.boxes, 4), flat(self.scores, 81)


class NafBlock(nn.Module):
    """The block of NAFNet (Chen et al., 2022): no activation but products of halves."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(1, width), nn.GroupNorm(1, width)
        self.first = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=2 * width)
        )
        self.gate, self.last = (
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1)),
            nn.Conv2d(width, width, 1),
        )
        self.four, self.five = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(width, width, 1)
        self.scales = nn.Parameter(torch.ones(2, 1, width, 1, 1))

    def forward(self, x):
        a, b = self.first(self.norm1(x)).chunk(2, 1)
        y = a * b
        x = x + self.last(y * self.gate(y)) * self.scales[0]
        a, b = self.four(self.norm2(x)).chunk(2, 1)
        return x + self.five(a * b) * self.scales[1]


class NafNet(nn.Module):
    def __init__(self, width, down, middle, up):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, 3, 3, 1, 1)
        at = lambda n: width * 2**n
        self.down = nn.ModuleList(
            repeated(count, lambda _, n=n: NafBlock(at(n))) for n, count in enumerate(down)
        )
        self.less = nn.ModuleList(nn.Conv2d(at(n), at(n + 1), 2, 2) for n in range(len(down)))
        self.middle = repeated(middle, lambda _: NafBlock(at(len(down))))
        order = range(len(up) - 1, -1, -1)
        self.more = nn.ModuleList(
            nn.Sequential(nn.Conv2d(at(n + 1), 2 * at(n + 1), 1, bias=False), nn.PixelShuffle(2))
            for n in order
        )
        self.up = nn.ModuleList(
            repeated(count, lambda _, n=n: NafBlock(at(n))) for n, count in zip(order, up, strict=True)
        )

    def forward(self, picture):
        x, sides = self.first(picture), []
        for one, less in zip(self.down, self.less, strict=True):
            x = one(x)
            sides.append(x)
            x = less(x)
        x = self.middle(x)
        for one, more, side in zip(self.up, self.more, sides[::-1], strict=True):
            x = one(more(x) + side)
        return self.last(x) + picture


def facenet(_shape):
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained=None, classify=False, num_classes=10)


def recipes() -> Iterator[Recipe]:
    paddle = "PP-OCRv4, 2023"
    yield from picture("ppocrv4-mobile-det", [480, 640, 960], lambda _: OcrDetector(), paddle)
    yield from picture("ppocrv4-mobile-rec", [(48, 320)], lambda _: OcrReader(), paddle)
    yield from picture(
        "ppocrv5-mobile-rec",
        [(48, 320)],
        lambda _: OcrReader(classes=18385),
        f"{paddle}; the characters of version 5",
    )
    yield Recipe("salsanext", (1, 5, 64, 2048), lambda _: SalsaNext(), "Cortinhal et al., SalsaNext, 2020")
    yield from picture("u2net", [320], lambda _: U2Net(*U2), "Qin et al., U2-Net, 2020")
    yield from picture("u2netp", [320], lambda _: U2Net(*U2P), "Qin et al., U2-Net, 2020")
    yield from picture("ssd-resnet34", [1200], lambda _: SsdResnet34(), "MLPerf's SSD of 2019")
    yield from picture(
        "nafnet-sidd-width64",
        [256],
        lambda _: NafNet(64, (2, 2, 4, 8), 12, (2, 2, 2, 2)),
        "Chen et al., NAFNet, 2022",
    )
    yield from picture(
        "nafnet-gopro-width32",
        [256, (368, 640)],
        lambda _: NafNet(32, (1, 1, 1, 28), 1, (1, 1, 1, 1)),
        "Chen et al., NAFNet, 2022",
    )
    yield from picture(
        "facenet-inceptionresnetv1", [160, 112], facenet, "Schroff et al., FaceNet, 2015; facenet-pytorch"
    )


_ = Residual
