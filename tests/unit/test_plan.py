from dataclasses import replace
from pathlib import Path

from npubench.domain.records import ToolInfo
from npubench.domain.specs import SIMULATION, FileSpec, Precision, TimingAsked, TimingProtocol
from npubench.engine import plan
from npubench.engine.plan import Request, build
from tests.fakes import board, case

REQUEST = Request(calibration_digest="seeded", deadline_s=60.0)
TOOL = ToolInfo("fake", True, {"fake": "1"})
BOTH = (Precision.FP32, Precision.INT8)


CASES = ((case("a"), "1"),)
BOARDS = ((board(), TOOL),)


def keys(cases=CASES, boards=BOARDS, request=REQUEST):
    return [job.key for job in build(cases, boards, (), request, {}).jobs]


def test_boards_cases_and_precisions_are_crossed_in_order():
    boards = [(board("one", precisions=BOTH), TOOL), (board("two"), TOOL)]
    made = build([(case("a"), "1"), (case("b"), "1")], boards, (), REQUEST, {})
    assert [(j.board.name, j.case.name, str(j.precision)) for j in made.jobs] == [
        ("one", "a", "fp32"),
        ("one", "a", "int8"),
        ("one", "b", "fp32"),
        ("one", "b", "int8"),
        ("two", "a", "fp32"),
        ("two", "b", "fp32"),
    ]


def test_precisions_narrow_what_a_board_has():
    made = build([(case("a"), "1")], [(board(precisions=BOTH), TOOL)], [Precision.INT8], REQUEST, {})
    assert [job.precision for job in made.jobs] == [Precision.INT8]


def test_a_key_moves_with_everything_that_decides_the_figure():
    base = keys()
    assert keys() == base
    changed = [
        keys(cases=[(replace(case("a"), seed=1), "1")]),
        keys(cases=[(case("a"), "2")]),
        keys(boards=[(board("other"), TOOL)]),
        keys(boards=[(board(backend_options={"npu_mode": "111"}), TOOL)]),
        keys(boards=[(board(), replace(TOOL, versions={"fake": "2"}))]),
        keys(request=replace(REQUEST, timing=TimingProtocol(repeat=65))),
    ]
    assert len({key for one in [base, *changed] for key in one}) == 7


def test_how_long_is_measured_is_asked_for_else_the_boards_own_else_usual():
    own = board("own", timing=TimingAsked(rounds=15, repeat=5))
    boards = [(own, TOOL), (board("usual"), TOOL)]

    def timings(asked):
        jobs = build(CASES, boards, (), replace(REQUEST, timing=asked), {}).jobs
        return [(job.timing.rounds, job.timing.repeat, job.timing.min_duration_s) for job in jobs]

    assert timings(TimingAsked()) == [(15, 5, 3.0), (3, 64, 3.0)]
    assert timings(TimingAsked(rounds=3, min_duration_s=0.0)) == [(3, 5, 0.0), (3, 64, 0.0)]
    assert timings(TimingProtocol(rounds=2)) == [(2, 64, 3.0)] * 2
    usual, said = (
        keys(request=replace(REQUEST, timing=asked)) for asked in (TimingAsked(), TimingProtocol())
    )
    assert usual == said, "a board that says nothing keeps its rows"
    assert keys(boards=[(own, TOOL)]) != keys(boards=[(replace(own, timing=TimingAsked()), TOOL)])
    simulated = [
        (replace(one, transport=SIMULATION), TOOL) for one in (own, replace(own, timing=TimingAsked()))
    ]
    assert keys(boards=simulated[:1]) == keys(boards=simulated[1:]), "a simulation takes no time"


def test_another_npubench_prepares_anew(monkeypatch):
    (one,) = build(CASES, BOARDS, (), REQUEST, {}).jobs
    monkeypatch.setattr(plan, "__version__", "another")
    (other,) = build(CASES, BOARDS, (), REQUEST, {}).jobs
    assert one.compile_key != other.compile_key


def test_calibration_moves_quantised_rows_only():
    boards = [(board(precisions=BOTH), TOOL)]
    one = keys(boards=boards)
    other = keys(boards=boards, request=replace(REQUEST, calibration_digest="other"))
    assert one[0] == other[0]
    assert one[1] != other[1]


def test_a_file_is_known_by_content_not_by_place():
    here, there = FileSpec("net", Path("/a/net.onnx")), FileSpec("net", Path("/b/net.onnx"))
    assert keys(cases=[(here, "sha")]) == keys(cases=[(there, "sha")])
    assert keys(cases=[(here, "sha")]) != keys(cases=[(here, "other")])


def test_what_has_a_final_row_is_done():
    finished = {keys()[0]: "ok"}
    made = build([(case("a"), "1"), (case("b"), "1")], [(board(), TOOL)], (), REQUEST, finished)
    assert [(job.case.name, job.done) for job in made.jobs] == [("a", "ok"), ("b", None)]
    assert [job.case.name for job in made.todo] == ["b"]


def test_the_same_case_twice_is_one_job():
    assert len(keys(cases=[(case("a"), "1"), (case("a"), "1")])) == 1
