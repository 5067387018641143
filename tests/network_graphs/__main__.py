"""`python -m tests.network_graphs LINES`: reports/published/graphs.csv of the worker's lines.

Rows by name, columns as `published.graphs` reads them, so the same lines give the same bytes.
"""

import csv
import json
import sys
from pathlib import Path

from npubench.published import folder
from npubench.published.graphs import COLUMNS


def write(lines: Path) -> None:
    """Only graphs that were counted whole; two networks of one name are an error."""
    found = {}
    for text in lines.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["uncounted"]:
            print(f"left out {line['name']}: {line['uncounted']}")
        elif found.setdefault(line["name"], line) != line:
            raise SystemExit(f"{lines}: {line['name']} is there twice: take one line out")
    with (folder() / "graphs.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(line for _, line in sorted(found.items()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
