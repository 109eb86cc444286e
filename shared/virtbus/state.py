"""A domain's state and its reason, with libvirt's names and numbers (virDomainState and the reasons beside it)."""

from __future__ import annotations

from enum import StrEnum


class DomainState(StrEnum):
    """virDomainState; `number` is libvirt's value."""

    NOSTATE = "nostate"
    RUNNING = "running"
    BLOCKED = "blocked"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    """Being shut down: the guest has powered off, the process is not gone yet."""
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    PMSUSPENDED = "pmsuspended"

    @property
    def number(self) -> int:
        return list(DomainState).index(self)

    @property
    def active(self) -> bool:
        """Whether the hypervisor has the domain now, as virDomainIsActive says it."""
        return self not in (DomainState.NOSTATE, DomainState.SHUTOFF)


REASONS: dict[DomainState, tuple[str, ...]] = {
    DomainState.NOSTATE: ("unknown",),
    DomainState.RUNNING: (
        "unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled",
        "save-canceled", "wakeup", "crashed", "postcopy", "postcopy-failed",
    ),
    DomainState.BLOCKED: ("unknown",),
    DomainState.PAUSED: (
        "unknown", "user", "migration", "save", "dump", "ioerror", "watchdog", "from-snapshot", "shutting-down",
        "snapshot", "crashed", "starting-up", "postcopy", "postcopy-failed", "api-error",
    ),
    DomainState.SHUTDOWN: ("unknown", "user"),
    DomainState.SHUTOFF: (
        "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "daemon",
    ),
    DomainState.CRASHED: ("unknown", "panicked"),
    DomainState.PMSUSPENDED: ("unknown",),
}  # fmt: skip
"""The reasons of each state; the place in the tuple is libvirt's number."""


def reason_number(state: DomainState, reason: str) -> int:
    """libvirt's number of a state's reason.

    :raises ValueError: the state has no such reason.
    """
    return REASONS[state].index(reason)
