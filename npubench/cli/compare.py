"""`npubench compare`: two sides of results, case by case."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.compare_selector import select_side
from npubench.cli.options import json_option, out_option
from npubench.domain.errors import UsageError

if TYPE_CHECKING:
    from npubench.reporting.compare.comparison import Comparison


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--fail-on", metavar="SHARE", help="Exit 1 when a case is slower by more, such as 5%.")
@click.option(
    "--fail-on-accuracy",
    metavar="FALL",
    default="0.01",
    show_default=True,
    help="With --fail-on: exit 1 when a cosine falls by more, or top-1 for sure; `off`.",
)
@click.option(
    "--require-repeat", is_flag=True, help="A regression counts when B measured it twice, else exit 6."
)
@click.option("--require-all", is_flag=True, help="With --fail-on: exit 3 when B lacks a case of A.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="JUnit XML for CI.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Markdown for CI.")
@json_option
@out_option
def compare(
    a: str,
    b: str,
    fail_on: str | None,
    fail_on_accuracy: str,
    require_repeat: bool,
    require_all: bool,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
    out: Path,
) -> int:
    """Compare B with A, case by case: ratio, interval, geometric mean, regressions.

    A and B are folders of results, or runs (latest, previous, or a name), boards, or tools as TOOL=VERSION
    of the results at OUT. Commas narrow: my-out,board:local,precision:int8. Different kinds of figures
    and emulated boards are never compared.

    Exit codes with --fail-on: 1 slower, less accurate or broken, 3 nothing to compare, 4 board or
    5 toolchain lost, 6 may be slower, not sure.
    """
    from npubench.reporting.compare import formats
    from npubench.reporting.compare.change import DEFAULT_THRESHOLD, RegressionPolicy
    from npubench.reporting.compare.comparison import compare as compare_sides
    from npubench.reporting.compare.comparison import exit_code
    from npubench.storage.files import write_atomically
    from npubench.storage.workspace import writing

    share = DEFAULT_THRESHOLD if fail_on is None else _share(fail_on)
    policy = RegressionPolicy(share, require_repeat, _fall(fail_on_accuracy))
    found = compare_sides(select_side(a, out), select_side(b, out), policy)
    code = exit_code(found, gated=fail_on is not None, require_all=require_all)
    for path, text in ((junit, formats.junit), (markdown, formats.markdown)):
        if path is not None:
            with writing(path.absolute().parent):
                path.absolute().parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, text(found))
    _print(found, as_json)
    return code


def _print(found: "Comparison", as_json: bool) -> None:
    from dataclasses import asdict

    from npubench.reporting.compare import formats

    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, allow_nan=False))
    else:
        click.echo(formats.text(found))


def _share(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?%", text.strip())
    if match is None:
        raise UsageError(f"--fail-on {text!r} is no share: write it as 5%")
    return float(match[1]) / 100


def _fall(text: str) -> float | None:
    if text.strip() == "off":
        return None
    if re.fullmatch(r"[0-9]{0,2}(?:\.[0-9]{1,9})?", text.strip()) is None or not text.strip().strip("."):
        raise UsageError(f"--fail-on-accuracy {text!r} is no fall of a cosine: write it as 0.01, or off")
    return float(text)
