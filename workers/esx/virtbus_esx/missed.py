"""What the server's history tells of the time when no worker was there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from virtbus.driver import Known
from virtbus.errors import NotSupported
from virtbus.observations import Observation, Rebooted, Resumed, Started, Stopped, Suspended
from virtbus_esx.machine import Machine, micros
from virtbus_esx.soap import Session
from virtbus_esx.updates import Happening, history
from virtbus_esx.witness import KILLED, REASONS

ASK = 30.0
LONGEST = timedelta(days=7)
"""History is not asked for further back."""

_OFF = ("VmPoweredOffEvent", "VmGuestShutdownEvent")


async def history_since(session: Session, known: Mapping[UUID, Known]) -> dict[str, list[Happening]]:
    """The events since the record was last written, by machine's id."""
    positions = [one.position for one in known.values() if one.active and one.position]
    if not positions:
        return {}
    since = datetime.fromtimestamp(min(positions) / 1_000_000, UTC)
    since = max(since, datetime.now(UTC) - LONGEST)
    found: dict[str, list[Happening]] = {}
    try:
        events = await history(session, since, ASK)
    except NotSupported:
        return {}
    for event in events:
        found.setdefault(event.machine.id, []).append(event)
    return found


def missed(
    machine: Machine, known: Known | None, events: Sequence[Happening]
) -> tuple[tuple[Observation, ...], str | None]:
    """What happened to a machine meanwhile, and how its last run ended if it is off."""
    if known is None:
        return (), None
    fresh = [event for event in events if micros(event.at) > known.position]
    return tuple(_retold(machine, known, fresh)), _ending(fresh)


def _ending(events: Sequence[Happening]) -> str | None:
    """How a run ended, by the events up to there."""
    why: str | None = None
    for event in events:
        if event.kind == "VmPoweredOnEvent":
            why = None
        elif event.kind.startswith(KILLED):
            why = "failed"
        elif event.kind in REASONS and why not in ("shutdown", "failed", "crashed"):
            why = REASONS[event.kind] if event.user or event.kind != "VmPoweredOffEvent" else "shutdown"
    return why


def _retold(machine: Machine, known: Known, events: Sequence[Happening]) -> Iterator[Observation]:
    """The runs that ended, and what happened in the one that goes on; how it is now, the inventory says."""
    active, paused = known.active, False
    begun = 0
    for number, event in enumerate(events):
        position = micros(event.at)
        uuid, at = machine.uuid, event.at
        if event.kind == "VmPoweredOffEvent" and active:
            yield Stopped(domain=uuid, at=at, detail=_ending(events[begun : number + 1]) or "shutdown")
            active, begun = False, number + 1
        elif event.kind == "VmPoweredOnEvent" and active and paused:
            yield Resumed(domain=uuid, at=at)
            paused = False
        elif event.kind == "VmPoweredOnEvent" and not active:
            if not any(later.kind == "VmPoweredOffEvent" for later in events[number:]):
                return
            yield Started(
                domain=uuid, at=at, incarnation=f"{machine.ref.id}@{event.at.isoformat()}", id=machine.id,
                live=machine.configured.domain, position=position,
            )  # fmt: skip
            active = True
        elif event.kind == "VmSuspendedEvent" and active:
            yield Suspended(domain=uuid, at=at)
            paused = True
        elif event.kind in ("VmResettingEvent", "VmGuestRebootEvent") and active:
            yield Rebooted(domain=uuid, at=at, position=position)
