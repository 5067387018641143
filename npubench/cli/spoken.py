"""A command whose help is in the language of its `--lang`."""

import os
from collections.abc import Sequence
from typing import Any

import click

from npubench.reporting.data.translate import LANGUAGES, say, speaking

LANGUAGE_VARIABLE = "NPUBENCH_LANG"
lang_option = click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default="en",
    envvar=LANGUAGE_VARIABLE,
    help="Language of the page, the verdict and this help: zh or en.",
)


class SpokenCommand(click.Command):
    """Says its usage, text and options in the language that the words of its command line name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does it."""
        # The help is printed while options are parsed, whichever of --lang and --help stands first.
        with speaking(asked_language(args)):
            return super().make_context(info_name, args, parent, **extra)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The words after the command's name are few: they are translated as one."""
        pieces = " ".join(say(piece) for piece in self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, f"{say('Usage')}: ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The first paragraph of the docstring."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(say(" ".join((self.help or "").split())))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every option with its line."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        rows = [(_declared(one), say(one.help or "")) for one in options]
        with formatter.section(say("Options")):
            formatter.write_dl(rows)


def _declared(option: click.Option) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names} {option.make_metavar(click.Context(click.Command('')))}"


def asked_language(args: Sequence[str]) -> str:
    """What `--lang` of a command line says, else the variable, else English."""
    found = os.environ.get(LANGUAGE_VARIABLE, "en")
    for at, word in enumerate(args):
        if word == "--lang" and at + 1 < len(args):
            found = args[at + 1]
        elif word.startswith("--lang="):
            found = word.removeprefix("--lang=")
    return found if found in LANGUAGES else "en"
