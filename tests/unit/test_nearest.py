from pathlib import Path

import pytest

from npubench.cli import main
from npubench.domain.text import did_you_mean, path_meant
from npubench.storage.store import Store
from tests.sample_results import result


def test_names_near_and_far():
    assert did_you_mean("Lcoal", ["local", "rk3588"]) == " (did you mean 'local'?)"
    assert did_you_mean("zzz", ["local"]) == did_you_mean("local" * 100, ["local"]) == ""


def test_what_lies_beside_a_path(tmp_path):
    for name in ("jobs.toml", "jobs.txt", ".jobs"):
        (tmp_path / name).touch()
    assert path_meant(tmp_path / "jbos.toml", (".toml",)) == " (did you mean 'jobs.toml'?)"
    assert "'.jobs'" not in path_meant(tmp_path / "jobs")
    assert path_meant(tmp_path / "no" / "jobs.toml") == ""
    assert path_meant(Path("a\0b")) == ""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with results of one case in FP32, beside two files."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    store = Store.create(Path("results/results.db"))
    store.append(result("net", board="local"))
    store.close()
    Path("job.toml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("results --out results --board lcoal", "did you mean 'local'"),
        ("show net --out results --board lcoal", "of board 'lcoal' there (did you mean 'local'?)"),
        ("show net --out results --precision int8", "no results of 'net' in int8"),
        ("show nte --out results", "did you mean 'net'"),
        ("results --out reslts", "did you mean 'results'"),
        ("select --requirements jbo.toml", "no such file or directory (did you mean 'job.toml'?)"),
        ("coverage --suite mmactoin2 --missing --exports results", "did you mean 'mmaction2'"),
        ("coverage --exports reslts", "did you mean 'results'"),
        ("report --out results --exports reslts", "did you mean 'results'"),
        ("import logs reslts --board axera-pi", "did you mean 'results'"),
        ("accuracy resnet18 --dataset reslts", "did you mean 'results'"),
        ("run --stages opps", "did you mean 'ops'"),
        ("run resnet18 --dry-run --calibration reslts", "did you mean 'results'"),
        ("run resnet18 --dry-run --checkpoint resnet81=auto", "did you mean 'resnet18'"),
        ("run resnet18 --dry-run --checkpoint resnet18=jbo.toml", "did you mean 'job.toml'"),
        ("probe build armv8", "did you mean 'armv7'"),
    ],
)
def test_a_mistyped_name_is_one_line_with_the_nearest(folder, words, told, capsys):
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]
