"""mmagic: generators of super-resolution; the rest of it does not import on this stack."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_configs
else:
    import worker_configs


def config(name: str) -> Any:
    """The config by name or path. Raises Refused."""
    return worker_configs.load("mmagic", name)


def build(loaded: Any) -> Any:
    """The generator, which is all that makes the picture; weights as PyTorch starts them."""
    return worker_configs.build(loaded.model["generator"], "mmagic")


def forward(model: Any, x: Any) -> Any:
    """The enlarged picture."""
    return model(x)
