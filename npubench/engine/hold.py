"""A board is measured by one run at a time: whoever comes second says who holds it, and waits or stops."""

import time

from npubench.domain.errors import BoardBusyError
from npubench.domain.leases import Held, own_claim
from npubench.domain.protocols import Leasing, Session
from npubench.domain.specs import BoardSpec
from npubench.engine.context import Context
from npubench.engine.events import Note
from npubench.tools import process

ASK_S = 2.0
"""A held board is asked this often: it is measuring, and every question costs it some of its time."""
SAY_S = 60.0


def hold(session: Session, board: BoardSpec, context: Context, wait: bool = True) -> None:
    """Hold the board until the session is closed; sessions that know no leases are let be.

    Without `wait` a board that another run holds is not waited for, whatever the context says.
    Raises BoardBusyError when `context.wait_s` is over, BoardError of the session, Interrupted.
    """
    if not isinstance(session, Leasing):
        return
    claim, began = own_claim(context.run_id), time.monotonic()
    wait_s = context.wait_s if wait else 0.0
    said_at: float | None = None
    while (other := session.take(claim)) is not None:
        now = time.monotonic()
        # Another of this run's own boards is the same host, and lets it go at its end.
        ours = other.claim.run_id == context.run_id
        if wait_s is not None and not ours and now - began >= wait_s:
            raise BoardBusyError(_busy(board, other, wait_s))
        if said_at is None or now - said_at >= SAY_S:
            said_at = now
            context.announce(Note(_waiting(board, other, ours, now - began)))
        left_s = ASK_S if wait_s is None else min(ASK_S, began + wait_s - now)
        process.pause(max(0.05, left_s))


def _waiting(board: BoardSpec, other: Held, ours: bool, waited_s: float) -> str:
    if ours:
        return f"{board.name} is the same machine as another board of this run: waiting for that one"
    so_far = f"; waited for {waited_s:.0f} s so far" if waited_s >= SAY_S else ""
    return f"{board.name} is in use by {other}: waiting for it{so_far}"


def _busy(board: BoardSpec, other: Held, wait_s: float) -> str:
    how = "it was not to be waited for" if wait_s == 0 else f"it was waited for {wait_s:g} s"
    return f"{board.name} is in use by {other}: {how}: run again later, or give more --wait"
