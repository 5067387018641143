"""`transport_options` of a board behind SSH, checked."""

import getpass
import glob
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from npubench.boards.ssh import hostkeys
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec
from npubench.storage.json import Table, options

if TYPE_CHECKING:
    from paramiko import SSHConfig

MIB = 1024 * 1024
DAY_S = 86400.0
_PRINTABLE = r"[^\x00-\x1f\x7f-\xa0\xad\u2000-\u200f\u2028-\u202f\u205f-\u206f\ud800-\udfff\ufeff]+\Z"


def _told(title: str, **bounds: Any) -> Any:
    return msgspec.Meta(**bounds, extra_json_schema={"title": title})


_Text = Annotated[
    str, _told("a text that is not empty and does not begin with '-'", pattern=rf"\A(?!-){_PRINTABLE}")
]
_Folder = Annotated[
    str, _told("a folder on the board other than /", pattern=rf"\A(?!-|/+\Z|~(?!/)){_PRINTABLE}")
]
_Seconds = Annotated[float, _told("a number of seconds above 0", gt=0, le=1e9)]
_Bytes = Annotated[int, _told("a whole number of bytes, at least 4096", ge=4096, le=2**50)]


class SshSettings(Table, frozen=True):
    """How to reach and use one board. What is None is taken from ~/.ssh/config, then OpenSSH's default.

    `host` may be an alias of ~/.ssh/config. `password_env` names the environment variable that
    holds the password. `remote_dir` is relative to the login's home unless absolute. A connection
    counts as lost after `keepalive_count` times `keepalive_s` without an answer. `reboot_wait_s` is
    how long a board that was there before is waited for.
    """

    host: _Text
    port: Annotated[int, _told("a port, 1 to 65535", ge=1, le=65535)] | None = None
    user: _Text | None = None
    key: _Text | None = None
    password_env: _Text | None = None
    ssh_config: _Text = "~/.ssh/config"
    remote_dir: _Folder = "npubench"
    connect_timeout_s: _Seconds = 10.0
    banner_timeout_s: _Seconds = 15.0
    auth_timeout_s: _Seconds = 30.0
    keepalive_s: _Seconds = 5.0
    keepalive_count: Annotated[int, _told("a whole number, 1 to 1000", ge=1, le=1000)] = 3
    command_timeout_s: _Seconds = 60.0
    transfer_timeout_s: _Seconds = 1800.0
    reboot_wait_s: _Seconds = 180.0
    output_limit_bytes: _Bytes = 4 * MIB
    log_limit_bytes: _Bytes = 16 * MIB
    keep_s: _Seconds = 30 * DAY_S
    keep_bytes: _Bytes = 1024 * MIB


def settings(board: BoardSpec) -> SshSettings:
    """The settings that a board's description gives. Raises UsageError naming all keys at fault."""
    where = f"board {board.name}: transport_options"
    if "host" not in board.transport_options:
        place = f"~/.config/npubench/boards/{board.name}.toml"
        raise UsageError(f"{where}.host is missing: set the board's address in {place}")
    found = options(board.transport_options, SshSettings, where)
    return msgspec.structs.replace(
        found,
        key=str(_at_home(found.key, f"{where}.key")) if found.key else None,
        ssh_config=str(_at_home(found.ssh_config, f"{where}.ssh_config")),
        remote_dir=found.remote_dir.removeprefix("~/").rstrip("/") or ".",
    )


INCLUDE_DEPTH = 16
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One SSH server: address, login, keys to offer, hops before it, and how its key is known.

    `keys` are files; `only_these` keeps the agent's other keys out (IdentitiesOnly). `jumps` are
    `[user@]host[:port]`, nearest first. `name` is how known_hosts files call it.
    """

    host: str
    port: int
    user: str
    keys: tuple[Path, ...]
    only_these: bool
    jumps: tuple[str, ...]
    proxy_command: tuple[str, ...]
    name: str
    known_hosts: tuple[Path, ...]

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.user}@{self.host}" + ("" if self.port == hostkeys.PORT else f":{self.port}")


def of_board(settings: SshSettings) -> Endpoint:
    """The endpoint of a board. Raises UsageError for a broken ~/.ssh/config."""
    return _endpoint(settings.host, settings.port, settings.user, settings.key, settings.ssh_config)


def of_jump(text: str, before: tuple[str, ...], ssh_config: str) -> Endpoint:
    """The endpoint of a hop, reached over the hops `before` it. Raises UsageError."""
    user, _, address = text.removeprefix("ssh://").rpartition("@")
    host, port = address, ""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    if not host or (port and not _is_port(port)):
        raise UsageError(f"{ssh_config}: ProxyJump {text!r:.80} is not [user@]host[:port]: correct it")
    hop = _endpoint(host, int(port) if port else None, user or None, None, ssh_config)
    return replace(hop, jumps=before, proxy_command=()) if before else hop


def _endpoint(host: str, port: int | None, user: str | None, key: str | None, file: str) -> Endpoint:
    values = _lookup(host, port, user, Path(file).expanduser())
    host_name = str(values.get("hostname", host))
    port_text = str(values.get("port", hostkeys.PORT))
    if not _is_port(port_text):
        raise UsageError(f"{file}: Port {port_text!r:.40} is not a port: correct it")
    listed = [_at_home(str(name), file) for name in values.get("identityfile", ())]
    keys = (
        (Path(key),) if key else tuple(listed) or tuple(Path.home() / ".ssh" / name for name in DEFAULT_KEYS)
    )
    jumps = str(values.get("proxyjump") or "none")
    command = str(values.get("proxycommand") or "none")
    user_files = str(values.get("userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    files = [_at_home(name, file) for name in _words(user_files, file) if name != "none"]
    return Endpoint(
        host=host_name,
        port=int(port_text),
        user=str(values.get("user") or getpass.getuser()),
        keys=keys,
        only_these=key is not None or str(values.get("identitiesonly", "no")).lower() == "yes",
        jumps=() if jumps.lower() == "none" else tuple(hop.strip() for hop in jumps.split(",")),
        proxy_command=() if command.lower() == "none" else tuple(_words(command, file)),
        name=str(values.get("hostkeyalias") or hostkeys.host_name(host_name, int(port_text))),
        known_hosts=(hostkeys.own_file(), *files, Path("/etc/ssh/ssh_known_hosts")),
    )


def _at_home(name: str, where: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{where}: {name!r:.80}: nobody of that name has a home here: correct it") from error


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _words(text: str, file: str | Path) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{file}: {text!r:.80}: {error}: correct it, or set ssh_config") from error


def _lookup(host: str, port: int | None, user: str | None, file: Path) -> dict[str, Any]:
    """What the file says about a host. A value's first mention wins, so the board's own stand first."""
    import paramiko

    own = [f"Port {port}"] if port else []
    own += [f"User {user}"] if user else []
    try:
        lines = _lines(file, 0) if file.exists() else []
        config: SSHConfig = paramiko.SSHConfig.from_text("\n".join([*own, *lines]))
        return dict(config.lookup(host))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}: make it readable, or set ssh_config") from error
    except (paramiko.ConfigParseError, paramiko.ssh_exception.CouldNotCanonicalize, ImportError, ValueError,
            KeyError) as error:  # fmt: skip
        raise UsageError(f"{file} cannot be used: {error}: correct it, or set ssh_config") from error


def _lines(file: Path, depth: int) -> list[str]:
    """The lines of a configuration with its Include files in their places (ssh_config(5))."""
    if depth > INCLUDE_DEPTH:
        raise UsageError(f"{file}: Include goes deeper than {INCLUDE_DEPTH} files: break the circle")
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.replace("=", " ", 1).split(None, 1)
        if len(words) == 2 and words[0].lower() == "include":
            for pattern in _words(words[1], file):
                place = os.path.expanduser(pattern)  # noqa: PTH111 - a pattern, not a path
                for name in sorted(glob.glob(str(Path.home() / ".ssh" / place))):  # noqa: PTH207 - may be absolute
                    lines += _lines(Path(name), depth + 1)
        else:
            lines.append(line)
    return lines
