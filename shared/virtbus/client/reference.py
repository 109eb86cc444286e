"""Finding the one domain that NAME, UUID or HOST/NAME means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virtbus.client.request import Request
from virtbus.errors import Ambiguous, NoDomain
from virtbus.operations.domain import DomainSummary, GetDomain
from virtbus.operations.host import GetHost

if TYPE_CHECKING:
    from virtbus.client.client import Client


async def find_domain(client: Client, reference: str | UUID) -> DomainSummary:
    """The domain that is meant.

    A word that reads as a UUID is one first, and a name where no domain has it. Names are unique on a host only.

    :raises NoDomain: there is none.
    :raises NoHost: HOST/NAME names a host that is not in the fleet.
    :raises Ambiguous: several hosts have one; `evidence["candidates"]` lists their addresses.
    """
    host, _, word = str(reference).rpartition("/")
    uuid = _uuid(word)
    if uuid is not None:
        try:
            if host:
                return await client.run(GetDomain(host=host, domain=uuid))
            return await client.fetch(DomainSummary, Request("GET", f"/v1/domains/{uuid}"))
        except NoDomain:
            if isinstance(reference, UUID):
                raise
    named = {"name": word, "host": host} if host else {"name": word}
    found = [domain async for domain in client.domains(**named) if domain.name == word]
    if len(found) == 1:
        return found[0]
    if not found:
        if host:
            await client.run(GetHost(host=host))
        raise NoDomain(f"no domain is named {word!r}", host=host or None, hint="`virtbus list --all` shows all")
    candidates = [f"/v1/hosts/{domain.host}/domains/{domain.uuid}" for domain in found]
    raise Ambiguous(
        f"{len(found)} domains are named {word!r}",
        domain=word,
        hint=f"say which: {', '.join(f'{domain.host}/{word}' for domain in found)}",
        evidence={"candidates": candidates},
    )


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
