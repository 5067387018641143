"""PDF and the live page of a result folder, by the command line and a real Chromium."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from npubench.cli import npubench
from npubench.cli.report import drawn_by
from npubench.domain.errors import ToolchainError
from npubench.storage.files import data_root
from npubench.storage.store import Store
from tests import gateway, sample_results

browser = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    store = Store.create(folder / "results.db")
    for row in [*sample_results.models()[:6], *sample_results.failures()[:1]]:
        store.append(row)
    store.close()
    return folder


def invoke(*words):
    done = CliRunner().invoke(npubench, [str(word) for word in words], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


@browser
def test_a_report_as_pdf(out):
    done = invoke("report", "--out", out, "--format", "pdf")
    printed = (out / "report.pdf").read_bytes()
    assert f"report: {out / 'report.pdf'}" in done.output
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) >= 2


def test_without_a_browser_it_says_how_to_get_one(out, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="apt-get install chromium"):
        invoke("report", "--out", out, "--format", "pdf")
    assert not (out / "report.pdf").exists()


def test_a_browser_that_writes_nothing_is_told(out, monkeypatch, tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display\nexit 0\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolchainError, match="wrote nothing: no display"):
        invoke("report", "--out", out, "--format", "pdf")


@pytest.fixture
def served(out):
    words = [sys.executable, "-m", "npubench", "report", "--out", str(out), "--serve"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    address = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
    yield out, int(address[1])
    process.send_signal(signal.SIGINT)
    assert process.wait(600) == 0
    process.stdout.close()


def ask(port, path="/", method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_a_live_page_follows_the_rows_and_takes_nothing(served):
    out, port = served
    status, page = ask(port)
    assert status == 200
    assert 'data-live="7"' in page
    assert "connect-src &#39;self&#39;" in page
    assert ask(port, "/revision") == (200, "7\n")
    store = Store.create(out / "results.db")
    store.append(replace(sample_results.result(), case="a_new_one"))
    store.close()
    assert ask(port, "/revision") == (200, "8\n")
    assert '"a_new_one"' in ask(port)[1]
    assert ask(port, "/results.db")[0] == 404
    assert ask(port, "/../results.db")[0] == 404
    for method in ("POST", "PUT", "DELETE"):
        assert ask(port, method=method)[0] == 501
    assert ask(port, method="HEAD")[1] == ""


def test_a_live_page_answers_to_its_own_address_alone(served):
    _, port = served
    # A foreign page whose name was made to resolve to loopback would send its own name.
    assert ask(port, host="evil.example")[0] == 403
    assert ask(port, host=f"localhost:{port}")[0] == 200
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    own = {
        line.split()[1].partition(":")[0] for line in listening if line.split()[1].endswith(f":{port:04X}")
    }
    assert own == {"0100007F"}


@browser
def test_a_live_page_reloads_itself_unless_somebody_reads(served, tmp_path):
    from tests import chromium

    out, port = served
    with chromium.browser(tmp_path / "profile") as address, chromium.tab(address) as tab:
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.command(f"{domain}.enable")
        tab.command("Page.navigate", url=f"http://127.0.0.1:{port}/")
        tab.wait_for("document.readyState === 'complete' && document.body.dataset.live === '7'")
        store = Store.create(out / "results.db")
        store.append(replace(sample_results.result(), case="second"))
        tab.wait_for("document.readyState === 'complete' && document.body.dataset.live === '8'")
        tab.evaluate("document.getElementById('r0').open = true")
        store.append(replace(sample_results.result(), case="third"))
        store.close()
        tab.wait_for("!document.getElementById('fresh').hidden")
        assert tab.evaluate("document.body.dataset.live") == "8"
        assert tab.complaints == []
        assert all(url.startswith((f"http://127.0.0.1:{port}/", "data:")) for url in tab.requests)


def test_a_page_is_left_alone_until_rows_or_its_folder_are_others(out, tmp_path):
    page = out / "report.html"
    invoke("report", "--out", out)
    page.write_text(page.read_text(encoding="utf-8").replace("<title>", "<title>kept: "), encoding="utf-8")
    invoke("report", "--out", out)
    assert "<title>kept: " in page.read_text(encoding="utf-8")
    moved = out.rename(tmp_path / "moved")
    invoke("report", "--out", moved)
    assert "<title>kept: " not in (moved / "report.html").read_text(encoding="utf-8")


def test_serve_and_output_exclude_each_other(out):
    with pytest.raises(Exception, match="--serve writes nothing"):
        invoke("report", "--out", out, "--serve", "-o", out / "x.html")


def test_select_writes_text_json_and_page(out, tmp_path):
    gateway.asked(tmp_path)
    file = tmp_path / "requirements.toml"
    done = invoke("select", "--requirements", file, "--out", out)
    assert "comes nearest" in done.output
    assert "resnet50" in (out / "selection.html").read_text()
    told = invoke("select", "--requirements", file, "--out", out, "--json", "--board", "local")
    assert '"outcome": "unknown"' in told.output
    with pytest.raises(Exception, match="no board and no chip is called 'nowhere'"):
        invoke("select", "--requirements", file, "--out", out, "--board", "nowhere")
    invoke("select", "--requirements", file, "--out", out, "--published", "--lang", "zh", "--markdown")
    assert 'lang="zh-Hans"' in (out / "selection.html").read_text()


@pytest.mark.parametrize("name", ["page.js", "first.html.j2", "styles/first.css", "zh.toml"])
def test_a_page_that_another_checkout_drew_is_drawn_again(out, tmp_path, monkeypatch, name):
    """Its templates, styles, scripts or words differ at the same version."""
    theirs = shutil.copytree(data_root() / "reports", tmp_path / "reports")
    assert drawn_by(theirs) == drawn_by(data_root() / "reports")
    with (theirs / name).open("a", encoding="utf-8") as stream:
        stream.write("\n")
    other = drawn_by(theirs)
    page = out / "report.html"
    invoke("report", "--out", out)
    page.write_text(page.read_text(encoding="utf-8").replace("<title>", "<title>kept: "), encoding="utf-8")
    monkeypatch.setattr("npubench.cli.report.drawn_by", lambda _: other)
    invoke("report", "--out", out)
    assert "<title>kept: " not in page.read_text(encoding="utf-8")
