"""MediaPipe's Blaze networks (Bazarevsky et al., BlazeFace 2019, BlazePose 2020; Zhang et al., Hands 2020)."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import activation


class Blaze(nn.Module):
    """Depthwise and 1 x 1, added to the input: pooled where it halves, channels filled up or projected."""

    def __init__(self, inner, outer, kernel=3, stride=1, act="relu", project=False):
        super().__init__()
        self.stride, self.kernel, self.more = stride, kernel, outer - inner
        self.body = nn.Sequential(
            nn.Conv2d(inner, inner, kernel, stride, 0 if stride == 2 else kernel // 2, groups=inner),
            nn.Conv2d(inner, outer, 1),
        )
        self.project = nn.Conv2d(inner, outer, 1) if project else None
        self.act = activation(act, outer)

    def forward(self, x):
        wide = x
        if self.stride == 2:
            wide = functional.pad(x, (0, 2, 0, 2) if self.kernel == 3 else (1, 2, 1, 2))
            x = functional.max_pool2d(x, 2)
        if self.project is not None:
            x = self.project(x)
        elif self.more:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.more))
        return self.act(self.body(wide) + x)


def chain(channels, kernel=3, act="relu", project=False, first=None):
    """Blocks of these channels, one of them after `*` halving."""
    parts, inner = [], first
    for one in channels.split():
        outer, stride = int(one.strip("*")), 1 + one.startswith("*")
        parts.append(Blaze(inner, outer, kernel, stride, act, project and stride == 2))
        inner = outer
    return nn.Sequential(*parts)


def stem(channels, kernel=3, stride=2, act="relu"):
    pad = (
        nn.ZeroPad2d((1, 2, 1, 2) if kernel == 5 else (0, 1, 0, 1))
        if stride == 2
        else nn.ZeroPad2d(kernel // 2)
    )
    return nn.Sequential(pad, nn.Conv2d(3, channels, kernel, stride), activation(act, channels))


def flat(maps, size):
    return torch.cat([one.permute(0, 2, 3, 1).reshape(1, -1, size) for one in maps], 1)


class Detector(nn.Module):
    """Two strides with 2 and 6 anchors a place."""

    def __init__(self, first, second, channels, numbers):
        super().__init__()
        self.first, self.second, self.numbers = first, second, numbers
        heads = lambda n: nn.ModuleList(nn.Conv2d(c, a * n, 1) for c, a in zip(channels, (2, 6), strict=True))
        self.scores, self.boxes = heads(1), heads(numbers)

    def forward(self, x):
        a = self.first(x)
        maps = (a, self.second(a))
        boxes = [head(one) for head, one in zip(self.boxes, maps, strict=True)]
        scores = [head(one) for head, one in zip(self.scores, maps, strict=True)]
        return flat(boxes, self.numbers), flat(scores, 1)


def blazeface_front(_shape):
    plan = "24 28 *32 36 42 *48 56 64 72 80 88"
    return Detector(
        nn.Sequential(stem(24, 5), chain(plan, first=24)), chain("*96 96 96 96 96", first=88), (88, 96), 16
    )


def blazeface_back(_shape):
    """At 256 pixels: stages of 24, 24, 48 and 96 channels, eight blocks each."""
    plan = "24 24 24 24 24 24 24 *24 24 24 24 24 24 24 24 *48 48 48 48 48 48 48 48 *96 96 96 96 96 96 96 96"
    second = nn.Sequential(
        nn.ZeroPad2d((0, 2, 0, 2)), nn.Conv2d(96, 96, 3, 2, groups=96), nn.Conv2d(96, 96, 1), nn.ReLU()
    )
    return Detector(nn.Sequential(stem(24, 5), chain(plan, first=24)), second, (96, 96), 16)


def blazepose_detector(_shape):
    plan = "48 48 48 *64 64 64 64 *96 96 96 96 96 96 96 *128 128 128 128 128 128 128 128"
    first = nn.Sequential(stem(48, 5, 1), chain(plan, 5, project=True, first=48))
    return Detector(first, chain("*256 256 256 256 256 256 256", 5, project=True, first=128), (128, 256), 12)


class Palm(nn.Module):
    def __init__(self):
        super().__init__()
        seven = lambda c: " ".join([str(c)] * 7)
        self.a = nn.Sequential(stem(32), chain(f"{seven(32)} *64 {seven(64)} *128 {seven(128)}", first=32))
        self.b = chain(f"*256 {seven(256)}", first=128)
        self.c = chain(f"*256 {seven(256)}", first=256)
        self.up1, self.up2 = nn.ConvTranspose2d(256, 256, 2, 2), nn.ConvTranspose2d(256, 128, 2, 2)
        self.last1, self.last2 = Blaze(256, 256), Blaze(128, 128)
        heads = lambda n: nn.ModuleList(nn.Conv2d(c, a * n, 1) for c, a in ((128, 2), (256, 2), (256, 6)))
        self.scores, self.boxes = heads(1), heads(18)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        b = self.last1(b + self.up1(c).relu())
        a = self.last2(a + self.up2(b).relu())
        maps = (a, b, c)
        boxes = [head(one) for head, one in zip(self.boxes, maps, strict=True)]
        return flat(boxes, 18), flat([head(one) for head, one in zip(self.scores, maps, strict=True)], 1)


def double(x):
    return functional.interpolate(x, scale_factor=2, mode="bilinear")


class Hand(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(stem(24), chain("24 24 *48", 5, first=24))
        self.b, self.c, self.d = (
            chain("48 48 *96", 5, first=48),
            chain("96 96 *96", 5, first=96),
            chain("96 96 *96", 5, first=96),
        )
        self.e, self.f, self.g = Blaze(96, 96, 5), Blaze(96, 96, 5), nn.Conv2d(96, 48, 1)
        four = "288 288 288 288"
        self.h = chain(
            f"48 48 48 48 *96 96 96 96 96 *288 {four} *288 {four} *288 {four} *288 {four}", 5, first=48
        )
        self.heads = nn.ModuleList(nn.Conv2d(288, n, 2) for n in (1, 1, 63))

    def forward(self, x):
        x = self.a(x)
        y = self.b(x)
        z = self.c(y)
        z = self.e(z + double(self.d(z)))
        y = self.g(self.f(y + double(z)))
        x = self.h(x + double(y))
        return self.heads[0](x).sigmoid(), self.heads[1](x).sigmoid(), self.heads[2](x)


class Face(nn.Module):
    def __init__(self):
        super().__init__()
        plan = "16 16 *32 32 32 *64 64 64 *128 128 128 *128 128 128"
        self.body = nn.Sequential(stem(16, act="prelu"), chain(plan, act="prelu", first=16))
        end = lambda first, n: nn.Sequential(
            chain(first, act="prelu", first=128),
            nn.Conv2d(128, 32, 1),
            nn.PReLU(32),
            Blaze(32, 32, act="prelu"),
            nn.Conv2d(32, n, 3),
        )
        self.points, self.flag = end("*128 128 128", 1404), end("*128", 1)

    def forward(self, x):
        x = self.body(x)
        return self.flag(x).sigmoid(), self.points(x)


class Pose(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(stem(24), chain("24 24", first=24))
        self.b, self.c = chain("*48 48 48 48", first=24), chain("*96 96 96 96 96", first=48)
        self.d, self.e = (
            chain("*192 192 192 192 192 192", first=96),
            chain("*288 288 288 288 288 288 288", first=192),
        )
        plain = lambda i, o: nn.Sequential(nn.Conv2d(i, i, 3, 1, 1, groups=i), nn.Conv2d(i, o, 1), nn.ReLU())
        self.side = nn.ModuleList(plain(i, 48) for i in (288, 192, 96, 48))
        self.skip = nn.ModuleList(plain(i, i) for i in (96, 192, 288))
        self.f, self.g = chain("*96 96 96 96 96", first=48), chain("*192 192 192 192 192 192", first=96)
        seven = "288 288 288 288 288 288"
        self.h = chain(f"*288 {seven}", first=192)
        self.i = chain(f"*288 288 {seven} *288 {seven} 288", first=288)
        self.mask = nn.ModuleList((plain(48, 8), plain(24, 8), plain(8, 8), nn.Conv2d(8, 1, 3, 1, 1)))
        self.heads = nn.ModuleList(nn.Conv2d(288, n, 2) for n in (1, 124))

    def forward(self, x):
        x = self.a(x)
        y = self.b(x)
        z = self.c(y)
        w = self.d(z)
        v = self.e(w)
        side = self.side[1](w) + double(self.side[0](v))
        side = self.side[2](z) + double(side)
        side = self.side[3](y) + double(side)
        mask = self.mask[3](self.mask[2](self.mask[1](x) + double(self.mask[0](side))))
        out = self.f(side) + self.skip[0](z)
        out = self.g(out) + self.skip[1](w)
        out = self.i(self.h(out) + self.skip[2](v))
        return self.heads[0](out).sigmoid(), self.heads[1](out), mask


def recipes() -> Iterator[Recipe]:
    pipe = "MediaPipe, as zmurez/MediaPipePyTorch lays it out"
    yield from picture("blazeface-front", 128, blazeface_front, pipe)
    yield from picture("blazeface-back", 256, blazeface_back, pipe)
    yield from picture("blazepose-detector", 128, blazepose_detector, pipe)
    yield from picture("blazepalm", 256, lambda _: Palm(), pipe)
    yield from picture("mediapipe-hand-landmark-zmurez", 256, lambda _: Hand(), pipe)
    yield from picture("mediapipe-face-landmark", 192, lambda _: Face(), pipe)
    yield from picture("blazepose-landmark", 256, lambda _: Pose(), pipe)
