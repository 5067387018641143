"""Whether other programs wanted the processors, by what the kernel counted."""

import subprocess
import sys
from dataclasses import replace

import pytest

from npubench.domain.figures import Figures, Kind
from npubench.domain.notes import NoteCode
from npubench.domain.records import Verdict
from npubench.measure import crowding
from npubench.measure.crowding import Mark, Occupied, crowded_share
from npubench.measure.reliability import CROWDED_SHARE, assess_stability
from npubench.measure.statistics import latency
from tests.integration.test_onnx_files import conv, write

STEADY = Figures(kind=Kind.MEASURED, latency_us=latency(tuple((1000.0,) * 20 for _ in range(15))))


def test_what_others_computed_is_all_but_ones_own():
    began, ended = Mark(all_s=100.0, own_s=2.0, clock_s=50.0), Mark(all_s=101.5, own_s=2.9, clock_s=51.0)
    occupied = began.until(ended)
    assert (occupied.others_s, occupied.wall_s) == (pytest.approx(0.6), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("others_s", "threads", "processors", "share"),
    [
        (0.0, 0, 2, 0.0),
        (0.6, 0, 2, 0.3),
        (0.6, 2, 2, 0.3),
        (0.6, 1, 2, 0.0),  # one processor was left free for the others
        (1.4, 1, 2, 0.4),
        (9.0, 1, 2, 1.0),
        (-0.01, 0, 2, 0.0),  # ticks are coarse
        (2.0, 8, 4, 0.5),
    ],
)
def test_others_crowd_where_they_want_more_than_is_left_free(others_s, threads, processors, share):
    rounds = [Occupied(others_s / 2, 0.5), Occupied(others_s / 2, 0.5)]
    assert crowded_share(rounds, threads, processors) == pytest.approx(share)


def test_too_little_was_seen_to_tell():
    assert crowded_share([Occupied(0.1, 0.1), Occupied(0.1, 0.1)], 0, 2) is None
    assert crowded_share([Occupied(1.0, 1.0), None], 0, 2) is None
    assert crowded_share([], 0, 2) is None


def test_the_kernel_counts_what_others_and_hosts_took(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000 500 6 7 8 90 1\ncpu0 1 2 3\n")
    ticks = crowding.os.sysconf("SC_CLK_TCK")
    assert crowding.now(stat).all_s == pytest.approx((100 + 20 + 30 + 6 + 7 + 8) / ticks)
    stat.write_text("cpu  what\n")
    assert crowding.now(stat) is None
    assert crowding.now(tmp_path / "none") is None


def test_this_machine_is_watched():
    seen = crowding.others_now(0.05)
    assert seen is None or seen.wall_s >= 0.05


def test_rounds_that_agree_on_a_crowded_machine_are_not_called_stable():
    assert assess_stability(None, None, STEADY) == (Verdict.STABLE, ())
    calm = replace(STEADY, crowded_share=CROWDED_SHARE)
    assert assess_stability(None, None, calm) == (Verdict.STABLE, ())
    verdict, (note,) = assess_stability(None, None, replace(STEADY, crowded_share=0.45))
    assert (verdict, note.code) == (Verdict.NOISY, NoteCode.CROWDED)
    assert str(note).startswith("other programs wanted 45% of its processors")


SPINNING = """
import sys, time
import numpy as np
from npubench.measure.onnx_session import come_to_rest, of_threads, open_session

session = open_session(sys.argv[1], of_threads(2))
feeds = {one.name: np.zeros(one.shape, dtype=np.float32) for one in session.get_inputs()}
for _ in range(50):
    session.run(None, feeds)
come_to_rest()
before = time.process_time()
time.sleep(0.1)
print(time.process_time() - before)
"""


def test_a_pool_of_threads_comes_to_rest_before_others_compute(tmp_path):
    """Threads that spin after a run would take the processors of whoever comes next."""
    model = write(tmp_path / "net.onnx", conv((1, 3, 256, 256)))
    words = [sys.executable, "-c", SPINNING, model]
    # A process of its own, since threads of other tests compute in this one; where the machine is crowded
    # a thread may be seen at rest that only has no processor, so the least of some tries counts.
    for _ in range(20):
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        if (spun_s := float(done.stdout)) < 0.01:
            break
    assert spun_s < 0.01
