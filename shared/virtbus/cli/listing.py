"""`list`: the domains of the fleet."""

from __future__ import annotations

from typing import Any

from virtbus.cli.session import Session
from virtbus.cli.view import Table, View
from virtbus.operations.domain import DomainSummary
from virtbus.state import DomainState


async def list_domains(session: Session) -> View:
    """`list`: active domains; --all, --inactive, --running and --state say which others."""
    arguments = session.arguments
    state = DomainState.RUNNING if arguments.running else arguments.state
    named = arguments.name or None
    filters: dict[str, Any] = {"host": arguments.host, "state": state, "name": named, "label": arguments.label}
    given = {name: value for name, value in filters.items() if value is not None}
    found = [domain async for domain in session.client.domains(**given) if _wanted(domain, session)]
    machine = [domain.model_dump(mode="json") for domain in found]
    only = "uuid" if arguments.uuid else "name" if arguments.name == "" else None
    if only is not None:
        return View(machine, text="".join(f"{getattr(domain, only)}\n" for domain in found))
    rows = [(domain.id, domain.name, domain.host, domain.state) for domain in found]
    return View(machine, table=Table(("Id", "Name", "Host", "State"), rows))


def _wanted(domain: DomainSummary, session: Session) -> bool:
    """Whether the flags let it through; a state or a name that is asked for is not hidden by being inactive."""
    arguments = session.arguments
    if arguments.all or arguments.state or arguments.name:
        return not (arguments.inactive and domain.state.active)
    return domain.state.active is not bool(arguments.inactive)
