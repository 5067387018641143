"""AXera boards as tests have them: emulated toolchain and runner; npubench, files and processes are real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests import commands

EMULATORS = Path(__file__).parent / "emulators"
PYTHON = Path(sys.base_prefix) / "bin" / Path(os.path.realpath(sys.executable)).name
RUNNERS = {
    **dict.fromkeys(("axera-pi-pro", "ax615", "ax630c", "ax637", "m57", "m76h"), "ax_run_model"),
    "ax8850": "axcl_run_model",
}
QUICK = ("--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1")


class Pair:
    """A folder with a toolchain on PATH, a board's /opt/bin, and a user's configuration and results."""

    def __init__(self, root: Path, *tools: str) -> None:
        self.root = root
        self.out = root / "out"
        self.bin = root / "bin"
        self.opt = root / "board" / "opt" / "bin"
        for folder in (self.bin, self.opt, root / "docker"):
            folder.mkdir(parents=True)
        # This interpreter, not whatever a machine calls python3: pyenv's costs twice what the emulator does.
        (self.bin / "python3").symlink_to(PYTHON)
        for name in tools or ("pulsar", "pulsar2"):
            (self.bin / name).symlink_to(EMULATORS / name)
        for name in ("run_joint", "ax_run_model"):
            shutil.copy(EMULATORS / name, self.opt)
        shutil.copy(EMULATORS / "ax_run_model", self.opt / "axcl_run_model")
        self.env = {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(root / "config"),
            "EMULATED_DOCKER_STATE": str(root / "docker"),
            "EMULATED_DOCKER_IMAGES": "axera/neuwizard:0.6.1.14 pulsar2:3.3",
        }

    def board(self, name: str = "axera-pi", **tables: Any) -> str:
        """Write the user's own file of a board: an emulated one, here unless `transport` says otherwise."""
        folder = self.root / "config" / "npubench" / "boards"
        folder.mkdir(parents=True, exist_ok=True)
        runner = RUNNERS.get(name, "run_joint")
        table = {
            "transport": "local",
            "emulated": True,
            **tables,
            "backend_options": {runner: str(self.opt / runner), **tables.get("backend_options", {})},
        }
        (folder / f"{name}.toml").write_text(toml(table))
        return name

    def run(self, *words: Any, **env: str) -> subprocess.CompletedProcess[str]:
        """`npubench run`, measuring as little as can be."""
        return self.npubench("run", *QUICK, "--out", self.out, *words, **env)

    def run_to_hang(self, *words: Any, runner: str = "", **instead: str) -> None:
        """Run what hangs, in the runner of that name or before, with a deadline of a second.

        It has run before with another fault, `instead` or one of the runner, at leisure, so that what comes
        before the hang is kept and cannot end at that deadline on a busy machine.
        """
        fault = self.opt / f"{runner}.fault"
        if runner:
            fault.write_text("nothing\n")
        self.run(*words, "--rounds", 2, **instead)
        if runner:
            fault.unlink()
        self.run(*words, "--rounds", 3, "--deadline", 1)

    def npubench(self, *words: Any, **env: str) -> subprocess.CompletedProcess[str]:
        """The command in this process, with the pair's environment."""
        return commands.npubench(*words, env=self.env | env)

    def argv(self, *words: Any) -> list[str]:
        """The command line of `npubench` in a process of its own."""
        return commands.argv(*words)

    def rows(self) -> list[dict[str, Any]]:
        """The newest row of every case and board."""
        done = self.npubench("results", "--json", "--out", self.out)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def by_case(self) -> dict[str, dict[str, Any]]:
        """The same for one board, by the case's name."""
        rows = self.rows()
        assert len({row["case"] for row in rows}) == len(rows)
        return {row["case"]: row for row in rows}

    def log_of(self, row: dict[str, Any]) -> bytes:
        """The raw log that a row names."""
        return (self.out / row["log_path"]).read_bytes()


def toml(table: dict[str, Any], name: str = "") -> str:
    """A table of texts, numbers and tables as TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    head = f"[{name}]\n" if name else ""
    lines = "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in plain.items())
    inner = (
        toml(value, f"{name}.{json.dumps(key)}" if name else json.dumps(key))
        for key, value in table.items()
        if isinstance(value, dict)
    )
    return head + lines + "".join(inner)


def onnx_file(path: Path, fault: str = "", op: str = "Conv", seed: int | None = None, width: int = 4) -> Path:
    """A small model that the emulators treat as `fault` says; files of different names differ."""
    rng = np.random.default_rng(sum(path.name.encode()) if seed is None else seed)
    weight = numpy_helper.from_array(rng.standard_normal((width, 3, 3, 3)).astype(np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, width, 6, 6))
    nodes = [helper.make_node("Conv", ["x", "w"], ["c" if op != "Conv" else "y"])]
    outputs = [y]
    if op == "TopK":
        k = numpy_helper.from_array(np.array([2], np.int64), "k")
        nodes.append(helper.make_node("TopK", ["c", "k"], ["y", "i"]))
        top = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, width, 6, 2))
        graph = helper.make_graph(nodes, "g", [x], [top], [weight, k])
    else:
        if op != "Conv":
            nodes.append(helper.make_node(op, ["c"], ["y"]))
        graph = helper.make_graph(nodes, "g", [x], outputs, [weight])
    doc = f"emulate: {fault}" if fault else ""
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, doc_string=doc)
    path.write_bytes(model.SerializeToString())
    return path
