"""How many copies of a program hold their rate, with a board that only tells times."""

from pathlib import Path

import pytest

from npubench.benchmarks.codec.cases import BY_NAME, HOLDS_FPS
from npubench.benchmarks.codec.engine import LONGER, EndedError, Work, streams_held
from npubench.benchmarks.codec.media import Made
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.records import BoardState, Completed

FRAMES = 50
LIMIT_S = LONGER * 1.0
"""Four seconds' frames at 25 fps, which `streams_held` asks for of streams of a second."""


class Board:
    """Answers each trial with the seconds and failures that the test gives for its number of copies."""

    def __init__(self, answer):
        self.answer, self.loops = answer, set()

    def run(self, argv, timeout_s, log=None):
        number, loops = int(argv[4]), int(argv[-1])
        self.loops.add(loops)
        seconds, failed = self.answer(number)
        return Completed(tuple(argv), 0, f"npubench-clock 10.00 {10 + seconds:.2f} {failed}\n", seconds)

    def facts(self):
        return BoardState("2026-01-01T00:00:00Z", cores=4)


@pytest.fixture
def held(tmp_path):
    def search(answer, fps=100.0, **settings):
        board = Board(answer)
        # Time is never up: the search goes to its end on a slow machine, too.
        chosen = Settings("ffmpeg", stream_s=1.0, search_s=1e9, **settings)
        case = BY_NAME["decode-h264-1080p"]
        work = Work(
            case,
            chosen,
            Path("x"),
            Made("0" * 64, FRAMES, "1" * 64, None, "x264"),
            board,
            60.0,
            tmp_path / "log",
        )
        return streams_held(work, "ffmpeg", lambda loops: ["ffmpeg", str(loops)], FRAMES, fps), board

    return search


def test_as_many_hold_as_are_done_within_their_frames_time(held):
    streams, board = held(lambda n: (LIMIT_S if n <= 5 else LIMIT_S + 0.01, 0))
    assert (streams.held, streams.proven) == (5, True)
    assert board.loops == {int(LIMIT_S * HOLDS_FPS / FRAMES)}


def test_copies_that_a_decoder_refuses_do_not_hold(held):
    streams, _ = held(lambda n: (1.0, 0 if n <= 3 else 1))
    assert (streams.held, streams.tried[4]) == (3, False)


def test_none_may_hold(held):
    streams, _ = held(lambda n: (LIMIT_S * 2, 0))
    assert (streams.held, streams.proven) == (0, True)


def test_a_trial_that_tells_no_time_is_a_failure(held):
    with pytest.raises(EndedError, match="told no time"):
        held(lambda n: (-1.0, 0))
