"""npubench: which of my models run on this NPU, how fast, how accurately.

For notebooks and scripts: `run`, `select` and `load_results`, as docs/api.md shows them. Nothing is imported
up here but what the old names of modules need: `__main__` has to hear signals first.
"""

from npubench.domain import moved

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any

    import pandas as pd

    from npubench.engine.run import RunOutcome
    from npubench.reporting.select.requirements import Requirements
    from npubench.reporting.select.verdict import Decision

    Folder = str | os.PathLike[str]

__version__ = "0.1.0"
__all__ = ["__version__", "load_results", "run", "select"]

moved.install()


def load_results(folder: "Folder" = "npubench-out") -> "pd.DataFrame":
    """The rows of a folder of results, one a case, board and precision: the latest of each.

    Columns carry their unit, and those of figures begin with their kind: `measured_p50_us`. docs/api.md
    lists them. Raises UsageError where the folder holds no results.
    """
    from pathlib import Path

    from npubench.reporting.data.frames import frame
    from npubench.storage.store import Store

    with Store.read(Path(folder) / "results.db") as store:
        return frame(store.latest())


def run(
    *cases: str, boards: "Sequence[str]" = ("local",), out: "Folder" = "npubench-out", **options: "Any"
) -> "RunOutcome":
    """What `npubench run` does: what is missing is run, and the rows of all cases come back; prints nothing.

    `cases` are names, globs or paths of .onnx files, none for the suite `default`; `options` the fields of
    `engine.plan.RunOptions` (`precisions`, `simulate`, `timing`, `fresh` ...) and of its `CaseOptions`
    (`suites`, `shapes`, `task` ...). Raises NpubenchError where nothing can be run; what fails is a row.
    """
    from dataclasses import fields
    from pathlib import Path

    from npubench.domain.errors import UsageError
    from npubench.engine.plan import CaseOptions, RunOptions
    from npubench.engine.run import run_plan

    known = {field.name for kind in (CaseOptions, RunOptions) for field in fields(kind)}
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"no option is called {name!r}: there are {', '.join(sorted(known))}")
        if isinstance(value, str) and name in ("precisions", "suites", "shapes", "batch_axes", "checkpoints"):
            options[name] = (value,)
    of_cases = {field.name for field in fields(CaseOptions)} & set(options)
    selection = CaseOptions(cases, **{name: options.pop(name) for name in of_cases})
    names = (boards,) if isinstance(boards, str) else tuple(boards)
    return run_plan(RunOptions(selection, Path(out), names, **options))


def select(
    requirements: "Folder | Requirements", out: "Folder" = "npubench-out", **options: "Any"
) -> "Decision":
    """What `npubench select` decides: which chips do a job, and why not others.

    `requirements` are a file, or what `reporting.select.cameras.asked_by` makes of a few words. `options` are
    the fields of `reporting.select.select.SelectOptions`: `others`, `published`, `boards`, `tables`. Without
    results at `out` what others published decides. Raises UsageError for requirements that do not read, an
    unknown model, board or chip.
    """
    from pathlib import Path

    from npubench.engine.assemble import load_catalog
    from npubench.reporting.select.requirements import Requirements
    from npubench.reporting.select.select import SelectOptions, choose

    asked = requirements if isinstance(requirements, Requirements) else Path(requirements)
    return choose(SelectOptions(asked, Path(out), **options), load_catalog(())).decision
