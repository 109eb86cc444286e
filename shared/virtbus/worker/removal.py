"""Detaching a device from a live domain: one mechanism for every kind of device and every family.

The mark of the pending removal is durable before anything is sent. From then on three outcomes are possible: removed,
rejected, or still pending when the job's time is over; never success on a timeout. A repeat attaches to the mark and
sends nothing. A time limit or a cancel ends the job, never the unplug.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast
from uuid import UUID

from virtbus.domain import Device
from virtbus.driver import Devices
from virtbus.errors import HypervisorSilent, RemovalRejected, Unavailable, VirtbusError
from virtbus.operations.device import Detachment
from virtbus.records import DomainRecord, PendingRemoval
from virtbus.worker.desk import Desk
from virtbus.worker.work import JobWork

PATIENCE = 5.0
"""Seconds that a domain's later jobs wait for a guest that was asked to let go of a device."""


class Waiting(Exception):
    """The job waits for the guest: its message leaves the queue, its mark keeps it."""


async def detach_live(
    desk: Desk, devices: Devices, alias: str, device: Device | None, work: JobWork, waiters: Waiters
) -> Detachment:
    """Have the guest let go of a device.

    :param device: the device; None where its removal was asked for before and it may be gone.
    :raises RemovalRejected: the guest refuses.
    :raises Waiting: it has not answered yet; the job ends when it does, or at its time limit.
    """
    mark = desk.record.pending_of(alias)
    if mark is None and device is not None:
        devices.check_detach(await desk.target(), device)
    if mark is None or work.job not in mark.jobs:
        work.check()
        mark = await _attach(desk, alias, work.job)
    if mark.outcome is not None:
        return result(mark, desk)
    outcome = waiters.hold(desk, alias, work)
    try:
        if not mark.sent and not waiters.is_sent(desk, alias):
            await _ask(desk, devices, alias, work, waiters)
        async with asyncio.timeout(min(PATIENCE, work.remaining())):
            return result(await asyncio.shield(outcome), desk)
    except TimeoutError:
        if outcome.done():
            return result(outcome.result(), desk)
        waiters.jobs[work.job] = work
        raise Waiting from None
    finally:
        waiters.held.pop(work.job, None)


async def _ask(desk: Desk, devices: Devices, alias: str, work: JobWork, waiters: Waiters) -> None:
    """Have the driver ask the guest; a mark whose request was refused before it was sent is taken back."""
    try:
        await devices.detach(await desk.target(), alias, work)
    except Unavailable:
        raise
    except HypervisorSilent:
        # It may have been sent: the mark waits for what comes of it.
        pass
    except VirtbusError:
        await desk.change(lambda record: {"pending": [mark for mark in record.pending if mark.alias != alias]})
        raise
    waiters.note_sent(desk, alias)


async def _attach(desk: Desk, alias: str, job: str) -> PendingRemoval:
    """Write the mark, or add the job to those that wait for it."""

    def marked(record: DomainRecord) -> dict[str, Any]:
        mark = record.pending_of(alias) or PendingRemoval(alias=alias, job=job)
        others = [other for other in record.pending if other.alias != alias]
        return {"pending": [*others, mark.model_copy(update={"jobs": [*mark.jobs, job]})]}

    await desk.change(marked)
    found = desk.record.pending_of(alias)
    assert found is not None
    return found


async def remember_sent(desk: Desk, job: str) -> None:
    """Write that the guest was asked, so that nobody asks it again."""

    def sent(record: DomainRecord) -> dict[str, Any]:
        return {"pending": [m.model_copy(update={"sent": True}) if m.job == job else m for m in record.pending]}

    if any(mark.job == job and not mark.sent for mark in desk.record.pending):
        await desk.change(sent)


def result(mark: PendingRemoval, desk: Desk) -> Detachment:
    """The outcome of a settled removal.

    :raises RemovalRejected: the guest refused.
    """
    if mark.outcome == "rejected":
        raise RemovalRejected(
            f"the guest refused to let go of the device {mark.alias}" + (f": {mark.reason}" if mark.reason else ""),
            host=desk.record.host,
            domain=desk.record.uuid,
            hint="free the device in the guest (unmount it, take it down), then detach it again",
            evidence={"alias": mark.alias},
        )
    by = mark.reason if mark.reason in ("guest", "reset", "exit") else "guest"
    return Detachment(alias=mark.alias, outcome="removed", by=cast(Literal["guest", "reset", "exit"], by))


class Waiters:
    """Who waits for removals: handlers for a short while, jobs for as long as their time limit."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[UUID, str], asyncio.Future[PendingRemoval]] = {}
        self._sent: set[tuple[UUID, str]] = set()
        self.held: dict[str, JobWork] = {}
        """Jobs whose handlers wait here."""
        self.jobs: dict[str, JobWork] = {}
        """Jobs that wait for a guest without a handler, by id."""

    def hold(self, desk: Desk, alias: str, work: JobWork) -> asyncio.Future[PendingRemoval]:
        """The outcome of a removal, when it is known."""
        key = (desk.record.uuid, alias)
        future = self._outcomes.get(key)
        if future is None or future.done():
            future = asyncio.get_running_loop().create_future()
            self._outcomes[key] = future
        self.held[work.job] = work
        return future

    def note_sent(self, desk: Desk, alias: str) -> None:
        """The guest was asked, in this tenure."""
        self._sent.add((desk.record.uuid, alias))

    def is_sent(self, desk: Desk, alias: str) -> bool:
        return (desk.record.uuid, alias) in self._sent

    def tell(self, desk: Desk, mark: PendingRemoval) -> None:
        """Tell the handlers that wait how it ended."""
        self._sent.discard((desk.record.uuid, mark.alias))
        future = self._outcomes.pop((desk.record.uuid, mark.alias), None)
        if future is not None and not future.done():
            future.set_result(mark)
