"""The command line. Each command is a plot of a few lines; nothing heavy is imported up here."""

import os
import re
import sys
from importlib import import_module
from typing import Any

import click

from npubench import __version__
from npubench.domain.errors import ExitCode, Interrupted, NpubenchError

COMMANDS = {
    "run": ("run:run", "Export, convert and benchmark cases on boards, then write the report."),
    "export": ("convert:export", "Write cases as ONNX files."),
    "convert": ("convert:convert", "Prepare cases for a board's toolchain without measuring."),
    "report": ("report:report", "Write the HTML report of a result folder."),
    "select": ("select:select", "Say which chips do a job, with what room and at what price."),
    "predict": ("predict:predict", "Predict figures of networks on chips, with bands, or say why not."),
    "results": ("results:results", "Print results as a table, JSON or CSV."),
    "show": ("results:show", "Show one case with its provenance and log."),
    "layers": ("layers:layers", "Show what each layer of a model takes, and what would make it faster."),
    "compare": ("compare:compare", "Compare two runs, folders, boards or tool versions."),
    "history": ("history:history", "Serve each case's figure over runs, with its changes."),
    "baseline": ("baseline:baseline", "Name the rows of now, to compare with later; list and forget names."),
    "prune": ("baseline:prune", "Remove rows and files of old runs, never a baseline's."),
    "gate": ("gate:gate", "Launch baseline and candidate until it is known whether one is slower."),
    "accuracy": ("accuracy:accuracy", "Top-1 and top-5 on a data set, and what they lose."),
    "push": ("exchange:push", "Add the rows of a folder to a team's store."),
    "pull": ("exchange:pull", "Add rows of a team's store to a folder."),
    "merge": ("exchange:merge", "Add the rows of one store to another."),
    "digest": ("exchange:digest", "Print the SHA-256 of all rows of a store."),
    "bundle": ("exchange:bundle", "Carry rows, logs and samples in one file that shows any change."),
    "import": ("import_rows:import_", "Add rows out of other programs' logs, or out of what was published."),
    "list": ("lists:list_", "List boards, models, operators, backends or suites."),
    "coverage": ("coverage:coverage", "Say which models export and convert, and why not the rest."),
    "op-support": ("coverage:op_support", "Say of every operator on every board where it runs, or why not."),
    "doctor": ("doctor:doctor", "Say what is usable here, and how to make the rest so."),
    "completion": ("completion:completion", "Print what makes bash, zsh or fish complete names."),
    "board": ("board:board", "Check, trust and clean boards behind SSH; start a virtual one."),
    "probe": ("doctor:probe", "Build the processor probe for boards, and show what is built."),
    "env": ("doctor:env", "Install, list and remove isolated tool environments."),
}


HELP_NAMES = ["-h", "--help"]


class _LazyGroup(click.Group):
    """Imports a command's module only when that command is called; help comes from COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"npubench.cli.{module}"), attribute)
        # A command keeps the names of its first context's help, also of one that no group made.
        command.context_settings.setdefault("help_option_names", HELP_NAMES)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ": see `npubench --help`"
            from npubench.domain.text import printable

            ctx.fail(f"no command {printable(name)!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": HELP_NAMES, "show_default": True})
@click.version_option(__version__, prog_name="npubench")
def npubench() -> None:
    """Which of my models run on this NPU, how fast, how accurately, and is the vendor's number true?

    Exit codes: 0 fine, 1 regression or failed check, 2 usage, 3 nothing measured, 4 board
    unavailable, 5 toolchain unusable, 6 results unstable, 130 interrupted.
    """


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code. Never a traceback for a user's mistake."""
    try:
        outcome: Any = npubench.main(args=argv, prog_name="npubench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: its help is the answer, and as little a success as any other mistake.
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        # click shows "Usage: ..." lines above the message; one line is what scripts and people need.
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "npubench"
        # Choices of a missing argument come as one a line.
        message = f"{' '.join(error.format_message().split())}{_near_choice(error)}"
        return _fail(f"{message} (see `{where} --help`)", ExitCode.USAGE)
    except NpubenchError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort, Interrupted):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe went away: nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    return int(outcome or ExitCode.OK)


def _near_choice(error: click.ClickException) -> str:
    """` (did you mean 'boards'?)` where what was given is almost one of a few words."""
    kind = getattr(getattr(error, "param", None), "type", None)
    given = re.match(r"'([^']*)' is not one of", getattr(error, "message", ""))
    if given is None or not isinstance(kind, click.Choice):
        return ""
    from npubench.domain.text import did_you_mean

    return did_you_mean(given[1], map(str, kind.choices), most=1)


def _fail(message: str, code: ExitCode) -> int:
    from npubench.domain.text import printable

    click.echo(f"npubench: {printable(message)}", err=True)
    return int(code)
