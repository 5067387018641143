"""Completion as shells ask for it: in the shells themselves where they are installed, and by click's protocol."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from npubench.cli import COMMANDS
from npubench.cli import npubench as command_line
from npubench.storage.store import Store
from tests import sample_results
from tests.commands import argv

HEAVY = ("numpy", "onnx", "onnxruntime", "pandas", "plotly", "jinja2", "paramiko", "rich", "torch", "PIL")
BIN = Path(sys.executable).parent
DANGEROUS = ("$(touch gone)", "two words", "a;b", "q'uote", "`id`", "star*", "line\nbreak", "esc\x1b[31m")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with results of two harmless names and of many that no shell may be given."""
    folder = tmp_path_factory.mktemp("completed")
    (folder / "out").mkdir()
    with Store.create(folder / "out" / "results.db") as store:
        for case in ("my_first_net", "my_second_net", *DANGEROUS):
            store.append(sample_results.result(case, board="my-board"))
    return folder


def offered(words, workspace, **environment):
    """The names that a shell is offered for the last word."""
    asked = {
        "_NPUBENCH_COMPLETE": "fish_complete", "COMP_WORDS": " ".join(("npubench", *words)),
        "COMP_CWORD": words[-1],
    }  # fmt: skip
    done = subprocess.run(
        argv(),
        cwd=workspace,
        env={**os.environ, **asked, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2].partition("\t")[0] for line in done.stdout.splitlines() if line]


VALUES = {
    "boards": (["run", "--board", "rk35"], "rk3588"),
    "boards to check": (["board", "check", "axera"], "axera-pi"),
    "suites": (["run", "--suite", "class"], "classifiers"),
    "models": (["export", "resnet18_8xb32"], "resnet18_8xb32_in1k"),
    "models built here": (["predict", "built-"], "built-resnet18"),
    "models of a list": (["select", "--models", "x,built-"], "x,built-resnet18"),
    "names of OpenMMLab": (["run", "yolov8_s_s"], "yolov8_s_syncbn_fast_8xb16-500e_coco"),
    "operators": (["run", "conv3s1p0d1ic3oc1"], "conv3s1p0d1ic3oc1g1"),
    "listed boards": (["list", "boards", "rv11"], "rv1106"),
    "listed operators": (["list", "operators", "conv3s1p0d1ic3oc1"], "conv3s1p0d1ic3oc1g1"),
    "stored cases": (["show", "my_"], "my_second_net"),
    "stored cases of a folder": (["results", "--out", "out", "my_"], "my_first_net"),
    "stored boards": (["layers", "my_first_net", "--board", "m"], "my-board"),
    "sides": (["compare", "my-"], "my-board"),
    "precisions": (["run", "--precision", "i"], "int8"),
    "precisions of a row": (["show", "my_first_net", "--precision", "f"], "fp32"),
    "chips": (["predict", "--chip", "RK35"], "RK3588"),
    "environments": (["env", "install", "ope"], "openvino"),
    "commands": (["comp"], "completion"),
    "shells": (["completion", ""], "zsh"),
}


@pytest.mark.parametrize("asked", VALUES, ids=lambda name: name.replace(" ", "-"))
def test_values_are_completed(asked, workspace):
    words, wanted = VALUES[asked]
    place = {} if "--out" in words else {"NPUBENCH_OUT": str(workspace / "out")}
    assert wanted in offered(words, workspace, **place)


def parameters():
    """Every parameter of every command with what it is asked by."""
    stack = [((name,), command_line.get_command(click.Context(command_line), name)) for name in COMMANDS]
    while stack:
        words, command = stack.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            stack += [
                ((*words, name), command.get_command(context, name))
                for name in command.list_commands(context)
            ]
        else:
            yield from ((words, parameter) for parameter in command.params)


NAMED = {"boards", "board", "suites", "chip", "what", "shell", "precisions"}


def test_no_option_that_takes_a_name_is_forgotten():
    bare = [
        (*words, parameter.name)
        for words, parameter in parameters()
        if parameter.name in NAMED
        and parameter._custom_shell_complete is None  # click shows it nowhere else
        and not isinstance(parameter.type, click.Choice)
    ]
    assert bare == []


def test_what_a_shell_would_run_is_never_offered(workspace):
    found = offered(["show", ""], workspace, NPUBENCH_OUT=str(workspace / "out"))
    assert {"my_first_net", "my_second_net"} == set(found)


def test_an_own_catalogue_is_completed_too(tmp_path):
    (tmp_path / "own" / "suites").mkdir(parents=True)
    (tmp_path / "own" / "suites" / "mine.toml").write_text(
        '[[suite]]\nname = "mine-alone"\ntitle = "Mine"\ncases = ["resnet18_8xb32_in1k"]\n'
    )
    words = ["run", "--catalog", "own", "--suite", "mine"]
    assert offered(words, tmp_path) == ["mine-alone"]
    (tmp_path / "own" / "suites" / "mine.toml").write_text("[[[ broken")
    assert offered(words, tmp_path) == []


@pytest.mark.parametrize("out", ["nothing-here", "a-file"])
def test_where_there_are_no_results_nothing_is_offered_or_said(out, tmp_path):
    (tmp_path / "a-file").write_text("no folder")
    assert offered(["show", "--out", out, "my"], tmp_path) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.db").write_text("no database")
    assert offered(["show", "--out", "out", "my"], tmp_path) == []


@pytest.mark.parametrize("asked", ["boards", "models", "operators", "suites", "stored cases", "chips"])
def test_nothing_heavy_is_loaded(asked, workspace):
    words = VALUES[asked][0]
    script = (
        "import sys; from npubench.cli import main\n"
        "try: main([])\n"
        f"finally: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    told = {
        "_NPUBENCH_COMPLETE": "fish_complete", "COMP_WORDS": " ".join(("npubench", *words)),
        "COMP_CWORD": words[-1], "NPUBENCH_OUT": str(workspace / "out"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **told}, cwd=workspace,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.strip() == "[]"
    assert VALUES[asked][1] in done.stdout


START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(npubench completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(npubench completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "npubench completion fish | source"),
}
"""How each shell is started without what its user set up, and what its user types, as the document says it."""


class Terminal:
    """A shell behind a terminal of its own."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.seen = ""

    def write(self, text):
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern, limit_s=300):
        """Read until what was written after the last wait has it."""
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self._descriptor], [], [], limit_s)
            assert ready, f"{pattern!r} did not come; there is {self.seen[-2000:]!r}"
            self.seen += os.read(self._descriptor, 65536).decode(errors="replace").replace("\a", "")
        self.seen = self.seen[found.end() :]
        return found


@contextmanager
def shell_in(started, folder):
    process, descriptor = pty.fork()
    if process == 0:
        os.chdir(folder)
        told = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8"}
        os.execvpe(started[0], started, {**told, "PS1": "> ", "NPUBENCH_OUT": str(folder / "out")})
    try:
        yield Terminal(descriptor)
    finally:
        os.kill(process, 9)
        os.close(descriptor)
        os.waitpid(process, 0)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_tab_completes_in_the_shell(name, workspace):
    if shutil.which(name) is None:
        pytest.skip(f"no {name}")
    started, setup = START[name]
    with shell_in(started, workspace) as terminal:
        terminal.write(f"{setup}; echo set''up\n")
        terminal.wait_for("\nsetup|\rsetup")
        for line, whole in (
            ("npubench run --board axera-p\t", "axera-pi"),
            ("npubench show my_sec\t", "my_second_net"),
            ("npubench run --suite classif\t", "classifiers"),
            ("npubench list boa\t", "boards"),
            ("npubench predict built-resnet1\t", "built-resnet18"),
        ):
            terminal.write(line)
            terminal.wait_for(re.escape(whole))
            terminal.write("\x15")
        terminal.write("npubench show my_\t\t")
        terminal.wait_for("my_first_net")
        terminal.wait_for("my_second_net")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes(workspace):
    script = f"{START['fish'][1]}; complete -C 'npubench show my_'; complete -C 'npubench run --board rk35'"
    told = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(workspace),
        "NPUBENCH_OUT": str(workspace / "out"),
    }
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=told,
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert {"my_first_net", "my_second_net", "rk3588"} <= set(names)
    assert "$(touch gone)" not in names


def test_the_document_says_what_the_tests_type():
    document = (Path(__file__).parents[2] / "docs" / "completion.md").read_text().replace("\\|", "|")
    for _, setup in START.values():
        for command in setup.split("; "):
            assert command in document
