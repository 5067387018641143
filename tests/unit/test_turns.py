"""Turns of cases that are measured side by side: one at a time, in order, whatever ends."""

import threading

import pytest

from npubench.domain.errors import Interrupted
from npubench.tools import process
from npubench.tools.turns import Turns

WAIT_S = 60


def members(turns, order, *rounds):
    """A thread for each member; it notes its name each time that it has the turn."""

    def run(name, count):
        with turns.turn() as turn:
            for number in range(count):
                order.append(name)
                if number < count - 1:
                    turn.pass_on()

    made = []
    gate = turns.turn()
    with gate:
        for name, count in zip("abcd", rounds, strict=False):
            made.append(threading.Thread(target=run, args=(name, count), daemon=True))
            made[-1].start()
            turns.stand(1 + len(made))
    for thread in made:
        thread.join(WAIT_S)
    return made


def test_rounds_of_all_members_lie_between_each_other():
    order = []
    members(Turns(), order, 3, 3, 3)
    assert "".join(order) == "abcabcabc"


def test_one_that_ends_early_leaves_the_others_in_their_order():
    order = []
    members(Turns(), order, 1, 3, 2)
    assert "".join(order) == "abcbcb"


def test_a_member_alone_passes_its_turn_to_itself():
    order = []
    members(Turns(), order, 4)
    assert "".join(order) == "aaaa"


def test_whoever_fails_with_the_turn_loses_it():
    turns = Turns()

    def fail():
        with turns.turn() as turn:
            turn.pass_on()
            raise ValueError("of the case")

    with pytest.raises(ValueError, match="of the case"):
        fail()
    with turns.turn():
        pass


def test_a_stop_ends_the_waiting():
    turns, ended = Turns(), []

    def wait():
        try:
            with turns.turn():
                ended.append("had it")
        except Interrupted:
            ended.append("interrupted")

    try:
        with turns.turn():
            thread = threading.Thread(target=wait)
            thread.start()
            turns.stand(2)
            process.stop()
            turns.give_up(0)
            thread.join(WAIT_S)
    finally:
        process.reset()
    assert ended == ["interrupted"]
    with turns.turn():
        pass
