"""Object detectors: raw maps of their heads."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import Residual, conv, repeated, separable
from tests.network_graphs.recipes.own.faces import mobilenetv1
from tests.network_graphs.recipes.own.segmenters import mobilenetv2


class Csp(nn.Module):
    """A stage of CSPDarknet53: halved, split by two 1 x 1, residual blocks on one part, joined."""

    def __init__(self, inner, outer, count, act, first=False):
        super().__init__()
        half = outer if first else outer // 2
        middle = outer // 2
        self.down = conv(inner, outer, 3, 2, act=act)
        self.side = conv(outer, half, 1, act=act)
        block = lambda _: Residual(
            nn.Sequential(
                conv(half, middle if first else half, 1, act=act),
                conv(middle if first else half, half, act=act),
            )
        )
        self.main = nn.Sequential(
            conv(outer, half, 1, act=act), repeated(count, block), conv(half, half, 1, act=act)
        )
        self.last = conv(2 * half, outer, 1, act=act)

    def forward(self, x):
        x = self.down(x)
        return self.last(torch.cat([self.main(x), self.side(x)], 1))


class Spp(nn.Module):
    def __init__(self, sizes=(13, 9, 5)):
        super().__init__()
        self.pools = nn.ModuleList(nn.MaxPool2d(n, 1, n // 2) for n in sizes)

    def forward(self, x):
        return torch.cat([*(pool(x) for pool in self.pools), x], 1)


class YoloV4(nn.Module):
    """YOLOv4 (Bochkovskiy et al., 2020)."""

    def __init__(self, act="mish"):
        super().__init__()
        leaky = lambda i, o, k=1, s=1: conv(i, o, k, s, act="leaky")
        three = lambda i, c: nn.Sequential(leaky(i, c), leaky(c, 2 * c, 3), leaky(2 * c, c))
        five = lambda i, c: nn.Sequential(three(i, c), leaky(c, 2 * c, 3), leaky(2 * c, c))
        plan = ((32, 64, 1), (64, 128, 2), (128, 256, 8), (256, 512, 8), (512, 1024, 4))
        stages = [Csp(i, o, n, act, first=place == 0) for place, (i, o, n) in enumerate(plan)]
        self.c3 = nn.Sequential(conv(3, 32, act=act), *stages[:3])
        self.c4, self.c5 = stages[3:]
        self.spp = nn.Sequential(three(1024, 512), Spp(), three(2048, 512))
        self.less = nn.ModuleList((leaky(512, 256), leaky(256, 128)))
        self.side = nn.ModuleList((leaky(512, 256), leaky(256, 128)))
        self.up = nn.ModuleList((five(512, 256), five(256, 128)))
        self.down = nn.ModuleList((leaky(128, 256, 3, 2), leaky(256, 512, 3, 2)))
        self.after = nn.ModuleList((five(512, 256), five(1024, 512)))
        self.heads = nn.ModuleList(
            nn.Sequential(leaky(c, 2 * c, 3), nn.Conv2d(2 * c, 255, 1)) for c in (128, 256, 512)
        )

    def forward(self, x):
        double = lambda one: functional.interpolate(one, scale_factor=2)
        c3 = self.c3(x)
        c4 = self.c4(c3)
        p5 = self.spp(self.c5(c4))
        p4 = self.up[0](torch.cat([self.side[0](c4), double(self.less[0](p5))], 1))
        p3 = self.up[1](torch.cat([self.side[1](c3), double(self.less[1](p4))], 1))
        p4 = self.after[0](torch.cat([self.down[0](p3), p4], 1))
        p5 = self.after[1](torch.cat([self.down[1](p4), p5], 1))
        return [head(one) for head, one in zip(self.heads, (p3, p4, p5), strict=True)]


class YoloV4Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        leaky = lambda i, o, k=3, s=1: conv(i, o, k, s, act="leaky")
        self.stem = nn.Sequential(leaky(3, 32, 3, 2), leaky(32, 64, 3, 2))
        self.wide = nn.ModuleList(leaky(c, c) for c in (64, 128, 256))
        self.first = nn.ModuleList(leaky(c // 2, c // 2) for c in (64, 128, 256))
        self.second = nn.ModuleList(leaky(c // 2, c // 2) for c in (64, 128, 256))
        self.mix = nn.ModuleList(leaky(c, c, 1) for c in (64, 128, 256))
        self.last = nn.Sequential(leaky(512, 512), leaky(512, 256, 1))
        self.head5 = nn.Sequential(leaky(256, 512), nn.Conv2d(512, 255, 1))
        self.less = leaky(256, 128, 1)
        self.head4 = nn.Sequential(leaky(384, 256), nn.Conv2d(256, 255, 1))

    def forward(self, x):
        x, side = self.stem(x), None
        for wide, first, second, mix in zip(self.wide, self.first, self.second, self.mix, strict=True):
            x = wide(x)
            a = first(x.chunk(2, 1)[1])
            side = mix(torch.cat([second(a), a], 1))
            x = functional.max_pool2d(torch.cat([x, side], 1), 2)
        x = self.last(x)
        wide = functional.interpolate(self.less(x), scale_factor=2)
        return self.head5(x), self.head4(torch.cat([wide, side], 1))


class CspA(nn.Module):
    """Cross stage partial block of Scaled-YOLOv4 (Wang et al., 2021); `slim` splits, else the part is all."""

    def __init__(self, inner, outer, count, slim=True):
        super().__init__()
        part = outer // 2 if slim else outer
        unit = lambda _: nn.Sequential(conv(part, part, 1, act="silu"), conv(part, part, act="silu"))
        self.slim = slim
        self.first = conv(inner, part, 1, act="silu")
        self.side = conv(inner if slim else part, part, 1, act="silu")
        self.main = repeated(count, (lambda n: Residual(unit(n))) if slim else unit)
        self.last = conv(2 * part, outer, 1, act="silu")

    def forward(self, x):
        first = self.first(x)
        return self.last(torch.cat([self.main(first), self.side(x if self.slim else first)], 1))


class SppCsp(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        one = lambda i, o, k=1: conv(i, o, k, act="silu")
        self.first = nn.Sequential(one(inner, outer), one(outer, outer, 3), one(outer, outer))
        self.spp = nn.Sequential(Spp(), one(4 * outer, outer), one(outer, outer, 3))
        self.side, self.last = one(inner, outer), one(2 * outer, outer)

    def forward(self, x):
        return self.last(torch.cat([self.spp(self.first(x)), self.side(x)], 1))


class YolorP6(nn.Module):
    """YOLOR-P6 (Wang et al., 2021), four strides."""

    def __init__(self):
        super().__init__()
        silu = lambda i, o, k=3, s=1: conv(i, o, k, s, act="silu")
        widths, counts = (128, 256, 384, 512, 640), (3, 7, 7, 3, 3)
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), silu(12, 64))
        self.body = nn.ModuleList(
            nn.Sequential(silu(i, o, 3, 2), CspA(o, o, n))
            for i, o, n in zip((64, *widths), widths, counts, strict=False)
        )
        self.spp = SppCsp(640, 320)
        outs = (256, 192, 128)
        self.less = nn.ModuleList(silu(i, o, 1) for i, o in zip((320, 256, 192), outs, strict=True))
        self.side = nn.ModuleList(silu(i, o, 1) for i, o in zip((512, 384, 256), outs, strict=True))
        self.up = nn.ModuleList(CspA(2 * o, o, 3, slim=False) for o in outs)
        backs = (192, 256, 320)
        self.down = nn.ModuleList(silu(i, o, 3, 2) for i, o in zip((128, 192, 256), backs, strict=True))
        self.back = nn.ModuleList(CspA(2 * o, o, 3, slim=False) for o in backs)
        self.heads = nn.ModuleList(
            nn.Sequential(silu(c, 2 * c), nn.Conv2d(2 * c, 255, 1)) for c in (128, *backs)
        )

    def forward(self, x):
        x, found = self.stem(x), []
        for one in self.body:
            x = one(x)
            found.append(x)
        levels = [self.spp(x)]
        for less, side, up, one in zip(self.less, self.side, self.up, found[3:0:-1], strict=True):
            wide = functional.interpolate(less(levels[0]), scale_factor=2)
            levels.insert(0, up(torch.cat([wide, side(one)], 1)))
        outs = [levels[0]]
        for down, back, one in zip(self.down, self.back, levels[1:], strict=True):
            outs.append(back(torch.cat([down(outs[-1]), one], 1)))
        return [head(one) for head, one in zip(self.heads, outs, strict=True)]


class Ssd(nn.Module):
    """SSD (Liu et al., 2016) of TensorFlow's detection API: six maps, 91 classes."""

    def __init__(self, first, second, channels, extras, lite, classes=91):
        super().__init__()
        self.first, self.second = first, second
        self.extras, inner = nn.ModuleList(), channels[1]
        for middle, outer in extras:
            wide = separable(middle, outer, 3, 2, "relu6") if lite else conv(middle, outer, 3, 2, act="relu6")
            self.extras.append(nn.Sequential(conv(inner, middle, 1, act="relu6"), wide))
            inner = outer
        widths, anchors = (*channels, *(outer for _, outer in extras)), (3, 6, 6, 6, 6, 6)
        head = lambda c, n: (
            nn.Sequential(conv(c, c, 3, groups=c, act="relu6"), nn.Conv2d(c, n, 1))
            if lite
            else nn.Conv2d(c, n, 1)
        )
        self.boxes = nn.ModuleList(head(c, a * 4) for c, a in zip(widths, anchors, strict=True))
        self.scores = nn.ModuleList(head(c, a * classes) for c, a in zip(widths, anchors, strict=True))
        self.classes = classes

    def forward(self, x):
        a, x = self.first(x)
        maps = [a, self.second(x)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        flat = lambda heads, n: torch.cat(
            [h(o).permute(0, 2, 3, 1).reshape(1, -1, n) for h, o in zip(heads, maps, strict=True)], 1
        )
        return flat(self.boxes, 4), flat(self.scores, self.classes).sigmoid()


class Twice(nn.Module):
    """A stage whose output is a map of the detector, too."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        x = self.body(x)
        return x, x


class Expanded(nn.Module):
    """Stages up to the expansion of the next block, which is a map of its own."""

    def __init__(self, body, block):
        super().__init__()
        self.body, self.block = body, block

    def forward(self, x):
        wide = self.block[0](self.body(x))
        return wide, self.block[2](self.block[1](wide))


EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))


def ssd_mobilenetv1(_shape):
    stem, stages = mobilenetv1(1.0, act="relu6")
    return Ssd(Twice(nn.Sequential(stem, *stages[:4])), stages[4], (512, 1024), EXTRAS, lite=False)


def ssd_mobilenetv2(lite):
    def made(_shape):
        stages = mobilenetv2()
        # The map of stride 16 is the expansion of the first block of 160 channels.
        first = Expanded(nn.Sequential(*stages[:6]), stages[6][0])
        second = nn.Sequential(*stages[6][1:], stages[7], conv(320, 1280, 1, act="relu6"))
        return Ssd(first, second, (576, 1280), EXTRAS, lite)

    return made


class CenterNetDla(nn.Module):
    """CenterNet (Zhou et al., 2019) on DLA-34 without deformable convolutions."""

    def __init__(self):
        super().__init__()
        import timm

        self.body = timm.create_model("dla34", pretrained=False, features_only=True)
        channels, inner = [64, 128, 256, 512], [64, 128, 256, 512]
        scales = [1, 2, 4, 8]
        self.steps = nn.ModuleList()
        for n in range(3):
            j = len(channels) - n - 2
            self.steps.append(IdaUp(channels[j], inner[j:], [s // scales[j] for s in scales[j:]]))
            scales[j + 1 :] = [scales[j]] * len(scales[j + 1 :])
            inner[j + 1 :] = [channels[j]] * len(inner[j + 1 :])
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(64, 256, 3, 1, 1), nn.ReLU(), nn.Conv2d(256, n, 1)) for n in (80, 2, 2)
        )

    def forward(self, x):
        layers = list(self.body(x)[-4:])
        for n, step in enumerate(self.steps):
            layers[-n - 2 :] = [layers[-n - 2], *step(layers[-n - 2 :])]
        return [head(layers[-1]) for head in self.heads]


class IdaUp(nn.Module):
    def __init__(self, outer, inner, scales):
        super().__init__()
        self.project = nn.ModuleList(conv(c, outer, 1) if c != outer else nn.Identity() for c in inner)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(outer, outer, 2 * s, s, s // 2, groups=outer, bias=False)
            if s > 1
            else nn.Identity()
            for s in scales
        )
        self.node = nn.ModuleList(conv(2 * outer, outer) for _ in inner[1:])

    def forward(self, layers):
        wide = [up(project(one)) for up, project, one in zip(self.up, self.project, layers, strict=True)]
        x, found = wide[0], []
        for node, one in zip(self.node, wide[1:], strict=True):
            x = node(torch.cat([x, one], 1))
            found.append(x)
        return found


def repvgg(counts, widths):
    """RepVGG (Ding et al., 2021) as deployed: plain 3 x 3 convolutions."""
    inner, stages = min(64, widths[0]), [conv(3, min(64, widths[0]), 3, 2, norm=False)]
    for count, outer in zip(counts, widths, strict=True):
        stages.append(
            nn.Sequential(
                *(
                    conv(inner if n == 0 else outer, outer, 3, 2 if n == 0 else 1, norm=False)
                    for n in range(count)
                )
            )
        )
        inner = outer
    return stages


class NanoDet(nn.Module):
    """NanoDet (RangiLyu, 2020): additions in the neck, one head of plain convolutions a stride."""

    def __init__(self, stages, channels, width, stacked=2, bins=11):
        super().__init__()
        self.first, self.rest = nn.Sequential(*stages[:-2]), nn.ModuleList(stages[-2:])
        self.side = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        tower = lambda: nn.Sequential(
            *(conv(width, width) for _ in range(stacked)), nn.Conv2d(width, 80 + 4 * bins, 1)
        )
        self.heads = nn.ModuleList(tower() for _ in channels)

    def forward(self, x):
        found = [self.first(x)]
        for one in self.rest:
            found.append(one(found[-1]))
        levels = [side(one) for side, one in zip(self.side, found, strict=True)]
        for n in (1, 0):
            levels[n] = levels[n] + functional.interpolate(
                levels[n + 1], size=levels[n].shape[-2:], mode="bilinear"
            )
        for n in (0, 1):
            levels[n + 1] = levels[n + 1] + functional.interpolate(
                levels[n], size=levels[n + 1].shape[-2:], mode="bilinear"
            )
        return [head(one) for head, one in zip(self.heads, levels, strict=True)]


def roi_head(_shape):
    """The second stage of Faster R-CNN C4: ResNet-50's last stage on 200 regions, then boxes and scores."""
    import torchvision

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torchvision.models.resnet50(weights=None).layer4
            self.scores, self.boxes = nn.Linear(2048, 81), nn.Linear(2048, 320)

        def forward(self, x):
            x = self.body(x).mean((2, 3))
            return self.scores(x).softmax(-1), self.boxes(x)

    return Net()


def recipes() -> Iterator[Recipe]:
    four = "Bochkovskiy et al., YOLOv4, 2020"
    yield from picture("yolov4", [416, 608], lambda _: YoloV4(), four)
    yield from picture("yolov4-leaky", [512], lambda _: YoloV4("leaky"), four)
    yield from picture("yolov4-tiny", [416], lambda _: YoloV4Tiny(), four)
    yield from picture("yolor-p6", [640, 1280], lambda _: YolorP6(), "Wang et al., YOLOR, 2021")
    ssd = "Liu et al., SSD, 2016; TensorFlow's detection API"
    yield from picture("ssd-mobilenetv1", [300], ssd_mobilenetv1, ssd)
    yield from picture("ssdlite-mobilenetv2-tf1", [300], ssd_mobilenetv2(True), ssd)
    yield from picture("ssd-mobilenetv2", [300], ssd_mobilenetv2(False), ssd)
    yield from picture("centernet-dlav0-34", [512], lambda _: CenterNetDla(), "Zhou et al., CenterNet, 2019")
    nano, paper = ((2, 4, 14, 1), (48, 96, 192, 512)), "RangiLyu/nanodet, 2020"
    yield from picture(
        "nanodet-repvgg-a0", [416, 640], lambda _: NanoDet(repvgg(*nano), nano[1][1:], 128), paper
    )
    a1 = ((2, 4, 14, 1), (64, 128, 256, 512))
    yield from picture("nanodet-repvgg-a1", [640], lambda _: NanoDet(repvgg(*a1), a1[1][1:], 128), paper)
    yield Recipe(
        "faster-rcnn-r50-c4-roi", (200, 1024, 14, 14), roi_head, "Ren et al., Faster R-CNN, 2015; 200 regions"
    )
