"""The tensors that bmrt_test lists of the model that it loaded.

Format: `Input 0) 'x' shape=[ 1 3 16 16 ] dtype=FLOAT32 scale=1 zero_point=0`, below `---- stage 0 ----`.
"""

import re

from npubench.backends.signature import Signature, signature_of
from npubench.backends.tpu_mlir.worker_tensors import by_the_models_names

_LINE = re.compile(
    r"(?P<side>Input|Output) [0-9]+\) '(?P<name>.*)' shape=\[ ?(?P<shape>[0-9 ]*)\] dtype=(?P<dtype>\w+)"
)
_STAGE = re.compile(r"---- stage [0-9]+ ----")


def tensors_of_bmrt(text: str, outputs: tuple[str, ...]) -> Signature:
    """Inputs and outputs, with the names of the model's `outputs`; nothing is told of several stages."""
    found: dict[str, list[dict[str, object]]] = {"Input": [], "Output": []}
    if len(_STAGE.findall(text)) > 1:
        return Signature()
    for match in _LINE.finditer(text):
        shape = [int(size) for size in match["shape"].split()]
        one = {"name": match["name"], "shape": shape, "dtype": match["dtype"].lower()}
        found[match["side"]].append(one)
    if not found["Output"]:
        return Signature()
    wanted = [{"name": name} for name in outputs]
    told = {"inputs": found["Input"], "outputs": by_the_models_names(found["Output"], wanted)}
    return signature_of(told)
