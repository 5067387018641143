"""The page of a history: what is new, fixed and unstable on each board, and a small chart a case."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import translate, use_language
from npubench.reporting.history.series import History, Series, State
from npubench.reporting.history.sparkline import HEIGHT, WIDTH, Spark, place_of, spark
from npubench.reporting.page.page import asset, environment, policy_of

MOST_VERSIONS = 26
"""Changes of versions that get a letter: the newest."""

_STYLES = ("styles/base.css", "styles/history.css")


@dataclass(frozen=True, slots=True)
class ShownSeries:
    """A line of the table."""

    series: Series
    spark: Spark
    latest: str  # the newest time
    change: str  # the newest change of the level; empty where there is none
    since: str  # the run of that change
    why: tuple[str, ...]  # versions that changed with it
    row: int  # id of the newest row


@dataclass(frozen=True, slots=True)
class ShownBoard:
    """A board's part of the page."""

    name: str
    lists: tuple[
        tuple[State, tuple[ShownSeries, ...]], ...
    ]  # of each state the cases in it, where there are any
    lines: tuple[ShownSeries, ...]  # all cases, those with a state first
    axis: tuple[tuple[float, str], ...]  # where versions changed, and their letters
    versions: tuple[tuple[str, str, tuple[str, ...]], ...]  # letter, run, what changed


def render_history(history: History, label: str, language: str = "en", live: int | None = None) -> str:
    """The page; a live one leads to its rows, and asks whether there is something new."""
    with use_language(language):
        style = "".join(str(asset(name)) for name in _STYLES)
        script = str(asset("live.js")) if live is not None else ""
        text: str = (
            environment()
            .get_template("history.html.j2")
            .render(
                label=label,
                language=language,
                live=live,
                boards=[_board(name, series, history) for name, series in history.boards.items()],
                runs=history.runs,
                sentence=_sentence(history),
                size=(WIDTH, HEIGHT),
                style=asset_text(style),
                script=asset_text(script),
                policy=policy_of(style, script, live is not None),
            )
        )
    return text


def asset_text(text: str) -> object:
    """Shipped text, as it is."""
    from markupsafe import Markup

    return Markup(text)


def _sentence(history: History) -> str:
    states = [state for one in history.series for state in one.states]
    told = [f"{states.count(state)} {translate(state.value)}" for state in State if state in states]
    size = translate("{cases} cases over {runs} runs", cases=len(history.series), runs=len(history.runs))
    return f"{size}: {', '.join(told) if told else translate('nothing changed of late')}"


def _board(name: str, series: Sequence[Series], history: History) -> ShownBoard:
    told: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for one in series:
        for run, what in one.versions:
            told[run].update(dict.fromkeys(what))
    marked = sorted(told)[-MOST_VERSIONS:]
    letters = {run: chr(ord("a") + number) for number, run in enumerate(marked)}
    lines = [_shown(one, history, letters) for one in series]
    lines.sort(key=lambda line: not line.series.states)
    lists = tuple(
        (state, tuple(line for line in lines if state in line.series.states))
        for state in State
        if any(state in line.series.states for line in lines)
    )
    count = len(history.runs)
    return ShownBoard(
        name,
        lists,
        tuple(lines),
        tuple((place_of(run, count), letters[run]) for run in marked),
        tuple((letters[run], history.runs[run], tuple(told[run])) for run in marked),
    )


def _shown(series: Series, history: History, letters: dict[int, str]) -> ShownSeries:
    newest = series.changes[-1] if series.changes else None
    return ShownSeries(
        series,
        spark(series, len(history.runs), letters),
        duration(series.latest) if series.latest is not None else "–",
        f"{newest.ratio - 1:+.1%}" if newest else "",
        history.runs[series.runs[newest.at]] if newest else "",
        newest.versions if newest else (),
        int(series.ids[-1]),
    )
