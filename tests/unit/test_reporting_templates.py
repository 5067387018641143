import pytest

from npubench.reporting.page import page as templates
from npubench.reporting.page.page import PageContext, render
from tests import sample_results

CONTEXT = PageContext("t", "2026-03-02T09:40:00+00:00", "report", "0.1.0", "out")


@pytest.fixture
def page(monkeypatch, tmp_path):
    """Renders with an environment of its own, whose cache is the folder `cache`."""
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))

    def made():
        templates.environment.cache_clear()
        return render(sample_results.models(), CONTEXT)

    yield made
    templates.environment.cache_clear()


def test_templates_are_compiled_once(page, tmp_path, monkeypatch):
    first = page()
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept

    def refuse(*_):
        raise AssertionError("compiled again")

    monkeypatch.setattr("jinja2.environment.Environment.compile", refuse)
    assert page() == first


@pytest.mark.parametrize("content", [b"", b"j2", b"\xff" * 400])
def test_a_broken_file_of_the_cache_is_made_again(page, tmp_path, content):
    first = page()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:30] + content)
    assert page() == first


def test_a_page_needs_no_cache(page, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "resnet18" in page()


def test_a_full_disk_costs_no_page(page, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jinja2.bccache.tempfile.NamedTemporaryFile", full)
    assert "resnet18" in page()
