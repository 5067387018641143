"""Key points, embeddings and classifiers that no package here defines."""

import itertools
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import Residual, SqueezeExcite, conv, separable


class PoseNet(nn.Module):
    """PoseNet (Papandreou et al., 2018) on MobileNetV1 at stride 16."""

    def __init__(self):
        super().__init__()
        plan = (
            (64, 1, 1),
            (128, 2, 1),
            (128, 1, 1),
            (256, 2, 1),
            (256, 1, 1),
            (512, 2, 1),
            *[(512, 1, 1)] * 5,
            (1024, 1, 1),
            (1024, 1, 2),
        )
        parts, inner = [conv(3, 32, 3, 2, act="relu6")], 32
        for outer, stride, dilation in plan:
            parts.append(separable(inner, outer, 3, stride, "relu6", dilation))
            inner = outer
        self.body = nn.Sequential(*parts)
        self.heads = nn.ModuleList(nn.Conv2d(1024, n, 1) for n in (17, 34, 32, 32))

    def forward(self, x):
        x = self.body(x)
        return self.heads[0](x).sigmoid(), *(head(x) for head in self.heads[1:])


class OpenPose(nn.Module):
    """OpenPose (Cao et al., 2017): ten layers of VGG-19, six stages of two branches."""

    def __init__(self, points=19, limbs=38):
        super().__init__()
        layers, inner = [], 3
        for one in (64, 64, "p", 128, 128, "p", 256, 256, 256, 256, "p", 512, 512, 256, 128):
            if one == "p":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inner, one, 3, 1, 1), nn.ReLU()]
                inner = one
        self.body = nn.Sequential(*layers)

        def first(outer):
            parts = []
            for _ in range(3):
                parts += [nn.Conv2d(128, 128, 3, 1, 1), nn.ReLU()]
            return nn.Sequential(*parts, nn.Conv2d(128, 512, 1), nn.ReLU(), nn.Conv2d(512, outer, 1))

        def later(outer):
            parts, inner = [], 128 + points + limbs
            for _ in range(5):
                parts += [nn.Conv2d(inner, 128, 7, 1, 3), nn.ReLU()]
                inner = 128
            return nn.Sequential(*parts, nn.Conv2d(128, 128, 1), nn.ReLU(), nn.Conv2d(128, outer, 1))

        self.limbs = nn.ModuleList([first(limbs), *(later(limbs) for _ in range(5))])
        self.points = nn.ModuleList([first(points), *(later(points) for _ in range(5))])

    def forward(self, x):
        base = self.body(x)
        x = base
        for limbs, points in zip(self.limbs, self.points, strict=True):
            a, b = limbs(x), points(x)
            x = torch.cat([a, b, base], 1)
        return a, b


class OsBlock(nn.Module):
    """Omni-scale block (Zhou et al., OSNet, 2019): four depths of light 3 x 3, gated by one shared gate."""

    def __init__(self, inner, outer):
        super().__init__()
        middle = outer // 4
        light = lambda: nn.Sequential(
            nn.Conv2d(middle, middle, 1, bias=False),
            nn.Conv2d(middle, middle, 3, 1, 1, groups=middle, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
        )
        self.first = conv(inner, middle, 1)
        self.ways = nn.ModuleList(nn.Sequential(*(light() for _ in range(n))) for n in (1, 2, 3, 4))
        self.gate = SqueezeExcite(middle, max(1, middle // 16))
        self.last = conv(middle, outer, 1, act="")
        self.shortcut = conv(inner, outer, 1, act="") if inner != outer else nn.Identity()

    def forward(self, x):
        first = self.first(x)
        mixed = sum(self.gate(way(first)) for way in self.ways)
        return (self.last(mixed) + self.shortcut(x)).relu()


def osnet(width):
    def made(_shape):
        c0, c1, c2, c3 = (int(c * width) for c in (64, 256, 384, 512))
        parts = [
            conv(3, c0, 7, 2),
            nn.MaxPool2d(3, 2, 1),
            OsBlock(c0, c1),
            OsBlock(c1, c1),
            conv(c1, c1, 1),
            nn.AvgPool2d(2, 2),
            OsBlock(c1, c2),
            OsBlock(c2, c2),
            conv(c2, c2, 1),
            nn.AvgPool2d(2, 2),
            OsBlock(c2, c3),
            OsBlock(c3, c3),
            conv(c3, c3, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(c3, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
        ]
        return nn.Sequential(*parts)

    return made


class Sinet(nn.Module):
    """SINet for portraits (Park et al., 2020): spatial squeeze modules, information blocking decoder."""

    WAYS = (
        ((3, 1), (5, 1)),
        ((3, 1), (3, 1)),
        ((3, 1), (5, 1)),
        ((3, 1), (3, 1)),
        ((5, 1), (3, 2)),
        ((5, 2), (3, 4)),
        ((3, 1), (3, 1)),
        ((5, 1), (5, 1)),
        ((3, 2), (3, 4)),
        ((3, 1), (5, 2)),
    )

    def __init__(self, classes=2):
        super().__init__()
        self.first = conv(3, 12, 3, 2, act="prelu")
        self.second = Squeezed(12, 16, 1)
        self.two = nn.ModuleList(S2(16 if n == 0 else 48, 48, self.WAYS[n], n > 0) for n in range(2))
        self.norm2 = nn.Sequential(nn.BatchNorm2d(64), nn.PReLU(64))
        self.third = Squeezed(64, 48, 2)
        self.three = nn.ModuleList(S2(48 if n == 0 else 96, 96, self.WAYS[2 + n], n > 0) for n in range(8))
        self.norm3 = nn.Sequential(nn.BatchNorm2d(144), nn.PReLU(144))
        self.score = nn.Conv2d(144, classes, 1, bias=False)
        self.bn3, self.bn2, self.side = (
            nn.BatchNorm2d(classes),
            nn.BatchNorm2d(classes),
            conv(48, classes, 1, act="prelu"),
        )
        self.last = nn.Conv2d(classes, classes, 3, 1, 1, bias=False)

    def forward(self, x):
        double = lambda one: functional.interpolate(one, scale_factor=2, mode="bilinear", align_corners=True)
        start = self.second(self.first(x))
        two = self.two[1](self.two[0](start))
        begin = self.third(self.norm2(torch.cat([start, two], 1)))
        three = begin
        for one in self.three:
            three = one(three)
        coarse = self.bn3(double(self.score(self.norm3(torch.cat([begin, three], 1)))))
        gate = 1 - coarse.softmax(1).max(1, keepdim=True)[0]
        return self.last(double(self.bn2(double(self.side(two) * gate + coarse))))


class Squeezed(nn.Module):
    """Depthwise convolution that halves, a dense gate of channels, 1 x 1."""

    def __init__(self, inner, outer, divide):
        super().__init__()
        self.wide = nn.Conv2d(inner, inner, 3, 2, 1, groups=inner, bias=False)
        less = inner // divide
        gate = (
            [nn.Linear(inner, less), nn.PReLU(less), nn.Linear(less, inner), nn.PReLU(inner)]
            if divide > 1
            else [nn.Linear(inner, inner), nn.PReLU(inner)]
        )
        self.gate = nn.Sequential(*gate)
        self.last = conv(inner, outer, 1, act="prelu")

    def forward(self, x):
        x = self.wide(x)
        return self.last(x * self.gate(x.mean((2, 3))).reshape(1, -1, 1, 1))


class S2(nn.Module):
    def __init__(self, inner, outer, ways, add):
        super().__init__()
        half = outer // 2
        self.less, self.add = nn.Conv2d(inner, half, 1, groups=2, bias=False), add
        self.ways = nn.ModuleList(
            nn.Sequential(
                *([nn.AvgPool2d(n, n)] if n > 1 else []), nn.Conv2d(half, half, k, 1, k // 2, groups=half, bias=False), nn.BatchNorm2d(half), nn.PReLU(half),
                nn.Conv2d(half, half, 1, bias=False), *([nn.UpsamplingBilinear2d(scale_factor=n)] if n > 1 else []), nn.BatchNorm2d(half),
            ) for k, n in ways
        )  # fmt: skip
        self.last = nn.Sequential(nn.BatchNorm2d(outer), nn.PReLU(outer))

    def forward(self, x):
        less = self.less(x)
        size = less.shape
        less = less.reshape(1, 2, size[1] // 2, *size[2:]).transpose(1, 2).reshape(size)
        joined = torch.cat([way(less) for way in self.ways], 1)
        return self.last(x + joined if self.add else joined)


GPUNET0 = (
    "c 32 32 1 relu",
    "c 32 32 1 relu",
    "f 32 32 2 relu",
    "f 32 32 1 relu",
    "f 32 64 2 relu",
    "f 64 64 1 relu",
    "f 64 64 1 relu",
    "i 64 256 2 silu",
    "i 256 256 1 silu",
    "i 256 256 1 silu",
    "s 256 704 2 relu",
    "s 704 704 1 relu",
)


def gpunet(plan):
    """GPUNet (Wang et al., 2022) by its list of blocks: convolution, fused, inverted, inverted with a gate."""

    def block(kind, inner, outer, stride, act):
        inner, outer, stride = int(inner), int(outer), int(stride)
        middle = 5 * inner
        if kind == "c":
            body = conv(inner, outer, 3, stride, act=act)
        elif kind == "f":
            body = nn.Sequential(conv(inner, middle, 3, stride, act=act), conv(middle, outer, 1, act=""))
        else:
            gate = [SqueezeExcite(middle, inner // 4)] if kind == "s" else []
            body = nn.Sequential(
                conv(inner, middle, 1, act=act),
                conv(middle, middle, 3, stride, middle, act),
                *gate,
                conv(middle, outer, 1, act=""),
            )
        return Residual(body) if stride == 1 and inner == outer and kind != "c" else body

    def made(_shape):
        parts = [block(*one.split()) for one in plan]
        return nn.Sequential(
            conv(3, 32, 3, 2),
            *parts,
            conv(704, 1280, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(1280, 1000),
        )

    return made


class DeepBox(nn.Module):
    """3D boxes of a car (Mousavian et al., 2017): VGG-19 with BatchNorm, three dense heads."""

    def __init__(self):
        super().__init__()
        import torchvision

        self.body = torchvision.models.vgg19_bn(weights=None).features
        head = lambda c, n: nn.Sequential(
            nn.Linear(512 * 49, c), nn.ReLU(), nn.Linear(c, c), nn.ReLU(), nn.Linear(c, n)
        )
        self.heads = nn.ModuleList((head(256, 4), head(256, 2), head(512, 3)))

    def forward(self, x):
        x = self.body(x).flatten(1)
        return [head(x) for head in self.heads]


def resnet50_slim(_shape):
    """ResNet-50 v1 of TF-slim: each stage but the last halves in its last block."""
    import torchvision

    model = torchvision.models.resnet50(weights=None)
    for n in (1, 2, 3):
        last, following = getattr(model, f"layer{n}")[-1], getattr(model, f"layer{n + 1}")[0]
        last.conv2.stride, last.downsample = (2, 2), nn.MaxPool2d(1, 2)
        following.conv2.stride = following.downsample[0].stride = (1, 1)
    return model


def repvgg_reid(_shape):
    import timm
    from timm.utils.model import reparameterize_model

    return reparameterize_model(timm.create_model("repvgg_a0", pretrained=False, num_classes=512).eval())


class Mspn(nn.Module):
    """One stage of MSPN (Li et al., 2019) on RegNetX-800MF: 256 channels on the way up, heat maps at the finest."""

    def __init__(self, points=17):
        super().__init__()
        import timm

        self.body = timm.create_model(
            "regnetx_008", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
        )
        self.side = nn.ModuleList(conv(c, 256, 1, act="") for c in (672, 288, 128, 64))
        self.up = nn.ModuleList(conv(256, 256, 1, act="") for _ in range(3))
        self.head = nn.Sequential(conv(256, 256, 1), conv(256, points, act=""))

    def forward(self, x):
        levels = self.body(x)[::-1]
        x = self.side[0](levels[0]).relu()
        for up, side, one in zip(self.up, self.side[1:], levels[1:], strict=True):
            wide = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = (side(one) + up(wide)).relu()
        return self.head(x)


class SuperGlue(nn.Module):
    """SuperGlue (Sarlin et al., 2020): 18 layers of attention over the points of two pictures, then Sinkhorn's steps."""

    def __init__(self, steps=20):
        super().__init__()
        layers = lambda *widths: [
            one
            for i, o in itertools.pairwise(widths)
            for one in (nn.Conv1d(i, o, 1), nn.BatchNorm1d(o), nn.ReLU())
        ][:-2]
        self.places = nn.Sequential(*layers(3, 32, 64, 128, 256, 256))
        self.qkv = nn.ModuleList(nn.ModuleList(nn.Conv1d(256, 256, 1) for _ in range(4)) for _ in range(18))
        self.mlp = nn.ModuleList(nn.Sequential(*layers(512, 512, 256)) for _ in range(18))
        self.last, self.steps = nn.Conv1d(256, 256, 1), steps

    def forward(self, places0, places1, words0, words1):
        a, b = words0 + self.places(places0), words1 + self.places(places1)
        for n, (maps, mlp) in enumerate(zip(self.qkv, self.mlp, strict=True)):
            one, two = (b, a) if n % 2 else (a, b)
            a, b = a + self.delta(maps, mlp, a, one), b + self.delta(maps, mlp, b, two)
        scores = self.last(a).transpose(1, 2) @ self.last(b) / 16
        scores = functional.pad(scores, (0, 1, 0, 1))
        u, v = torch.zeros_like(scores[:, :, :1]), torch.zeros_like(scores[:, :1])
        for _ in range(self.steps):
            u = -torch.logsumexp(scores + v, 2, keepdim=True)
            v = -torch.logsumexp(scores + u, 1, keepdim=True)
        return scores + u + v

    def delta(self, maps, mlp, x, source):
        count = x.shape[2]
        heads = lambda one: one.reshape(1, 64, 4, count)
        q, k, v = heads(maps[0](x)), heads(maps[1](source)), heads(maps[2](source))
        weights = (q.permute(0, 2, 3, 1) @ k.permute(0, 2, 1, 3) / 8).softmax(-1)
        mixed = (weights @ v.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).reshape(1, 256, count)
        return mlp(torch.cat([x, maps[3](mixed)], 1))


def superglue(_shape):
    return SuperGlue(), (
        torch.rand(1, 3, 1024),
        torch.rand(1, 3, 1024),
        torch.rand(1, 256, 1024),
        torch.rand(1, 256, 1024),
    )


def recipes() -> Iterator[Recipe]:
    yield from picture("mspn-regnetx-800mf", [(256, 192)], lambda _: Mspn(), "Li et al., MSPN, 2019; RegNetX")
    yield Recipe("superglue", (1, 3, 1024), superglue, "Sarlin et al., SuperGlue, 2020; 1024 points")
    yield from picture(
        "posenet-mobilenetv1-1.0", [(513, 257)], lambda _: PoseNet(), "Papandreou et al., PersonLab, 2018"
    )
    yield from picture("openpose-coco", [368, (368, 656)], lambda _: OpenPose(), "Cao et al., OpenPose, 2017")
    for width in ("1.0", "0.75", "0.5", "0.25"):
        yield from picture(f"osnet-x{width}", [(256, 128)], osnet(float(width)), "Zhou et al., OSNet, 2019")
    yield from picture("sinet-portrait", [224], lambda _: Sinet(), "Park et al., SINet, 2020")
    yield from picture("gpunet-0", [224, 320], gpunet(GPUNET0), "Wang et al., GPUNet, 2022")
    yield from picture("deepbox-vgg19-3d", [224], lambda _: DeepBox(), "Mousavian et al., 3D boxes, 2017")
    yield from picture(
        "resnet50-v1-tfslim", [224], resnet50_slim, "He et al., ResNet, 2015; TF-slim's strides"
    )
    yield from picture(
        "repvgg-a0-reid-512", [(256, 128)], repvgg_reid, "Ding et al., RepVGG, 2021; 512 features"
    )
