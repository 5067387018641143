"""Learns the completion of the atlas, and writes its errors on kept-back figures: generated/prediction.md.

python -m benchmarks.predict_atlas            # all: some minutes of two cores, continued where it stopped
python -m benchmarks.predict_atlas chips 0    # one fold alone, for a second process

Each fold is learned anew without its figures. What the folds say of the bands goes into the calibration
that npubench ships, reports/calibrations/atlas.toml, which is learned from all figures.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median

from npubench.domain.text import markdown_table
from npubench.predict.completion import atlas_samples, data_hash
from npubench.predict.floor import contradictions
from npubench.predict.folds import (
    CHIP_FOLDS,
    NETWORK_FOLDS,
    Kept,
    Outcome,
    left_of_chips,
    left_of_networks,
    of_chips,
    of_networks,
    plain_offs,
    widened_outcomes,
    widths,
)
from npubench.predict.learning import learn
from npubench.predict.parameters import Parameters, read_parameters, shipped_file, to_toml
from npubench.predict.samples import Sample
from npubench.storage.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
DONE = ROOT / "npubench-out" / "predict_atlas"
HEAD = ("figures", "answered", "median error", "mean error", "in the 90 % band", "median ln(high / low)")


def main() -> None:
    words = sys.argv[1:]
    if len(words) == 2:
        fold(words[0], int(words[1]))
        return
    samples = atlas_samples()
    found = [
        one for name, (count, *_) in FOLDS.items() for number in range(count) for one in fold(name, number)
    ]
    by = widths(found)
    learned = replace(parameters_of(samples, "all"), data_sha256=data_hash(samples), widths=by)
    write_atomically(shipped_file(), to_toml(learned))
    document = text(widened_outcomes(found, by), by, len(samples))
    write_atomically(ROOT / "generated" / "prediction.md", document)


FOLDS = {
    "networks": (NETWORK_FOLDS, left_of_networks, of_networks),
    "chips": (CHIP_FOLDS, left_of_chips, of_chips),
}


def fold(name: str, number: int) -> list[Outcome]:
    """The outcomes of a fold."""
    samples = atlas_samples()
    _, left, judge = FOLDS[name]
    return judge(samples, parameters_of(left(samples, number), f"{name}-{number}"), number)


def parameters_of(samples: Sequence[Sample], name: str) -> Parameters:
    """What is learned of samples: now, or as it was for the same ones."""
    file = DONE / f"{name}-{data_hash(samples)[:12]}.toml"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, to_toml(learn(samples)))
    return read_parameters(file)


def text(found: Sequence[Outcome], by: dict[str, float], count: int) -> str:
    """The document."""
    parts = [
        "# Errors of completed figures",
        "Made by `make prediction` (`python -m benchmarks.predict_atlas`): "
        f"{count} vision figures of the atlas, part of them kept back and predicted from the "
        "rest. Errors are those of times, also where a rate was published.",
    ]
    for kept, title in TITLES.items():
        mine = [one for one in found if one.kept is kept]
        groups = [("all", mine)]
        groups += [(f"basis: {key}", part) for key, part in _by(mine, "basis") if key]
        groups += [(key, part) for key, part in _by(mine, "publisher") if len(part) >= 20]
        if kept is Kept.CHIPS:
            groups += [(key, part) for key, part in _by(mine, "chip")]
        rows = [[name, *_row(part)] for name, part in groups]
        parts += [f"## {title}", markdown_table(("", *HEAD), rows)]
        parts += [_plain()] if kept is Kept.CELLS else []
    parts += ["## What limits it", *contradictions(atlas_samples())]
    told = ", ".join(f"{kind} {width:.2f}" for kind, width in by.items())
    parts.append(f"Bands are those of the model, widened by what the folds ask for: {told}.")
    return "\n\n".join(parts) + "\n"


TITLES = {
    Kept.CELLS: "A name of one publisher on one chip kept back in all its modes",
    Kept.NETWORKS: "Networks kept back whole: predicted from their graphs",
    Kept.CHIPS: "Chips of which six networks are known",
}


def _by(found: Sequence[Outcome], name: str) -> Iterable[tuple[str, list[Outcome]]]:
    for key in sorted({str(getattr(one, name)) for one in found}):
        yield key, [one for one in found if getattr(one, name) == key]


def _row(found: Sequence[Outcome]) -> list[str]:
    answered = [one for one in found if one.basis]
    if not answered:
        return [str(len(found)), "0", "-", "-", "-", "-"]
    errors = [abs(math.expm1(one.middle - one.value)) for one in answered]
    inside = fmean(one.low <= one.value <= one.high for one in answered)
    band = median(one.high - one.low for one in answered)
    figures = [f"{100 * x:.1f} %" for x in (median(errors), fmean(errors), inside)]
    return [str(len(found)), str(len(answered)), *figures, f"{band:.2f}"]


def _plain() -> str:
    """What a column's level plus a network's would give, with a band that holds 90 % of the same figures."""
    off = sorted(plain_offs(atlas_samples()))
    errors = [abs(math.expm1(one)) for one in off]
    band = off[int(0.95 * (len(off) - 1))] - off[int(0.05 * (len(off) - 1))]
    return (
        f"Column and row alone, ten folds of cells: median error {100 * median(errors):.1f} %, "
        f"mean {100 * fmean(errors):.1f} %, ln(high / low) of a band that holds 90 % of them {band:.2f}."
    )


if __name__ == "__main__":
    main()
