"""Old names of modules: a plug-in that imports one gets the module at its new place, and a warning."""

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

MOVED = {
    **{name: f"domain.{name}" for name in ("specs", "records", "errors", "protocols", "leases")},
    "failures": "domain.records",
    "definitions": "domain.records",
    "jsonio": "storage.json",
    "identity": "storage.hashing",
    "filesystem": "storage.files",
    "regular": "storage.files",
    "workspace": "storage.workspace",
    "store": "storage.store",
    "process": "tools.process",
    "ended": "tools.process",
    "environments": "tools.environments",
    "logs": "tools.logs",
    "logs.files": "tools.logs",
    "logs.imported": "tools.logs",
    "logs.text": "tools.logs",
    "plugins": "engine.plugins",
    "plan": "engine.plan",
    "timing": "measure.statistics",
    "sampling": "measure.statistics",
    "calibration": "measure.calibration",
    "onnx_model": "graph.read",
    "onnx_graph": "graph.walk",
    "surgery": "graph.surgery",
    "transports": "boards",
    "backends.apart": "backends.isolated",
    "backends.apart.options": "backends.options",
    "backends.apart.on_board": "tools.board_runner",
    "backends.apart.running": "tools.worker_protocol",
    "backends.onnxruntime.compare": "measure.outputs",
    "backends.onnxruntime.timed": "measure.onnx_session",
    "predictions": "domain.records",
    "verdict": "measure.reliability",
    "dtypes": "graph.walk",
    "exports": "storage.ledger",
    "conversions": "storage.ledger",
    "dataset": "measure.datasets",
    "task_accuracy": "measure.accuracy",
    "board_facts": "boards.state",
    "board_hardware": "boards.hardware",
    "board_runner": "tools.board_runner",
    "onnx_check": "graph.check",
    "onnx_macs": "graph.macs",
    "onnx_external": "graph.read",
    "cookies": "tools.cookies",
    "kept": "tools.kept",
    "resources": "storage.files",
    "shares": "graph.shares",
    "index_ranges": "graph.index_ranges",
    "input_contents": "graph.input_contents",
    "onnx_refusal": "graph.check",
    "onnx_packed": "graph.macs",
    "process_guard": "tools.process",
    "kept_server": "tools.kept_server",
    "input_draw": "measure.inputs",
    "input_fit": "measure.inputs",
    "sample_files": "measure.sample_files",
    "pictures": "measure.pictures",
    "npu_parts": "domain.figures",
    "nearest": "domain.text",
    "reporting.doubts": "reporting.sanity",
    "reporting.selection": "reporting.select",
}
"""Old name to new one, below `npubench`; what lies in a package moved with it."""


class Alias:
    """Finds and loads an old name: the module is the one at the new place, never a second copy."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.spec: ModuleSpec | None = None

    @classmethod
    def find_spec(
        cls, name: str, _path: "Sequence[str] | None" = None, _target: object = None
    ) -> ModuleSpec | None:
        """The spec of a moved module; None of any other. Raises ModuleNotFoundError where it is gone."""
        place = new_place(name)
        if place is None:
            return None
        found = _found(place)
        if found is None:
            room = place
            while _found(room) is None:
                room = room.rpartition(".")[0]
            raise ModuleNotFoundError(f"{name} is gone: what it held lies below {room}", name=name)
        below = f"{name.partition('.')[2]}."
        package = found.submodule_search_locations is not None or any(old.startswith(below) for old in MOVED)
        return ModuleSpec(name, cls(place), is_package=package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> "ModuleType":
        """The module at the new place; a warning says where it is."""
        warnings.warn(f"{spec.name} is {self.place} now", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(self.place)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: "ModuleType") -> None:
        """Nothing runs again; the import system overwrote the spec of the real module."""
        module.__spec__ = self.spec


def new_place(name: str) -> str | None:
    """The new name of a module with its package, None where it did not move."""
    head, _, rest = name.partition(".")
    if head != "npubench":
        return None
    parts = rest.split(".")
    for count in range(len(parts), 0, -1):
        moved = MOVED.get(".".join(parts[:count]))
        if moved is not None:
            return ".".join((head, moved, *parts[count:]))
    return None


def install() -> None:
    """Hear of imports of old names; before other finders, which would read a moved package's files twice."""
    if Alias not in sys.meta_path:
        sys.meta_path.insert(0, Alias)


def _found(place: str) -> ModuleSpec | None:
    from importlib.util import find_spec

    try:
        return find_spec(place)
    except ModuleNotFoundError:
        return None
