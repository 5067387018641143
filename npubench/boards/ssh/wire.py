"""paramiko's transport as npubench wants it: fast ciphers first, and told when a signal ended a command."""

import logging
import signal
import socket
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Channel, Message, Transport

FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr")
"""AES-GCM needs no MAC of its own; dropbear has only the ctr ones."""
EXIT_SIGNAL = "npubench_exit_signal"


def transport(sock: "socket.socket | Channel") -> "Transport":
    """A transport over a connected socket, not started yet. Raises SSHException."""
    made: Transport = _wire()(sock)
    options = made.get_security_options()
    known = tuple(options.ciphers)
    options.ciphers = tuple(cipher for cipher in FAST_CIPHERS if cipher in known)
    return made


def exit_signal(channel: "Channel") -> int | None:
    """The number of the signal that ended the channel's command, when the server told one."""
    number: int | None = getattr(channel, EXIT_SIGNAL, None)
    return number


@cache
def _wire() -> "type[Transport]":
    import paramiko
    from paramiko.common import MSG_CHANNEL_REQUEST

    # Its errors come to us as exceptions; without a handler Python prints the logged ones as well.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    base: Any = paramiko.Transport
    handle = base._channel_handler_table[MSG_CHANNEL_REQUEST]

    def request(channel: "Channel", message: "Message") -> None:
        _keep_exit_signal(channel, message)
        handle(channel, message)

    class Wire(paramiko.Transport):
        # paramiko passes over `exit-signal` (RFC 4254, 6.10), and has no other place to hear of it.
        _channel_handler_table = {**base._channel_handler_table, MSG_CHANNEL_REQUEST: request}  # noqa: RUF012

    return Wire


def _keep_exit_signal(channel: "Channel", message: "Message") -> None:
    from paramiko import Message

    copy = Message(message.asbytes())
    copy.get_int()
    if copy.get_binary() != b"exit-signal":
        return
    copy.get_boolean()
    name = copy.get_binary().decode("ascii", "replace").partition("@")[0]
    number = getattr(signal, f"SIG{name}", signal.SIGKILL)
    setattr(channel, EXIT_SIGNAL, int(number))
