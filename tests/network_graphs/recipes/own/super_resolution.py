"""Super-resolution, denoising and low light, at the low resolution that each takes."""

from collections.abc import Iterator

import torch
from torch import nn

from tests.network_graphs.recipe import Recipe, picture
from tests.network_graphs.recipes.own.blocks import Residual, conv, repeated


class DenseBlock(nn.Module):
    """Five convolutions, each of all before it (Wang et al., ESRGAN, 2018)."""

    def __init__(self, channels=64, growth=32):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels + place * growth, growth if place < 4 else channels, 3, 1, 1)
            for place in range(5)
        )

    def forward(self, x):
        found = [x]
        for layer in self.layers[:-1]:
            found.append(nn.functional.leaky_relu(layer(torch.cat(found, 1)), 0.2))
        return self.layers[-1](torch.cat(found, 1)) * 0.2 + x


class Rrdb(nn.Module):
    """ESRGAN's generator with `blocks` blocks; scale 2 folds the picture first (Real-ESRGAN, 2021)."""

    def __init__(self, blocks=23, channels=64, scale=4):
        super().__init__()
        self.fold = nn.PixelUnshuffle(4 // scale) if scale < 4 else nn.Identity()
        self.first = nn.Conv2d(3 * (4 // scale) ** 2, channels, 3, 1, 1)
        triple = lambda _: ScaledResidual(repeated(3, lambda _: DenseBlock(channels)))
        self.body = nn.Sequential(repeated(blocks, triple), nn.Conv2d(channels, channels, 3, 1, 1))
        act = nn.LeakyReLU(0.2)
        wide = lambda: nn.Conv2d(channels, channels, 3, 1, 1)
        self.last = nn.Sequential(
            nn.Upsample(scale_factor=2), wide(), act, nn.Upsample(scale_factor=2), wide(), act,
            wide(), act, nn.Conv2d(channels, 3, 3, 1, 1),
        )  # fmt: skip

    def forward(self, x):
        x = self.first(self.fold(x))
        return self.last(x + self.body(x))


class ScaledResidual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x) * 0.2 + x


class Srvgg(nn.Module):
    """SRVGGNetCompact of Real-ESRGAN: plain convolutions with PReLU, pixels shuffled, the picture added."""

    def __init__(self, channels=64, layers=32, scale=4):
        super().__init__()
        parts = [nn.Conv2d(3, channels, 3, 1, 1), nn.PReLU(channels)]
        for _ in range(layers):
            parts += [nn.Conv2d(channels, channels, 3, 1, 1), nn.PReLU(channels)]
        parts += [nn.Conv2d(channels, 3 * scale**2, 3, 1, 1), nn.PixelShuffle(scale)]
        self.body, self.scale = nn.Sequential(*parts), scale

    def forward(self, x):
        return self.body(x) + nn.functional.interpolate(x, scale_factor=self.scale)


def quicksrnet(channels, layers, scale=3):
    """QuickSRNet (Berger et al., 2023): 3 x 3 convolutions with ReLU, pixels shuffled."""
    parts = [nn.Conv2d(3, channels, 3, 1, 1), nn.Hardtanh(0, 1)]
    for _ in range(layers):
        parts += [nn.Conv2d(channels, channels, 3, 1, 1), nn.Hardtanh(0, 1)]
    return nn.Sequential(
        *parts, nn.Conv2d(channels, 3 * scale**2, 3, 1, 1), nn.PixelShuffle(scale), nn.Hardtanh(0, 1)
    )


class Sesr(nn.Module):
    """SESR-M (Bhardwaj et al., 2022), its linear blocks collapsed to one convolution each."""

    def __init__(self, layers=5, channels=16, scale=3):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 5, 1, 2)
        self.body = repeated(
            layers, lambda _: nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU())
        )
        self.last = nn.Conv2d(channels, 3 * scale**2, 5, 1, 2)
        self.shuffle, self.scale = nn.PixelShuffle(scale), scale

    def forward(self, x):
        first = nn.functional.relu(self.first(x))
        whole = self.last(self.body(first) + first)
        return self.shuffle(whole + x.repeat_interleave(self.scale**2, 1))


class SesrExpanded(nn.Module):
    """SESR-M as it is trained: each linear block is a convolution to 256 channels and a 1 x 1 back."""

    def __init__(self, layers=5, channels=16, scale=3):
        super().__init__()
        self.first = self.block(3, channels, 5)
        self.body = nn.ModuleList(self.block(channels, channels, 3) for _ in range(layers))
        self.last = self.block(channels, 3 * scale**2, 5)
        self.shuffle, self.scale = nn.PixelShuffle(scale), scale

    @staticmethod
    def block(inputs, outputs, kernel):
        expand = nn.Conv2d(inputs, 256, kernel, 1, kernel // 2, bias=False)
        return nn.Sequential(expand, nn.Conv2d(256, outputs, 1))

    def forward(self, x):
        first = found = nn.functional.relu(self.first(x))
        for block in self.body:
            found = nn.functional.relu(block(found) + found)
        return self.shuffle(self.last(found + first) + x.repeat_interleave(self.scale**2, 1))


class Xlsr(nn.Module):
    """XLSR (Ayazoglu, 2021): blocks of four groups, each a 3 x 3 convolution, a 1 x 1 behind them."""

    def __init__(self, scale=3):
        super().__init__()
        block = lambda: nn.Sequential(nn.Conv2d(32, 32, 3, 1, 1, groups=4), nn.ReLU(), nn.Conv2d(32, 32, 1))
        self.groups = nn.ModuleList(nn.Conv2d(3, 8, 3, 1, 1) for _ in range(4))
        self.side = nn.Conv2d(3, 16, 3, 1, 1)
        self.mix = nn.Conv2d(32, 32, 1)
        self.blocks = nn.Sequential(block(), block(), block())
        self.last = nn.Sequential(
            nn.Conv2d(48, 32, 1),
            nn.ReLU(),
            nn.Conv2d(32, 3 * scale**2, 3, 1, 1),
            nn.PixelShuffle(scale),
            nn.Hardtanh(0, 1),
        )

    def forward(self, x):
        main = self.blocks(self.mix(torch.cat([group(x) for group in self.groups], 1)))
        return self.last(torch.cat([main, self.side(x)], 1))


def dncnn(layers, channels=3):
    """DnCNN (Zhang et al., 2017); the noise is subtracted."""
    middle = repeated(layers - 2, lambda _: conv(64, 64))
    body = nn.Sequential(
        nn.Conv2d(channels, 64, 3, 1, 1), nn.ReLU(), middle, nn.Conv2d(64, channels, 3, 1, 1)
    )
    return Residual(body)


def espcn(scale, channels=1):
    """ESPCN (Shi et al., 2016)."""
    return nn.Sequential(
        nn.Conv2d(channels, 64, 5, 1, 2), nn.Tanh(), nn.Conv2d(64, 32, 3, 1, 1), nn.Tanh(),
        nn.Conv2d(32, channels * scale**2, 3, 1, 1), nn.PixelShuffle(scale),
    )  # fmt: skip


class ZeroDce(nn.Module):
    """Zero-DCE (Guo et al., 2020): seven convolutions give eight curves that are applied in turn."""

    def __init__(self, make, last, curves=8):
        super().__init__()
        self.e1, self.e2, self.e3, self.e4 = make(3, 32), make(32, 32), make(32, 32), make(32, 32)
        self.e5, self.e6, self.e7 = make(64, 32), make(64, 32), last
        self.curves = curves

    def forward(self, x):
        x1 = self.e1(x).relu()
        x2 = self.e2(x1).relu()
        x3 = self.e3(x2).relu()
        x4 = self.e4(x3).relu()
        x5 = self.e5(torch.cat([x3, x4], 1)).relu()
        x6 = self.e6(torch.cat([x2, x5], 1)).relu()
        found = self.e7(torch.cat([x1, x6], 1)).tanh()
        parts = found.split(3, 1) if found.shape[1] > 3 else [found] * self.curves
        for one in parts:
            x = x + one * (x * x - x)
        return x


def zero_dce(_shape):
    return ZeroDce(lambda i, o: nn.Conv2d(i, o, 3, 1, 1), nn.Conv2d(64, 24, 3, 1, 1))


def zero_dce_pp(_shape):
    make = lambda i, o: nn.Sequential(nn.Conv2d(i, i, 3, 1, 1, groups=i), nn.Conv2d(i, o, 1))
    return ZeroDce(make, make(64, 3))


def edsr(blocks, channels, scale):
    """EDSR (Lim et al., 2017)."""
    block = lambda _: Residual(
        nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1)
        )
    )
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, 1, 1), Residual(nn.Sequential(repeated(blocks, block), nn.Conv2d(channels, channels, 3, 1, 1))),
        nn.Conv2d(channels, channels * scale**2, 3, 1, 1), nn.PixelShuffle(scale), nn.Conv2d(channels, 3, 3, 1, 1),
    )  # fmt: skip


def srgan(scale=4, blocks=16):
    """SRGAN's generator (Ledig et al., 2017)."""
    block = lambda _: Residual(nn.Sequential(conv(64, 64, act="prelu"), conv(64, 64, act="")))
    ups = [
        nn.Sequential(nn.Conv2d(64, 256, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU(64))
        for _ in range(scale // 2)
    ]
    return nn.Sequential(
        nn.Conv2d(3, 64, 9, 1, 4), nn.PReLU(64), Residual(nn.Sequential(repeated(blocks, block), conv(64, 64, act=""))),
        *ups, nn.Conv2d(64, 3, 9, 1, 4), nn.Tanh(),
    )  # fmt: skip


def srcnn(channels=1):
    """SRCNN (Dong et al., 2014), 9-1-5."""
    return nn.Sequential(
        nn.Conv2d(channels, 64, 9, 1, 4),
        nn.ReLU(),
        nn.Conv2d(64, 32, 1),
        nn.ReLU(),
        nn.Conv2d(32, channels, 5, 1, 2),
    )


def super_resolution_tutorial():
    """The network of the ONNX tutorial: 64, 64, 32 channels, three times the size, 224 x 224."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 5, 1, 2), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, 32, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(32, 9, 3, 1, 1), nn.PixelShuffle(3),
    )  # fmt: skip


def recipes() -> Iterator[Recipe]:
    real = "Wang et al., Real-ESRGAN, 2021"
    yield from picture("rrdbnet-x4-c64b23", [128, 64], lambda _: Rrdb(), "Wang et al., ESRGAN, 2018")
    yield from picture("rrdbnet-x4-c64b6", [128], lambda _: Rrdb(6), real)
    yield from picture("rrdbnet-x2", [128], lambda _: Rrdb(scale=2), real)
    yield from picture("realesr-general-x4v3", [128, (480, 640)], lambda _: Srvgg(), real)
    yield from picture("realesr-animevideov3", [128, 256], lambda _: Srvgg(layers=16), real)
    for size, channels, layers in (("small", 32, 2), ("medium", 32, 5), ("large", 64, 11)):
        for scale in (2, 3, 4):
            made = lambda _, c=channels, n=layers, s=scale: quicksrnet(c, n, s)
            yield from picture(f"quicksrnet-{size}-x{scale}", [128], made, "Berger et al., QuickSRNet, 2023")
    for layers in (3, 5, 7, 11):
        for scale in (2, 3, 4):
            yield from picture(
                f"sesr-m{layers}-x{scale}",
                [128],
                lambda _, n=layers, s=scale: Sesr(n, 16, s),
                "Bhardwaj et al., SESR, 2022",
            )
            yield from picture(
                f"sesr-m{layers}-x{scale}-expanded",
                [128],
                lambda _, n=layers, s=scale: SesrExpanded(n, 16, s),
                "Bhardwaj et al., SESR, 2022; not collapsed",
            )
    for scale in (2, 3, 4):
        yield from picture(f"xlsr-x{scale}", [128], lambda _, s=scale: Xlsr(s), "Ayazoglu, XLSR, 2021")
        size = {2: (156, 240), 3: (104, 160), 4: (78, 120)}[scale]
        yield from picture(
            f"espcn-x{scale}", [size], lambda _, s=scale: espcn(s), "Shi et al., ESPCN, 2016", channels=1
        )
        yield from picture(
            f"edsr-baseline-x{scale}",
            [128],
            lambda _, s=min(scale, 3): edsr(16, 64, s),
            "Lim et al., EDSR, 2017",
        )
    yield from picture(
        "dncnn3", [(321, 481)], lambda _: dncnn(20, 1), "Zhang et al., DnCNN, 2017", channels=1
    )
    yield from picture("dncnn-color-blind", [(321, 481)], lambda _: dncnn(20, 3), "Zhang et al., DnCNN, 2017")
    yield from picture("zero-dce", [(400, 600)], zero_dce, "Guo et al., Zero-DCE, 2020")
    yield from picture("zero-dce-pp", [(400, 600)], zero_dce_pp, "Li et al., Zero-DCE++, 2021")
    yield from picture("srgan-x4", [128], lambda _: srgan(), "Ledig et al., SRGAN, 2017")
    yield from picture("srcnn", [128], lambda _: srcnn(), "Dong et al., SRCNN, 2014", channels=1)
    yield from picture(
        "super-resolution-10",
        [224],
        lambda _: super_resolution_tutorial(),
        "ONNX tutorial of PyTorch",
        channels=1,
    )
