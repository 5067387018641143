import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.run_joint import Part, RunJoint, parse_run_joint, wrong_rounds
from npubench.domain.records import Failure, FailureClass

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
    assert call.parts == (TRUTH.parts if call.parts_whole else call.parts)
    assert call.parts.items() <= TRUTH.parts.items()
    assert call.host_overhead_us == (37 if call.parts_whole else None)
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
    assert call.perf_eu == {"0": 2543447, "1": 0, "2": 0, "3": 1646936, "4": 0}
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


def test_parts_that_exceed_the_task_together_are_no_measurement():
    failure = parse_run_joint(WHOLE_NPU.replace("average of 20 us", "average of 43 us"))
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT
    assert "NEU 5378 us and ONNX 7 us and AXE 43 us exceed the run task of 5415 us" in failure.message


def test_parts_may_exceed_the_task_by_their_rounding():
    call = parse_run_joint(WHOLE_NPU.replace("average of 20 us", "average of 33 us"))
    assert isinstance(call, RunJoint)
    assert call.host_overhead_us == 0
    assert isinstance(parse_run_joint(WHOLE_NPU.replace("average of 20 us", "average of 34 us")), Failure)


def test_what_creating_took_is_the_sum_of_its_parts_but_for_their_rounding():
    assert parse_run_joint(GOLDEN.replace("neu 10.77", "neu 10.79")).create_ms["neu"] == 10.79
    assert isinstance(parse_run_joint(GOLDEN.replace("neu 10.77", "neu 10.82")), Failure)


def test_printouts_that_list_other_parts_prove_no_list_whole():
    less = "".join(line for line in WHOLE_NPU.splitlines(keepends=True) if "Run AXE" not in line)
    call = parse_run_joint(WHOLE_NPU + less)
    assert call.parts.keys() == {"NEU", "ONNX", "AXE"}
    assert (call.parts_whole, call.host_overhead_us) == (False, None)


BEFORE_PARTS = GOLDEN[: GOLDEN.index("\tRun NEU")]
NO_COUNTERS = GOLDEN[: GOLDEN.index("\nNPU perf cnt")]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\tRun NE", "\tRun NEU took an average of 53"])
def test_a_run_task_alone_is_a_latency_without_parts(end):
    call = parse_run_joint(BEFORE_PARTS.rstrip() + "\n" + end)
    assert isinstance(call, RunJoint)
    assert (call.run_task_us, call.rounds, call.parts, call.host_overhead_us) == (5415, 99, {}, None)


def test_the_last_line_counts_only_where_its_bracket_proves_it_whole():
    assert parse_run_joint(BEFORE_PARTS.rstrip()).run_task_us == 5415
    assert parse_run_joint(NO_COUNTERS.rstrip()).parts == TRUTH.parts
    for end in ("Run task took 54", "Run task took 5415", BEFORE_PARTS.rstrip()[:-1]):
        assert isinstance(parse_run_joint(end), Failure)
    assert parse_run_joint(GOLDEN.rstrip("\n")[:-1]).run_task_us == 5415
    assert parse_run_joint(GOLDEN[: GOLDEN.index("6936\n")]).perf_total is None


def test_host_overhead_without_counters_needs_the_exit_and_the_last_line_end():
    assert parse_run_joint(NO_COUNTERS, exited_well=True).host_overhead_us == 37
    assert parse_run_joint(NO_COUNTERS + "\n", exited_well=True).host_overhead_us == 37
    assert parse_run_joint(NO_COUNTERS).host_overhead_us is None
    assert parse_run_joint(NO_COUNTERS.rstrip(), exited_well=True).host_overhead_us is None
    assert isinstance(parse_run_joint(f"{BEFORE_PARTS}\tRun NEU took", exited_well=True), Failure)


def test_the_dump_of_outputs_proves_the_parts_whole_too():
    text = NO_COUNTERS + "\ndump output[0] a as ./a.bin success\n"
    assert parse_run_joint(text).host_overhead_us == 37


@pytest.mark.parametrize(
    "garbage", ["\0\0\0", "\ufffd\x01\x7f \x02", "\n\x80\ufffd\0\x05\n\x01", "\r\n\0", "A7\0 12\ufffdb\nc"]
)
def test_binary_after_the_figures_costs_none_of_them(garbage):
    for text in (BEFORE_PARTS.rstrip(), NO_COUNTERS.rstrip(), GOLDEN.rstrip()):
        call = parse_run_joint(text + garbage)
        assert isinstance(call, RunJoint), garbage
        assert call.run_task_us == 5415
        assert call.perf_total in (None, 4190383)


def test_units_that_work_at_the_same_time_exceed_the_total_together():
    """As the documentation's own print has it: 4190383 in all, of 2543447 and 2645657."""
    call = parse_run_joint(GOLDEN.replace("1646936", "2645657"))
    assert (call.perf_total, call.perf_eu["3"]) == (4190383, 2645657)
    assert parse_run_joint(GOLDEN.replace("1646936", "5645657")).perf_total is None


def test_the_rounds_are_those_that_were_asked_for():
    assert wrong_rounds(TRUTH, 100) is None
    for repeat in (1, 10, 99, 101):
        assert wrong_rounds(TRUTH, repeat).failure_class is FailureClass.UNPARSED_OUTPUT
    once = parse_run_joint(GOLDEN.replace("(99 rounds", "(1 rounds"))
    assert wrong_rounds(once, 1) is None
    assert wrong_rounds(once, 2) is None


@pytest.mark.parametrize("blanks", [" ", "   ", "\t", " \t \r"])
def test_blanks_at_line_ends_do_not_matter(blanks):
    assert parse_run_joint("".join(f"{line.rstrip()}{blanks}\n" for line in LINES)) == TRUTH


@pytest.mark.parametrize(
    ("printed", "layout", "dtype", "size"),
    [
        ("NHWC uint8 RGB ", "NHWC", "uint8", 150528),
        ("NCHW float32 ", "NCHW", "float32", 602112),
        ("NHWC sint16  Q=128.000000", "NHWC", "int16", 301056),
        ("NHWC uint8 FeatureMap Q=4", "NHWC", "uint8", 150528),
        ("unknown uint10_packed RAW10 ", "", "uint10_packed", 188160),
        ("NHWC unknown", "NHWC", "", 7),
    ],
)
def test_tensors_as_the_runner_prints_them(printed, layout, dtype, size):
    text = GOLDEN.replace("NHWC uint8 RGB", printed).replace("Size 150528", f"Size {size}")
    (tensor,) = parse_run_joint(text).inputs
    assert (tensor.name, tensor.shape) == ("data", (1, 224, 224, 3))
    assert (tensor.layout, tensor.dtype, tensor.size_bytes) == (layout, dtype, size)


def test_a_disabled_virtual_npu_is_printed_in_two_ways():
    for said in ("virtual npu disable", "virtual npu disable!"):
        assert parse_run_joint(WHOLE_NPU.replace("virtual npu disable", said)).npu_mode == "disable"


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
