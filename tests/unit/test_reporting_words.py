"""Both languages say everything, and a page speaks one of them."""

import html
import json
import re

import pytest
from click.testing import CliRunner

from npubench.cli import npubench
from npubench.exports import Export
from npubench.records import ToolInfo
from npubench.reporting.page import PageContext, render
from npubench.reporting.provenance import facts_of
from npubench.reporting.selection.texts import to_json, to_markdown, to_text
from npubench.reporting.words import catalogue, say, say_count, speaking
from tests import gateway
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


@pytest.mark.parametrize(("english", "chinese"), catalogue("zh").items())
def test_translations_fill_in_the_same_names(english, chinese):
    names = re.compile(r"\{(\w+)[:}]")
    assert sorted(names.findall(english)) == sorted(names.findall(chinese))
    assert chinese


def test_counts_agree_with_their_noun_in_english_only():
    assert say_count(1, "{count} case", "{count} cases") == "1 case"
    assert say_count(2, "{count} case", "{count} cases") == "2 cases"
    with speaking("zh"):
        assert say_count(1, "{count} case", "{count} cases") == "1 个用例"
    assert say("Verdict") == "Verdict"


def chinese_page(tmp_path):
    rows = gateway.rows()
    tools = (ToolInfo("pulsar2", False, {}, "no image", "docker load"), ToolInfo("x", True, {"x": "1"}))
    exports = {"a": Export("a", "mmpretrain", 1.0), "b": Export("b", "mmpretrain", 1.0, "hang", "slow")}
    context = gateway.context(tmp_path, rows, "zh", tools=tools, exports=exports, planned={"c": "mmaction2"})
    return render(rows, context), rows, context


def english_words(text):
    """Words that are no data: what is recorded stands in bdi or code, figures carry digits."""
    text = re.sub(r"<(bdi|code|script|style|title)\b[^>]*>.*?</\1>", " ", text, flags=re.S)
    text = re.sub(r"<text class=\"(label|value)\"[^>]*>.*?</text>", " ", text, flags=re.S)
    shown = re.sub(r"<[^>]*>", " ", text)
    named = re.findall(r'(?:aria-label|placeholder)="([^"]*)"', text)
    words = re.findall(r"[A-Za-z][A-Za-z/_-]{2,}\w*", html.unescape(" ".join([shown, *named])))
    return {word for word in words if word not in ALLOWED}


def test_a_chinese_page_holds_no_english_of_its_own(tmp_path):
    text, rows, context = chinese_page(tmp_path)
    with speaking("zh"):
        recorded = " ".join(str(value) for row in rows for _, value in facts_of(row))
    boards = " ".join(row.board for row in rows)
    data = set(
        re.findall(r"[A-Za-z][A-Za-z/_-]{2,}\w*", f"{recorded} {boards} {context.title} {context.command}")
    )
    assert english_words(text) - data == set()
    assert "实测" in text
    assert 'lang="zh-Hans"' in text


def test_the_check_would_find_an_english_text():
    assert english_words("<p>Nothing 没有 <bdi>data</bdi></p>") == {"Nothing"}


def test_tips_of_a_chinese_page_are_no_english_texts(tmp_path):
    text, _, _ = chinese_page(tmp_path)
    tips = {html.unescape(tip) for tip in re.findall(r'title="([^"]*)"', text)}
    assert tips & {key for key in spoken_keys() if catalogue("zh").get(key) != key} == set()


def test_words_of_the_script_come_with_the_page(tmp_path):
    text, _, _ = chinese_page(tmp_path)
    words = json.loads(html.unescape(re.search(r'data-words="([^"]*)"', text)[1]))
    assert words["Copy"] == "复制"
    script = text.rpartition("<script>")[2]
    assert set(re.findall(r'say\("([^"]+)"', script)) <= set(words)


def test_the_verdict_is_the_same_in_both_languages_but_for_its_words(tmp_path):
    rows = gateway.rows()
    english, chinese = (to_json(gateway.decision(tmp_path, rows, one)) for one in ("en", "zh"))
    figures = ("board", "kind", "outcome", "headroom", "load", "price_usd", "score", "rank", "binding")
    for one, other in zip(english["verdicts"], chinese["verdicts"], strict=True):
        assert {name: one[name] for name in figures} == {name: other[name] for name in figures}
        assert one["caveats"] != other["caveats"]
    with speaking("zh"):
        judged = gateway.decision(tmp_path, rows, "zh")
        for text in (to_text(judged), to_markdown(judged)):
            assert "余量" in text
            assert not re.search(r"head-room|needed|unknown counts|source:", text)


def test_help_is_in_the_language_that_is_asked():
    english = CliRunner().invoke(npubench, ["select", "--help"]).output
    assert "Language of the page" in english
    for words in (["--lang", "zh", "--help"], ["--help", "--lang", "zh"], ["--lang=zh", "-h"]):
        chinese = CliRunner().invoke(npubench, ["select", *words]).output
        assert "用法" in chinese
        assert "显示本帮助并退出" in chinese
        assert not re.search(r"Usage|Options|Repeatable|Folder|Show this", chinese)
    by_variable = CliRunner().invoke(npubench, ["select", "--help"], env={"NPUBENCH_LANG": "zh"}).output
    assert "用法" in by_variable


def test_an_empty_chinese_page_is_chinese():
    text = render([], PageContext("报告", "2026-03-02T09:40:00+00:00", "", "0.1.0", "out", language="zh"))
    assert english_words(text) == set()
