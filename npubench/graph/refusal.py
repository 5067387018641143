"""The words of a refused model: a `Failure` of the export stage, always one line."""

from npubench.domain.failures import Failure, FailureClass, Stage

LONGEST_NAME = 80
LONGEST_MESSAGE = 600


def refused(
    failure_class: FailureClass, message: str, operators: tuple[str, ...] = (), detail: str = ""
) -> Failure:
    """A failure whose message is one line whatever a model's names or a library's words hold."""
    line = shown(" ".join(message.split()), LONGEST_MESSAGE)
    return Failure(Stage.EXPORT, failure_class, line, operators, detail)


def invalid(message: str, detail: str = "") -> Failure:
    """A file that is no model, or a model that no runtime could load."""
    return refused(FailureClass.INVALID_MODEL, message, detail=detail)


def shown(text: str, limit: int = LONGEST_NAME) -> str:
    """A stranger's text for a message: what breaks lines or turns direction escaped, cut to `limit`."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)
