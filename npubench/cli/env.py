"""`npubench env`: isolated tool environments."""

import click


@click.group()
def env() -> None:
    """Install, list and remove isolated tool environments."""


@env.command()
@click.argument("name")
def install(name: str) -> int:
    """Make the environment NAME, or complete one that was begun."""
    from npubench import environments

    wanted = environments.spec(name)
    click.echo(f"{wanted.name}: {wanted.title}; about {wanted.size}; licence: {wanted.licence}")
    ready = environments.install(name, lambda line: click.echo(line, err=True))
    click.echo(f"{ready.name} is at {ready.path}")
    return 0


@env.command("list")
def list_environments() -> int:
    """List environments with their state, place and disk use."""
    from npubench import environments
    from npubench.cli.terminal import columns

    installed = environments.find_all()
    rows = []
    for name in environments.names():
        current = environments.find(name)
        mine = [e for e in installed if e.name == name]
        if not mine:
            rows.append([name, "not installed", f"npubench env install {name}", ""])
        for e in mine:
            state = "installed" if current and e.path == current.path else "of older pins"
            rows.append([name, state, str(e.path), f"{e.disk_bytes / 1e9:.2f} GB"])
    click.echo(columns(["environment", "state", "where", "disk"], rows, 120))
    return 0


@env.command()
@click.argument("name")
def remove(name: str) -> int:
    """Delete the environment NAME."""
    from npubench import environments

    for path in environments.remove(name):
        click.echo(f"removed {path}")
    return 0
