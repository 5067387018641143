import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.run_joint import Part, RunJoint, parse_run_joint
from npubench.records import Failure, FailureClass

DATA = Path(__file__).parents[1] / "data" / "axera"
GOLDEN = (DATA / "run_joint.txt").read_text()
WHOLE_NPU = (DATA / "run_joint_whole_npu.txt").read_text()
TRUTH = parse_run_joint(GOLDEN)
assert isinstance(TRUTH, RunJoint)
LINES = GOLDEN.splitlines(keepends=True)


def never_wrong(text):
    """Whatever is read is what the golden output says, or nothing."""
    call = parse_run_joint(text)
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert (call.run_task_us, call.rounds) == (5415, 99)
    assert call.parts == TRUTH.parts
    assert call.host_overhead_us in (None, 37)
    assert call.cmm_bytes in (None, 13761984)
    assert call.create_ms in (None, TRUTH.create_ms)
    assert call.perf_total in (None, 4190383)
    assert call.perf_eu.items() <= TRUTH.perf_eu.items()
    assert call.npu_mode in (None, "1_1")
    assert {(t.shape, t.size_bytes) for t in call.inputs} <= {((1, 224, 224, 3), 150528)}
    assert {(t.shape, t.size_bytes) for t in call.outputs} <= {((1, 1000), 4000)}


def test_everything_that_is_printed_is_read():
    call = TRUTH
    assert call.run_task_us == 5415
    assert call.rounds == 99
    assert call.parts == {"NEU": Part(5378, 10)}
    assert call.host_overhead_us == 37
    assert call.create_ms == {"total": 569.69, "neu": 10.77, "onnx": 0.0, "axe": 0.0, "overhead": 558.93}
    assert call.cmm_bytes == 13761984
    assert call.npu_mode == "1_1"
    assert call.perf_total == 4190383
    assert call.perf_eu == {0: 2543447, 1: 0, 2: 0, 3: 1646936, 4: 0}
    assert [(t.name, t.shape, t.kind, t.size_bytes) for t in call.inputs] == [
        ("data", (1, 224, 224, 3), "NHWC uint8 RGB", 150528)
    ]
    assert call.outputs[0].shape == (1, 1000)
    assert call.texts["tools_version"] == "0.6.1.4"
    assert call.texts["tools_commit"] == "59588c54"
    assert call.texts["random_inputs"] == "using random data"


def test_other_indents_parts_and_what_is_unknown():
    call = parse_run_joint(WHOLE_NPU)
    assert isinstance(call, RunJoint)
    assert call.npu_mode == "disable"
    assert call.cmm_bytes is None
    assert call.parts == {"NEU": Part(5378, 10), "ONNX": Part(7, 1), "AXE": Part(20, 4)}
    assert call.host_overhead_us == 5415 - 5378 - 7 - 20
    assert len(call.inputs) == 1


def test_parts_that_exceed_the_task_leave_the_host_overhead_unknown():
    text = WHOLE_NPU.replace("average of 20 us", "average of 43 us")
    call = parse_run_joint(text)
    assert isinstance(call, RunJoint)
    assert call.host_overhead_us is None
    assert call.parts["AXE"].us == 43


def test_colours_and_carriage_returns_do_not_matter():
    coloured = "".join(f"\x1b[0;32m{line.rstrip()}\x1b[0m\r\n" for line in LINES)
    assert parse_run_joint(coloured) == TRUTH


def test_the_same_output_twice_is_one_measurement():
    assert parse_run_joint(GOLDEN + GOLDEN) == TRUTH


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Run task took 5415 us", "Run task took 541 us"),
        ("Run task took 5415 us", "Run task took 54 15 us"),
        ("Run task took 5415 us", "Run task took 5415"),
        ("569.69 ms (neu", "59.69 ms (neu"),
        ("average of 5378 us", "average of x us"),
        ("CMM usage: 13761984", "CMM usage: 1376\n1984"),
        ("(99 rounds for average)", "(0 rounds for average)"),
        ("Run task", "Run tusk"),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    failure = parse_run_joint(GOLDEN.replace(old, new))
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_two_runs_that_disagree_are_no_measurement():
    other = GOLDEN.replace("5415", "5420")
    assert isinstance(parse_run_joint(GOLDEN + other), Failure)


def test_a_missing_part_line_does_not_make_the_host_slower():
    call = parse_run_joint(WHOLE_NPU.replace("Run AXE took an average of", "R?? AXE t??k an average of"))
    assert isinstance(call, RunJoint)
    assert call.host_overhead_us is None


def test_a_tensor_whose_size_contradicts_its_shape_is_left_out():
    call = parse_run_joint(GOLDEN.replace("Size 4000", "Size 400"))
    assert isinstance(call, RunJoint)
    assert call.outputs == ()


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.integers(0, len(GOLDEN)), st.integers(0, len(GOLDEN)))
def test_any_piece_is_missing(one, other):
    start, end = sorted((one, other))
    text = GOLDEN[: GOLDEN.rfind("\n", 0, start) + 1] + GOLDEN[end:]
    if text.count("\n") and not _glues_numbers(text):
        never_wrong(text)


def _glues_numbers(text):
    """A piece that ends within a number leaves its last digits at the start of a line, as no tool does."""
    return any(line[:1].isdigit() and line.strip() != "59588c54" for line in text.splitlines())


@given(st.integers(0, 2**32))
def test_any_order_of_lines(seed):
    shuffled = LINES.copy()
    random.Random(seed).shuffle(shuffled)
    never_wrong("".join(shuffled))


def test_an_input_that_got_the_lines_of_an_output_is_not_believed():
    head = next(line for line in LINES if line.startswith("Input[0]"))
    of_output = next(i for i, line in enumerate(LINES) if line.startswith("Output[0]"))
    moved = [line for line in LINES if line != head]
    moved.insert(of_output, head)
    call = parse_run_joint("".join(moved))
    assert (call.inputs, call.outputs) == ((), ())


@given(st.lists(st.sampled_from(LINES), max_size=80))
def test_any_repetition_and_omission_of_lines(lines):
    call = parse_run_joint("".join(lines))
    if not isinstance(call, Failure):
        assert call.run_task_us == 5415
        assert call.host_overhead_us in (None, 37)


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


@given(st.integers(0, len(GOLDEN)), st.text(min_size=1, max_size=5))
def test_any_garbage_between_characters(at, garbage):
    digit_joins = any(c.isdigit() for c in garbage)
    text = GOLDEN[:at] + garbage + GOLDEN[at:]
    if digit_joins:
        parse_run_joint(text)
    else:
        never_wrong(text)


CLOSED = [i for i, line in enumerate(LINES) if line.rstrip()[-1:] in (")", "s")]
"""Lines that end in words or a bracket: what is cut off them shows."""

OTHER = GOLDEN.replace("5415", "5420").replace("5378", "5383").replace("13761984", "13761985")


@given(st.dictionaries(st.sampled_from(CLOSED), st.integers(0, 200)))
def test_any_tail_of_any_line_is_lost(cuts):
    text = [line[: cuts[i]].rstrip("\n") + "\n" if i in cuts else line for i, line in enumerate(LINES)]
    never_wrong("".join(text))


@given(st.sampled_from([i for i, line in enumerate(LINES) if "perf cnt" in line]), st.integers(1, 6))
def test_a_counter_that_lost_digits_costs_all_counters(at, lost):
    text = LINES.copy()
    text[at] = text[at].rstrip("\n")[:-lost] + "\n"
    never_wrong("".join(text))


@given(st.lists(st.booleans(), min_size=2 * len(LINES), max_size=2 * len(LINES)))
def test_two_printouts_that_disagree_mix_to_none(turns):
    one, two, mixed = LINES.copy(), OTHER.splitlines(keepends=True), []
    for turn in turns:
        source = one if (turn and one) or not two else two
        mixed.append(source.pop(0))
    call = parse_run_joint("".join([*mixed, *one, *two]))
    assert isinstance(call, Failure)


@given(st.integers(0, len(GOLDEN)), st.integers(0, len(GOLDEN)))
def test_a_piece_that_is_sent_twice(one, other):
    start, end = sorted((one, other))
    line_start = GOLDEN.rfind("\n", 0, start) + 1
    never_wrong(GOLDEN[:end] + GOLDEN[line_start:])


@given(
    st.lists(st.integers(0, len(GOLDEN)), max_size=20),
    st.sampled_from(["\x1b[0m", "\x1b[0;32m", "\0", "\ufffd"]),
)
def test_colours_and_stray_bytes_anywhere(places, stray):
    text = GOLDEN
    for at in sorted(places, reverse=True):
        text = text[:at] + stray + text[at:]
    never_wrong(text)


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_run_joint(text), Failure)


@given(st.binary(max_size=300))
def test_binary_output_is_a_failure(data):
    assert isinstance(parse_run_joint(data.decode("utf-8", "replace")), Failure)
