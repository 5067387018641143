"""`python -m tests.network_graphs LINES [--keep]`: reports/published/graphs.csv of the worker's lines.

With `--keep` lines of the table stay whose graph was not made anew.

Rows by name, columns as `published.graphs` reads them, so the same lines give the same bytes.
"""

import csv
import json
import sys
from pathlib import Path

from npubench.published import folder, lines_of
from npubench.published.graphs import COLUMNS


def write(lines: Path, keep: bool) -> None:
    """Only graphs that were counted whole; two networks of one name are an error."""
    found = {}
    kept = {line["name"]: line for line in lines_of(folder() / "graphs.csv")} if keep else {}
    for text in lines.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["uncounted"]:
            print(f"left out {line['name']}: {line['uncounted']}")
        elif found.setdefault(line["name"], line) != line:
            raise SystemExit(f"{lines}: {line['name']} is there twice: take one line out")
    with (folder() / "graphs.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(line for _, line in sorted({**kept, **found}.items()))


if __name__ == "__main__":
    write(Path(sys.argv[1]), "--keep" in sys.argv)
