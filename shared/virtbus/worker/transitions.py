"""What an observation means: one change of the domain's record and its events, the same for every family.

Each function gets the record as it is and gives what changes, or None where the record says so already. That is what
makes telling a thing twice harmless, and it is how a comparison after an absence yields the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from virtbus import observations as seen
from virtbus.domain import Domain
from virtbus.eventkinds import EventKind
from virtbus.records import DomainRecord, PendingRemoval
from virtbus.state import DomainState
from virtbus.worker.size import recorded


@dataclass(frozen=True)
class Draft:
    """An event still without its place in the domain's order."""

    kind: EventKind
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    cause: str | None = None


@dataclass(frozen=True)
class Change:
    """What an observation changes."""

    fields: dict[str, Any] = field(default_factory=dict)
    events: tuple[Draft, ...] = ()
    live: Domain | None = None
    """The new live definition."""
    ended: bool = False
    """There is no live definition any more."""
    persistent: Domain | None = None
    """The new persistent definition."""
    undefined: bool = False
    """There is no persistent definition any more."""


def lifecycle(event: str, detail: str) -> Draft:
    """libvirt's lifecycle event."""
    return Draft(EventKind.LIFECYCLE, event, {"event": event, "detail": detail})


def _started(record: DomainRecord, told: seen.Started) -> Change | None:
    if record.state.active and record.incarnation == told.incarnation:
        return None
    before: tuple[Draft, ...] = ()
    if record.state.active:
        # Another incarnation runs: the one that we knew must have ended without a word.
        before = (lifecycle("stopped", "failed"),)
    events = (*before, lifecycle("started", told.detail))
    state, reason = DomainState.RUNNING, told.detail
    if told.paused:
        events = (*events, lifecycle("suspended", "paused"))
        state, reason = DomainState.PAUSED, "user"
    fields: dict[str, Any] = {"state": state, "reason": reason, "incarnation": told.incarnation, "id": told.id}
    fields["deleted"] = False
    fields["position"] = told.position or 0
    return Change(fields | recorded(told.live) | {"pending": _settled(record, "exit")}, events, told.live)


def _stopped(record: DomainRecord, told: seen.Stopped) -> Change | None:
    if not record.state.active:
        return None
    fields: dict[str, Any] = {
        "state": DomainState.SHUTOFF,
        "reason": told.reason or told.detail,
        "id": None,
        "pending": _settled(record, "exit"),
    }
    if not record.persistent:
        fields["deleted"] = True
    return Change(fields, (lifecycle("stopped", told.detail),), ended=True)


def _suspended(record: DomainRecord, told: seen.Suspended) -> Change | None:
    if record.state is DomainState.PAUSED or not record.state.active:
        return None
    fields = {"state": DomainState.PAUSED, "reason": told.reason}
    return Change(fields, (lifecycle("suspended", told.detail),))


def _resumed(record: DomainRecord, told: seen.Resumed) -> Change | None:
    if record.state is DomainState.RUNNING or not record.state.active:
        return None
    fields = {"state": DomainState.RUNNING, "reason": told.reason}
    return Change(fields, (lifecycle("resumed", told.detail),))


def _powered_off(record: DomainRecord, told: seen.PoweredOff) -> Change | None:
    if record.state is DomainState.SHUTDOWN or not record.state.active:
        return None
    fields = {"state": DomainState.SHUTDOWN, "reason": "user"}
    return Change(fields, (lifecycle("shutdown", told.detail),))


def _crashed(record: DomainRecord, told: seen.Crashed) -> Change | None:
    if record.state is DomainState.CRASHED or not record.state.active:
        return None
    fields = {"state": DomainState.CRASHED, "reason": "panicked"}
    return Change(fields, (lifecycle("crashed", told.detail),))


def _slept(record: DomainRecord, told: seen.Slept) -> Change | None:
    if record.state is DomainState.PMSUSPENDED or not record.state.active:
        return None
    fields = {"state": DomainState.PMSUSPENDED, "reason": "unknown"}
    return Change(fields, (lifecycle("pmsuspended", "memory"),))


def _rebooted(record: DomainRecord, told: seen.Rebooted) -> Change | None:
    if not record.state.active:
        return None
    fields: dict[str, Any] = {}
    if record.state in (DomainState.SHUTDOWN, DomainState.CRASHED, DomainState.PMSUSPENDED):
        fields |= {"state": DomainState.RUNNING, "reason": "booted"}
    return Change(fields, (Draft(EventKind.REBOOT),))


def _device_added(record: DomainRecord, told: seen.DeviceAdded) -> Change | None:
    if not record.state.active:
        return None
    return Change(recorded(told.live), (Draft(EventKind.DEVICE_ADDED, told.alias, {"alias": told.alias}),), told.live)


def _device_removed(record: DomainRecord, told: seen.DeviceRemoved) -> Change | None:
    if not record.state.active:
        return None
    mark = record.pending_of(told.alias)
    cause = mark.job if mark is not None else told.cause
    event = Draft(EventKind.DEVICE_REMOVED, told.alias, {"alias": told.alias}, cause)
    pending = _settle(record, told.alias, "removed", told.by)
    return Change(recorded(told.live) | {"pending": pending}, (event,), told.live)


def _removal_refused(record: DomainRecord, told: seen.RemovalRefused) -> Change | None:
    if not record.state.active:
        return None
    mark = record.pending_of(told.alias)
    cause = mark.job if mark is not None else told.cause
    detail = {"alias": told.alias, "reason": told.reason}
    event = Draft(EventKind.DEVICE_REMOVAL_FAILED, told.alias, detail, cause)
    return Change({"pending": _settle(record, told.alias, "rejected", told.reason)}, (event,))


def _live_changed(record: DomainRecord, told: seen.LiveChanged) -> Change | None:
    if not record.state.active:
        return None
    events = () if told.kind is None else (Draft(told.kind, told.subject, told.detail),)
    return Change(recorded(told.live), events, told.live)


def _defined(record: DomainRecord, told: seen.Defined) -> Change | None:
    domain = told.persistent
    fields: dict[str, Any] = {"name": domain.name, "persistent": True, "deleted": False, "labels": domain.labels}
    if record.deleted:
        fields |= {"state": DomainState.SHUTOFF, "reason": "unknown", "autostart": False, "pending": []}
    if record.deleted or not record.state.active:
        fields |= recorded(domain)
    detail = "added" if record.deleted or not record.persistent else "updated"
    if detail == "updated" and record.name != domain.name:
        detail = "renamed"
    return Change(fields, (lifecycle("defined", detail),), persistent=domain)


def _undefined(record: DomainRecord, told: seen.Undefined) -> Change | None:
    if record.deleted or not record.persistent:
        return None
    fields = {"persistent": False, "autostart": False, "deleted": not record.state.active}
    return Change(fields, (lifecycle("undefined", "removed"),), undefined=True)


def _noticed(record: DomainRecord, told: seen.Noticed) -> Change | None:
    return Change({}, (Draft(told.kind, told.subject, told.detail),)) if record.state.active else None


def _settle(record: DomainRecord, alias: str, outcome: str, reason: str) -> list[PendingRemoval]:
    return [
        mark.model_copy(update={"outcome": outcome, "reason": reason})
        if mark.alias == alias and mark.outcome is None else mark
        for mark in record.pending
    ]  # fmt: skip


def _settled(record: DomainRecord, reason: str) -> list[PendingRemoval]:
    return [
        mark if mark.outcome is not None else mark.model_copy(update={"outcome": "removed", "reason": reason})
        for mark in record.pending
    ]


_TABLE: dict[type[seen.Observation], Callable[[DomainRecord, Any], Change | None]] = {
    seen.Started: _started,
    seen.Stopped: _stopped,
    seen.Suspended: _suspended,
    seen.Resumed: _resumed,
    seen.PoweredOff: _powered_off,
    seen.Crashed: _crashed,
    seen.Slept: _slept,
    seen.Rebooted: _rebooted,
    seen.DeviceAdded: _device_added,
    seen.DeviceRemoved: _device_removed,
    seen.RemovalRefused: _removal_refused,
    seen.Defined: _defined,
    seen.Undefined: _undefined,
    seen.LiveChanged: _live_changed,
    seen.Noticed: _noticed,
}


def meaning(record: DomainRecord, told: seen.Observation) -> Change | None:
    """What an observation changes in this record; None if nothing."""
    known = told.position is not None and told.position <= record.position
    if known and not (isinstance(told, seen.Started) and told.incarnation != record.incarnation):
        return None
    return _TABLE[type(told)](record, told)
