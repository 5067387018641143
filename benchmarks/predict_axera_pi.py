"""The errors of predictions for the AX620A, each network asked of the rest: the tables of docs/prediction.md.

python -m benchmarks.predict_axera_pi
"""

from npubench.domain.text import text_table
from npubench.predict.answer import Prediction
from npubench.predict.from_tables import published_boards
from npubench.predict.leave_out import LeftOut, Summary, left_out

HEAD = ("left out", "asked", "refused", "mean", "median", "worst", "in the band", "ln(high/low)")


def main() -> None:
    found = [*left_out(published_boards()["axera-pi"])]
    rows = [summary_cells(one) for one in found]
    print(text_table(HEAD, rows, right=HEAD[1:]))
    names = [row.figure.name for row in found[0].rows]
    cells = [[name, *(network_cell(one.rows[place]) for one in found)] for place, name in enumerate(names)]
    print()
    print(text_table(("network", *(one.title for one in found)), cells))


def summary_cells(one: Summary) -> list[str]:
    figures = [f"{100 * x:.1f} %" for x in (one.mean, one.median, one.worst, one.in_band)]
    return [one.title, str(len(one.rows)), str(len(one.rows) - len(one.errors)), *figures, f"{one.band:.2f}"]


def network_cell(row: LeftOut) -> str:
    if row.error is None:
        return "refused"
    assert isinstance(row.answer, Prediction)
    half = row.answer.high / row.answer.value - 1
    return f"{100 * row.error:+.1f} % (band {100 * half:.0f} %)"


if __name__ == "__main__":
    main()
