"""`transport_options` of a board behind SSH, checked."""

import getpass
import glob
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.boards.ssh import hostkeys
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec

if TYPE_CHECKING:
    from paramiko import SSHConfig


MIB = 1024 * 1024
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How to reach and use one board. What is None is taken from ~/.ssh/config, then OpenSSH's default.

    `host` may be an alias of ~/.ssh/config. `password_env` names the environment variable that
    holds the password. `remote_dir` is relative to the login's home unless absolute. A connection
    counts as lost after `keepalive_count` times `keepalive_s` without an answer. `reboot_wait_s` is
    how long a board that was there before is waited for.
    """

    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    password_env: str | None = None
    ssh_config: Path = Path("~/.ssh/config")
    remote_dir: str = "npubench"
    connect_timeout_s: float = 10.0
    banner_timeout_s: float = 15.0
    auth_timeout_s: float = 30.0
    keepalive_s: float = 5.0
    keepalive_count: int = 3
    command_timeout_s: float = 60.0
    transfer_timeout_s: float = 1800.0
    reboot_wait_s: float = 180.0
    output_limit_bytes: int = 4 * MIB
    log_limit_bytes: int = 16 * MIB
    keep_s: float = 30 * DAY_S
    keep_bytes: int = 1024 * MIB


def settings(board: BoardSpec) -> SshSettings:
    """The settings that a board's description gives. Raises UsageError naming the key at fault."""
    options = dict(board.transport_options)
    known = {field.name for field in fields(SshSettings)}
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(sorted(known))}"
            raise UsageError(f"board {board.name}: transport_options.{key} is unknown: {hint}")
    if "host" not in options:
        where = f"~/.config/npubench/boards/{board.name}.toml"
        raise UsageError(
            f"board {board.name}: transport_options.host is missing: set the board's address in {where}"
        )
    return SshSettings(**{key: _checked(board.name, key, value) for key, value in options.items()})


def _checked(board: str, key: str, value: Any) -> Any:
    wanted, accept = _RULES[key]
    accepted = accept(value)
    if accepted is None:
        raise UsageError(f"board {board}: transport_options.{key} must be {wanted}, not {value!r:.60}")
    return accepted


def _text(value: Any) -> str | None:
    usable = isinstance(value, str) and value and value.isprintable() and not value.startswith("-")
    return value if usable else None


def _path(value: Any) -> Path | None:
    try:
        return Path(value).expanduser() if _text(value) else None
    except RuntimeError:
        # `~somebody` who has no home here.
        return None


def _folder(value: Any) -> str | None:
    text = _text(value)
    if text is None or (text.startswith("~") and not text.startswith("~/")):
        return None
    return (text.removeprefix("~/") or ".").rstrip("/") or None


def _seconds(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 0 < value <= 1e9 else None


def _whole(low: int, high: int) -> Callable[[Any], int | None]:
    def accept(value: Any) -> int | None:
        return (
            value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None
        )

    return accept


_TEXT = ("a text that is not empty and does not begin with '-'", _text)
_SECONDS = ("a number of seconds above 0", _seconds)
_BYTES = ("a whole number of bytes, at least 4096", _whole(4096, 2**50))
_RULES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "host": _TEXT,
    "port": ("a port, 1 to 65535", _whole(1, 65535)),
    "user": _TEXT,
    "key": ("the path of a private key", _path),
    "password_env": ("the name of an environment variable", _text),
    "ssh_config": ("the path of an OpenSSH client configuration", _path),
    "remote_dir": ("a folder on the board other than /", _folder),
    "connect_timeout_s": _SECONDS,
    "banner_timeout_s": _SECONDS,
    "auth_timeout_s": _SECONDS,
    "keepalive_s": _SECONDS,
    "keepalive_count": ("a whole number, 1 to 1000", _whole(1, 1000)),
    "command_timeout_s": _SECONDS,
    "transfer_timeout_s": _SECONDS,
    "reboot_wait_s": _SECONDS,
    "output_limit_bytes": _BYTES,
    "log_limit_bytes": _BYTES,
    "keep_s": _SECONDS,
    "keep_bytes": _BYTES,
}


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


def of_jump(text: str, before: tuple[str, ...], ssh_config: Path) -> Endpoint:
    """The endpoint of a hop, reached over the hops `before` it. Raises UsageError."""
    user, _, address = text.removeprefix("ssh://").rpartition("@")
    host, port = address, ""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise UsageError(f"{ssh_config}: ProxyJump {text!r:.80} is not [user@]host[:port]: correct it")
    hop = _endpoint(host, int(port) if port else None, user or None, None, ssh_config)
    if not before:
        return hop
    return Endpoint(
        hop.host, hop.port, hop.user, hop.keys, hop.only_these, before, (), hop.name, hop.known_hosts
    )


def _endpoint(host: str, port: int | None, user: str | None, key: Path | None, file: Path) -> Endpoint:
    values = _lookup(host, port, user, _at_home(str(file), file))
    host_name = str(values.get("hostname", host))
    number = _port(values.get("port", hostkeys.PORT), file)
    listed = [_at_home(str(name), file) for name in values.get("identityfile", ())]
    keys = (key,) if key else tuple(listed) or tuple(Path.home() / ".ssh" / name for name in DEFAULT_KEYS)
    jumps = str(values.get("proxyjump") or "none")
    command = str(values.get("proxycommand") or "none")
    user_files = str(values.get("userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    files = [_at_home(name, file) for name in _words(user_files, file) if name != "none"]
    return Endpoint(
        host=host_name,
        port=number,
        user=str(values.get("user") or getpass.getuser()),
        keys=keys,
        only_these=key is not None or str(values.get("identitiesonly", "no")).lower() == "yes",
        jumps=() if jumps.lower() == "none" else tuple(hop.strip() for hop in jumps.split(",")),
        proxy_command=() if command.lower() == "none" else tuple(_words(command, file)),
        name=str(values.get("hostkeyalias") or hostkeys.host_name(host_name, number)),
        known_hosts=(hostkeys.own_file(), *files, Path("/etc/ssh/ssh_known_hosts")),
    )


def _at_home(name: str, file: Path) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{file}: {name!r:.80}: nobody of that name has a home here: correct it") from error


def _port(value: object, file: Path) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UsageError(f"{file}: Port {text!r:.40} is not a port: correct it")
    return int(text)


def _words(text: str, file: Path) -> list[str]:
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
