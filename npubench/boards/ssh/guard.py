"""Processes that a lost connection left on a board: they would run beside the next measurement.

The board's own guard ends them (see `guard`). Where that was ended as well, they are found at the next
connection: by cookies of this machine whose session or npubench is no more. Those of another machine, of
another container and of an open session are let be.
"""

import math
import re
import threading
import time
from collections.abc import Iterable
from concurrent.futures import wait
from typing import TYPE_CHECKING

from npubench.boards.ssh import command
from npubench.boards.ssh.command import COOKIE, command_line, script
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.paramiko_transport import in_thread
from npubench.domain.errors import BoardError, BoardLostError, Interrupted
from npubench.domain.leases import Claim, Held, read_claim
from npubench.tools import cookies
from npubench.tools.cookies import END_TREE

if TYPE_CHECKING:
    from paramiko import Channel


FIND = f"""\
tag={COOKIE}=$1
case "$(cat /proc/[0-9]*/environ 2>/dev/null)" in *"$tag"*) ;; *) exit 0 ;; esac
for entry in /proc/[0-9]*; do
    text="$(cat "$entry/environ" 2>/dev/null)"
    case "$text" in *"$tag"*) printf '%s%.44s\\n' "$1" "${{text#*"$tag"}}" ;; esac
done
exit 0
"""
"""Prints the session part of all cookies that begin with `$1`: 44 characters follow it there."""

_open: set[str] = set()
_COOKIE = re.compile(r"npubench-[0-9a-f]{12}-[0-9]{10}-[0-9]{16}-[0-9a-f]{16}")


def open_cookie() -> str:
    """A new session's cookie."""
    cookie = cookies.of_session()
    _open.add(cookie)
    return cookie


def close_cookie(cookie: str) -> None:
    """The session is no more; what it left may be ended."""
    _open.discard(cookie)


def orphans(lines: Iterable[str]) -> tuple[str, ...]:
    """The cookies among lines of `FIND` whose session is no more."""
    found = dict.fromkeys(m[0] for line in lines if (m := _COOKIE.match(line)))
    return tuple(cookie for cookie in found if is_over(cookie))


def is_over(cookie: str) -> bool:
    """Whether a session is surely no more: one of this process that was closed, or its npubench has ended."""
    return cookie not in _open if cookie.startswith(cookies.owner()) else cookies.is_dead(cookie)


GOOD_FOR_S = 60.0
"""How long a lease is good without being renewed."""
RENEW_S = 15.0
MARGIN_S = 30.0
"""A program starts only under a lease that is good for its deadline and this long: nothing renews then."""
LEAVE_S = 5.0
PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/run")
"""Where the lease may lie, by preference: the same for everybody who measures on the board."""

GUARD = f"""\
trap '' HUP INT PIPE TERM
umask 0
cookie=$1
shift
port=${{SSH_CONNECTION##* }}
case $port in ''|*[!0-9]*) port=22 ;; esac
folder= mine= boot='?'
{{ read -r boot < /proc/sys/kernel/random/boot_id; }} 2>/dev/null

started() {{
    line= start=
    {{ read -r line < "/proc/$1/stat"; }} 2>/dev/null
    [ -n "$line" ] || return 0
    set -- ${{line##*) }}
    case $1 in Z|X) ;; *) start=${{20}} ;; esac
}}
end() {{
    case $1 in npubench-*-*-*-*) ;; *) return 0 ;; esac
    end_tree "{COOKIE}=$1"
}}
end_tree() {{
{END_TREE}}}
place() {{
    [ -z "$folder" ] || return 0
    for at in "$@"; do
        at=$at/npubench-lease-$port
        {{ mkdir -p "$at"; }} 2>/dev/null
        if [ -d "$at" ] && [ ! -L "$at" ] && {{ printf '' > "$at/.new-$cookie"; }} 2>/dev/null; then
            folder=$at
            return 0
        fi
    done
    return 1
}}
look() {{
    tries=0
    while :; do
        n=0 owner= pid= began= born= text= until= left= up=0
        for file in "$folder"/lease.*; do
            number=${{file##*.}}
            case $number in ''|*[!0-9]*|??????????*) continue ;; esac
            [ "$number" -le "$n" ] || n=$number
        done
        {{ read -r up rest < /proc/uptime; }} 2>/dev/null
        up=${{up%%.*}}
        [ "$n" -gt 0 ] || {{ state=free; return 0; }}
        # Others may write here: what is no file would be read for ever.
        [ -f "$folder/lease.$n" ] || break
        {{
            {{ read -r owner; read -r pid began; read -r born; read -r text; }} < "$folder/lease.$n"
        }} 2>/dev/null
        case $owner in ''|*[!a-z0-9-]*) owner=; break ;; esac
        [ -p "$folder/until.$owner" ] && break
        {{ read -r until < "$folder/until.$owner"; }} 2>/dev/null
        tries=$((tries + 1))
        case $until in ''|*[!0-9]*) [ $tries -lt 50 ] || break ;; *) break ;; esac
    done
    state=held
    case $until in ''|*[!0-9]*) state=over; return 0 ;; esac
    left=$((until - up))
    if [ "$until" = 0 ]; then state=free
    elif [ "$born" != "$boot" ] || [ "$left" -le 0 ]; then state=over
    elif [ "$began" != - ]; then
        started "$pid"
        [ "$start" = "$began" ] || state=over
    fi
}}
take() {{
    seconds=$1 gone=$2
    shift 2
    look
    if [ "$state" = held ] && [ "$owner" = "$cookie" ]; then renew "$seconds"; return 0; fi
    if [ "$state" = held ] && [ "$owner" != "$gone" ]; then echo "held $left $owner $text"; return 0; fi
    if [ "$state" != free ]; then
        # First what would tell a command's end as any other.
        started "$pid"
        [ -z "$start" ] || [ "$start" != "$began" ] || [ "$born" != "$boot" ] || kill -9 "$pid" 2>/dev/null
        end "$owner"
    fi
    next=$((n + 1)) before=$owner
    started $$
    echo $((up + seconds)) > "$folder/until.$cookie"
    printf '%s\\n%s %s\\n%s\\n%s\\n' "$cookie" $$ "${{start:--}}" "$boot" "$*" > "$folder/.new-$cookie"
    said=$(ln "$folder/.new-$cookie" "$folder/lease.$next" 2>&1)
    if [ $? = 0 ]; then
        mine=$next
        rm -f "$folder/.new-$cookie"
        for file in "$folder"/lease.*; do
            number=${{file##*.}}
            case $number in ''|*[!0-9]*|??????????*) continue ;; esac
            [ "$number" -ge "$mine" ] || rm -rf "$file"
        done
        [ -z "$before" ] || rm -f "$folder/until.$before" "$folder/.new-$before"
        echo mine
        return 0
    fi
    look
    if [ "$n" -ge "$next" ]; then echo "held $left $owner $text"; else echo "error $folder: $said"; fi
}}
renew() {{
    look
    if [ -n "$mine" ] && [ "$n" = "$mine" ] && [ "$owner" = "$cookie" ]; then
        echo $((up + $1)) > "$folder/until.$cookie"
        echo mine
    else
        mine=
        echo "lost $text"
    fi
}}
release() {{
    [ -z "$mine" ] || {{ echo 0 > "$folder/until.$cookie"; }} 2>/dev/null
    mine=
}}
asked=
while read -r word rest; do
    case $word in
        take)
            if place "$@"; then take $rest; else echo "error none of $* can be written"; fi ;;
        show)
            if place "$@"; then
                look
                if [ "$state" = held ]; then echo "held $left $owner $text"; else echo "$state"; fi
            else echo "error none of $* can be written"; fi ;;
        renew) renew "$rest" ;;
        release) release; echo released ;;
        bye) asked=1; break ;;
    esac
done
[ -n "$asked" ] || end "$cookie"
release
[ -z "$folder" ] || rm -f "$folder/.new-$cookie"
exit 0
"""
"""Speaks in lines. `$1` is the session's cookie, `$2` ... the places where a lease may lie."""


class Guard:
    """The board's side of one session; commands to it go one after the other."""

    def __init__(self, connection: Connection, cookie: str) -> None:
        """Start it. Raises BoardLostError, BoardError, Interrupted."""
        self._connection = connection
        self._cookie = cookie
        self._lock = threading.Lock()
        self._rest = b""
        self._until: float | None = None
        self._busy = 0
        self._end = threading.Event()
        places = (*PLACES, connection.settings.remote_dir)
        # Without a cookie in its environment: it must outlive what it ends.
        line = command_line(script(GUARD, cookie, *places))
        self._channel: Channel = command.started(connection, line, connection.settings.command_timeout_s)

    def held(self) -> Held | None:
        """Who holds the board now, this session included. Raises BoardError, BoardLostError, Interrupted."""
        answer = self._ask("show")
        return None if answer.split(" ")[0] in {"free", "over"} else self._other(answer)[0]

    def take(self, claim: Claim, force: bool = False) -> Held | None:
        """Hold the board for this session, or say who does; with `force` whoever it is.

        A lease whose npubench is known here to be no more is taken from it at once.
        Raises BoardError where no lease can be kept, BoardLostError, Interrupted.
        """
        gone = "-"
        while (answer := self._ask(f"take {math.ceil(GOOD_FOR_S)} {gone} {claim.line()}")) != "mine":
            other, cookie = self._other(answer)
            if cookie == gone or not (force or is_over(cookie)):
                return other
            gone = cookie
        first = self._until is None
        self._until = time.monotonic() + GOOD_FOR_S
        if first:
            threading.Thread(target=self._renew, name="ssh lease", daemon=True).start()
        return None

    def begin(self, seconds: float) -> None:
        """A command of at most so many seconds starts. Raises BoardLostError when the lease is another's."""
        if self._until is None:
            return
        self._busy += 1
        self.check()
        needed_s = seconds + MARGIN_S
        if self._until < time.monotonic() + needed_s:
            self._extend(max(needed_s, GOOD_FOR_S))

    def finish(self) -> None:
        """It has ended."""
        self._busy = max(0, self._busy - 1)

    def confirm(self) -> None:
        """Ask whether the lease is still ours. Raises BoardLostError when it is not."""
        if self._until is not None:
            self._extend(GOOD_FOR_S)

    def check(self) -> None:
        """Raises BoardLostError when the lease may be another's."""
        if self._until is not None and (self._channel.closed or self._channel.exit_status_ready()):
            raise BoardLostError(self._lost("its process there was ended"))

    def close(self) -> None:
        """Give the lease back; nothing is raised."""
        self._end.set()
        if self._connection.transport.is_active():
            wait([in_thread(self._leave)], LEAVE_S)

    def _leave(self) -> None:
        if self._until is not None:
            self._ask("release", stoppable=False)
        self._channel.sendall(b"bye\n")

    def _extend(self, seconds: float) -> None:
        asked_at = time.monotonic()
        answer = self._ask(f"renew {math.ceil(seconds)}")
        if answer != "mine":
            by = read_claim(answer.partition(" ")[2])
            raise BoardLostError(self._lost(f"{by.who} took it over"))
        self._until = asked_at + seconds

    def _renew(self) -> None:
        """Keep the lease good while no program runs; whoever starts one sees that it is lost."""
        while not self._end.wait(RENEW_S):
            if self._busy:
                continue
            try:
                self._extend(GOOD_FOR_S)
            except (BoardError, Interrupted):
                self._until = 0.0
                return

    def _lost(self, why: str) -> str:
        return f"the lease of {self._connection.endpoint.title} was lost: {why}"

    def _other(self, answer: str) -> tuple[Held, str]:
        word, _, rest = answer.partition(" ")
        if word != "held":
            title = self._connection.endpoint.title
            raise BoardError(
                f"{title} cannot be leased: {rest[-200:] or answer[:80] or 'no answer'}:"
                " make one of these folders writable for this login, or set transport_options.remote_dir"
            )
        left, _, rest = rest.partition(" ")
        cookie, _, text = rest.partition(" ")
        seconds = float(left) if left.lstrip("-").isdigit() else None
        return Held(read_claim(text), seconds), cookie

    def _ask(self, line: str, stoppable: bool = True) -> str:
        """The answer to a line."""
        import paramiko

        until = time.monotonic() + self._connection.settings.command_timeout_s
        with self._lock:
            try:
                self._channel.sendall(f"{line}\n".encode())
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise BoardLostError(self._lost("its process there was ended")) from error
            chunks = command.received(self._connection, self._channel, until, stoppable)
            try:
                while b"\n" not in self._rest:
                    if (chunk := next(chunks, None)) is None:
                        raise BoardLostError(self._lost("its process there was ended"))
                    self._rest += chunk
            except TimeoutError:
                raise BoardLostError(self._lost("its shell does not answer")) from None
            answer, _, self._rest = self._rest.partition(b"\n")
        return answer.decode("utf-8", "replace").strip()
