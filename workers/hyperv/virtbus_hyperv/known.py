"""What is known of each machine since the last look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from virtbus.domain import Domain
from virtbus.eventkinds import EventKind
from virtbus_hyperv.classes import Power
from virtbus_hyperv.machines import Machine
from virtbus_hyperv.wsman.reference import Reference


@dataclass(frozen=True)
class Expected:
    """What a job of ours is about to bring about."""

    detail: str
    """Of Stopped or Started."""
    cause: str | None = None


@dataclass(frozen=True)
class Change:
    """What a change of the live definition means, where a job of ours makes it."""

    kind: EventKind
    subject: str
    detail: dict[str, Any]


@dataclass
class Known:
    """One machine."""

    guid: str
    uuid: UUID
    name: str
    power: Power = Power.OFF
    process: int = 0
    uptime: float = 0.0
    """Seconds, at the last look."""
    looked: float = 0.0
    """When that was begun (the loop's clock)."""
    measured: float = 0.0
    """When it was over."""
    resets: int = 0
    """How many resets were seen."""
    reset_by_us: bool = False
    """Whether a job of ours has just reset it, however short it had run."""
    healthy: bool = True
    configured: str = ""
    """When its configuration was written, in the host's words."""
    live: Domain | None = None
    persistent: Domain | None = None
    stopping: Expected | None = None
    starting: Expected | None = None
    change: Change | None = None
    """What the next change of its live definition means."""
    removals: dict[str, Reference | None] = field(default_factory=dict)
    """Aliases of devices that the guest is to let go of, with the host's job."""
    unsettled: bool = False
    """Whether it is off and something is to be done with it still."""

    @property
    def active(self) -> bool:
        return self.power.active

    def note(self, machine: Machine, looked: float, measured: float) -> None:
        """Remember how it is now."""
        self.name, self.power, self.process = machine.name, machine.power, machine.process
        self.uptime, self.looked, self.measured = machine.uptime, looked, measured
        self.healthy = machine.healthy
        self.configured = machine.system.text("TimeOfLastConfigurationChange")

    def was_reset(self, uptime: float, looked: float, *, runs: bool) -> bool:
        """Whether it was reset since the last look: it has run for less than before, or for less than it would have
        since then. A pause does not count as running: one that began right after the last look and is over already
        cannot be told from a reset.

        :param runs: whether it runs now.
        """
        if self.reset_by_us or uptime < self.uptime:
            return True
        return runs and self.power is Power.RUNNING and uptime < looked - self.measured - _SLACK


_SLACK = 0.5
"""Seconds that two clocks may differ in over one interval."""


class Directory:
    """The machines that are known, by Hyper-V's own names and by ours."""

    def __init__(self) -> None:
        self._by_guid: dict[str, Known] = {}

    def all(self) -> list[Known]:
        """Every machine."""
        return list(self._by_guid.values())

    def of_guid(self, guid: str) -> Known | None:
        """By Hyper-V's own name."""
        return self._by_guid.get(guid.lower())

    def of_uuid(self, uuid: UUID) -> Known | None:
        """By the domain's UUID."""
        return next((known for known in self._by_guid.values() if known.uuid == uuid), None)

    def named(self, name: str, beside: UUID) -> Known | None:
        """Another machine of that name: Hyper-V itself allows it."""
        return next((known for known in self._by_guid.values() if known.name == name and known.uuid != beside), None)

    def add(self, machine: Machine) -> Known:
        """A machine, which may be known already. Where two have the same UUID in their firmware, as copies have, the
        later goes by Hyper-V's own name."""
        known = self.of_guid(machine.guid)
        if known is None:
            other = self.of_uuid(machine.uuid)
            uuid = machine.uuid if other is None else UUID(machine.guid)
            known = self._by_guid[machine.guid.lower()] = Known(machine.guid, uuid, machine.name)
        return known

    def forget(self, guid: str) -> None:
        """A machine is gone."""
        self._by_guid.pop(guid.lower(), None)

    def clear(self) -> None:
        """Begin anew."""
        self._by_guid.clear()
