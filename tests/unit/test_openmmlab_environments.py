"""Which environment a codebase needs, and compiled wheels, without any of OpenMMLab."""

import shutil
import tarfile
from pathlib import Path

import pytest

from npubench.cli import npubench
from npubench.domain.errors import ToolchainError, UsageError
from npubench.domain.records import FailureClass
from npubench.domain.specs import ModelSpec, TensorSpec
from npubench.exporters.openmmlab import exporter
from npubench.exporters.openmmlab.codebases import CODEBASES, codebase_of
from npubench.exporters.openmmlab.exporter import OpenMMLabExporter
from npubench.tools import environments
from npubench.tools.environments import WheelSpec
from npubench.tools.environments.installer import wheel

FULL = environments.spec("openmmlab-full")
PACKAGE = WheelSpec("probe==1.0", {"A": "1"})


def spec_of(codebase: str, config: str = "c") -> ModelSpec:
    return ModelSpec("m", codebase, config, "t", (TensorSpec("input", (1, 3, 8, 8)),), None, 13)


def test_the_full_environment_is_never_made_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path / "envs"))
    failure = OpenMMLabExporter().export(spec_of("mmdetection"), tmp_path, tmp_path / "log")
    assert failure.failure_class is FailureClass.TOOL_MISSING
    assert failure.message.endswith("npubench env install openmmlab --full")
    assert not (tmp_path / "envs").exists()


def test_an_unknown_codebase_is_told_with_those_there_are(tmp_path):
    failure = OpenMMLabExporter().export(spec_of("mmfoo"), tmp_path, tmp_path / "log")
    assert failure.failure_class is FailureClass.NOT_FOUND
    assert all(name in failure.message for name in CODEBASES)


def test_the_codebase_of_a_config_is_in_it_or_in_its_base(tmp_path):
    (tmp_path / "runtime.py").write_text("default_scope = 'mmseg'\n")
    config = tmp_path / "net.py"
    config.write_text('_base_ = ["runtime.py"]\nmodel = dict()\n')
    assert codebase_of(config) == "mmsegmentation"
    config.write_text("model = dict()\n")
    assert codebase_of(config) == "mmpretrain"


def test_a_version_is_that_of_the_environment_and_of_the_worker(tmp_path, monkeypatch):
    workers = tmp_path / "workers"
    shutil.copytree(exporter.WORKER.parent, workers)
    monkeypatch.setattr(exporter, "WORKER", workers / exporter.WORKER.name)

    def version(codebase):
        exporter._tooling.cache_clear()
        return OpenMMLabExporter().version(spec_of(codebase))

    before = version("mmpretrain")
    assert version("mmaction2") == before != version("mmdetection")
    (workers / "worker_codebases.py").write_text("# builds otherwise\n")
    assert version("mmpretrain") != before
    exporter._tooling.cache_clear()


class FakePip:
    """Downloads a source of one file, and makes a wheel of it; `ended` stops that in the middle."""

    def __init__(self):
        self.calls = []
        self.ended = False

    def __call__(self, words, variables):
        self.calls.append((words, variables))
        if words[0] == "download":
            with tarfile.open(Path(words[words.index("--dest") + 1]) / "probe-1.0.tar.gz", "w:gz") as archive:
                folder = tarfile.TarInfo("probe-1.0")
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(folder)
            return
        source = Path(words[-1])
        compiled_before = (source / "first.o").exists()
        (source / "first.o").touch()
        if self.ended:
            raise ToolchainError("ended")
        text = "continued" if compiled_before else "made"
        (Path(words[words.index("--wheel-dir") + 1]) / "probe-1.0-py3-none-any.whl").write_text(text)


def test_a_wheel_is_compiled_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    pip = FakePip()
    first = wheel(FULL, PACKAGE, pip, print)
    assert wheel(FULL, PACKAGE, pip, print) == first
    assert first.read_text() == "made"
    download, compiled = pip.calls
    assert download[0][-1] == "probe==1.0"
    for words, variables in pip.calls:
        assert "--no-build-isolation" in words
        assert variables["A"] == "1"
    assert int(compiled[1]["MAX_JOBS"]) >= 1
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    # Another variable may be another binary.
    assert wheel(FULL, WheelSpec("probe==1.0", {"A": "2"}), pip, print) != first


def test_compiling_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    pip = FakePip()
    pip.ended = True
    with pytest.raises(ToolchainError, match="ended"):
        wheel(FULL, PACKAGE, pip, print)
    pip.ended = False
    assert wheel(FULL, PACKAGE, pip, print).read_text() == "continued"
    assert [words[0] for words, _ in pip.calls] == ["download", "wheel", "wheel"]


def test_without_a_compiler_the_command_that_helps_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"apt install g\+\+"):
        wheel(FULL, PACKAGE, lambda _words, _variables: None, print)


def test_full_means_the_full_form_and_only_where_there_is_one():
    assert FULL.wheels[0].package == "mmcv==2.1.0"
    light = environments.spec("openmmlab")
    assert not light.wheels
    assert FULL.steps[0] == light.steps[0]
    with pytest.raises(UsageError, match="did you mean"):
        npubench.main(["env", "install", "openmmlap", "--full"], standalone_mode=False)


def test_an_account_without_a_home_has_the_shipped_environments_alone(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert "openmmlab" in environments.names()
