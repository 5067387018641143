"""Layers that many networks share."""

import torch
from torch import nn


def conv(
    inner, outer, kernel=3, stride=1, groups=1, act="relu", dilation=1, padding=None, bias=False, norm=True
):
    """Convolution, BatchNorm, activation."""
    if padding is None:
        padding = dilation * (kernel - 1) // 2
    parts = [nn.Conv2d(inner, outer, kernel, stride, padding, dilation, groups, bias=bias or not norm)]
    if norm:
        parts.append(nn.BatchNorm2d(outer))
    if act:
        parts.append(activation(act, outer))
    return nn.Sequential(*parts)


def activation(name, channels=1):
    return {
        "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky": lambda: nn.LeakyReLU(0.1), "silu": nn.SiLU, "mish": nn.Mish,
        "gelu": nn.GELU, "hswish": nn.Hardswish, "prelu": lambda: nn.PReLU(channels), "sigmoid": nn.Sigmoid,
        "elu": nn.ELU, "tanh": nn.Tanh, "lrelu": lambda: nn.LeakyReLU(0.2),
    }[name]()  # fmt: skip


def separable(inner, outer, kernel=3, stride=1, act="relu", dilation=1):
    """Depthwise and 1 x 1, each with BatchNorm and activation."""
    return nn.Sequential(
        conv(inner, inner, kernel, stride, inner, act, dilation), conv(inner, outer, 1, act=act)
    )


class Residual(nn.Module):
    """x + f(x), or shortcut(x) + f(x); an activation behind it."""

    def __init__(self, body, shortcut=None, act=""):
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()
        self.act = activation(act) if act else nn.Identity()

    def forward(self, x):
        return self.act(self.body(x) + self.shortcut(x))


class Parallel(nn.Module):
    """Several ways side by side, joined along channels."""

    def __init__(self, *ways):
        super().__init__()
        self.ways = nn.ModuleList(ways)

    def forward(self, x):
        return torch.cat([way(x) for way in self.ways], 1)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduced, act="relu", gate=None):
        super().__init__()
        self.body = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, reduced, 1), activation(act, reduced),
            nn.Conv2d(reduced, channels, 1), gate or nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return x * self.body(x)


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def up(scale=2, mode="nearest"):
    return nn.Upsample(
        scale_factor=scale, mode=mode, **({} if mode == "nearest" else {"align_corners": False})
    )


def repeated(count, make):
    return nn.Sequential(*(make(place) for place in range(count)))
