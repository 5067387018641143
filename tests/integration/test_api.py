"""npubench in a notebook: what docs/api.md shows runs as it stands, on rows of a real run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import npubench
from npubench.domain.errors import UsageError
from npubench.storage.store import Store
from tests import sample_results

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with results of every kind, as the working directory."""
    (tmp_path / "npubench-out").mkdir()
    store = Store.create(tmp_path / "npubench-out" / "results.db")
    for result in sample_results.everything():
        store.append(result)
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_of_the_document_run_as_they_stand(desk):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    frame, models = names["frame"], names["models"]
    assert len(frame) == len(sample_results.everything())
    assert len(models)


def test_a_folder_without_results_is_refused_in_a_line(tmp_path):
    with pytest.raises(UsageError, match="no results at"):
        npubench.load_results(tmp_path)


def test_importing_npubench_imports_nothing_heavy():
    heavy = ("pandas", "numpy", "onnx", "onnxruntime", "msgspec", "click", "paramiko", "typing")
    code = f"import sys; before = set(sys.modules); import npubench; print(set({heavy}) & (set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_are_listed():
    assert set(npubench.__all__) == {"__version__", "load_results"}
