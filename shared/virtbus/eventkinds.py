"""The kinds of events, with libvirt's names (virDomainEventID) and details (virDomainEvent...DetailType).

The kind is the last token of an event's subject. A lifecycle event carries `{"event": "started", "detail": "booted"}`;
`LIFECYCLE_DETAILS` gives what may stand there, in libvirt's order, so that place is number.
"""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What an event tells; those of libvirt come first, in its order of ids."""

    LIFECYCLE = "lifecycle"
    REBOOT = "reboot"
    RTC_CHANGE = "rtc-change"
    WATCHDOG = "watchdog"
    IO_ERROR = "io-error"
    GRAPHICS = "graphics"
    CONTROL_ERROR = "control-error"
    BLOCK_JOB = "block-job"
    DISK_CHANGE = "disk-change"
    TRAY_CHANGE = "tray-change"
    PMWAKEUP = "pmwakeup"
    PMSUSPEND = "pmsuspend"
    BALLOON_CHANGE = "balloon-change"
    PMSUSPEND_DISK = "pmsuspend-disk"
    DEVICE_REMOVED = "device-removed"
    TUNABLE = "tunable"
    AGENT_LIFECYCLE = "agent-lifecycle"
    DEVICE_ADDED = "device-added"
    DEVICE_REMOVAL_FAILED = "device-removal-failed"
    METADATA_CHANGE = "metadata-change"
    BLOCK_THRESHOLD = "block-threshold"
    MEMORY_FAILURE = "memory-failure"
    MEMORY_DEVICE_SIZE_CHANGE = "memory-device-size-change"
    NIC_MAC_CHANGE = "nic-mac-change"
    DEVICE_UPDATED = "device-updated"
    """Ours: libvirt has no event for a changed device."""
    JOB = "job"
    """Ours: a job reached its end or began to wait; `{"job", "operation", "state"}`."""
    HOST = "host"
    """Ours: a host was taken by a worker or let go; `{"event": "taken" | "released"}`."""
    GAP = "gap"
    """Ours, never on the bus: a reader's cursor was too old or foreign; what lies between is lost to it."""


LIFECYCLE_DETAILS: dict[str, tuple[str, ...]] = {
    "defined": ("added", "updated", "renamed", "from-snapshot"),
    "undefined": ("removed", "renamed"),
    "started": ("booted", "migrated", "restored", "from-snapshot", "wakeup"),
    "suspended": (
        "paused", "migrated", "ioerror", "watchdog", "restored", "from-snapshot", "api-error", "postcopy",
        "postcopy-failed",
    ),
    "resumed": ("unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed"),
    "stopped": ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot"),
    "shutdown": ("finished", "guest", "host"),
    "pmsuspended": ("memory", "disk"),
    "crashed": ("panicked", "crashloaded"),
}  # fmt: skip
"""virDomainEventType in libvirt's order, with the details of each."""
