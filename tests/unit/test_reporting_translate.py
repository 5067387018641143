"""Both languages say everything, and a page speaks one of them."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from npubench.cli import npubench
from npubench.domain.records import Figures, Kind, Latency, Status
from npubench.measure.reliability import assess_stability
from npubench.published import chip_facts
from npubench.reporting.data.provenance import facts_of
from npubench.reporting.data.translate import catalogue, recorded, translate, translate_count, use_language
from npubench.reporting.page.page import PageContext, render
from npubench.reporting.select.presentation import to_json, to_markdown, to_text, view_of
from npubench.storage.json import encode
from npubench.storage.ledger import Export
from tests import gateway, sample_processors, sample_results
from tests.spoken_keys import spoken_keys

ALLOWED = frozenset(
    [
        "npubench",
        "results",
        "run",
        "doctor",
        "NPU",
        "CPU",
        "INT8",
        "FP32",
        "SHA-256",
        "USD",
        "GMAC/s",
        "MAC",
        "MACs",
        "Mpx/s",
        "GiB",
        "MiB",
        "KiB",
        "MHz",
        "GB/s",
        "kB",
        "TMAC/s",
        "fps",
        "dB",
        "cosine",
        "psnr_db",
        "max_abs",
        "relative_error",
        "top1_agreement",
        "top-1",
        "PSNR",
        "PB",
        "Opset",
        "std",
        "UTC",
        "TOML",
        "Markdown",
        "JSON",
        "MAC/B",
        "p50",
        "p90",
        "p99",
        "Hz",
        "I/O",
        "pixels",
        "px",
        "toolchain",
        "zh",
        "en",
        "out",
        "OUT",
    ]
)
"""Units, names of formats and of fields: the same in every language."""


def test_every_text_has_its_chinese_and_every_chinese_its_text():
    keys, chinese = spoken_keys(), set(catalogue("zh"))
    assert keys - chinese == set()
    assert chinese - keys == set()


def test_translations_fill_in_the_same_names():
    names = re.compile(r"\{(\w+)[:}]")
    for english, chinese in catalogue("zh").items():
        assert sorted(names.findall(english)) == sorted(names.findall(chinese)), english
        assert chinese, english


def test_counts_agree_with_their_noun_in_english_only():
    assert translate_count(1, "{count} case", "{count} cases") == "1 case"
    assert translate_count(2, "{count} case", "{count} cases") == "2 cases"
    with use_language("zh"):
        assert translate_count(1, "{count} case", "{count} cases") == "1 个用例"
    assert translate("Verdict") == "Verdict"


@pytest.fixture(scope="module")
def chinese_page(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("page")
    rows = gateway.rows()
    exports = {"a": Export("a", "mmpretrain", 1.0), "b": Export("b", "mmpretrain", 1.0, "hang", "slow")}
    context = gateway.context(tmp_path, rows, "zh", exports=exports)
    return render(rows, context), rows, context


def english_words(text):
    """Words that are no data: what is recorded stands in bdi or code, figures carry digits."""
    text = re.sub(r"<(bdi|code|script|style|title)\b[^>]*>.*?</\1>", " ", text, flags=re.S)
    text = re.sub(r"<text class=\"?(label|value)\b[^>]*>.*?</text>", " ", text, flags=re.S)
    shown = re.sub(r"<[^>]*>", " ", text)
    named = re.findall(r'(?:aria-label|placeholder)="([^"]*)"', text)
    words = re.findall(r"[A-Za-z][A-Za-z/_-]{2,}\w*", html.unescape(" ".join([shown, *named])))
    return {word for word in words if word not in ALLOWED}


def test_a_chinese_page_holds_no_english_of_its_own(chinese_page):
    text, rows, context = chinese_page
    with use_language("zh"):
        recorded = " ".join(str(value) for row in rows for _, value in facts_of(row))
    chips = {one.chip for one in (*rows, *context.boards)}
    told = [fact for one in context.boards for fact in one.facts]
    told += [fact for chip in chips for fact in chip_facts.facts_of(chip)]
    boards = " ".join(f"{fact.field} {fact.value} {fact.source} {fact.condition}" for fact in told)
    recorded_in = " ".join(text for row in plain for text in strings_in(json.loads(encode(row))))
    asked = json.dumps(to_json(context.decision)["requirements"]) if context.decision else ""
    return set(LATIN.findall(" ".join([facts, boards, recorded_in, asked, context.title, context.command])))


def test_no_prose_of_the_chinese_page_is_english_wherever_it_stands(tmp_path):
    rows = rows_of_every_kind()
    context = gateway.context(tmp_path, rows, "zh")
    known = data_words(rows, context) | NAMES | ALLOWED
    english = {
        text: words
        for text in texts_of(render(rows, context))
        if (words := [word for word in LATIN.findall(text) if word not in known])
    }
    assert english == {}, "\n".join(map(str, english.items()))


def test_the_walk_sees_names_tips_and_prose_alike():
    page = (
        "<p title='Tip one'>中文 <bdi>Tasks running</bdi><code>dot product</code><script>let x</script></p>"
    )
    assert visible_texts(page) == ["Tip one", "中文", "Tasks running", "dot product"]


def test_sentences_of_npubench_in_rows_are_said_and_those_of_tools_are_left():
    warned = next(row for row in rows_of_every_kind() if row.case == "warned").warnings
    assert len(warned) >= 7
    with use_language("zh"):
        for sentence in warned:
            left = set(LATIN.findall(recorded(sentence))) - {"powersave", "performance"}
            assert left == set(), recorded(sentence)
        assert recorded("E0042: tiling failed for Conv_3") == "E0042: tiling failed for Conv_3"
    for sentence in warned:
        assert recorded(sentence) == str(sentence)


def test_an_empty_chinese_page_is_chinese():
    text = render([], PageContext("报告", "2026-03-02T09:40:00+00:00", "", "0.1.0", "out", language="zh"))
    assert english_words(text) == set()
