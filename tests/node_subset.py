"""A few modules of ONNX's node tests in place of all: making the whole suite takes most of a minute.

As a program it is the worker of `onnxruntime.node_tests` on them: `python -m tests.node_subset FOLDER DEADLINE_S`.
NODE_SUBSET_CRASHES names a test that ends its process.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx.backend.test.loader as loader

MODULES = ("abs", "add", "bernoulli", "ceil", "det", "dropout", "loop", "sequence_map", "string_concat")
"""Numbers that agree, random ones, texts, sequences, a loop."""


def load_model_tests(kind: str) -> list[Any]:
    """The tests of MODULES."""
    assert kind == "node"
    package = "onnx.backend.test.case.node"
    made = import_module(package)
    for name in MODULES:
        import_module(f"{package}.{name}")
    return list(made._NodeTestCases)


if __name__ == "__main__":
    from npubench.backends.onnxruntime import node_worker

    run, crashes = node_worker.run, os.environ.get("NODE_SUBSET_CRASHES")
    loader.load_model_tests = load_model_tests
    node_worker.run = lambda test: os.abort() if test.name == crashes else run(test)
    node_worker.main(Path(sys.argv[1]), float(sys.argv[2]))
