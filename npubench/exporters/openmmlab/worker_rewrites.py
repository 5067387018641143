"""Layers that cannot be exported as they are although a fixed input shape makes them simple.

Runs inside the OpenMMLab environment, imports nothing of npubench. No rewrite changes an output by more
than rounding; tests/integration/test_openmmlab_rewrites.py compares each with what it replaces.
"""

import contextlib
import functools
import math
import sys
import types
from collections.abc import Iterator
from typing import Any


def without_sync(model: Any) -> Any:
    """SyncBN synchronises the devices of a training; elsewhere it is BatchNorm of the same tensors."""
    from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm

    class AnyBatchNorm(_BatchNorm):  # type: ignore[misc]
        """BatchNorm2d takes four axes only, SyncBN any number, of which encoding layers make use."""

        def _check_input_dim(self, _input: Any) -> None:
            pass

    for name, part in model.named_children():
        if isinstance(part, SyncBatchNorm) or type(part).__name__ == "SyncBatchNorm":
            plain = AnyBatchNorm(part.num_features, part.eps, part.momentum, part.affine)
            plain.load_state_dict(part.state_dict())
            setattr(model, name, plain.train(part.training))
        else:
            without_sync(part)
    return model


def keep_excitation(model: Any) -> None:
    """Deployed RepVGG blocks of mmpretrain 1.2.0 leave their squeeze-and-excitation out (repvgg-D2se).

    Training adds the branches, weighs the sum, then activates: so it stands behind the folded branch.
    """
    import torch

    for part in model.modules():
        layer = getattr(part, "se_layer", None)
        if layer is not None and isinstance(getattr(part, "branch_reparam", None), torch.nn.Conv2d):
            part.branch_reparam = torch.nn.Sequential(part.branch_reparam, layer)


@contextlib.contextmanager
def fixed_shapes() -> Iterator[None]:
    """Functions of PyTorch replaced, while a model is exported, by others of the same outputs."""
    import torch.nn.functional as functional

    before = functional.adaptive_avg_pool2d
    functional.adaptive_avg_pool2d = adaptive_average_pool
    try:
        with known_sizes(), known_masks():
            yield
    finally:
        functional.adaptive_avg_pool2d = before


@contextlib.contextmanager
def known_sizes() -> Iterator[None]:
    """A tensor's sizes are numbers while a model is traced, not operators that compute them.

    The shapes are fixed, so the numbers are the same; without this a window transformer's graph is full of
    nodes that compute sizes, and folding them takes longer than the export.
    """
    import torch

    inherited = torch._C.TensorBase
    torch.Tensor.shape = property(untraced(inherited.shape.__get__))
    torch.Tensor.size = untraced(inherited.size)
    try:
        yield
    finally:
        del torch.Tensor.shape, torch.Tensor.size


@contextlib.contextmanager
def known_masks() -> Iterator[None]:
    """Which windows see each other follows from sizes alone, so it is a constant (mmpretrain's Swin).

    Traced, the mask is hundreds of nodes to fold, and PyTorch cannot export the empty slices of a picture
    that is one window.
    """
    attention = sys.modules.get("mmpretrain.models.utils.attention")
    if attention is None:
        yield
        return
    before = attention.ShiftWindowMSA.get_attn_mask
    attention.ShiftWindowMSA.get_attn_mask = staticmethod(untraced(before))
    try:
        yield
    finally:
        attention.ShiftWindowMSA.get_attn_mask = staticmethod(before)


def untraced(function: Any) -> Any:
    """The same function; a tracer takes what it returns for a constant."""
    import torch

    tracer = torch._C

    @functools.wraps(function)
    def outside(*words: Any, **named: Any) -> Any:
        state = tracer._get_tracing_state()
        tracer._set_tracing_state(None)
        try:
            return function(*words, **named)
        finally:
            tracer._set_tracing_state(state)

    return outside


def adaptive_average_pool(x: Any, size: Any) -> Any:
    """Adaptive average pooling as two products with constant matrices, or a mean where the output is 1 x 1.

    ONNX has no such pooling; PyTorch exports it only where the output size divides the input's. Averaging
    over rows and then columns is the same average, since all windows are rectangles.
    """
    import torch

    height, width = (int(n) for n in x.shape[-2:])
    pair = (size, size) if isinstance(size, int) else tuple(size)
    rows, columns = (given or own for given, own in zip(pair, (height, width), strict=True))
    if (rows, columns) == (1, 1):
        return x.mean((-2, -1), keepdim=True)
    if (rows, columns) == (height, width):
        return x
    if height % rows == 0 and width % columns == 0:
        window = (height // rows, width // columns)
        return torch.nn.functional.avg_pool2d(x, window, window)
    left = _windows(height, rows, torch, x)
    right = _windows(width, columns, torch, x).transpose(0, 1)
    return torch.matmul(torch.matmul(left, x), right)


def _windows(size: int, parts: int, torch: Any, like: Any) -> Any:
    """Row i averages window i of PyTorch's adaptive pooling: floor(i n / p) to ceil((i + 1) n / p)."""
    matrix = torch.zeros(parts, size, dtype=like.dtype)
    for part in range(parts):
        begin, end = part * size // parts, -(-(part + 1) * size // parts)
        matrix[part, begin:end] = 1 / (end - begin)
    return matrix


def without_fourier(model: Any) -> None:
    """Replace, in place, how the global filters of HorNet-GF compute (mmpretrain's GlobalLocalFilter).

    Filters in the frequency domain become real products with constant matrices: ONNX has complex numbers in
    its newest opsets only, and no NPU takes them.
    """
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
