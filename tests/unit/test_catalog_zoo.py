"""OpenMMLab's names without a manifest entry."""

import pytest

from npubench.catalog import find_cases, load
from npubench.catalog.load import load_folders
from npubench.catalog.models import read_zoo
from npubench.domain.errors import CatalogError
from npubench.domain.specs import ClipSampling, ModelSpec, Preprocessing

INDEX = {
    "mmpretrain": "alpha_8xb32_in1k\tclassification\t1x3x224x224\t1,2,3\t4,5,6\trgb\t-\n"
    "beta_in1k\tMAE\t1x3x224x224\t-\t-\t-\t-\n"
    "\n"
    "variant_in1k\tclassification\t1x3x96x96\t-\t-\t-\t-\n",
    "mmaction2": "clip_net\taction recognition\t1x1x3x8x224x224\t1,1,1\t2,2,2\trgb\t8,4,1,1\n"
    "alpha_8xb32_in1k\tdetection\t1x3x9x9\t-\t-\t-\t-\n"
    "untold\t-\t-\t-\t-\t-\t-\n",
}
SUITE = """
[[suite]]
name = "classifiers"
title = "All"
codebase = "mmpretrain"
task = "classification"
"""


@pytest.fixture
def catalog(tmp_path):
    (tmp_path / "models" / "zoo").mkdir(parents=True)
    (tmp_path / "suites").mkdir()
    for codebase, text in INDEX.items():
        (tmp_path / "models" / "zoo" / f"{codebase}.tsv").write_text(text)
    (tmp_path / "suites" / "s.toml").write_text(SUITE)
    return load_folders([tmp_path])


def test_a_name_of_the_index_is_a_case_with_what_its_config_says(catalog):
    (case,) = find_cases(catalog, ["alpha_8xb32_in1k"], []).cases
    assert (case.codebase, case.task, case.inputs[0].shape) == (
        "mmpretrain",
        "classification",
        (1, 3, 224, 224),
    )
    assert case.preprocessing == Preprocessing((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "rgb")


def test_clips_come_with_a_video_model(catalog):
    (case,) = find_cases(catalog, ["clip_net"], []).cases
    assert case.preprocessing.clip == ClipSampling(frames=8, interval=4, clips=1, crops=1)


def test_what_the_config_does_not_tell_is_left_to_the_export(catalog):
    (case,) = find_cases(catalog, ["untold"], []).cases
    assert (case.inputs, case.preprocessing, case.task) == ((), None, "")


def test_a_near_name_is_offered_and_globs_mean_the_catalogue_alone(catalog):
    near, glob = find_cases(catalog, ["alhpa_8xb32_in1k", "*_in1k"], []).missing
    assert "alpha_8xb32_in1k" in near
    assert "'*_in1k'" in glob


def test_a_suite_takes_the_offered_names_of_a_codebase(catalog):
    assert not catalog.problems
    assert catalog.suites["classifiers"].cases == ("alpha_8xb32_in1k",)


def test_a_suite_without_cases_and_codebase_is_a_problem(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "s.toml").write_text('[[suite]]\nname = "s"\ntitle = "t"\n')
    assert "has no cases" in load_folders([tmp_path]).problems[0]


def test_a_config_path_is_a_case_and_two_of_one_stem_are_two(catalog, tmp_path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "net.py")
        paths[-1].write_text("model = dict()\n")
    found = find_cases(catalog, [*map(str, paths), str(tmp_path / "none.py")], [])
    assert [case.name for case in found.cases] == [str(path) for path in paths]
    assert all(isinstance(case, ModelSpec) and case.config == case.name for case in found.cases)
    (missing,) = found.missing
    assert "no such file" in missing


def test_the_shipped_index_and_manifests_cover_the_published_table():
    catalog = load(())
    suite = catalog.suites["ax620a-models"].cases
    assert len(suite) == 141
    assert all(name in catalog.models for name in suite)
    (case,) = find_cases(catalog, ["resnet34_8xb32_in1k"], []).cases
    assert case.codebase == "mmpretrain"
    (cifar,) = find_cases(catalog, ["resnet18_8xb16_cifar10"], []).cases
    assert cifar.inputs[0].shape == (1, 3, 32, 32)
    (unlisted,) = find_cases(catalog, ["vgg16_8xb32_in1k"], []).cases
    assert "vgg16_8xb32_in1k" not in catalog.models
    assert unlisted.inputs[0].shape == (1, 3, 224, 224)
    assert len(catalog.suites["mmpretrain-classifiers"].cases) > 300
    for name in catalog.suites["mmaction2"].cases:
        assert catalog.models[name].preprocessing.clip is not None


def test_an_index_that_cannot_be_read_is_a_line(tmp_path):
    """A folder in the place of the file stands for whatever the system refuses: tests may run as root."""
    (tmp_path / "zoo" / "mmpretrain.tsv").mkdir(parents=True)
    with pytest.raises(CatalogError, match="the index of names cannot be read"):
        read_zoo(tmp_path)
