"""From what a command line says to a plan and everything that runs it."""

import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.domain.errors import UsageError
from npubench.domain.protocols import Backend, Checking, Locating, OpenHost, Session
from npubench.domain.records import ToolInfo
from npubench.domain.specs import (
    SIMULATION,
    BoardSpec,
    CalibrationSpec,
    CaseSpec,
    Precision,
    TimingProtocol,
)
from npubench.domain.text import printable
from npubench.engine import plugins
from npubench.engine.context import Context
from npubench.engine.events import Announcer, Listener, Note
from npubench.engine.plan import Job, Plan, Request, build
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace

if TYPE_CHECKING:
    from npubench.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Boards:
    """Boards that are known with their toolchain's state, and how many names were not.

    `backends` are by the board's name: two boards may use one toolchain with different options.
    """

    known: tuple[tuple[BoardSpec, ToolInfo], ...]
    backends: Mapping[str, Backend]
    unknown: int

    @property
    def tools(self) -> Mapping[str, ToolInfo]:
        """Tool state by board."""
        return {board.name: tool for board, tool in self.known}


def choose_boards(
    catalog: "Catalog", names: Sequence[str], simulate: bool = False, reached: bool = False
) -> Boards:
    """The boards of those names; an unknown one, or one whose options are wrong, is told and left out.

    With `simulate` none of them is connected to; `reached` says that they will be. Raises CatalogError or
    UsageError when there is no other.
    """
    from npubench.catalog import find_board

    known = []
    backends = {}
    unknown = 0
    for name in dict.fromkeys(names):
        try:
            found = find_board(catalog, name)
            if name in catalog.broken_boards:
                raise UsageError(f"board {name} is not run without what its file says: correct that file")
            board = replace(found, transport=SIMULATION, shares_host=False) if simulate else found
            backend = plugins.backend_of(board, host_opener(catalog))
            if isinstance(backend, Checking):
                backend.check(board.chip)
            if reached and not board.simulated:
                transport = plugins.transport(board.transport)
                if isinstance(transport, Locating):
                    transport.check(board)
        except UsageError as error:
            unknown += 1
            if unknown == len(set(names)):
                raise
            click.echo(f"npubench: {printable(str(error))}", err=True)
        else:
            backends[board.name] = backend
            known.append((board, backend.probe()))
    return Boards(tuple(known), backends, unknown)


def host_opener(catalog: "Catalog") -> OpenHost:
    """Opens sessions on build hosts, which are described as boards are."""
    from npubench.catalog import find_board

    def open_host(name: str) -> Session:
        host = find_board(catalog, name)
        return plugins.transport(host.transport).connect(host)

    return open_host


def make_request(timing: TimingProtocol, calibration: CalibrationSpec, deadline_s: float) -> Request:
    """What decides the figures. Raises UsageError when the calibration data cannot be read."""
    from npubench.measure.calibration import calibration_digest

    return Request(timing, calibration, calibration_digest(calibration), deadline_s)


def make_plan(
    cases: Sequence[CaseSpec],
    boards: Boards,
    precisions: Sequence[str],
    request: Request,
    finished: Mapping[str, str],
    benchmarks: Sequence[Job] = (),
) -> Plan:
    """The plan, with exporter versions looked up; `benchmarks` of the boards come after the models."""
    versioned = [(case, plugins.exporter(case).version(case)) for case in cases]
    plan = build(versioned, boards.known, [Precision(p) for p in precisions], request, finished)
    plan = Plan((*plan.jobs, *benchmarks))
    if not plan.jobs:
        have = "; ".join(f"{b.name}: {', '.join(b.precisions)}" for b, _ in boards.known)
        raise UsageError(f"nothing to run: no case, or no board has that --precision ({have})")
    return plan


def finished_keys(out: Path, deadline_s: float) -> Mapping[str, str]:
    """What has a final row at `out` already; nothing where there are no results."""
    if not (out / "results.db").is_file():
        return {}
    store = Store.read(out / "results.db")
    try:
        return store.final_keys(deadline_s)
    finally:
        store.close()


def make_context(
    workspace: Workspace,
    request: Request,
    boards: Boards,
    listeners: Sequence[Listener],
    fresh: bool,
    benchmarks: Iterable[str] = (),
    wait_s: float | None = None,
) -> Context:
    """What every job of this run shares."""
    announce = Announcer(listeners)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Context(
        run_id=f"{started}-{secrets.token_hex(3)}",
        workspace=workspace,
        request=request,
        exporter_of=lambda spec: plugins.exporter(
            spec, lambda line: announce(Note(line)), request.deadline_s
        ),
        backends=boards.backends,
        tools=boards.tools,
        command=("npubench", *sys.argv[1:]),
        announce=announce,
        fresh=fresh,
        wait_s=wait_s,
        benchmarks={name: plugins.benchmark(name) for name in benchmarks},
    )
