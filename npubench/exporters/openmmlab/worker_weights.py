"""Weights of a model inside the OpenMMLab environment; imports nothing of npubench.

Random weights cost the same time as trained ones, but must not make a network blind: with PyTorch's
defaults the signal dies or explodes within tens of layers, and all inputs give one output. So:

- matrices and kernels are normal with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852);
- vectors that start as a constant (scales of normalisation, layer scale) are uniform in 0.8..1.2,
  the others (biases, tokens) normal with deviation 0.1;
- running statistics of BatchNorm are those of a seeded batch, so every channel leaves it normalised.

Even so a random network adds up rounding errors more than a trained one, which learnt to damp noise:
INT8 accuracy on random weights compares converters, and says little of a trained model's accuracy.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_codebases
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    import worker_codebases
    from worker_errors import Refused

INITIALISERS = (
    "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
    "kaiming_normal_", "orthogonal_",
)  # fmt: skip

BATCH = 4
"""Inputs that the statistics are taken from; standard normal numbers, as preprocessing makes images."""

BATCH_ELEMENTS = BATCH * 3 * 224 * 224
"""Larger inputs come in smaller batches, of two at least: they have places enough, and cost minutes."""


class WrongCheckpointError(Exception):
    """The checkpoint is not one of this model."""


@contextmanager
def uninitialised() -> Iterator[None]:
    """Build without PyTorch's own start values of kernels and matrices: `randomise` replaces them all.

    Vectors keep theirs, which tell a scale from a bias.
    """
    from torch.nn import init

    own = {name: getattr(init, name) for name in INITIALISERS}
    for name, function in own.items():
        setattr(init, name, _vectors_only(function))
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(init, name, function)


def _vectors_only(function: Any) -> Any:
    def initialise(tensor: Any, *words: Any, **keywords: Any) -> Any:
        return tensor if tensor.ndim > 1 else function(tensor, *words, **keywords)

    return initialise


def randomise(model: Any, shape: tuple[int, ...], seed: int) -> None:
    """Fill `model` in place; `shape` is that of the input, its batch size is replaced."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            _fill(parameter, generator)
        count = max(2, min(BATCH, BATCH_ELEMENTS // math.prod(shape[1:])))
        batch = torch.randn((count, *shape[1:]), generator=generator)
        _set_statistics(model, batch)


def _fill(parameter: Any, generator: Any) -> None:
    axes = sum(size > 1 for size in parameter.shape)
    if axes > 1:
        fan_in = parameter[0].numel()
        parameter.normal_(0.0, math.sqrt(2.0 / fan_in), generator=generator)
    elif parameter.numel() and parameter.flatten()[0] != 0 and (parameter == parameter.flatten()[0]).all():
        parameter.uniform_(0.8, 1.2, generator=generator)
    else:
        parameter.normal_(0.0, 0.1, generator=generator)


def _set_statistics(model: Any, batch: Any) -> None:
    from torch.nn.modules.batchnorm import _BatchNorm

    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def fetch(codebase: str, config: str) -> str:
    """OpenMMLab's own checkpoint of a model, downloaded by its own means; where it lies. Raises Refused."""
    from torch.hub import get_dir

    address = _address(codebase, config)
    name = address.rpartition("/")[2]
    kept = Path(get_dir()) / "checkpoints" / name
    if kept.is_file():
        return str(kept)
    from torch.hub import download_url_to_file

    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(address, str(kept), progress=False)
    except OSError as error:
        message = f"the weights of {config} cannot be downloaded from {address} ({error})"
        raise Refused("export_failed", f"{message}: check the network, or give --checkpoint") from error
    return str(kept)


def _address(codebase: str, config: str) -> str:
    """Where a codebase's model index says the weights are. Raises Refused."""
    from modelindex.load_model_index import load

    folder = worker_codebases.package_folder(worker_codebases.CODEBASES[codebase].package)
    index = load(str(folder / ".mim" / "model-index.yml"))
    index.build_models_with_collections()
    for model in index.models:
        if model.weights and config in {model.name, Path(model.config or "").stem}:
            return str(model.weights)
    raise Refused("not_found", f"OpenMMLab names no weights for {config}: give --checkpoint, or random ones")


def load(model: Any, path: str) -> None:
    """Fill `model` from a checkpoint that fits to the last tensor. Raises WrongCheckpointError, OSError."""
    given = _state(path)
    own = model.state_dict()
    missing = sorted(name for name in own.keys() - given.keys() if not name.endswith("num_batches_tracked"))
    unknown = sorted(given.keys() - own.keys())
    shapes = sorted(name for name in own.keys() & given.keys() if own[name].shape != given[name].shape)
    for names, what in ((missing, "lacks"), (unknown, "also has"), (shapes, "has in another shape")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WrongCheckpointError(f"it {what} {names[0]}{more}")
    model.load_state_dict(given, strict=False)


def _state(path: str) -> dict[str, Any]:
    import pickle

    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from numpy._core.multiarray import _reconstruct

    # Training adds its history to a checkpoint; everything else in a pickle could run code.
    harmless = [HistoryBuffer, np.ndarray, np.dtype, _reconstruct, type(np.dtype("f8"))]
    torch.serialization.add_safe_globals(harmless)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WrongCheckpointError(
            f"it is no PyTorch checkpoint of tensors alone ({str(error).splitlines()[0]:.120})"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WrongCheckpointError("it holds no state_dict")
    return {
        name.removeprefix("module."): value
        for name, value in state.items()
        if not name.startswith("data_preprocessor.")
    }
