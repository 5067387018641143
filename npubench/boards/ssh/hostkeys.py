"""Host keys: known_hosts files as sshd(8) describes them, and npubench's own. Nothing is accepted unasked.

A line is `[marker] patterns type base64 [comment]`; a pattern is a name, `[name]:port`, one with `*` and
`?`, one after `!`, or `|1|salt|HMAC-SHA1(salt, name)`. Lines marked @cert-authority vouch for host
certificates, which paramiko does not ask for, so they match no plain key.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npubench.domain.errors import BoardError
from npubench.storage.files import configuration_folder

PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key: its type and its SSH wire form."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: `SHA256:` and base64 without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Line:
    """One usable line of a known_hosts file."""

    file: Path
    number: int
    patterns: str
    key: HostKey
    revoked: bool = False

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.file} line {self.number}"


@dataclass(frozen=True, slots=True)
class Known:
    """The lines about one host, in all files."""

    name: str
    lines: tuple[Line, ...]

    @property
    def types(self) -> tuple[str, ...]:
        """Key types that are known of the host; the server is asked for these first."""
        return tuple(dict.fromkeys(line.key.type for line in self.lines if not line.revoked))

    def trusts(self, key: HostKey) -> bool:
        """Whether the key is known; False when nothing is known of the host.

        Raises BoardError for a revoked key, and when other keys are known but not this one.
        """
        for line in self.lines:
            if line.revoked and line.key == key:
                told = f"the host key {key.fingerprint} of {self.name} is revoked by {line.place}"
                raise BoardError(f"{told}: do not connect")
        plain = [line for line in self.lines if not line.revoked]
        if not plain or any(line.key == key for line in plain):
            return bool(plain)
        line = next((line for line in plain if line.key.type == key.type), plain[0])
        raise BoardError(
            f"the host key of {self.name} has CHANGED: it offers {key.type} {key.fingerprint}, but"
            f" {line.place} has {line.key.type} {line.key.fingerprint}: find out why; only if the board was"
            " reinstalled, remove that line and trust it again"
        )


def host_name(host: str, port: int) -> str:
    """The name under which known_hosts files keep a host."""
    host = host.lower()
    return host if port == PORT else f"[{host}]:{port}"


def own_file() -> Path:
    """The file that `npubench board trust` writes. Raises BoardError for an account without a home."""
    if own := configuration_folder():
        return own / "known_hosts"
    raise BoardError("host keys are kept below a home folder, and this account has none: set XDG_CONFIG_HOME")


def known(name: str, files: Iterable[Path]) -> Known:
    """What the files say about a host. Raises BoardError for a file that cannot be read."""
    found: list[Line] = []
    for file in dict.fromkeys(files):
        try:
            text = file.read_bytes().decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise BoardError(f"{file}: {error.strerror}: host keys cannot be checked without it") from error
        found += (line for line in parse(text, file) if matches(name, line.patterns))
    return Known(name, tuple(found))


def parse(text: str, file: Path) -> Iterator[Line]:
    """The usable lines of a known_hosts file; others are passed over, as OpenSSH does."""
    for number, raw in enumerate(text.split("\n"), 1):
        words = raw.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Line(file, number, words[0], HostKey(words[1], blob), marker == "@revoked")


def matches(name: str, patterns: str) -> bool:
    """Whether comma-separated patterns name the host: one does, and none that begins with `!`."""
    found = False
    for pattern in patterns.split(","):
        if pattern.startswith("|"):
            found = found or _hashed(name, pattern)
        elif pattern.startswith("!"):
            if _wild(name, pattern[1:]):
                return False
        else:
            found = found or _wild(name, pattern)
    return found


def remember(name: str, key: HostKey, file: Path) -> None:
    """Append a host's key, in one write. Raises BoardError when the file cannot be written."""
    line = f"{name} {key.type} {base64.b64encode(key.blob).decode()}\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END)
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            stream.write((line if whole else "\n" + line).encode())
    except OSError as error:
        raise BoardError(f"{file}: {error.strerror}: the key was not kept") from error


def in_order(types: Sequence[str], preferred: Sequence[str]) -> tuple[str, ...]:
    """Algorithms to offer, those of `types` first; an ssh-rsa key signs with the rsa-sha2 ones (RFC 8332)."""
    first = [a for a in preferred if a in types or (a.startswith("rsa-sha2-") and "ssh-rsa" in types)]
    return (*first, *(a for a in preferred if a not in first))


def _wild(name: str, pattern: str) -> bool:
    # fnmatch knows [...] sets, which known_hosts does not: there a bracket is a bracket.
    return re.match(fnmatch.translate(pattern.lower().replace("[", "[[]")), name) is not None


def _hashed(name: str, pattern: str) -> bool:
    parts = pattern.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, wanted = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), wanted)
