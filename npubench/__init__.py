"""npubench: which of my models run on this NPU, how fast, how accurately.

For notebooks and scripts: `load_results` gives a folder's rows as a pandas DataFrame; see docs/api.md.
Nothing is imported up here but what the old names of modules need: `__main__` has to hear signals first.
"""

from npubench.domain import moved

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    import pandas as pd

__version__ = "0.1.0"
__all__ = ["__version__", "load_results"]

moved.install()


def load_results(folder: "str | os.PathLike[str]" = "npubench-out") -> "pd.DataFrame":
    """The rows of a folder of results, one a case, board and precision: the latest of each.

    Columns carry their unit, and those of figures begin with their kind: `measured_p50_us`. docs/api.md
    lists them. Raises UsageError where the folder holds no results.
    """
    from pathlib import Path

    from npubench.reporting.data.frames import frame
    from npubench.storage.store import Store

    store = Store.read(Path(folder) / "results.db")
    try:
        return frame(store.latest())
    finally:
        store.close()
