"""`transport_options` of a board behind SSH, checked."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec

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
