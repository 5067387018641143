import re

import pytest

from npubench.domain.records import Bound, Kind, Stage, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from tests.generated_docs import DOCUMENTS, PART, PARTS, ROOT, current


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_say_what_the_code_says(document):
    text = document.read_text()
    assert current(text) == text, "run `make docs`"


def test_every_part_stands_somewhere():
    found = {match["name"] for document in DOCUMENTS for match in PART.finditer(document.read_text())}
    assert found == set(PARTS)


def test_links_between_documents_lead_somewhere():

    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert "://" in target or (document.parent / target).exists(), (document.name, target)
    assert ROOT / "README.md" in DOCUMENTS


@pytest.mark.parametrize(
    "words", [Kind, Status, Verdict, Bound, Stage, CaseKind, Precision], ids=lambda w: w.__name__
)
def test_the_glossary_has_every_word_of_a_row(words):
    text = (ROOT / "docs/glossary.md").read_text()
    assert [word.value for word in words if f"`{word.value}`" not in text] == []
