"""The largest number of streams that hold their rate, with as few trials as possible. Pure."""

from collections.abc import Callable

LIMIT = 256
"""No board is asked for more streams than this."""


def most_held(
    holds: Callable[[int], bool], guess: int, limit: int = LIMIT, may_go_on: Callable[[], bool] = lambda: True
) -> tuple[int, dict[int, bool]]:
    """The largest n in 1..limit with `holds(n)`, 0 when 1 does not hold, and every trial.

    Takes for granted that a board which holds n streams holds n - 1. Starts at `guess` and doubles
    its steps away from it, then halves the gap. When `may_go_on` says no, the largest number that
    held so far counts; as long as none did, the search goes on.
    """
    tried: dict[int, bool] = {}
    low, high = 0, limit + 1
    n, step = max(1, min(guess, limit)), 1
    while high - low > 1 and (low == 0 or may_go_on()):
        tried[n] = holds(n)
        low, high = (n, high) if tried[n] else (low, n)
        if low and high <= limit:
            n = (low + high) // 2
        elif low:
            n, step = min(low + step, limit), step * 2
        else:
            n, step = max(high - step, 1), step * 2
    return low, tried
