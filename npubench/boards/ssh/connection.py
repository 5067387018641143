"""Opens SSH connections: over hops or a command, with the host key checked before anything is told."""

import base64
import binascii
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from npubench.boards.ssh import hostkeys, paramiko_transport
from npubench.boards.ssh.config import Endpoint, SshSettings, of_board, of_jump
from npubench.boards.ssh.hostkeys import HostKey
from npubench.boards.ssh.paramiko_transport import Keepalive, run_with_deadline
from npubench.domain.errors import BoardError, BoardLostError, UsageError
from npubench.tools import process

if TYPE_CHECKING:
    from paramiko import Channel, PKey, Transport


MOST_HOPS = 8
OnUnknown = Callable[[Endpoint, HostKey], None]
"""Hears of a host key that is not known; raises BoardError unless it is to be trusted."""
T = TypeVar("T")


class UnreachableError(BoardError):
    """Nothing answered, or what answered went away before we were in: it may come back."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to one server and the hop before it, if there is one."""

    endpoint: Endpoint
    transport: "Transport"
    settings: SshSettings
    keepalive: Keepalive
    end: Callable[[], None]

    def check(self) -> None:
        """Raises BoardLostError when the server has gone or has not answered for too long."""
        if not self.transport.is_active():
            raise BoardLostError(f"{self.endpoint.title} closed the connection: is it up?")
        silent_s = self.keepalive.silent_s()
        if silent_s > self.settings.keepalive_s * self.settings.keepalive_count:
            told = f"{self.endpoint.title} has not answered for {silent_s:.0f} s"
            raise BoardLostError(f"{told}: is it hung, or its network down?")

    def close(self) -> None:
        """End it and the hops before it."""
        self.keepalive.close()
        self.end()


def connect(settings: SshSettings, board: str) -> Connection:
    """A connection to a board, logged in.

    Raises UnreachableError, BoardError for a host key that is not known or changed and for a login
    that is refused, UsageError for settings that cannot be used, Interrupted after `process.stop()`.
    """

    def refuse(server: Endpoint, key: HostKey) -> None:
        raise BoardError(
            f"the host key {key.type} {key.fingerprint} of {server.name} is not known: compare it with the"
            f" board's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then: npubench board trust {board}"
        )

    target = of_board(settings)
    with ExitStack() as below:
        transport = _open(target, settings, refuse, below)
        secret = os.environ.get(settings.password_env or "")
        if settings.password_env and secret is None:
            named = f"transport_options.password_env names {settings.password_env}"
            raise UsageError(f"{named}, which is not set: export it")
        _log_in(transport, target, settings, settings.key is not None, secret)
        keepalive = Keepalive(transport, settings.keepalive_s)
        return Connection(target, transport, settings, keepalive, below.pop_all().close)


def introduce(settings: SshSettings, on_unknown: OnUnknown) -> tuple[Endpoint, HostKey]:
    """Ask a board for its host key, logging in on the hops before it only. Raises like `connect`."""
    target = of_board(settings)
    with ExitStack() as below:
        return target, _key_of(_open(target, settings, on_unknown, below))


def _open(
    target: Endpoint, settings: SshSettings, on_unknown: OnUnknown, below: ExitStack, depth: int = 0
) -> "Transport":
    """A transport whose host key is checked; `below` ends it and all that it lies on."""
    sock = _reach(target, settings, on_unknown, below, depth)
    below.callback(sock.close)
    transport = paramiko_transport.transport(sock)
    below.callback(transport.close)
    _negotiate(transport, target, settings, on_unknown)
    return transport


def _reach(
    target: Endpoint, settings: SshSettings, on_unknown: OnUnknown, below: ExitStack, depth: int
) -> "socket.socket | Channel":
    if depth > MOST_HOPS:
        raise UsageError(f"{settings.ssh_config}: ProxyJump goes over more than {MOST_HOPS} hops: correct it")
    if target.jumps:
        hop = of_jump(target.jumps[-1], target.jumps[:-1], settings.ssh_config)
        # `Host *` with a ProxyJump names the hop as its own hop, too: OpenSSH goes there directly.
        if (hop.host, hop.port) != (target.host, target.port):
            transport = _open(hop, settings, on_unknown, below, depth + 1)
            return _over_hop(target, hop, settings, transport)
    if target.proxy_command:
        try:
            sock, end = process.connected(target.proxy_command)
        except OSError as error:
            raise UsageError(
                f"ProxyCommand {target.proxy_command[0]!r:.80}: {error.strerror}: correct it in"
                f" {settings.ssh_config}"
            ) from error
        below.callback(end)
        return sock
    return _dial(target, settings)


def _dial(target: Endpoint, settings: SshSettings) -> socket.socket:
    address = (target.host, target.port)
    limit_s = settings.connect_timeout_s
    try:
        sock = run_with_deadline(lambda: socket.create_connection(address, limit_s), limit_s)
    except TimeoutError as error:
        raise UnreachableError(
            f"{target.title} does not answer within {limit_s:g} s: is it on, and is the address right?"
        ) from error
    except socket.gaierror as error:
        raise UnreachableError(
            f"{target.host} is not a known host: {error.strerror}: correct transport_options.host"
        ) from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreachableError(
            f"{target.title} cannot be reached: {reason}: is its SSH server up?"
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _over_hop(target: Endpoint, hop: Endpoint, settings: SshSettings, transport: "Transport") -> "Channel":
    _log_in(transport, hop, settings, False, None)
    address, limit_s = (target.host, target.port), settings.connect_timeout_s
    return _answered(
        f"{target.title} through {hop.title}",
        lambda: transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=limit_s),
        limit_s,
    )


def _negotiate(
    transport: "Transport", target: Endpoint, settings: SshSettings, on_unknown: OnUnknown
) -> None:
    known = hostkeys.known(target.name, target.known_hosts)
    options = transport.get_security_options()
    options.key_types = hostkeys.in_order(known.types, tuple(options.key_types))
    transport.banner_timeout = settings.banner_timeout_s
    transport.handshake_timeout = settings.banner_timeout_s
    transport.auth_timeout = settings.auth_timeout_s
    _answered(target.title, lambda: transport.start_client(timeout=None), 2 * settings.banner_timeout_s)
    key = _key_of(transport)
    if not known.trusts(key):
        on_unknown(target, key)


def _log_in(
    transport: "Transport", target: Endpoint, settings: SshSettings, explicit: bool, secret: str | None
) -> None:
    _answered(
        target.title, lambda: authenticate(transport, target, secret, explicit), settings.auth_timeout_s
    )


def _key_of(transport: "Transport") -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.asbytes())


def _answered(title: str, work: Callable[[], T], limit_s: float) -> T:
    """What the work returns; a server that goes away or keeps silent is an UnreachableError."""
    import paramiko

    try:
        return run_with_deadline(work, limit_s)
    except TimeoutError as error:
        raise UnreachableError(
            f"{title} took the connection but did not answer within {limit_s:g} s: is it hung?"
        ) from error
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise BoardError(f"{title} and npubench have no algorithm in common: {error}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if "banner" in str(error):
            told = f"{title} took the connection but sent no SSH banner: is it hung, or another service?"
            raise UnreachableError(told) from error
        reason = str(error) or "it closed the connection"
        raise UnreachableError(f"{title} did not let us connect: {reason}: is its SSH server up?") from error


def authenticate(transport: "Transport", endpoint: Endpoint, secret: str | None, explicit: bool) -> None:
    """Log in, or say what was tried. Blocks until the server answers.

    `explicit` says that the board's settings name the key, so that it must be there. Raises
    BoardError when the server takes nothing of it, SSHException and EOFError when it goes away.
    """
    import paramiko

    notes: list[str] = []
    try:
        # First without anything: boards without a password exist, and the others answer what they take.
        transport.auth_none(endpoint.user)
        return
    except paramiko.BadAuthenticationType as error:
        accepted = tuple(error.allowed_types)
    except paramiko.AuthenticationException:
        accepted = ()
    if not accepted or "publickey" in accepted:
        for title, key in _identities(endpoint, explicit, notes):
            notes.append(title)
            if _offer(transport, endpoint.user, key, notes):
                return
    if secret is not None:
        notes.append("the password")
        try:
            if not transport.auth_password(endpoint.user, secret):
                return
            notes[-1] += " (not enough)"
        except paramiko.AuthenticationException:
            pass
    takes = f"it takes {' or '.join(accepted)}; " if accepted else ""
    raise BoardError(
        f"{endpoint.title} does not let us in: {takes}tried {', '.join(notes) or 'no key, there is none'}:"
        " add your public key to its authorized_keys, or set transport_options.key or password_env"
    )


def _offer(transport: "Transport", user: str, key: "PKey", notes: list[str]) -> bool:
    import paramiko

    try:
        if not transport.auth_publickey(user, key):
            return True
        notes[-1] += " (not enough)"
    except paramiko.AuthenticationException:
        if not transport.is_active():
            raise
    except paramiko.SSHException as error:
        # A key that cannot sign (an agent's without its token) is not the end of the others.
        if not transport.is_active():
            raise
        notes[-1] += f" ({error})"
    return False


def _identities(endpoint: Endpoint, explicit: bool, notes: list[str]) -> "Iterator[tuple[str, PKey]]":
    """Private keys to offer and what to call them.

    Files first: one that the user named must not come after as many agent keys as a server allows.
    """
    own = []
    for path in endpoint.keys:
        key = _load(str(path), explicit, notes)
        if key is not None:
            own.append(key.asbytes())
            yield f"key {path}", key
    for key in _agent_keys():
        public = [part for path in endpoint.keys if (part := _public(f"{path}.pub")) is not None]
        if key.asbytes() not in own and (not endpoint.only_these or key.asbytes() in public):
            yield f"the agent's {key.get_name()} {key.fingerprint}", key


def _load(path: str, explicit: bool, notes: list[str]) -> "PKey | None":
    import paramiko

    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        if explicit and _public(f"{path}.pub") is None:
            raise UsageError(f"transport_options.key {path}: no such file: name your private key") from None
    except OSError as error:
        notes.append(f"key {path} (unreadable: {error.strerror})")
    except (paramiko.PasswordRequiredException, TypeError):
        notes.append(f"key {path} (has a passphrase: add it to your agent with ssh-add)")
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError):
        notes.append(f"key {path} (not a private key that can be used)")
    return None


def _agent_keys() -> "tuple[PKey, ...]":
    import paramiko

    try:
        return tuple(paramiko.Agent().get_keys())
    except (paramiko.SSHException, OSError):
        # $SSH_AUTH_SOCK of an agent that is gone: the same as none.
        return ()


def _public(path: str) -> bytes | None:
    try:
        return base64.b64decode(Path(path).read_text("utf-8", "replace").split()[1], validate=True)
    except (OSError, IndexError, binascii.Error, ValueError):
        return None
