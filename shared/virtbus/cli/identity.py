"""Verbs that say in a word what a domain, or this program, is."""

from __future__ import annotations

from importlib.metadata import version as installed

from virtbus.cli.session import Session
from virtbus.cli.view import Table, View
from virtbus.records import PROTOCOL


async def domid(session: Session) -> View:
    """`domid`: the hypervisor's number of a running domain."""
    domain = await session.domain()
    return View({"id": domain.id}, text="-" if domain.id is None else str(domain.id))


async def domname(session: Session) -> View:
    """`domname`."""
    domain = await session.domain()
    return View({"name": domain.name}, text=domain.name)


async def domuuid(session: Session) -> View:
    """`domuuid`."""
    domain = await session.domain()
    return View({"uuid": str(domain.uuid)}, text=str(domain.uuid))


async def domstate(session: Session) -> View:
    """`domstate [--reason]`."""
    domain = await session.domain()
    text = f"{domain.state} ({domain.reason})" if session.arguments.reason else str(domain.state)
    return View({"state": domain.state, "reason": domain.reason}, text=text)


async def version(session: Session) -> View:
    """`version [--daemon]`: without it, no gateway is needed."""
    mine = installed("virtbus")
    machine: dict[str, object] = {"virtbus": mine, "protocol": PROTOCOL}
    facts = [("Virtbus", mine), ("Protocol", PROTOCOL)]
    if not session.arguments.daemon:
        return View(machine, facts=facts)
    hosts = [host.record for host in await session.client.hosts()]
    names = ("name", "family", "version", "worker_version")
    machine["hosts"] = [host.model_dump(mode="json", include=set(names)) for host in hosts]
    rows = [tuple(getattr(host, name) for name in names) for host in hosts]
    return View(machine, facts=facts, table=Table(("Host", "Family", "Hypervisor", "Worker"), rows))
