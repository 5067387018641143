"""What programs read: a key that one version printed is printed by every later one, from its own store, too."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.cli import main
from npubench.storage.store import Store
from tests.integration.test_onnx_files import conv, write

STORES = Path(__file__).parent.parent / "data" / "stores"
KEYS = json.loads((STORES / "before-bounds-keys.json").read_text())
"""Per command, what the version before figures had bounds printed for the store beside it."""

FREE = frozenset(
    [
        "details",
        "protocol",
        "operators",
        "placement",
        "tool_version",
        "input_shapes",
        "output_shapes",
        "seeds",
        "extra",
        "exported",
    ]
)
"""Keys whose own keys are names of users, tools and boards."""


def printed(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        if prefix:
            yield prefix
        for key, inner in value.items():
            yield from printed(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from printed(inner, f"{prefix}[]")
    else:
        yield prefix


def keys_of(text: str) -> set[str]:
    data = json.loads(text)
    found = {key for one in (data if isinstance(data, list) else [data]) for key in printed(one)}
    return {key for key in found if not FREE & set(key.split(".")[:-1])}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before-bounds")
    connection = sqlite3.connect(folder / "results.db")
    connection.executescript((STORES / "before-bounds.sql").read_text())
    connection.close()
    return folder


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("results", ["results", "--json"]),
        ("show", ["show", "add_1x3x112x112", "--json"]),
        ("compare", ["compare", "FIRST", "SECOND", "--json"]),
    ],
)
def test_keys_of_json_stay(out, capsys, command, words):
    store = Store.read(out / "results.db")
    runs = dict(zip(("FIRST", "SECOND"), store.runs(), strict=False))
    store.close()
    assert main([*(runs.get(word, word) for word in words), "--out", str(out)]) == 0
    assert set(KEYS[command]) - keys_of(capsys.readouterr().out) == set()


def test_columns_of_csv_stay(out, capsys):
    assert main(["results", "--csv", "--out", str(out)]) == 0
    assert set(KEYS["csv"]) - set(capsys.readouterr().out.splitlines()[0].split(",")) == set()


def test_keys_of_accuracy_stay(tmp_path, capsys):
    model = write(tmp_path / "net.onnx", conv((1, 3, 4, 4)))
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "set.npz",
        inputs=rng.standard_normal((40, 3, 4, 4)).astype(np.float32),
        labels=np.arange(40) % 2,
    )
    words = ["accuracy", str(model), "--dataset", str(tmp_path / "set.npz"), "--calibration-samples", "8"]
    main([*words, "--json", "--out", str(tmp_path / "out")])
    found = keys_of(capsys.readouterr().out)
    # A layer's loss is there only where there is a loss.
    wanted = {key for key in KEYS["accuracy"] if "." not in key and "[]" not in key}
    assert wanted - found == set()


def test_a_store_of_then_is_read_to_its_last_row(out, capsys):
    assert main(["results", "--json", "--out", str(out)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 19
    assert {row["status"] for row in rows} == {"ok", "failed"}
    assert main(["report", "--out", str(out)]) == 0
    assert main(["show", "conv3s1p0d1ic3oc1g1", "--out", str(out)]) == 0
