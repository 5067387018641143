"""`npubench completion`: the lines that make a shell complete commands, options and names."""

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_NPUBENCH_COMPLETE"
"""By which a shell asks npubench for completions: click's name for it."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what SHELL reads to complete commands, options, boards, models, operators, suites and cases.

    For one session: eval "$(npubench completion bash)", or with zsh; npubench completion fish | source. For
    all sessions: docs/completion.md.
    """
    from click.shell_completion import get_completion_class

    from npubench.cli import npubench

    kind = get_completion_class(shell)
    if kind is None:  # All of SHELLS are click's own.
        raise click.UsageError(f"click completes nothing in {shell}")
    click.echo(kind(npubench, {}, "npubench", VARIABLE).source())
