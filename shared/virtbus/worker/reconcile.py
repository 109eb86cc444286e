"""Comparing what is with what was recorded, after an absence.

What the hypervisor's own history tells of the time since is taken first, as it happened. What still differs then is
told as observations too, so events come out of the same table; all of them carry `reconciled`.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtbus import observations as seen
from virtbus.domain import Domain, Form
from virtbus.records import DomainRecord
from virtbus.state import DomainState

_SUSPENSIONS = {"ioerror": "ioerror", "watchdog": "watchdog"}


def differences(record: DomainRecord, stored_live: Domain | None, found: seen.Observed | None
                ) -> Iterator[seen.Observation]:  # fmt: skip
    """What must have happened, given what is.

    :param stored_live: the live definition that was recorded.
    :param found: the domain in the inventory; None where it is not there.
    """
    domain = record.uuid
    if found is None or not found.state.active:
        if record.state.active:
            detail = None if found is None else found.stopped
            yield seen.Stopped(domain=domain, detail=detail or "failed")
        return
    if found.live is None or found.incarnation is None:
        return
    if not record.state.active or record.incarnation != found.incarnation:
        if record.state.active:
            yield seen.Stopped(domain=domain, detail=found.stopped or "failed")
        yield seen.Started(
            domain=domain, incarnation=found.incarnation, id=found.id or 0, live=found.live,
            paused=found.state is DomainState.PAUSED, position=found.position,
        )  # fmt: skip
        return
    yield from _devices(record, stored_live, found.live)
    yield from _state(record, found)


def definition_differences(record: DomainRecord, found: seen.Observed | None) -> Iterator[seen.Observation]:
    """What must have happened to the definition of a domain, on a hypervisor that keeps definitions itself."""
    if found is not None and found.persistent is not None:
        # The desk takes it for nothing new where the record has the same one.
        yield seen.Defined(domain=record.uuid, persistent=found.persistent)
    elif record.persistent:
        yield seen.Undefined(domain=record.uuid)


def _devices(record: DomainRecord, stored: Domain | None, live: Domain) -> Iterator[seen.Observation]:
    before = set() if stored is None else {device.alias for device in stored.devices.every() if device.alias}
    after = {device.alias for device in live.devices.every() if device.alias}
    if stored is not None:
        for alias in sorted(before - after):
            yield seen.DeviceRemoved(domain=record.uuid, alias=alias, live=live)
        for alias in sorted(after - before):
            yield seen.DeviceAdded(domain=record.uuid, alias=alias, live=live)
    if stored is None or (before == after and not _same(stored, live)):
        yield seen.LiveChanged(domain=record.uuid, live=live)


def _same(stored: Domain, live: Domain) -> bool:
    """Whether the record would show nothing new; a driver's own notes are not in it."""
    return stored == live or stored.format(Form.LIVE, secure=True) == live.format(Form.LIVE, secure=True)


def _state(record: DomainRecord, found: seen.Observed) -> Iterator[seen.Observation]:
    if found.state == record.state or not found.state_known:
        return
    told: dict[DomainState, seen.Observation] = {
        DomainState.PAUSED: seen.Suspended(
            domain=record.uuid, reason=found.reason, detail=_SUSPENSIONS.get(found.reason, "paused")
        ),
        DomainState.RUNNING: seen.Resumed(domain=record.uuid),
        DomainState.SHUTDOWN: seen.PoweredOff(domain=record.uuid, detail="guest"),
        DomainState.CRASHED: seen.Crashed(domain=record.uuid),
        DomainState.PMSUSPENDED: seen.Slept(domain=record.uuid),
    }
    if found.state in told:
        yield told[found.state]
