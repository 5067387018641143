"""Where a user's own catalogue folders are."""

import os
from collections.abc import Sequence
from pathlib import Path

from npubench.domain.errors import UsageError

KINDS = ("ops", "models", "boards", "suites")
VARIABLE = "NPUBENCH_CATALOG"


def user_folders(extra: Sequence[Path]) -> tuple[Path, ...]:
    """The configuration folder when there is one, those of $NPUBENCH_CATALOG, then `extra`.

    Later ones override earlier ones. Raises UsageError for a named folder that is not there.
    """
    named = [(VARIABLE, Path(text)) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    named += [("--catalog", path) for path in extra]
    for origin, folder in named:
        _check(origin, folder)
    configuration = _configuration()
    own = [configuration] if configuration is not None and configuration.is_dir() else []
    return tuple(dict.fromkeys((*own, *(folder for _, folder in named))))


def _check(origin: str, folder: Path) -> None:
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        raise UsageError(f"{origin} {str(folder)!r}: no such folder: name one with any of {', '.join(KINDS)}")
    if not any((folder / kind).is_dir() for kind in KINDS) and any(folder.glob("*.toml")):
        raise UsageError(
            f"{origin} {str(folder)!r}: has .toml files, but they belong into its {'/, '.join(KINDS)}/"
        )


def _configuration() -> Path | None:
    # The XDG base directory specification: a relative path counts as unset.
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if base.is_absolute():
        return base / "npubench"
    try:
        return Path.home() / ".config" / "npubench"
    except RuntimeError:
        # An account without a home has no configuration either.
        return None
