"""What happens when the guest stops by itself, and whether it may sleep."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, attribute, child


class LifecycleAction(StrEnum):
    """What happens when the guest stops."""

    DESTROY = "destroy"
    RESTART = "restart"
    RENAME_RESTART = "rename-restart"
    PRESERVE = "preserve"
    COREDUMP_DESTROY = "coredump-destroy"
    COREDUMP_RESTART = "coredump-restart"


class LockFailureAction(StrEnum):
    """What happens when a lock manager loses a lease."""

    DEFAULT = "default"
    POWEROFF = "poweroff"
    RESTART = "restart"
    PAUSE = "pause"
    IGNORE = "ignore"


class SleepState(Element):
    """Whether the guest may sleep so."""

    enabled: bool | None = attribute()


class PowerManagement(Element, tag="pm"):
    """Whether the guest may sleep."""

    suspend_to_mem: SleepState | None = child("suspend-to-mem")
    suspend_to_disk: SleepState | None = child("suspend-to-disk")


class PerfEvent(Element, tag="event"):
    """Whether one of the kernel's counters is kept for the domain."""

    name: str = attribute()
    enabled: bool = attribute()
