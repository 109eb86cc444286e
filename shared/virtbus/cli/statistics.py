"""`domstats`: the figures of some domains, or of all active ones."""

from __future__ import annotations

import asyncio

from virtbus.cli.session import Session
from virtbus.cli.verbs import STAT_GROUPS
from virtbus.cli.view import View
from virtbus.client import Client
from virtbus.operations.statistics import DomainStatistics, GetDomainStatistics, GetHostStatistics, Group


async def domstats(session: Session) -> View:
    """`domstats [DOMAIN...] [--GROUP...]`, with virsh's lines."""
    arguments = session.arguments
    groups = [Group(name) for name in STAT_GROUPS if getattr(arguments, name.replace("-", "_"))]
    given = {"group": groups} if groups else {}
    if arguments.domains:
        found = []
        for reference in arguments.domains:
            domain = await session.client.domain(reference)
            found.append(await session.ask(GetDomainStatistics(host=domain.host, domain=domain.uuid, **given)))
    else:
        hosts = [arguments.host] if arguments.host else await served_hosts(session.client)
        questions = [session.ask(GetHostStatistics(host=host, **given)) for host in hosts]
        found = [domain for host in await asyncio.gather(*questions) for domain in host.domains]
    text = "\n".join(_lines(domain) for domain in found)
    return View({"domains": [domain.model_dump(mode="json") for domain in found]}, text=text)


async def served_hosts(client: Client) -> list[str]:
    """The hosts that can be asked now."""
    return [host.record.name for host in await client.hosts() if host.served]


def _lines(domain: DomainStatistics) -> str:
    figures = "".join(f"  {name}={value}\n" for name, value in domain.stats.items())
    return f"Domain: '{domain.name}'{' (did not answer in time)' if domain.timed_out else ''}\n{figures}"
