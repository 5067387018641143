"""The cache of test data."""

import hashlib
from dataclasses import replace

import pytest

from npubench.benchmarks.codec.cases import RECIPES
from npubench.benchmarks.codec.media import Made, MediaFile, media_file
from npubench.domain.errors import WorkspaceError
from npubench.domain.records import Failure, FailureClass, Stage

RECIPE = replace(RECIPES["h264-1080p"], frames=5)


class Maker:
    def __init__(self, **changes):
        self.calls = 0
        self.changes = changes

    def __call__(self, recipe, path):
        self.calls += 1
        path.write_bytes(b"stream")
        made = Made(hashlib.sha256(b"stream").hexdigest(), recipe.frames, "f" * 64, 45.0, "an encoder")
        return replace(made, **self.changes)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path))
    return tmp_path / "codec"


def test_it_is_made_once_and_kept_by_recipe_and_versions(cache):
    maker = Maker()
    first = media_file(RECIPE, {"av": "1"}, maker)
    assert isinstance(first, MediaFile)
    assert media_file(RECIPE, {"av": "1"}, maker) == first
    assert maker.calls == 1
    media_file(RECIPE, {"av": "2"}, maker)
    media_file(replace(RECIPE, frames=6), {"av": "1"}, maker)
    assert maker.calls == 3
    assert not [path for path in cache.iterdir() if path.name.startswith(".new")]


@pytest.mark.parametrize("harm", ["change", "remove", "garble"])
def test_what_is_no_longer_whole_is_made_again(harm):
    maker = Maker()
    first = media_file(RECIPE, {}, maker)
    assert isinstance(first, MediaFile)
    if harm == "change":
        first.path.write_bytes(b"strean")
    elif harm == "remove":
        first.path.unlink()
    else:
        (first.path.parent / "facts.json").write_text("{")
    again = media_file(RECIPE, {}, maker)
    assert isinstance(again, MediaFile)
    assert again.path.read_bytes() == b"stream"
    assert maker.calls == 2


@pytest.mark.parametrize("changes", [{"frames": 4}, {"psnr_db": 12.0}])
def test_a_stream_that_is_not_as_asked_is_not_kept(cache, changes):
    failure = media_file(RECIPE, {}, Maker(**changes))
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.failure_class) == (Stage.EXPORT, FailureClass.OUTPUT_MISMATCH)
    assert list(cache.iterdir()) == []


def test_the_makers_own_failure_is_passed_on():
    failure = Failure(Stage.EXPORT, FailureClass.TOOL_MISSING, "no encoder")
    assert media_file(RECIPE, {}, lambda recipe, path: failure) is failure


def test_a_cache_that_cannot_be_written_is_told_in_a_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(WorkspaceError, match="set NPUBENCH_CACHE"):
        media_file(RECIPE, {}, Maker())
