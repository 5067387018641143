"""Content hashes: of files, and of specs as canonical JSON."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from npubench.storage.files import open_regular


def sha256_of_file(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of a regular file's bytes. Raises OSError."""
    with open_regular(path, follow=True) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_SIMPLE = frozenset({str, int, float, bool, type(None)})


@cache
def _fields_of(record_type: type) -> tuple[str, ...] | None:
    """Names of a record's fields that are part of its identity; None for any other type."""
    if not dataclasses.is_dataclass(record_type):
        fields: tuple[str, ...] | None = getattr(record_type, "__struct_fields__", None)
        return fields
    return tuple(f.name for f in dataclasses.fields(record_type) if f.metadata.get("identity", True))


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    # A run's plan hashes thousands of specs, nearly all of these types.
    if kind in _SIMPLE:
        return value
    if kind is tuple or kind is list:
        return [_plain(v) for v in value]
    if (names := _fields_of(kind)) is not None:
        return {"type": kind.__name__, **{name: _plain(getattr(value, name)) for name in names}}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def digest(*parts: Any) -> str:
    """SHA-256 of specs, dataclasses, structs and plain values; equal content gives equal digests."""
    text = json.dumps(_plain(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_bundle(path: Path, beside: Sequence[Path] = ()) -> str:
    """SHA-256 of a file, or, where files beside it belong to it, of all their names and hashes."""
    if not beside:
        return sha256_of_file(path)
    parts = [(str(file.relative_to(path.parent)), sha256_of_file(file)) for file in (path, *sorted(beside))]
    return digest(parts[:1], parts[1:])
