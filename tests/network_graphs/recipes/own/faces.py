"""Faces, people and licence plates: detectors, embeddings, landmarks, recognisers."""

from collections.abc import Iterator

import torch
from torch import nn

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import Residual, SqueezeExcite, conv, repeated, separable


def mobilenetv1(
    width, stages=((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)), act="relu", first=32
):
    """Stages of MobileNetV1 (Howard et al., 2017): channels, blocks, stride of the first."""
    inner, parts = round(first * width), []
    stem = conv(3, inner, 3, 2, act=act)
    for channels, count, stride in stages:
        layers = []
        for place in range(count):
            outer = round(channels * width)
            layers.append(separable(inner, outer, 3, stride if place == 0 else 1, act))
            inner = outer
        parts.append(nn.Sequential(*layers))
    return stem, parts


class RetinaFace(nn.Module):
    """RetinaFace (Deng et al., 2020) as biubug6/Pytorch_Retinaface: FPN, SSH, heads of two anchors."""

    def __init__(self, backbone, channels, outer):
        super().__init__()
        self.backbone = nn.ModuleList(backbone)
        act = "leaky"
        self.lateral = nn.ModuleList(conv(one, outer, 1, act=act) for one in channels)
        self.merge = nn.ModuleList(conv(outer, outer, act=act) for _ in range(2))
        self.context = nn.ModuleList(Ssh(outer) for _ in channels)
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(outer, 2 * n, 1) for n in (4, 2, 10)) for _ in channels
        )

    def forward(self, x):
        found = []
        for stage in self.backbone:
            x = stage(x)
            found.append(x)
        c3, c4, c5 = (lateral(one) for lateral, one in zip(self.lateral, found[-3:], strict=True))
        c4 = self.merge[1](c4 + nn.functional.interpolate(c5, size=c4.shape[-2:]))
        c3 = self.merge[0](c3 + nn.functional.interpolate(c4, size=c3.shape[-2:]))
        features = [context(one) for context, one in zip(self.context, (c3, c4, c5), strict=True)]
        out = [[head(one) for head in heads] for heads, one in zip(self.heads, features, strict=True)]
        joined = [
            torch.cat([one[n].permute(0, 2, 3, 1).reshape(1, -1, size) for one in out], 1)
            for n, size in enumerate((4, 2, 10))
        ]
        return joined[0], joined[1].softmax(-1), joined[2]


class Ssh(nn.Module):
    """Context of three sizes (Najibi et al., SSH, 2017)."""

    def __init__(self, channels):
        super().__init__()
        quarter = channels // 4
        self.wide = conv(channels, channels // 2, act="")
        self.first = conv(channels, quarter, act="leaky")
        self.middle = conv(quarter, quarter, act="")
        self.third = nn.Sequential(conv(quarter, quarter, act="leaky"), conv(quarter, quarter, act=""))

    def forward(self, x):
        first = self.first(x)
        return torch.cat([self.wide(x), self.middle(first), self.third(first)], 1).relu()


def retinaface_mobilenet(width):
    def made(_shape):
        stem, stages = mobilenetv1(width, act="leaky")
        channels = [round(c * width) for c in (256, 512, 1024)]
        # Its first stage ends with 64 channels, the second of 128 at stride 8 with two blocks of 256's.
        body = [nn.Sequential(stem, *stages[:3]), stages[3], stages[4]]
        return RetinaFace(body, channels, 64)

    return made


def retinaface_resnet50(_shape):
    import torchvision

    net = torchvision.models.resnet50(weights=None)
    body = [
        nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2),
        net.layer3,
        net.layer4,
    ]
    return RetinaFace(body, (512, 1024, 2048), 256)


class BasicE(nn.Module):
    """ResNet-v1e's basic block: the shortcut is pooled, then 1 x 1."""

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.body = nn.Sequential(conv(inner, outer, 3, stride), conv(outer, outer, act=""))
        pool = [nn.AvgPool2d(stride, stride, ceil_mode=True)] if stride > 1 else []
        same = inner == outer and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*pool, conv(inner, outer, 1, act=""))

    def forward(self, x):
        return (self.body(x) + self.shortcut(x)).relu()


class Scrfd(nn.Module):
    """SCRFD (Guo et al., 2021): PAFPN and heads of strides 8, 16, 32 with two anchors."""

    def __init__(self, stages, channels, neck, head, stacked, points, depthwise=False):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(one, neck, 1) for one in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(neck, neck, 3, 1, 1) for _ in channels)
        self.down = nn.ModuleList(nn.Conv2d(neck, neck, 3, 2, 1) for _ in channels[1:])
        self.again = nn.ModuleList(nn.Conv2d(neck, neck, 3, 1, 1) for _ in channels[1:])

        def tower():
            layers, inner = [], neck
            for _ in range(stacked):
                if depthwise:
                    layers += [
                        nn.Conv2d(inner, inner, 3, 1, 1, groups=inner, bias=False),
                        nn.BatchNorm2d(inner),
                        nn.ReLU(),
                        nn.Conv2d(inner, head, 1, bias=False),
                        nn.BatchNorm2d(head),
                        nn.ReLU(),
                    ]
                else:
                    layers += [nn.Conv2d(inner, head, 3, 1, 1, bias=False), nn.BatchNorm2d(head), nn.ReLU()]
                inner = head
            return nn.Sequential(*layers)

        self.towers = nn.ModuleList(tower() for _ in channels)
        sizes = (2, 8, 20) if points else (2, 8)
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(head, n, 3, 1, 1) for n in sizes) for _ in channels
        )

    def forward(self, x):
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        levels = [lateral(one) for lateral, one in zip(self.lateral, found[-3:], strict=True)]
        for place in (1, 0):
            levels[place] = levels[place] + nn.functional.interpolate(
                levels[place + 1], size=levels[place].shape[-2:]
            )
        levels = [smooth(one) for smooth, one in zip(self.smooth, levels, strict=True)]
        for place in (0, 1):
            levels[place + 1] = levels[place + 1] + self.down[place](levels[place])
        levels = [levels[0], *(again(one) for again, one in zip(self.again, levels[1:], strict=True))]
        towers = [tower(one) for tower, one in zip(self.towers, levels, strict=True)]
        return [
            [head(one).sigmoid() if n == 0 else head(one) for n, head in enumerate(heads)]
            for heads, one in zip(self.heads, towers, strict=True)
        ]


def scrfd_resnet(counts, planes, neck, head, stacked, points):
    def made(_shape):
        base = planes[0]
        stem = nn.Sequential(
            conv(3, base // 2, 3, 2), conv(base // 2, base // 2), conv(base // 2, base), nn.MaxPool2d(3, 2, 1)
        )
        stages, inner = [], base
        for place, (count, outer) in enumerate(zip(counts, planes, strict=True)):
            blocks = [
                BasicE(inner if n == 0 else outer, outer, 2 if n == 0 and place else 1) for n in range(count)
            ]
            stages.append(nn.Sequential(*blocks))
            inner = outer
        return Scrfd([nn.Sequential(stem, stages[0]), *stages[1:]], planes[1:], neck, head, stacked, points)

    return made


def scrfd_mobile(counts, planes, neck, head, stacked, points):
    def made(_shape):
        stem = nn.Sequential(conv(3, planes[0], 3, 2), separable(planes[0], planes[1]))
        stages, inner = [], planes[1]
        for count, outer in zip(counts, planes[2:], strict=True):
            stages.append(
                nn.Sequential(
                    *(
                        separable(inner if n == 0 else outer, outer, 3, 2 if n == 0 else 1)
                        for n in range(count)
                    )
                )
            )
            inner = outer
        return Scrfd(
            [nn.Sequential(stem, stages[0]), *stages[1:]],
            planes[3:],
            neck,
            head,
            stacked,
            points,
            depthwise=True,
        )

    return made


class IrBlock(nn.Module):
    """The block of ArcFace's improved ResNet (Deng et al., 2019)."""

    def __init__(self, inner, outer, stride, excite=False):
        super().__init__()
        parts = [
            nn.BatchNorm2d(inner),
            nn.Conv2d(inner, outer, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.PReLU(outer),
            nn.Conv2d(outer, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
        ]
        if excite:
            parts.append(SqueezeExcite(outer, outer // 16))
        self.body = nn.Sequential(*parts)
        same = inner == outer and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        )

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def arcface(counts, excite=False):
    def made(_shape):
        parts, inner = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)], 64
        for count, outer in zip(counts, (64, 128, 256, 512), strict=True):
            for place in range(count):
                parts.append(IrBlock(inner, outer, 2 if place == 0 else 1, excite))
                inner = outer
        return nn.Sequential(
            *parts, nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(512 * 49, 512), nn.BatchNorm1d(512)
        )

    return made


def mobilefacenet(scale, counts):
    """MobileFaceNet (Chen et al., 2018), in InsightFace's width `scale` of 64 channels."""

    def unit(inner, outer, stride, middle):
        parts = [
            conv(inner, middle, 1, act="prelu"),
            conv(middle, middle, 3, stride, middle, act="prelu"),
            conv(middle, outer, 1, act=""),
        ]
        body = nn.Sequential(*parts)
        return Residual(body) if stride == 1 and inner == outer else body

    def made(_shape):
        a, b = 64 * scale, 128 * scale
        parts = [conv(3, a, 3, 2, act="prelu")]
        parts.append(
            conv(a, a, 3, 1, 64, act="prelu")
            if counts[0] == 1
            else repeated(counts[0], lambda _: unit(a, a, 1, b))
        )
        parts += [
            unit(a, a, 2, 128),
            repeated(counts[1], lambda _: unit(a, a, 1, 128)),
            unit(a, b, 2, 256),
            repeated(counts[2], lambda _: unit(b, b, 1, 256)),
            unit(b, b, 2, 512),
            repeated(counts[3], lambda _: unit(b, b, 1, 256)),
            conv(b, 512, 1, act="prelu"),
            conv(512, 512, 7, 1, 512, act="", padding=0),
            nn.Flatten(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
        ]
        return nn.Sequential(*parts)

    return made


class LprNet(nn.Module):
    """LPRNet (Zherzdev, Gruzdev, 2018) as sirius-ai/LPRNet_Pytorch, 68 characters."""

    def __init__(self, classes=68):
        super().__init__()

        def small(inner, outer):
            quarter = outer // 4
            return [
                nn.Conv2d(inner, quarter, 1),
                nn.ReLU(),
                nn.Conv2d(quarter, quarter, (3, 1), padding=(1, 0)),
                nn.ReLU(),
                nn.Conv2d(quarter, quarter, (1, 3), padding=(0, 1)),
                nn.ReLU(),
                nn.Conv2d(quarter, outer, 1),
            ]

        self.a = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        self.b = nn.Sequential(nn.MaxPool2d(3, 1), *small(64, 128), nn.BatchNorm2d(128), nn.ReLU())
        self.c = nn.Sequential(
            nn.MaxPool2d(3, (1, 2)),
            *small(64, 256),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            *small(256, 256),
            nn.BatchNorm2d(256),
            nn.ReLU(),
        )
        self.d = nn.Sequential(
            nn.MaxPool2d(3, (1, 2)),
            nn.Conv2d(64, 256, (1, 4)),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Conv2d(256, classes, (13, 1)),
            nn.BatchNorm2d(classes),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(448 + classes, classes, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(nn.functional.max_pool2d(b, 1)[:, ::2])
        d = self.d(c[:, ::4])
        pool = nn.functional.avg_pool2d
        features = [pool(a, 5, 5), pool(b, 5, 5), pool(c, (4, 10), (4, 2)), d]
        features = [one / one.pow(2).mean() for one in features]
        return self.last(torch.cat(features, 1)).mean(2)


class DeepSortExtractor(nn.Module):
    """The appearance network of ZQPei/deep_sort_pytorch for people of 128 x 64."""

    def __init__(self):
        super().__init__()
        parts, inner = [nn.Conv2d(3, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
        for outer in (64, 128, 256, 512):
            for place in range(2):
                stride = 2 if place == 0 and outer > 64 else 1
                body = nn.Sequential(conv(inner, outer, 3, stride), conv(outer, outer, act=""))
                shortcut = conv(inner, outer, 1, 2, act="") if stride > 1 else None
                parts.append(Residual(body, shortcut, "relu"))
                inner = outer
        self.body = nn.Sequential(*parts, nn.AvgPool2d((8, 4), 1), nn.Flatten())

    def forward(self, x):
        x = self.body(x)
        return x / x.norm(p=2, dim=1, keepdim=True)


def tddfa(_shape):
    """3DDFA-v2 (Guo et al., 2020): MobileNetV1 and 62 numbers of a face model."""
    stem, stages = mobilenetv1(1.0)
    return nn.Sequential(stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 62))


def attributes(classes):
    def made(_shape):
        import torchvision

        return torchvision.models.resnet18(weights=None, num_classes=classes)

    return made


def lightface(_shape):
    """Ultra-Light-Fast-Generic-Face-Detector-1MB, slim (Linzaer, 2019): width 16, heads at four strides."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            c = 16
            plan = [
                (c, 2 * c, 1),
                (2 * c, 2 * c, 2),
                (2 * c, 2 * c, 1),
                (2 * c, 4 * c, 2),
                (4 * c, 4 * c, 1),
                (4 * c, 4 * c, 1),
                (4 * c, 4 * c, 1),
            ]
            blocks = [separable(*one[:2], 3, one[2]) for one in plan]
            self.a = nn.Sequential(conv(3, c, 3, 2), *blocks)
            self.b = nn.Sequential(
                separable(4 * c, 8 * c, 3, 2), separable(8 * c, 8 * c), separable(8 * c, 8 * c)
            )
            self.c = nn.Sequential(separable(8 * c, 16 * c, 3, 2), separable(16 * c, 16 * c))
            self.d = nn.Sequential(nn.Conv2d(16 * c, 4 * c, 1), nn.ReLU(), separable(4 * c, 16 * c, 3, 2))
            sizes = ((4 * c, 3), (8 * c, 2), (16 * c, 2), (16 * c, 3))
            heads = lambda n: nn.ModuleList(
                self._head(inner, anchors * n, last)
                for (inner, anchors), last in zip(sizes, (0, 0, 0, 1), strict=True)
            )
            self.boxes, self.scores = heads(4), heads(2)

        @staticmethod
        def _head(inner, outer, plain):
            if plain:
                return nn.Conv2d(inner, outer, 3, 1, 1)
            return nn.Sequential(
                nn.Conv2d(inner, inner, 3, 1, 1, groups=inner), nn.ReLU(), nn.Conv2d(inner, outer, 1)
            )

        def forward(self, x):
            a = self.a(x)
            b = self.b(a)
            c = self.c(b)
            levels = (a, b, c, self.d(c))
            flat = lambda heads, n: torch.cat(
                [h(o).permute(0, 2, 3, 1).reshape(1, -1, n) for h, o in zip(heads, levels, strict=True)], 1
            )
            return flat(self.boxes, 4), flat(self.scores, 2).softmax(-1)

    return Net()


def recipes() -> Iterator[Recipe]:
    face = "Deng et al., RetinaFace, 2020"
    yield from picture("retinaface-mobilenet0.25", [640, 320], retinaface_mobilenet(0.25), face)
    yield from picture("retinaface-mobilenetv1", [(736, 1280)], retinaface_mobilenet(1.0), face)
    yield from picture("retinaface-resnet50", [320, 640, 840], retinaface_resnet50, face)
    for points in (False, True):
        tail, paper = "-kps" if points else "", "Guo et al., SCRFD, 2021"
        yield from picture(
            f"scrfd-10g{tail}", 640, scrfd_resnet((3, 4, 2, 3), (56, 88, 88, 224), 56, 80, 3, points), paper
        )
        yield from picture(
            f"scrfd-2.5g{tail}", 640, scrfd_resnet((3, 5, 3, 2), (24, 48, 48, 80), 24, 64, 2, points), paper
        )
        yield from picture(
            f"scrfd-34g{tail}",
            640,
            scrfd_resnet((17, 16, 2, 8), (56, 56, 144, 184), 128, 256, 2, points),
            paper,
        )
        yield from picture(
            f"scrfd-500m{tail}",
            640,
            scrfd_mobile((2, 3, 2, 6), (16, 16, 40, 72, 152, 288), 16, 64, 2, points),
            paper,
        )
    arc = "Deng et al., ArcFace, 2019"
    for depth, counts in ((18, (2, 2, 2, 2)), (34, (3, 4, 6, 3)), (50, (3, 4, 14, 3)), (100, (3, 13, 30, 3))):
        yield from picture(f"arcface-r{depth}", 112, arcface(counts), arc)
    yield from picture(
        "cavaface-ir-se-100", 112, arcface((3, 13, 30, 3), excite=True), f"{arc}; squeeze and excitation"
    )
    yield from picture(
        "arcface-mobilefacenet",
        112,
        mobilefacenet(2, (1, 4, 6, 2)),
        "Chen et al., MobileFaceNet, 2018; InsightFace's width",
    )
    yield from picture(
        "mobilefacenet", 112, mobilefacenet(1, (1, 4, 6, 2)), "Chen et al., MobileFaceNet, 2018"
    )
    yield from picture("lprnet-sirius", [(24, 94)], lambda _: LprNet(), "Zherzdev, Gruzdev, LPRNet, 2018")
    yield from picture(
        "deepsort-extractor", [(128, 64)], lambda _: DeepSortExtractor(), "ZQPei/deep_sort_pytorch"
    )
    yield from picture("tddfa-v2-mobilenetv1", 120, tddfa, "Guo et al., 3DDFA-v2, 2020")
    yield from picture(
        "resnet18-face-attr", [(218, 178)], attributes(40), "He et al., ResNet, 2015; 40 classes"
    )
    yield from picture("resnet18-person-attr", [224], attributes(35), "He et al., ResNet, 2015; 35 classes")
    yield from picture(
        "lightface-slim", [(240, 320)], lightface, "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, 2019"
    )
