"""Proves who we are: keys of the board's settings or ~/.ssh/config, the agent's, then a password."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.boards.ssh.endpoint import Endpoint
from npubench.domain.errors import BoardError, UsageError

if TYPE_CHECKING:
    from paramiko import PKey, Transport


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key to offer and what to call it."""

    title: str
    key: "PKey"


def password(variable: str | None) -> str | None:
    """The password from the environment. Raises UsageError when the named variable is not set."""
    if variable is None:
        return None
    value = os.environ.get(variable)
    if value is None:
        raise UsageError(f"transport_options.password_env names {variable}, which is not set: export it")
    return value


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
        for identity in _identities(endpoint, explicit, notes):
            notes.append(identity.title)
            if _offer(transport, endpoint.user, identity, notes):
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


def _offer(transport: "Transport", user: str, identity: Identity, notes: list[str]) -> bool:
    import paramiko

    try:
        if not transport.auth_publickey(user, identity.key):
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


def _identities(endpoint: Endpoint, explicit: bool, notes: list[str]) -> Iterator[Identity]:
    """Files first: one that the user named must not come after as many agent keys as a server allows."""
    own = []
    for path in endpoint.keys:
        key = _load(str(path), explicit, notes)
        if key is not None:
            own.append(key.asbytes())
            yield Identity(f"key {path}", key)
    for key in _agent_keys():
        public = [part for path in endpoint.keys if (part := _public(f"{path}.pub")) is not None]
        if key.asbytes() not in own and (not endpoint.only_these or key.asbytes() in public):
            yield Identity(f"the agent's {key.get_name()} {key.fingerprint}", key)


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
    import base64
    import binascii

    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - a str, as paramiko has it
            return base64.b64decode(stream.read().split()[1], validate=True)
    except (OSError, IndexError, binascii.Error, ValueError):
        return None
