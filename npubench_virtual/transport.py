"""Reaches the virtual board: over SSH, with the address and keys of the machine that runs."""

import dataclasses
from pathlib import Path

from npubench.boards.ssh.config import settings
from npubench.boards.ssh.connection import UnreachableError
from npubench.boards.ssh.transport import SshSession, SshTransport
from npubench.domain.errors import BoardError
from npubench.domain.specs import BoardSpec
from npubench_virtual import keys, machine, places

START = "npubench board virtual start"


class VirtualTransport:
    """The board of `npubench board virtual start`; the options are those of boards behind SSH."""

    name = "virtual"

    def __init__(self) -> None:
        self._ssh = SshTransport()

    def connect(self, board: BoardSpec) -> SshSession:
        """Open a session. Raises BoardError like a board behind SSH, and when it was never started."""
        try:
            return self._ssh.connect(over_ssh(board))
        except UnreachableError as error:
            if machine.find(places.machine()) is None:
                raise UnreachableError(f"the virtual board is not up: {START}") from error
            raise

    def check(self, board: BoardSpec) -> None:
        """Raises UsageError for options that cannot be used."""
        settings(
            dataclasses.replace(board, transport_options={"host": places.NAME, **board.transport_options})
        )

    def place(self, board: BoardSpec) -> str:
        """The machine's own address. Raises BoardError when it was never started."""
        return self._ssh.place(over_ssh(board))

    def over_ssh(self, board: BoardSpec) -> BoardSpec:
        """The board as one behind SSH. Raises BoardError when it was never started."""
        return over_ssh(board)


def over_ssh(board: BoardSpec) -> BoardSpec:
    """The board as one behind SSH; its own options lie over those of the machine. Raises BoardError."""
    folder = places.machine()
    # The port is read out of the configuration at every connection: a board that is started again may
    # have another one.
    config = folder / keys.SSH_CONFIG
    if not config.exists():
        raise BoardError(f"the virtual board was never started: {START}")
    options = {
        "host": places.NAME,
        "ssh_config": str(config),
        "key": str(folder / keys.CLIENT_KEY),
        **board.transport_options,
    }
    return dataclasses.replace(board, transport="ssh", transport_options=options)


def spec(folder: Path) -> BoardSpec:
    """A board that stands for the machine of a folder, for npubench's own commands to it."""
    options = {
        "host": places.NAME,
        "ssh_config": str(folder / keys.SSH_CONFIG),
        "key": str(folder / keys.CLIENT_KEY),
    }
    return BoardSpec(places.NAME, "", "", "ssh", "", (), transport_options=options, emulated=True)
