"""Which environment a codebase needs, and compiled wheels, without any of OpenMMLab."""

from pathlib import Path

import pytest

from npubench import environments
from npubench.cli import npubench
from npubench.environments.spec import WheelSpec
from npubench.environments.wheels import wheel
from npubench.errors import ToolchainError, UsageError
from npubench.exporters.openmmlab.codebases import CODEBASES, codebase_of
from npubench.exporters.openmmlab.exporter import OpenMMLabExporter
from npubench.records import FailureClass
from npubench.specs import ModelSpec, TensorSpec

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


def test_another_worker_text_of_one_codebase_leaves_the_others_alone():
    versions = {name: OpenMMLabExporter().version(spec_of(name)) for name in CODEBASES}
    assert len(set(versions.values())) == len(CODEBASES)


def test_a_wheel_is_compiled_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    calls = []

    def build(words, variables):
        calls.append((words, variables))
        (Path(words[words.index("--wheel-dir") + 1]) / "probe-1.0-py3-none-any.whl").write_bytes(b"made")

    first = wheel(FULL, PACKAGE, build)
    assert wheel(FULL, PACKAGE, build) == first
    assert first.read_bytes() == b"made"
    ((words, variables),) = calls
    assert words[-1] == "probe==1.0"
    assert "--no-build-isolation" in words
    assert variables["A"] == "1"
    assert int(variables["MAX_JOBS"]) >= 1
    # Another variable may be another binary.
    assert wheel(FULL, WheelSpec("probe==1.0", {"A": "2"}), build) != first


def test_without_a_compiler_the_command_that_helps_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"apt install g\+\+"):
        wheel(FULL, PACKAGE, lambda _words, _variables: None)


def test_full_means_the_full_form_and_only_where_there_is_one():
    assert FULL.wheels[0].package == "mmcv==2.1.0"
    light = environments.spec("openmmlab")
    assert not light.wheels
    assert FULL.steps[0] == light.steps[0]
    with pytest.raises(UsageError, match="did you mean"):
        npubench.main(["env", "install", "openmmlap", "--full"], standalone_mode=False)
