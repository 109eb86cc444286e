"""The definitions of a host's domains: kept on the bus, and a few of them parsed in memory."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from virtbus.bus.bucket import Bucket
from virtbus.bus.codec import DecodeError
from virtbus.domain import Domain, Form
from virtbus.records import DefinitionRecord

log = logging.getLogger(__name__)

KEPT = 256
"""Definitions held in memory; the others are read again when they are needed."""


@dataclass
class Definition:
    """A domain's definitions, parsed when first asked for."""

    record: DefinitionRecord
    revision: int
    _persistent: Domain | None = None
    _live: Domain | None = None

    @property
    def persistent(self) -> Domain | None:
        if self._persistent is None and self.record.persistent is not None:
            self._persistent = Domain.parse(self.record.persistent)
        return self._persistent

    @property
    def live(self) -> Domain | None:
        if self._live is None and self.record.live is not None:
            self._live = Domain.parse(self.record.live)
        return self._live


class Definitions:
    """The definition store of one host."""

    def __init__(self, bucket: Bucket[DefinitionRecord], host: str) -> None:
        self._bucket = bucket
        self._host = host
        self._kept: OrderedDict[UUID, Definition] = OrderedDict()

    def _key(self, domain: UUID) -> str:
        return f"{self._host}.{domain}"

    async def get(self, domain: UUID) -> Definition:
        """A domain's definitions; empty ones where there are none yet."""
        found = self._kept.get(domain)
        if found is None:
            try:
                stored = await self._bucket.get(self._key(domain))
            except DecodeError as error:
                log.error("the definition of %s cannot be read: %s", domain, error)
                return Definition(DefinitionRecord(host=self._host, uuid=domain), int(error.evidence["revision"]))
            if domain in self._kept:
                # Somebody else has read or written it meanwhile.
                return self._kept[domain]
            if stored is None:
                found = Definition(DefinitionRecord(host=self._host, uuid=domain), 0)
            else:
                found = Definition(stored.record, stored.revision)
            self._keep(domain, found)
        self._kept.move_to_end(domain)
        return found

    async def write(self, domain: UUID, generation: int, *, persistent: Domain | None, live: Domain | None
                    ) -> Definition:  # fmt: skip
        """Store a domain's definitions; the domain's record, written next, commits them.

        :raises Stale: somebody else wrote them: this worker does not own the host any more.
        """
        before = await self.get(domain)
        record = DefinitionRecord(
            host=self._host,
            uuid=domain,
            generation=generation,
            persistent=_text(persistent, before.record.persistent, before._persistent, Form.INACTIVE),
            live=_text(live, before.record.live, before._live, Form.LIVE),
        )
        revision = await self._bucket.update(self._key(domain), record, before.revision)
        after = Definition(record, revision, persistent, live)
        self._keep(domain, after)
        return after

    async def restore(self, domain: UUID, generation: int) -> None:
        """Go back to the committed definition: what was written after it belongs to a change that never ended."""
        history = await self._bucket.history(self._key(domain), reader=f"worker_{self._host}")
        committed = next((stored for stored in reversed(history) if stored.record.generation <= generation), None)
        if committed is None:
            return
        latest = history[-1]
        record = committed.record.model_copy(update={"generation": generation})
        await self._bucket.update(self._key(domain), record, latest.revision)
        self.forget(domain)

    def forget(self, domain: UUID) -> None:
        """Read it anew when it is next asked for."""
        self._kept.pop(domain, None)

    def _keep(self, domain: UUID, definition: Definition) -> None:
        self._kept[domain] = definition
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _text(domain: Domain | None, known: str | None, parsed: Domain | None, form: Form) -> str | None:
    if domain is None:
        return None
    if known is not None and domain is parsed:
        return known
    # Stored with its secrets: only the owner of the host and the gateways may read this bucket.
    return domain.format(form, secure=True)
