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
from npubench.reporting.select.presentation import to_json, to_markdown
from npubench.reporting.select.terminal import to_text
from npubench.reporting.select.view import view_of
from npubench.storage.json import encode
from npubench.storage.ledger import Export
from tests import gateway, sample_processors, sample_results
from tests.spoken_keys import spoken_keys

ALLOWED = frozenset(
    [
        "npubench",
        "results",
        "run",
        "show",
        "fresh",
        "precision",
        "doctor",
        "docs/atlas",
        "docs/boards",
        "boards",
        "atlas",
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


@pytest.fixture(scope="module", params=[gateway.report, gateway.context])
def chinese_page(tmp_path_factory, request):
    tmp_path = tmp_path_factory.mktemp("page")
    rows = gateway.rows()
    exports = {"a": Export("a", "mmpretrain", 1.0), "b": Export("b", "mmpretrain", 1.0, "hang", "slow")}
    context = request.param(tmp_path, rows, "zh", exports=exports)
    return render(rows, context), rows, context


def english_words(text):
    """Words that are no data: what is recorded stands in bdi or code, figures carry digits."""
    text = re.sub(r"<(bdi|code|script|style|title|desc)\b[^>]*>.*?</\1>", " ", text, flags=re.S)
    text = re.sub(r"<text class=\"?(label|value)\b[^>]*>.*?</text>", " ", text, flags=re.S)
    shown = re.sub(r"<[^>]*>", " ", text)
    named = re.findall(r'(?:aria-label|placeholder)="([^"]*)"', text)
    words = re.findall(r"[A-Za-z][A-Za-z/_-]{2,}\w*", html.unescape(" ".join([shown, *named])))
    return {word for word in words if word not in ALLOWED}


def test_a_chinese_page_holds_no_english_of_its_own(chinese_page):
    text, rows, context = chinese_page
    with use_language("zh"):
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


def test_tips_of_a_chinese_page_are_no_english_texts(chinese_page):
    text, _, _ = chinese_page
    tips = {html.unescape(tip) for tip in re.findall(r'title="([^"]*)"', text)}
    assert tips & {key for key in spoken_keys() if catalogue("zh").get(key) != key} == set()


def test_words_of_the_script_come_with_the_page(chinese_page):
    text, _, _ = chinese_page
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
    with use_language("zh"):
        judged = gateway.decision(tmp_path, rows, "zh")
        for text in (to_text(judged), to_markdown(judged)):
            assert "余量" in text
            assert not re.search(r"head-room|needed|unknown counts|source:", text)


def test_warnings_of_the_cost_plot_are_told_apart(tmp_path):
    decision = gateway.decision(tmp_path, gateway.rows())
    warning = view_of(decision).pareto.warning
    assert warning.endswith("; figures of several kinds: each names its own, and a sum its weakest")


def test_help_is_in_the_language_that_is_asked():
    english = CliRunner().invoke(npubench, ["select", "--help"]).output
    assert "Language of the page" in english
    for words in (["--lang", "zh", "--help"], ["--help", "--lang", "zh"], ["--lang=zh", "-h"]):
        chinese = CliRunner().invoke(npubench, ["select", *words]).output
        assert "用法" in chinese
        assert "显示本帮助并退出" in chinese
        assert not re.search(r"Usage|(?i:options)|Repeatable|Folder|Show this", chinese)
    by_variable = CliRunner().invoke(npubench, ["select", "--help"], env={"NPUBENCH_LANG": "zh"}).output
    assert "用法" in by_variable


def rows_of_every_kind():
    """Models, operators, processors and codecs, with every sentence that a verdict may write into a row."""
    busy = sample_results.state(extra={"running": "9", "npu_mode": "disable"})
    told = (
        *assess_stability(
            busy, sample_results.state(1, governor="performance", clocks_mhz=(900.0,)), timed((1, 2, 3))
        )[1],
        *assess_stability(busy, sample_results.state(1, temperature_c=80.0), timed((3, 1, 2)))[1],
    )
    warned = sample_results.result("warned", warnings=told, board_before=busy)
    skipped = sample_results.result(
        "no_simulation", **{"status": Status.SKIPPED, "figures": None, "verdict": None},
        skip_reason="x has no simulator: run it on a board, without --simulate",
    )  # fmt: skip
    return [*gateway.rows(), *sample_processors.rows(), warned, skipped, sample_results.codec()]


def timed(medians):
    rounds = tuple(float(value) for value in medians)
    return Figures(Kind.MEASURED, Latency(300, 2.0, rounds_p50=rounds, spread=1.0))


LATIN = re.compile(r"(?<![\w])[A-Za-z][A-Za-z'-]{2,}(?!\w)")
"""A word of prose; `f32` and `s16` are none."""

NAMES = frozenset(
    [
        *("Axera-Pi", "MegPeak", "memcpy", "cpupeak", "megpeak", "GFlops", "Gop", "GFLOP", "Gbps", "GMAC"),
        *(
            "GiB",
            "MiB",
            "KiB",
            "TMAC",
            "Mpx",
            "docs",
            "simulate",
            "performance",
            "Setting",
            "top",
            "deploee-benchmark",
        ),
    ]
)
"""Of programs, units and files, in texts that are Chinese otherwise."""


def visible_texts(page):
    """Every text that a reader sees, names of recorded things included; tips and labels, too."""

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.texts, self.inside = [], []

        def handle_starttag(self, tag, attributes):
            # Tips and texts that a program prints with a name are read like what is shown.
            self.texts += [
                value for name, value in attributes if name in ("aria-label", "placeholder", "title")
            ]
            self.inside.append(tag)

        def handle_endtag(self, tag):
            while self.inside and self.inside.pop() != tag:
                pass

        def handle_data(self, data):
            if not {"script", "style"} & set(self.inside):
                self.texts.append(data)

    reader = Reader()
    reader.feed(page)
    return [text.strip() for text in reader.texts if text and text.strip()]


def texts_of(page):
    """With what the page's script shows."""
    packed = re.findall(r'<script type="application/json" id="[\w-]+">(.*?)</script>', page, re.DOTALL)
    classes = re.compile(r"bad|v-\w+|(me|si|pr|pu|n)( first)?")
    drawn = [text for one in packed for text in strings_in(json.loads(one)) if not classes.fullmatch(text)]
    assert len(drawn) > 100
    return [*visible_texts(page), *drawn]


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings_in(inner)


def data_words(rows, context):
    """Words that rows and facts of boards hold and that nobody translates."""
    plain = [replace(row, warnings=(), skip_reason=None) for row in rows]
    with use_language("zh"):
        facts = " ".join(str(value) for row in plain for _, value in facts_of(row))
    chips = {one.chip for one in (*rows, *context.boards)}
    told = [fact for one in context.boards for fact in one.facts]
    told += [fact for chip in chips for fact in chip_facts.facts_of(chip)]
    boards = " ".join(f"{fact.field} {fact.value} {fact.source} {fact.condition}" for fact in told)
    recorded_in = " ".join(text for row in plain for text in strings_in(json.loads(encode(row))))
    asked = json.dumps(to_json(context.decision)["requirements"]) if context.decision else ""
    verdicts = context.decision.verdicts if context.decision else ()
    typed = " ".join(f"{step.command} {step.fact}" for one in verdicts for step in one.steps)
    typed += " ".join(
        one.settle for verdict in verdicts if verdict.streams for one in verdict.streams.lacking
    )
    data = [facts, boards, recorded_in, asked, typed, context.title, context.command]
    return set(LATIN.findall(" ".join(data)))


@pytest.mark.parametrize("page", [gateway.report, gateway.context])
def test_no_prose_of_the_chinese_page_is_english_wherever_it_stands(tmp_path, page):
    rows = rows_of_every_kind()
    context = page(tmp_path, rows, "zh")
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
