"""`npubench run --board axera-pi` over a real OpenSSH server on loopback, with the emulated pair behind it."""

import json
import subprocess
from pathlib import Path

import pytest

from npubench.boards.ssh import hostkeys
from npubench.storage.hashing import sha256_of_file
from tests.emulated_pair import EMULATORS, Pair, onnx_file
from tests.integration.ssh_server import LoopbackSshd, running, wait_until

OPERATORS = (
    "conv3s1p1d1ic3oc1g1",
    "conv3s1p0d1ic3oc1g1.argmin",
    "add_1x3x112x112",
    "gemm_1x3x112x112",
    "concat_1x3x112x112",
    "softmax_1x3x112x112",
    "flatten_1x3x112x112",
    "transpose_1x3x112x112",
)


class RemotePair(Pair):
    """The pair with its board, and a build host, behind one SSH server."""

    def __init__(self, root: Path, server: LoopbackSshd) -> None:
        super().__init__(root)
        self.server = server
        known = self.root / "config" / "npubench" / hostkeys.own_file().name
        hostkeys.remember(server.name, server.public_key, known)
        self.env.pop("SSH_AUTH_SOCK", None)

    def remote_board(self, name="axera-pi", transport_options=None, **tables):
        """A board whose own file holds where it is, and where the emulated runner lies on it."""
        options = self.server.options(**(transport_options or {}))
        return self.board(name, transport="ssh", transport_options=options, **tables)

    def calls(self) -> Path:
        """A file that gets a line for each call of the emulated runner."""
        calls = self.opt / "run_joint.calls"
        calls.touch()
        return calls

    def start(self, *words):
        """`npubench run` under way."""
        quick = ("--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1")
        return subprocess.Popen(
            self.argv("run", *quick, "--out", self.out, *words),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env,
        )  # fmt: skip


@pytest.fixture
def pair(tmp_path):
    path = f"{EMULATORS}:{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    with running(tmp_path / "sshd", path=path) as server:
        yield RemotePair(tmp_path, server)


def test_operators_pass_through_all_stages(pair):
    pair.remote_board()
    done = pair.run("--board", "axera-pi", "--rounds", "2", "--jobs", "2", "--json", *OPERATORS)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    entered = {(event["case"], event["stage"]) for event in events if event["event"] == "stage_started"}
    assert entered == {
        (case, stage) for case in OPERATORS for stage in ("export", "compile", "transfer", "measure")
    }
    found = pair.by_case()
    assert set(found) == set(OPERATORS)
    for row in found.values():
        assert (row["status"], row["emulated"], row["backend"], row["chip"]) == (
            "ok",
            True,
            "pulsar",
            "AX620A",
        )
        kinds = (row["kind"], row["estimate"]["kind"], row["prediction"]["kind"])
        assert kinds == ("measured", "simulated", "predicted")
        if len(row["input_shapes"]) == 1:
            assert row["accuracy"]["kind"] == "simulated"
            assert set(row["accuracy"]["outputs"]) == set(row["output_shapes"])
        assert row["throughput_fps"] == row["sampling"]["samples_per_call"] * 1e6 / row["latency_us"]["mean"]
        assert row["bounds"] == {
            **{"bound": "upper", "reason": "part_of_npu", "share": 0.5},
            **{"left_out": None, "layers": None},
        }
        assert row["estimate"]["throughput_fps"] > 0
        assert row["estimate"]["details"]["eu_cycles"]["conv-1core"]["work"] > 0
        parts = sum(row["details"][name] for name in ("neu_us", "axe_us") if name in row["details"])
        assert row["host_overhead_us"] == row["latency_us"]["mean"] - parts
        assert row["load_us"] > 500_000
        assert row["memory_bytes"] > 0
        assert (row["details"]["npu_mode"], row["details"]["board_npu_mode"]) == ("111", "1_1")
        assert row["details"]["runner_version"] == "0.5.10"
        assert row["details"]["perf_count_total"] > 0
        assert [tensor["name"] for tensor in row["details"]["inputs"]] == list(row["input_shapes"])
        assert row["tool_version"]["pulsar"] == "0.6.1.14"
        assert row["board_before"]["uptime_s"] is not None
        artifact = next(pair.out.glob(f"artifacts/{row['artifact_sha256']}/*.joint"))
        assert sha256_of_file(artifact) == row["artifact_sha256"]
        assert (artifact.parent / "config.prototxt").is_file()
    assert "axe_us" in found["softmax_1x3x112x112"]["details"]
    page = (pair.out / "report.html").read_text()
    for kind in ("measured", "simulated", "predicted"):
        assert f'<span class="kind k-{kind}">{kind}</span></th>' in page
    assert "×2 upper estimate" in page
    assert 'class="badge emulated"' in page
    again = pair.run("--board", "axera-pi", "--rounds", "2", *OPERATORS)
    assert "8 cases, 8 done before" in again.stderr


@pytest.mark.openmmlab
def test_the_whole_operator_and_model_suites_pass_through_all_stages(pair):
    pair.remote_board()
    suites = ("--suite", "ax620a-operators", "--suite", "default")
    done = pair.run("--board", "axera-pi", "--jobs", "4", "--deadline", "900", *suites)
    assert done.returncode == 0, done.stderr
    rows = pair.rows()
    assert {row["case_kind"] for row in rows} == {"operator", "model"}
    assert len(rows) > 167
    for row in rows:
        assert (row["status"], row["kind"], row["estimate"]["kind"]) == ("ok", "measured", "simulated"), row
    page = (pair.out / "report.html").read_text()
    for section in ("model", "operator"):
        table = page.partition(f'<section id="{section}">')[2].partition("</section>")[0]
        heads = [f'<span class="kind k-{kind}">' for kind in ("measured", "simulated", "predicted")]
        assert all(head in table for head in heads)


def test_a_board_that_is_not_there(pair, tmp_path):
    pair.remote_board()
    pair.server.stop()
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"), onnx_file(tmp_path / "b.onnx"))
    assert done.returncode == 4
    for row in pair.rows():
        failure = row["failure"]
        assert (failure["stage"], failure["class"]) == ("transfer", "board_unreachable")
        assert row["estimate"]["throughput_fps"] > 0
    pair.server.start()
    assert pair.run("--board", "axera-pi", tmp_path / "a.onnx", tmp_path / "b.onnx").returncode == 0
    assert [row["status"] for row in pair.rows()] == ["ok", "ok"]


def test_a_board_without_an_address_says_where_it_belongs(pair, tmp_path):
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"))
    assert done.returncode == 4
    assert "transport_options.host is missing" in pair.by_case()["a"]["failure"]["message"]


def test_a_board_that_is_lost_while_it_measures(pair, tmp_path):
    pair.remote_board(transport_options={"reboot_wait_s": 1.0})
    calls = pair.calls()
    models = [onnx_file(tmp_path / "a.onnx", "board-hang"), onnx_file(tmp_path / "b.onnx")]
    started = pair.start("--board", "axera-pi", "--jobs", "1", *models)
    wait_until(lambda: calls.read_text(), "a measurement")
    pair.server.stop()
    assert started.wait(600) == 4
    failures = {
        case: (row["failure"]["stage"], row["failure"]["class"]) for case, row in pair.by_case().items()
    }
    assert failures == {"a": ("measure", "board_lost"), "b": ("transfer", "board_unreachable")}


@pytest.mark.slow
def test_a_board_that_reboots_between_two_cases_is_waited_for(pair, tmp_path):
    pair.remote_board()
    calls = pair.calls()
    (pair.opt / "run_joint.seconds").write_text("0.3\n")
    models = [onnx_file(tmp_path / f"{name}.onnx") for name in "abcd"]
    started = pair.start("--board", "axera-pi", "--jobs", "1", *models)
    wait_until(lambda: calls.read_text(), "a measurement")
    pair.server.stop()
    pair.server.start()
    assert started.wait(600) == 0, started.stderr.read()
    assert {row["status"] for row in pair.rows()} == {"ok"}


@pytest.mark.slow
def test_a_file_that_cannot_be_brought_there(pair, tmp_path):
    (pair.server.home / "file").touch()
    pair.remote_board(transport_options={"remote_dir": str(pair.server.home / "file" / "models")})
    pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"))
    failure = pair.by_case()["a"]["failure"]
    assert (failure["stage"], failure["class"]) == ("transfer", "transfer_failed")


def test_output_of_any_kind_over_ssh(pair, tmp_path):
    pair.remote_board()
    expected = {
        "board-nothing": "unparsed_output",
        "board-binary": "unparsed_output",
        "board-fail_after": "tool_error",
        "board-crash": "crash",
        "board-hang": "hang",
    }
    models = [onnx_file(tmp_path / f"{fault}.onnx", fault) for fault in expected]
    pair.run("--board", "axera-pi", *models[:-1])
    pair.run_to_hang("--board", "axera-pi", models[-1], runner="run_joint")
    assert {case: row["failure"]["class"] for case, row in pair.by_case().items()} == expected


def test_a_build_host_behind_the_same_transport(pair, tmp_path):
    builder = {"title": "B", "chip": "cpu", "backend": "onnxruntime", "precisions": ["fp32"]}
    pair.board("builder", transport="ssh", transport_options=pair.server.options(), **builder)
    (pair.bin / "pulsar").unlink()
    pair.remote_board(backend_options={"build_host": "builder"})
    models = [onnx_file(tmp_path / f"{name}.onnx", name) for name in ("fine", "attribute", "three_parts")]
    done = pair.run("--board", "axera-pi", "--jobs", "4", *models)
    assert "Traceback" not in done.stderr
    found = pair.by_case()
    assert found["fine"]["status"] == found["three_parts"]["status"] == "ok"
    assert found["three_parts"]["estimate"]["details"]["parts"] == 3
    assert found["fine"]["accuracy"]["cosine"] > 0.9
    assert found["attribute"]["failure"]["class"] == "unsupported_attribute"
    hangs = onnx_file(tmp_path / "hang.onnx", "hang")
    pair.run("--board", "local", "--precision", "fp32", hangs)  # It is exported at leisure.
    pair.run("--board", "axera-pi", "--deadline", "2", hangs)
    (row,) = [row for row in pair.rows() if (row["case"], row["board"]) == ("hang", "axera-pi")]
    assert row["failure"]["class"] == "hang"
    assert not left_running("pulsar", row["onnx_sha256"][:16])


def test_a_build_host_that_is_not_there_is_told_at_the_start(pair, tmp_path):
    builder = {"title": "B", "chip": "cpu", "backend": "onnxruntime", "precisions": ["fp32"]}
    options = pair.server.options(port=1, connect_timeout_s=2.0)
    pair.board("builder", transport="ssh", transport_options=options, **builder)
    pair.remote_board(backend_options={"build_host": "builder"})
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "a.onnx"))
    assert done.returncode == 5
    assert pair.by_case()["a"]["failure"]["class"] == "tool_missing"


def left_running(*words: str) -> list[str]:
    """Command lines of processes that hold all of the words."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            lines.append(line)
    return lines
