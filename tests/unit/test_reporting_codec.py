"""The report's table of codecs."""

from dataclasses import replace

from npubench.domain.records import Failure, FailureClass, Stage, Status
from npubench.reporting.data.tables import case_tables
from npubench.reporting.page.page import PageContext, render
from tests.sample_results import codec


def cells(rows):
    (table,) = case_tables(rows)
    return [
        {one.title: (one.text(at), one.blanks.get(at, ("", ""))[1]) for one in table.columns}
        for at in range(len(rows))
    ]


def test_a_row_has_its_rate_latency_streams_and_checks():
    (found,) = cells([codec()])
    texts = {title: text for title, (text, _) in found.items()}
    assert (texts["fps"], texts["streams"], texts["checked"], texts["checksum"]) == ("311", "9", "50", "same")
    assert (texts["CPU"], texts["PSNR"]) == ("0.980", "47.8")
    assert "MACs" not in texts


def test_no_stream_is_zero_and_no_search_is_a_dash():
    none, other = cells([codec("a", streams=0), codec("b", streams=None, streams_fps=None)])
    assert none["streams"] == ("0", "")
    assert other["streams"] == ("–", "only of decoders of video")


def test_a_checksum_without_a_reference_is_not_called_the_same():
    same, open_ = cells([codec("a"), codec("b", frames_sha256_expected=None)])
    assert same["checksum"] == ("same", "")
    assert open_["checksum"][0] == "–"
    assert "ab" * 32 in open_["checksum"][1]


def test_a_codec_that_is_lacking_stands_in_the_table_and_below():
    failure = Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, "the board cannot do <b>H.265</b>")
    lacking = replace(codec("decode-h265-1080p"), status=Status.FAILED, failure=failure, figures=None)
    page = render([codec(), lacking], PageContext("Report", "2026-01-01T00:00:00+00:00", "", "1", ""))
    assert "Codecs" in page
    assert "unsupported_codec" in page
    assert "<b>H.265</b>" not in page
    assert '<th scope="col" data-sort>Tool</th>' in page


def test_a_distribution_names_no_precision_where_there_is_none():
    shown = codec()
    samples = {shown.key: tuple(tuple(3000.0 + i for i in range(n, n + 40)) for n in (0, 5))}
    context = PageContext("Report", "2026-01-01T00:00:00+00:00", "", "1", "", samples=samples)
    page = render([shown], context)
    assert "the case whose calls spread most" in page
    assert "NONE, <bdi>" not in page
