"""The house rules that a machine can hold."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "npubench").rglob("*.py"), *(ROOT / "npubench_virtual").rglob("*.py")])
HEAVY = ("numpy", "onnx", "onnxruntime", "pandas", "paramiko", "msgspec", "rich", "jinja2", "torch")


@cache
def nodes(module):
    return [*ast.walk(ast.parse(module.read_text()))]


def test_modules_and_functions_stay_small():
    for module in MODULES:
        text = module.read_text()
        assert len(text.splitlines()) <= 500, module
        for node in nodes(module):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.end_lineno - node.body[0].lineno + 1
                assert body <= 50, f"{module}: {node.name} has {body} lines"


SESSION = ROOT / "npubench/engine/session.py"
BROUGHT_IN = SESSION.parents[1] / "storage" / "team" / "folder.py"
"""Rows of others come in where no run is at work, and without any."""


def test_only_a_session_locks_a_workspace_opens_its_rows_to_write_and_has_thread_pools():
    """Imports do not show it: every module gets a workspace handed."""
    found = {}
    for module in MODULES:
        for node in nodes(module):
            words = _session_words(node)
            if words:
                found.setdefault(module, set()).update(words)
    assert found == {
        SESSION: {"workspace.lock", "Store.create", "ThreadPoolExecutor"},
        BROUGHT_IN: {"workspace.lock", "Store.create"},
    }


def _session_words(node):
    """What of a session's own this piece of code takes."""
    match node:
        case ast.ImportFrom(module="concurrent.futures" | "multiprocessing.pool", names=names):
            return {name.name for name in names if name.name.startswith("ThreadPool")}
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Store"), attr="create")):
            return {"Store.create"}
        case ast.Call(func=ast.Attribute(value=value, attr="lock"), args=[]):
            return {"workspace.lock"} if "workspace" in ast.unparse(value).lower() else set()
    return set()


def test_no_function_but_a_command_takes_more_than_eight_parameters():
    found = set()
    for module in MODULES:
        for node in nodes(module):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_command(node):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(one.arg not in {"self", "cls"} for one in given)
                if count > 8:
                    found.add(f"{module.name} {node.name}")
    assert found == set()


def _is_command(function):
    decorators = [ast.unparse(one) for one in function.decorator_list]
    return any(".command(" in one or one.endswith(".command") for one in decorators)


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["results", "--help"], ["env", "--help"]],
)
def test_help_loads_nothing_heavy(words):
    script = (
        "import sys; from npubench.cli import main; code = main(sys.argv[1:]);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage: npubench" in done.stdout


def test_a_program_starts_when_all_of_it_is_there():
    for module in MODULES:
        statements = ast.parse(module.read_text()).body
        guards = [
            one for one in statements if isinstance(one, ast.If) and "__main__" in ast.unparse(one.test)
        ]
        assert guards in ([], statements[-1:]), module


def test_processes_start_in_one_place():
    for module in MODULES:
        if module.name in {"process.py"} or "worker" in module.name:
            continue
        names = {
            alias.name
            for node in nodes(module)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        names |= {node.module for node in nodes(module) if isinstance(node, ast.ImportFrom)}
        assert "subprocess" not in names, module


def test_npubench_itself_never_imports_torch():
    for module in MODULES:
        if module.name.startswith("worker"):
            continue
        for node in nodes(module):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] in {"torch", "mmengine", "mmpretrain"} for name in names), (
                module
            )


def test_the_shipped_text_names_no_machine_and_no_registry():
    for folder in ("npubench", "ops", "models", "boards", "suites", "reports", "docs", "benchmarks", "tests"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".py", ".toml", ".md", ".html", ".css", ".js", ".sh"} and file != Path(
                __file__
            ):
                text = file.read_text()
                assert "/work/" not in text, file
                assert "/root/.pyenv" not in text, file
