"""Logs as the original benchmark script left them, cut, coloured and re-encoded in every way."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.backends.axera.pulsar import PulsarBackend
from npubench.domain.errors import UsageError
from npubench.domain.records import FailureClass, Status
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.storage import json
from npubench.tools import logs
from npubench.tools.logs import read_file, read_folder, rows

DATA = Path(__file__).parents[1] / "data" / "axera"
BOARD = BoardSpec("axera-pi", "AXera-Pi", "AX620A", "ssh", "pulsar", (Precision.INT8,))
REPORT = (DATA / "inference_report.log").read_text()
RUN = (DATA / "run_joint.txt").read_text()
SAVED = (
    "[09 07:10:33 frozen super_pulsar.toolchain_wrappers.wrapper_toolchain:482] File saved: /tmp/model.joint"
)


def original(build=f"{REPORT}{SAVED}", run=RUN, warning="Warning: Permanently added '192.168.233.1'\n"):
    """What the script joins: headings, commands, stripped output, and what was said to stderr where anything."""
    pieces = [
        "========== model-convert ==========",
        "ax620_virtual_npu: AX620_VIRTUAL_NPU_MODE_111",
        "pulsar build --input /data/model/onnx/a-1.onnx --output /tmp/model.joint --config /data/c.prototxt",
        build.strip(),
    ]
    if run is not None:
        pieces += [
            "========== copy-to-device ==========",
            "scp /tmp/model.joint root@192.168.233.1:/root/model.joint",
            warning,
            "========== profiling ==========",
            'ssh root@192.168.233.1 "/opt/bin/run_joint /root/model.joint --repeat 100 --warmup 10"',
            run.strip(),
        ]
    return "\n".join(piece for piece in pieces if piece)


TEXT = original()


def row_of(folder, name, data):
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    (row,) = rows(read_file(file, "pulsar", PulsarBackend()), BOARD, "import-1")
    file.unlink()
    return row


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("resnet18", "resnet18"),
        ("resnet18.onnx", "resnet18"),
        ("resnet18.onnx.txt", "resnet18"),
        ("resnet18.ONNX.log", "resnet18"),
        ("yolov5s-v6.2", "yolov5s-v6.2"),
        ("conv3s1p1d2ic3oc64g1.onnx", "conv3s1p1d2ic3oc64g1"),
        ("add_1x3x112x112.onnx", "add_1x3x112x112"),
        ("pspnet_512x1024", "pspnet_512x1024"),
        (".onnx.txt", ".onnx"),
        ("a\nb\udcff.txt", "a?b?"),
    ],
)
def test_the_case_is_the_files_name_without_suffixes(tmp_path, name, case):
    row = row_of(tmp_path, name, TEXT)
    assert row.case == case
    assert row.case_kind is (CaseKind.OPERATOR if case.startswith(("conv3", "add_")) else CaseKind.MODEL)


@pytest.mark.parametrize("warning", ["", "Warning: Permanently added '192.168.233.1'\n"])
def test_an_original_log_gives_both_kinds(tmp_path, warning):
    row = row_of(tmp_path, "resnet18", original(warning=warning))
    assert row.status is Status.OK
    assert (row.figures.latency_us.mean, row.figures.latency_us.n) == (5415, 99)
    assert row.figures.npu_time_us == 5378
    assert row.figures.host_overhead_us == 37
    assert row.figures.npu_mode == row.estimate.npu_mode == "111"
    assert row.estimate.latency_us.mean == pytest.approx(19502008 / 800)
    assert row.precision is Precision.INT8
    assert row.tools == {"run_joint": "0.5.10", "pulsar": "0.6.1.4"}


def test_a_build_that_failed_is_the_failure_that_it_names(tmp_path):
    missing = "AttributeError: module 'neuwizard.operators' has no attribute 'onnx.TopK'"
    row = row_of(tmp_path, "a", original(build=missing, run=None))
    assert (row.failure.failure_class, row.failure.operators) == (
        FailureClass.UNSUPPORTED_OPERATOR,
        ("TopK",),
    )
    row = row_of(tmp_path, "a", original(build="RuntimeError: pads must be symmetric", run=None))
    assert row.failure.failure_class is FailureClass.UNSUPPORTED_ATTRIBUTE
    row = row_of(tmp_path, "a", original(build="", run=None))
    assert row.failure.failure_class is FailureClass.NO_ARTIFACT


def test_a_board_that_refused_the_copy(tmp_path):
    row = row_of(tmp_path, "a", original(run="", warning="lost connection\n"))
    assert row.failure.failure_class is FailureClass.TRANSFER_FAILED


@pytest.mark.parametrize(
    ("said", "failure_class"),
    [
        ("ssh: connect to host 192.168.233.1 port 22: No route to host", FailureClass.BOARD_UNREACHABLE),
        ("bash: line 1: /opt/bin/run_joint: No such file or directory", FailureClass.TOOL_MISSING),
        ("run joint version: 0.5.10\n\nSegmentation fault", FailureClass.CRASH),
        (
            "Assertion `AX_JOINT_Adv_Init(&attr) == AX_ERR_NPU_JOINT_SUCCESS' failed.",
            FailureClass.WRONG_NPU_MODE,
        ),
        ("read file /root/model.joint failed", FailureClass.UNPARSED_OUTPUT),
        ("", FailureClass.UNPARSED_OUTPUT),
    ],
)
def test_a_profile_without_figures_is_what_it_says(tmp_path, said, failure_class):
    row = row_of(tmp_path, "a", original(run=said))
    assert (row.figures, row.failure.failure_class) == (None, failure_class)
    assert row.estimate.latency_us is not None


def test_reports_and_comparisons_alone_are_no_failed_builds(tmp_path):
    row = row_of(tmp_path, "inference_report.log", REPORT)
    assert (row.status, row.failure, row.estimate.tool_macs) == (Status.SKIPPED, None, 5386556160)
    head = "[26 07:14:45 <frozen super_pulsar.func_wrappers.pulsar_run.utils>:70] dumpped '{}' to 'gt/joint/{}.bin'.\n"
    table = (DATA / "pulsar_run.txt").read_text()
    names = ("resnetv15_dense0_fwd", "head/boxes")
    row = row_of(tmp_path, "a", "".join(head.format(name, name) for name in names) + table)
    assert (row.status, row.failure, row.estimate.accuracy.cosine) == (Status.SKIPPED, None, 0.9712)
    cut = "".join(head.format(name, name) for name in names) + table[: table.index("Layer: head")]
    assert row_of(tmp_path, "a", cut).estimate is None


@pytest.mark.parametrize("rounds", [1, 9, 98, 100])
@pytest.mark.parametrize(
    "command", ["/root/model.joint --repeat 100", "--repeat=100 --warmup 1 /root/a.joint"]
)
def test_rounds_are_those_of_the_command_in_the_log(tmp_path, rounds, command):
    log = original(run=RUN.replace("(99 rounds", f"({rounds} rounds"))
    row = row_of(tmp_path, "a", log.replace("/root/model.joint --repeat 100", command))
    assert row.figures is None
    assert row.failure.failure_class is FailureClass.UNPARSED_OUTPUT
    assert "wrong rounds" in row.failure.message
    assert row.estimate is not None


def test_a_file_whose_name_is_no_text_is_kept_as_a_row(tmp_path):
    row = row_of(tmp_path, "a\udcff\n.log", TEXT)
    assert (row.case, row.protocol["imported_from"]) == ("a??", "a??.log")
    assert json.encode(row)


def test_the_report_of_one_part_is_not_the_whole_model(tmp_path):
    named = "[09 07:10:33 frozen super_pulsar.x:1] part_0.lava\n"
    second = REPORT.replace("5386556160", "1000")
    whole = original(build=f"{named}{REPORT}part_1.lava\n{second}{SAVED}")
    assert row_of(tmp_path, "a", whole).estimate.tool_macs == 5386557160
    cut = whole[: whole.index("part_1.lava")]
    assert row_of(tmp_path, "a", cut).estimate is None


def test_reports_without_headings_count_only_where_none_can_be_missing(tmp_path):
    line = "[09 06:46:17 frozen super_pulsar.func_wrappers.wrapper_pulsar_build:28] planning task task_0\n"
    for text, macs in (
        (REPORT, 5386556160),
        (f"{line}{REPORT}{SAVED}", 5386556160),
        (f"{line}{REPORT}", None),
        (REPORT + REPORT.replace("5386556160", "1000"), None),
    ):
        estimate = row_of(tmp_path, "a", text).estimate
        assert (estimate and estimate.tool_macs) == macs


def figures_of(row):
    """Every figure of a row by name, those that it does not tell left out."""
    found = {}
    for kind, figures in (("run", row.figures), ("sim", row.estimate)):
        if figures is None:
            continue
        told = figures.details
        parts = {
            name: told.get(name) for name in ("neu_us", "axe_us", "perf_count_total", "npu_mode", "parts")
        }
        values = {
            "latency": figures.latency_us and figures.latency_us.mean,
            "n": figures.latency_us and figures.latency_us.n,
            "load": figures.load_us,
            "host": figures.host_overhead_us,
            "memory": figures.memory_bytes,
            "macs": figures.tool_macs,
            "utilisation": figures.mac_utilisation,
            "io": figures.io_bytes,
            "fps": figures.throughput_fps,
            **parts,
        }
        found |= {f"{kind} {name}": value for name, value in values.items() if value is not None}
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {
        "folder": folder,
        "text": figures_of(row_of(folder, "a", TEXT)),
        "npu": figures_of(row_of(folder, "a", original(run=(DATA / "run_joint_whole_npu.txt").read_text()))),
    }


def same_or_none(whole, data, of="text"):
    """A log that gives a figure gives the whole log's."""
    try:
        told = figures_of(row_of(whole["folder"], "a", data))
    except UsageError:
        return {}
    right = {name: whole[of][name] for name in told}
    # Where the table of cycles is damaged, the time is that of the printed rate, within its rounding.
    for name in told.keys() & {"sim latency", "sim fps"}:
        right[name] = pytest.approx(whole[of][name], rel=0.005 / 41.02)
    # The board's own word for the mode stands where that of the build is damaged, none where both are.
    for name in ("run npu_mode", "sim npu_mode"):
        right |= {name: told[name]} if told.get(name) in ("1_1", "unknown") else {}
    assert told == right
    return told


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", " \t\n", "\r\r\n"])
def test_encodings_and_line_ends_change_nothing(whole, encoding, end):
    told = same_or_none(whole, TEXT.replace("\n", end).encode(encoding))
    assert told == whole["text"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ENCODINGS), st.sampled_from(["\n", "\r\n"]), st.floats(0, 1), st.booleans())
def test_a_log_cut_at_any_byte_has_no_other_figure(whole, encoding, end, share, npu):
    text = original(run=(DATA / "run_joint_whole_npu.txt").read_text()) if npu else TEXT
    data = text.replace("\n", end).encode(encoding)
    same_or_none(whole, data[: int(share * len(data))], "npu" if npu else "text")


def test_a_log_cut_at_every_byte_of_its_figures_has_no_other_figure(whole):
    begin = TEXT.index("Create handle")
    for at in range(begin, len(TEXT)):
        same_or_none(whole, TEXT[:at])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, len(TEXT)), max_size=30),
    st.sampled_from(["\x1b[0m", "\x1b[0;36m", "\x1b[32m", " ", "\t", "\r", "\0", "\xff"]),
)
def test_colours_blanks_and_strays_anywhere_give_no_other_figure(whole, places, stray):
    text = TEXT
    for at in sorted(places, reverse=True):
        text = text[:at] + stray + text[at:]
    told = same_or_none(whole, text.encode("latin-1", "replace"))
    if "\x1b" in stray:
        assert told == whole["text"]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=3000))
def test_binary_after_the_figures_costs_none_of_the_measured(whole, junk):
    if b"Run" in junk or b"NPU" in junk:
        return
    told = same_or_none(whole, TEXT.encode() + b"\n" + junk)
    assert told["run latency"] == 5415


@pytest.mark.parametrize(
    "data",
    [
        b"just some notes\n",
        b"# Notes\n\n## Convert\n\nuse pulsar build --inputs\n\n## Profiling\n\nnone\n",
        b"\x08\x07\x12\x04main:\x80\x01\n" * 500,
        bytes(range(256)) * 40,
        b"model-convertible\n",
        "schöne Grüße\n".encode("utf-16"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, data):
    with pytest.raises(UsageError, match="is no log: it"):
        row_of(tmp_path, "resnet18.onnx", data)


def test_files_that_are_not_for_reading_are_refused_unopened(tmp_path, monkeypatch):
    import os
    import socket

    (tmp_path / "good").write_text(TEXT)
    (tmp_path / "link.txt").symlink_to(tmp_path / "good")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.txt").touch()
    with (tmp_path / "huge.txt").open("wb") as stream:
        stream.truncate(logs.LIMIT_BYTES + 1)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        cases, problems = read_folder(tmp_path, "pulsar", PulsarBackend())
    assert [case.name for case in cases] == ["good"]
    words = ("is empty", "a folder", "a symbolic link", "64 MiB", "a symbolic link", "a FIFO", "a socket")
    assert len(problems) == len(words)
    assert all(word in line for word, line in zip(words, problems, strict=True)), problems
    with pytest.raises(UsageError, match="a device"):
        logs.read(Path("/dev/zero"))


def test_hidden_files_are_nobodys_logs(tmp_path):
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "a").write_text(TEXT)
    assert read_folder(tmp_path, "pulsar", PulsarBackend())[1] == []


def test_several_original_logs_in_one_file_are_named_by_their_commands(tmp_path):
    text = f"{TEXT}\n{TEXT.replace('a-1.onnx', 'b.onnx').replace('5415', '6415')}"
    (tmp_path / "all").write_text(text)
    cases = read_file(tmp_path / "all", "pulsar", PulsarBackend())
    assert [(case.name, case.told.figures.latency_us.mean) for case in cases] == [("a-1", 5415), ("b", 6415)]
