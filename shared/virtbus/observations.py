"""What a driver tells about its hypervisor: facts, in the order in which they happened for each domain.

Drivers observe, the runtime records and publishes. One table in virtbus.worker turns each observation into a change of
the domain's record and its events, so that events mean the same for every family. An observation that changes nothing
(the record says so already) is no event, so telling a thing twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from virtbus.domain import Domain
from virtbus.eventkinds import EventKind
from virtbus.records import now
from virtbus.state import DomainState


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Something that happened to a domain."""

    domain: UUID
    cause: str | None = None
    """The job that brought it about, where the driver knows."""
    at: datetime = field(default_factory=now)
    position: int | None = None
    """Where in the hypervisor's own history of this incarnation it stands, if it keeps one; grows. The runtime
    remembers it in the record, and takes nothing twice."""


@dataclass(frozen=True, kw_only=True)
class Started(Observation):
    """A domain began to exist on the hypervisor; it runs unless `paused`."""

    incarnation: str
    id: int
    live: Domain
    paused: bool = False
    detail: str = "booted"


@dataclass(frozen=True, kw_only=True)
class Stopped(Observation):
    """A domain is gone from the hypervisor. `detail` is that of libvirt's stopped event; `reason` that of the state
    shutoff, where it is another word."""

    detail: str = "shutdown"
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Suspended(Observation):
    """A domain's CPUs stopped. `detail` is the event's (paused, ioerror, watchdog, ...), `reason` the state's."""

    detail: str = "paused"
    reason: str = "user"


@dataclass(frozen=True, kw_only=True)
class Resumed(Observation):
    """A domain's CPUs run again."""

    detail: str = "unpaused"
    reason: str = "unpaused"


@dataclass(frozen=True, kw_only=True)
class PoweredOff(Observation):
    """The guest has shut down or was asked to by the host; the domain is about to be gone."""

    detail: str = "finished"


@dataclass(frozen=True, kw_only=True)
class Crashed(Observation):
    """The guest panicked."""

    detail: str = "panicked"


@dataclass(frozen=True, kw_only=True)
class Slept(Observation):
    """The guest suspended itself to memory."""


@dataclass(frozen=True, kw_only=True)
class Rebooted(Observation):
    """The guest was reset, by itself or from outside; that also completes every removal it had not answered."""


@dataclass(frozen=True, kw_only=True)
class DeviceAdded(Observation):
    """A device is there that was not; `live` is the definition that has it."""

    alias: str
    live: Domain


@dataclass(frozen=True, kw_only=True)
class DeviceRemoved(Observation):
    """A device is gone and what served it is torn down; `live` is the definition without it."""

    alias: str
    live: Domain
    by: str = "guest"


@dataclass(frozen=True, kw_only=True)
class RemovalRefused(Observation):
    """The guest refused to let go of a device."""

    alias: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Defined(Observation):
    """A hypervisor that keeps definitions has this one now: a new domain, or one that was changed."""

    persistent: Domain


@dataclass(frozen=True, kw_only=True)
class Undefined(Observation):
    """A hypervisor that keeps definitions has this one no more."""


@dataclass(frozen=True, kw_only=True)
class LiveChanged(Observation):
    """The live definition changed; with a kind, that is also an event."""

    live: Domain
    kind: EventKind | None = None
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Noticed(Observation):
    """Something worth an event that changes nothing in the record: an I/O error, a watchdog, a clock change."""

    kind: EventKind
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


Observe = Callable[[Observation], None]
"""How a driver hands an observation to the runtime: at once, without waiting, in order."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A domain as it is on the hypervisor now, in an inventory."""

    domain: UUID
    name: str
    state: DomainState
    reason: str
    state_known: bool = True
    """False where the hypervisor does not tell at the moment: then only that it is active is meant."""
    incarnation: str | None = None
    """None for one that is only defined, on a hypervisor that keeps definitions."""
    id: int | None = None
    live: Domain | None = None
    persistent: Domain | None = None
    """Only from a hypervisor that keeps definitions."""
    position: int | None = None
    missed: tuple[Observation, ...] = ()
    """What the hypervisor's own history tells of the time since the position that the record knows."""
    stopped: str | None = None
    """For a domain that is off: how its last run ended (a detail of Stopped), where the hypervisor remembers."""
