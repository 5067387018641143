"""Who measures on a board: one run at a time. How that is kept is the transport's affair."""

import getpass
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a board, or wants to: `since` is ISO 8601 by the clock of the holder's machine."""

    who: str
    run_id: str
    since: str

    def line(self) -> str:
        """One line of ASCII, for `read_claim`."""
        return json.dumps({"who": self.who, "run": self.run_id, "since": self.since})


@dataclass(frozen=True, slots=True)
class Held:
    """A board that somebody else holds, for `left_s` more seconds unless that is renewed (None: unknown)."""

    claim: Claim
    left_s: float | None = None

    def __str__(self) -> str:
        since = f" since {self.claim.since}" if self.claim.since else ""
        run = f" (run {self.claim.run_id})" if self.claim.run_id else ""
        return f"{self.claim.who}{run}{since}"


def own_claim(run_id: str) -> Claim:
    """This process's claim for a run, as of now."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    who = f"{user}@{os.uname().nodename} process {os.getpid()}"
    return Claim(who, run_id, datetime.now(UTC).isoformat(timespec="seconds"))


def read_claim(line: str) -> Claim:
    """The claim in a line of `Claim.line`; of anything else its beginning, as somebody's. Never raises."""
    try:
        found = json.loads(line)
        return Claim(*(str(found[name])[:200] for name in ("who", "run", "since")))
    except (ValueError, KeyError, TypeError):
        return Claim(line.strip()[:80] or "somebody", "", "")
