"""Filters in the frequency domain as real products with constant matrices, for a fixed input shape.

ONNX has complex numbers in its newest opsets only, and no NPU takes them. Runs inside the OpenMMLab
environment, imports nothing of npubench; tests/integration/test_openmmlab_rewrites.py compares the outputs.
"""

import math
import types
from typing import Any


def without_fourier(model: Any) -> None:
    """Replace, in place, how the global filters of HorNet-GF compute (mmpretrain's GlobalLocalFilter)."""
    for part in model.modules():
        if type(part).__name__ == "GlobalLocalFilter":
            part.forward = types.MethodType(_global_local_filter, part)


def _global_local_filter(self: Any, x: Any) -> Any:
    import torch

    x = self.pre_norm(x)
    near, far = torch.chunk(x, 2, dim=1)
    batch, channels, height, width = far.shape
    weight = self.complex_weight
    if tuple(weight.shape[1:3]) != (height, width // 2 + 1):
        weight = torch.nn.functional.interpolate(
            weight.permute(3, 0, 1, 2), size=(height, width // 2 + 1), mode="bilinear", align_corners=True
        ).permute(1, 2, 3, 0)
    far = filtered(far, weight[..., 0], weight[..., 1])
    pairs = torch.cat([self.dw(near).unsqueeze(2), far.unsqueeze(2)], dim=2)
    return self.post_norm(pairs.reshape(batch, 2 * channels, height, width))


def filtered(x: Any, real: Any, imaginary: Any) -> Any:
    """`irfft2(rfft2(x) * (real + i imaginary))` of (..., height, width); the weights have width // 2 + 1.

    A transform is the product with cos - i sin of 2 pi k n / N, its inverse that with cos + i sin. Only half
    of the width's frequencies are there: all but the first and the middle one stand for two.
    """
    import torch

    height, width = (int(n) for n in x.shape[-2:])
    kept = width // 2 + 1
    rows_cos, rows_sin = _waves(height, height, x)
    cos, sin = _waves(width, kept, x)
    twice = torch.tensor([1.0 if 2 * k in {0, width} else 2.0 for k in range(kept)], dtype=x.dtype)
    scale = 1 / (height * width)
    across, across_i = torch.matmul(x, cos), torch.matmul(x, -sin)
    spectrum = torch.matmul(rows_cos, across) + torch.matmul(rows_sin, across_i)
    spectrum_i = torch.matmul(rows_cos, across_i) - torch.matmul(rows_sin, across)
    product = spectrum * real - spectrum_i * imaginary
    product_i = spectrum * imaginary + spectrum_i * real
    back = torch.matmul(rows_cos, product) - torch.matmul(rows_sin, product_i)
    back_i = torch.matmul(rows_cos, product_i) + torch.matmul(rows_sin, product)
    inverse_cos, inverse_sin = (cos * twice * scale).transpose(0, 1), (sin * twice * scale).transpose(0, 1)
    return torch.matmul(back, inverse_cos) - torch.matmul(back_i, inverse_sin)


def _waves(length: int, frequencies: int, like: Any) -> tuple[Any, Any]:
    """Cosine and sine of 2 pi n k / length, (length, frequencies) each."""
    import torch

    # The product is taken modulo the length before it becomes a float, so that no digit is lost.
    turns = torch.outer(torch.arange(length), torch.arange(frequencies)) % length
    angle = turns.double() * (2 * math.pi / length)
    return torch.cos(angle).to(like.dtype), torch.sin(angle).to(like.dtype)
