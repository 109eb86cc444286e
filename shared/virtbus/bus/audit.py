"""The audit log: every accepted change with its principal."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from virtbus.bus.codec import encode
from virtbus.bus.link import Link
from virtbus.records import now


class AuditEntry(BaseModel):
    """Who asked for what, and from where; arguments are left out, since they may hold secrets."""

    model_config = ConfigDict(extra="ignore")

    time: datetime = Field(default_factory=now)
    principal: str
    operation: str
    host: str | None = None
    domain: UUID | None = None
    project: str | None = None
    job: str | None = None
    address: str | None = None
    """Of the client."""


class AuditLog:
    """The stream of audit entries."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def append(self, entry: AuditEntry) -> None:
        """Store an entry.

        :raises Unavailable: the bus does not answer.
        """
        headers = {"Nats-Msg-Id": f"audit/{entry.operation}/{entry.job}"} if entry.job else None
        await self._link.write(self._link.subjects.audit, encode(entry), headers)
