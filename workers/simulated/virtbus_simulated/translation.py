"""From an entry in the hypervisor's history to what the runtime is told: a table by the entry's kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from virtbus.domain import Domain
from virtbus.eventkinds import EventKind
from virtbus.observations import (
    Crashed,
    DeviceAdded,
    DeviceRemoved,
    LiveChanged,
    Observation,
    PoweredOff,
    Rebooted,
    RemovalRefused,
    Resumed,
    Started,
    Stopped,
    Suspended,
)
from virtbus.state import DomainState

Entry = dict[str, Any]

STATES = {
    "off": DomainState.SHUTOFF,
    "running": DomainState.RUNNING,
    "paused": DomainState.PAUSED,
    "crashed": DomainState.CRASHED,
}
"""libvirt's names for the hypervisor's states."""


def _live(entry: Entry) -> Domain:
    return Domain.parse(entry["xml"])


_KINDS: dict[str, tuple[type[Observation], Callable[[Entry], dict[str, Any]]]] = {
    "started": (
        Started,
        lambda entry: {
            "incarnation": entry["incarnation"],
            "id": entry["id"],
            "live": _live(entry),
            "paused": entry["paused"],
        },
    ),
    "stopped": (Stopped, lambda entry: {"detail": entry["detail"]}),
    "suspended": (Suspended, lambda entry: {"detail": entry["detail"], "reason": entry["reason"]}),
    "resumed": (Resumed, lambda entry: {"detail": entry["detail"]}),
    "powered-off": (PoweredOff, lambda entry: {"detail": entry["detail"]}),
    "crashed": (Crashed, lambda entry: {"detail": entry["detail"]}),
    "reset": (Rebooted, lambda entry: {}),
    "device-added": (DeviceAdded, lambda entry: {"alias": entry["subject"], "live": _live(entry)}),
    "device-removed": (
        DeviceRemoved,
        lambda entry: {"alias": entry["subject"], "live": _live(entry), "by": entry["by"]},
    ),
    "removal-refused": (RemovalRefused, lambda entry: {"alias": entry["subject"], "reason": entry["reason"]}),
    "device-changed": (
        LiveChanged,
        lambda entry: {
            "live": _live(entry), "kind": EventKind.DEVICE_UPDATED, "subject": entry["subject"],
            "detail": {"alias": entry["subject"]},
        },
    ),
    "vcpus-changed": (
        LiveChanged,
        lambda entry: {
            "live": _live(entry), "kind": EventKind.TUNABLE, "subject": "vcpus",
            "detail": {"vcpus.current": entry["count"]},
        },
    ),
    "memory-changed": (
        LiveChanged,
        lambda entry: {
            "live": _live(entry), "kind": EventKind.BALLOON_CHANGE, "detail": {"actual": entry["kibibytes"]},
        },
    ),
}  # fmt: skip
"""The other kinds (what a guest was asked, keys, failed starts) are no observations."""


def observation(entry: Entry, cause: str | None) -> Observation | None:
    """What an entry tells; None if it tells nothing."""
    known = _KINDS.get(entry["event"])
    if known is None:
        return None
    kind, fields = known
    return kind(
        domain=UUID(entry["domain"]),
        cause=entry.get("tag") or cause,
        at=datetime.fromisoformat(entry["time"]),
        position=entry["position"],
        **fields(entry),
    )
