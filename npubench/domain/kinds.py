"""Where a figure comes from."""

from enum import StrEnum


class Kind(StrEnum):
    """Where a figure comes from."""

    MEASURED = "measured"
    SIMULATED = "simulated"
    PREDICTED = "predicted"
    PUBLISHED = "published"
