"""The bus as a service uses it: one connection, and everything that lies on it."""

from __future__ import annotations

from virtbus.bus.audit import AuditLog
from virtbus.bus.bucket import Bucket
from virtbus.bus.events import EventLog
from virtbus.bus.link import Link
from virtbus.bus.queries import Queries
from virtbus.bus.queue import JobQueue
from virtbus.bus.sessions import Sessions
from virtbus.bus.settings import BusSettings
from virtbus.bus.streams import declare, server_findings
from virtbus.records import DefinitionRecord, DomainRecord, HostRecord, JobRecord


class Bus:
    """Buckets, streams and queries over one connection."""

    def __init__(self, link: Link, *, direct: bool) -> None:
        self.link = link
        self.subjects = link.subjects
        self.hosts = Bucket(link, "hosts", HostRecord, direct=direct)
        self.domains = Bucket(link, "domains", DomainRecord, direct=direct)
        self.definitions = Bucket(link, "definitions", DefinitionRecord, direct=direct)
        self.jobs = Bucket(link, "jobs", JobRecord, direct=direct)
        self.queue = JobQueue(link, self.jobs)
        self.events = EventLog(link)
        self.sessions = Sessions(link)
        self.queries = Queries(link)
        self.audit = AuditLog(link)
        self.findings: list[str] = []
        """What the running server has weaker than it should: shown in health."""

    @classmethod
    async def connect(cls, settings: BusSettings, *, role: str, name: str) -> Bus:
        """Connect, make what is missing, and hold the server's settings against what is needed.

        :param role: `gateway` reads from the leader; `worker` reads by subject-scoped direct get, as its rights say.
        :param name: of this connection: one subject token, the prefix of its inboxes.
        :raises Unavailable: no server, or one that is too old.
        """
        link = await Link.open(settings, name=name)
        try:
            bus = cls(link, direct=role == "worker")
            bus.findings = [*await server_findings(link), *await declare(link)]
        except BaseException:
            await link.close()
            raise
        return bus

    @property
    def connected(self) -> bool:
        return self.link.connected

    async def close(self) -> None:
        """Let go of the connection."""
        await self.link.close()
