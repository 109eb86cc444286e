"""What Virtbus remembers and tells: the models of everything that lies in a bucket or travels as an event.

They are the payloads of the bus (msgpack) and the shapes of HTTP (JSON) alike. Records keep fields that this version
does not know, so that a newer worker's record survives being rewritten by an older one; events ignore them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from virtbus.errors import ErrorReply
from virtbus.eventkinds import EventKind
from virtbus.state import DomainState

PROTOCOL = 1
"""The version of the bus contract that these models belong to."""

DEFAULT_PROJECT = "default"


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Record(BaseModel):
    """A value in a bucket."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = PROTOCOL


class Event(BaseModel):
    """A fact that happened. Its id is (host, domain, generation, kind, subject of change), so it never varies."""

    model_config = ConfigDict(extra="ignore")

    kind: Annotated[EventKind | str, Field(union_mode="left_to_right")]
    """One that this version does not know is its plain name."""
    host: str
    family: str
    project: str = DEFAULT_PROJECT
    domain: UUID | None = None
    name: str | None = None
    """The domain's name."""
    time: datetime = Field(default_factory=now)
    """When the hypervisor says it happened, or when it was noticed."""
    generation: int = 0
    """Counts the events of a domain, across its lives; a domain's events are in this order without holes."""
    cause: str | None = None
    """The job that brought it about."""
    reconciled: bool = False
    """Derived afterwards, by comparing what is with what was recorded."""
    subject: str = ""
    """What changed: an alias, a job's id, a lifecycle event."""
    detail: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """The event's identity: the same whenever and by whomever it is published."""
        return f"{self.host}/{self.domain or '_'}/{self.generation}/{self.kind}/{self.subject}"


class Owner(BaseModel):
    """The worker process that acts on a host."""

    session: str
    epoch: int
    """Grows by one at every taking of the host; record writes carry it."""


class HostRecord(Record):
    """A hypervisor host of the fleet."""

    name: str
    family: str
    uri: str
    version: str = ""
    """The hypervisor's own version, such as `QEMU 7.2.22`."""
    worker_version: str = ""
    fqdn: str = ""
    machine: str = ""
    """The machine's identity: its machine-id, or the hypervisor's UUID where it is remote."""
    boot: str = ""
    """The boot id last served: autostart happens once per boot of the host."""
    owner: Owner | None = None
    operations: dict[str, int] = {}
    """The operations that the host's worker serves, with their versions."""
    facets: list[str] = []
    capabilities: str = ""
    """Digest of the capabilities, which are asked for by a query."""
    since: datetime = Field(default_factory=now)
    """When the present owner took it."""


class Role(StrEnum):
    """A domain's part in a migration."""

    ACTIVE = "active"
    INCOMING = "incoming"
    OUTGOING = "outgoing"


class PendingRemoval(BaseModel):
    """The mark that a guest was asked to let go of a device; it stays until removal, reset or exit."""

    alias: str
    job: str
    """The job that asked; the cause of the removal's event, however late it comes."""
    jobs: list[str] = []
    """Every job that waits for the outcome, the first one included."""
    since: datetime = Field(default_factory=now)
    sent: bool = False
    """Whether the hypervisor has been asked."""
    outcome: str | None = None
    """`removed` or `rejected` once it is settled and the waiting jobs are being ended."""
    reason: str = ""


class DomainRecord(Record):
    """A domain as the fleet sees it: small, since every gateway watches all of them."""

    host: str
    uuid: UUID
    name: str
    family: str = ""
    id: int | None = None
    """The hypervisor's number of the running domain."""
    state: DomainState = DomainState.SHUTOFF
    reason: str = "unknown"
    persistent: bool = True
    autostart: bool = False
    labels: dict[str, str] = {}
    project: str = DEFAULT_PROJECT
    vcpus: int = 0
    memory: int = 0
    """KiB."""
    generation: int = 0
    """The generation of the domain's last event."""
    incarnation: str | None = None
    """Which run of the domain this is, or was the last: a process id and its start time, or the like."""
    position: int = 0
    """How far the hypervisor's own history of this incarnation has been recorded."""
    pending: list[PendingRemoval] = []
    role: Role = Role.ACTIVE
    moved_to: str | None = None
    outbox: list[Event] = []
    """Events that this write brought about and that may not be published yet."""
    epoch: int = 0
    """The owner's epoch when this was written."""
    definition: int = 0
    """The generation of the definition that belongs to this record."""
    told: list[str] = []
    """Events that recent jobs brought about and that stand in no hypervisor's history: a second attempt tells them
    again, and they are not recorded twice."""
    last_job: str = ""
    """The job that last changed what was asked (definition, autostart, labels): a second attempt sees that it did."""
    deleted: bool = False
    """A tombstone: it lets a new life of the UUID continue the generation."""
    changed: datetime = Field(default_factory=now)

    def pending_of(self, alias: str) -> PendingRemoval | None:
        return next((mark for mark in self.pending if mark.alias == alias), None)


class DefinitionRecord(Record):
    """A domain's XML: as it was asked for and, while it is active, as it is."""

    host: str
    uuid: UUID
    generation: int = 0
    persistent: str | None = None
    live: str | None = None


class JobState(StrEnum):
    """Where a job stands; the last four are ends."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    WAITING = "waiting"
    """For the guest."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED)


class Progress(BaseModel):
    """How far a job has come."""

    phase: str
    done: int | None = None
    total: int | None = None
    unit: str | None = None


class JobRecord(Record):
    """A change that somebody asked for; it has exactly one end."""

    id: str
    operation: str
    version: int = 1
    host: str
    domain: UUID | None = None
    project: str = DEFAULT_PROJECT
    arguments: dict[str, Any] | None = None
    """As the operation declares them; not kept after the job's end."""
    principal: str = ""
    digest: str = ""
    """Of the request, to know a repeat with the same Idempotency-Key from another request."""
    timeout: float = 60.0
    """Seconds from the broker's timestamp of acceptance."""
    traceparent: str | None = None
    state: JobState = JobState.ACCEPTED
    progress: Progress | None = None
    attempts: int = 0
    begun: dict[str, Any] | None = None
    """What the worker noted just before the first irreversible step; None while nothing was touched."""
    cancel_requested: str | None = None
    """The principal who asked for it to be cancelled."""
    result: dict[str, Any] | None = None
    error: ErrorReply | None = None
    revision: int = 0
    """The revision of the domain records that includes this job's effect: lists take it as min_revision."""
    accepted: datetime = Field(default_factory=now)
    ended: datetime | None = None


class SessionRecord(Record):
    """A worker process that lives: kept only while it renews it."""

    id: str
    """`<worker>.<token>`: two tokens of a subject."""
    machine: str
    pid: int
    family: str
    hosts: list[str] = []
    version: str = ""
