"""Which hosts are served now, and when their workers were last heard of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from virtbus.bus.sessions import Sessions
from virtbus.bus.settings import SESSION_TTL
from virtbus.operations.host import HostSummary
from virtbus.records import HostRecord
from virtbus_gateway.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Renewal:
    """The last sign of life of a worker's session."""

    written: datetime
    """The broker's timestamp."""
    heard: float
    """Our monotonic clock, since the broker's may differ."""


class Fleet:
    """The hosts with the sessions of those who own them. `run` keeps it."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._renewals: dict[str, Renewal] = {}

    async def run(self, sessions: Sessions) -> None:
        """Follow the sessions until cancelled."""
        async for session, written in sessions.renewals():
            self.heard(session.id, written)

    def heard(self, session: str, written: datetime) -> None:
        """Take in a session's renewal, and forget those that ended long ago."""
        self._renewals[session] = Renewal(written, time.monotonic())
        if len(self._renewals) > 2 * len(self._inventory.hosts) + 16:
            owners = {record.owner.session for record in self._inventory.hosts.values() if record.owner is not None}
            self._renewals = {
                owner: one for owner, one in self._renewals.items() if owner in owners or _lives(one)
            }

    def last_seen(self, host: HostRecord) -> Renewal | None:
        """The last renewal of the session that owns a host."""
        return None if host.owner is None else self._renewals.get(host.owner.session)

    def served(self, host: HostRecord) -> bool:
        """Whether a worker with a living session owns a host."""
        renewal = self.last_seen(host)
        return renewal is not None and _lives(renewal)

    def silence(self, host: HostRecord) -> float | None:
        """Seconds since the host's owner was last heard of; None where it never was."""
        renewal = self.last_seen(host)
        return None if renewal is None else time.monotonic() - renewal.heard

    def summary(self, host: HostRecord) -> HostSummary:
        """A host as lists show it."""
        renewal = self.last_seen(host)
        domains = list(self._inventory.domains_of(host.name))
        return HostSummary(
            record=host,
            served=self.served(host),
            last_seen=None if renewal is None else renewal.written.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            domains=len(domains),
            running=sum(domain.state.active for domain in domains),
        )


def _lives(renewal: Renewal) -> bool:
    return time.monotonic() - renewal.heard < SESSION_TTL
