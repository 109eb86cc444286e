"""Comparing: each look at a machine is held against the last one, and the difference is observed.

Jobs look right after what they did, polls now and then; both come through `look`, one at a time for each machine, so
nothing is told twice and all of it in order. What a job is about to bring about it says before (`expect_stop`), so that
a machine that is off is told as shut down, destroyed or saved, whoever sees it first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from virtbus.domain import Domain
from virtbus.errors import VirtbusError
from virtbus.observations import (
    Defined,
    DeviceAdded,
    DeviceRemoved,
    LiveChanged,
    Observe,
    PoweredOff,
    Rebooted,
    RemovalRefused,
    Resumed,
    Started,
    Stopped,
    Suspended,
    Undefined,
)
from virtbus_hyperv.classes import JOB, REMOVING, JobState, Power
from virtbus_hyperv.known import Directory, Expected, Known
from virtbus_hyperv.machines import Machine, Machines
from virtbus_hyperv.reading import Switches, defined_domain, live_domain
from virtbus_hyperv.wsman.client import WsMan
from virtbus_hyperv.wsman.reference import Reference

log = logging.getLogger(__name__)

GOING, COMING = "going", "coming"
"""Of a transient machine, in its notes: it is to be gone when it stops; it is being made, and has not started yet."""

Settle = Callable[[Machine, Known], Awaitable[Machine | None]]
"""What is to be done with a machine that is off: put its definition into force, or take it away (None)."""


class Witness:
    """Sees what happens to the machines of a host."""

    def __init__(self, machines: Machines, client: WsMan, observe: Observe) -> None:
        self._machines = machines
        self._client = client
        self._observe = observe
        self._locks: dict[str, asyncio.Lock] = {}
        self.directory = Directory()
        self.defining = asyncio.Lock()
        """Held while a machine is made: it is not new to us."""
        self.switches: Switches = {}
        self.settle: Settle

    @asynccontextmanager
    async def hold(self, guid: str) -> AsyncIterator[None]:
        """Have nobody else look at a machine meanwhile."""
        lock = self._locks.setdefault(guid.lower(), asyncio.Lock())
        async with lock:
            yield

    def expect_stop(self, known: Known, detail: str, cause: str | None) -> None:
        """A job is about to stop a machine, or has asked its guest to."""
        known.stopping = Expected(detail, cause)

    def expect_start(self, known: Known, detail: str, cause: str | None) -> None:
        """A job is about to start a machine."""
        known.starting = Expected(detail, cause)

    async def look(self, guid: str, timeout: float, cause: str | None = None) -> Machine | None:
        """Look at a machine and observe what is new; None where it is gone."""
        async with self.hold(guid):
            return await self.look_held(guid, timeout, cause)

    async def look_held(self, guid: str, timeout: float, cause: str | None = None) -> Machine | None:
        """The same by who holds the machine already."""
        looked = asyncio.get_running_loop().time()
        machine = await self._machines.one(guid, timeout)
        measured = asyncio.get_running_loop().time()
        if machine is None:
            self._vanished(guid, cause)
            return None
        known = self.directory.add(machine)
        if machine.power is Power.STARTING:
            return machine
        live = live_domain(machine, self.switches, known.uuid) if machine.power.active else None
        self._compare_run(known, machine, live, looked, cause)
        await self._answer_removals(known, live, timeout)
        self._compare_definition(known, machine, cause)
        known.note(machine, looked, measured)
        known.live = live
        return await self._settled(machine, known) if not machine.power.active else machine

    async def _settled(self, machine: Machine, known: Known) -> Machine | None:
        notes = machine.notes
        known.unsettled = machine.power is Power.OFF and (notes.transient == GOING or bool(notes.pending))
        if not known.unsettled:
            return machine
        try:
            settled = await self.settle(machine, known)
        except VirtbusError as error:
            # It is tried again at the next look.
            log.warning("%s", error.at(domain=known.uuid))
            return machine
        known.unsettled = False
        if settled is None:
            self.directory.forget(machine.guid)
        return settled

    def _vanished(self, guid: str, cause: str | None) -> None:
        known = self.directory.of_guid(guid)
        if known is None:
            return
        self.directory.forget(guid)
        if known.active:
            self._observe(Stopped(domain=known.uuid, cause=cause, detail="destroyed"))
        if known.persistent is not None:
            self._observe(Undefined(domain=known.uuid, cause=cause))

    # ---- the run ----

    def _compare_run(
        self, known: Known, machine: Machine, live: Domain | None, looked: float, cause: str | None
    ) -> None:
        same_run = known.active and live is not None and known.process == machine.process
        if known.active and not same_run:
            self._stopped(known, machine, cause)
        if live is None:
            return
        if not same_run:
            self._started(known, machine, live, cause)
            return
        if known.was_reset(machine.uptime, looked, runs=machine.power is Power.RUNNING):
            known.resets += 1
            self._observe(Rebooted(domain=known.uuid, cause=cause))
        known.reset_by_us = False
        if machine.power is not known.power:
            self._power_changed(known, machine, cause)
        self._compare_devices(known, machine, live, cause)

    def _stopped(self, known: Known, machine: Machine, cause: str | None) -> None:
        expected, known.stopping = known.stopping, None
        known.removals.clear()
        if expected is None and machine.power is Power.SAVED:
            expected = Expected("saved", cause)
        if expected is None and not machine.healthy:
            expected = Expected("failed", cause)
        if expected is None:
            # Nobody asked us, and nothing is wrong with it: its guest has shut down.
            expected = Expected("shutdown", cause)
        if expected.detail == "shutdown":
            self._observe(PoweredOff(domain=known.uuid, cause=expected.cause or cause, detail="guest"))
        self._observe(Stopped(domain=known.uuid, cause=expected.cause or cause, detail=expected.detail))

    def _started(self, known: Known, machine: Machine, live: Domain, cause: str | None) -> None:
        expected, known.starting = known.starting, None
        detail = expected.detail if expected is not None else "restored" if known.power is Power.SAVED else "booted"
        self._observe(Started(
            domain=known.uuid, cause=(expected.cause if expected is not None else None) or cause,
            incarnation=machine.incarnation, id=machine.process, live=live,
            paused=machine.power is Power.PAUSED, detail=detail,
        ))  # fmt: skip

    def _power_changed(self, known: Known, machine: Machine, cause: str | None) -> None:
        if machine.power is Power.RUNNING:
            self._observe(Resumed(domain=known.uuid, cause=cause))
            return
        # A host pauses a machine by itself where the disk under its files is full.
        words = ("paused", "user") if machine.healthy else ("ioerror", "ioerror")
        self._observe(Suspended(domain=known.uuid, cause=cause, detail=words[0], reason=words[1]))

    # ---- devices ----

    def _compare_devices(self, known: Known, machine: Machine, live: Domain, cause: str | None) -> None:
        if known.live is None or known.live == live:
            return
        before, after = _aliases(known.live), _aliases(live)
        for alias in sorted(before - after):
            known.removals.pop(alias, None)
            self._observe(DeviceRemoved(
                domain=known.uuid, cause=cause, alias=alias, live=live, by=removed_by(machine, alias),
            ))  # fmt: skip
        for alias in sorted(after - before):
            self._observe(DeviceAdded(domain=known.uuid, cause=cause, alias=alias, live=live))
        if before == after:
            change, known.change = known.change, None
            said: dict[str, Any] = {} if change is None else vars(change)
            self._observe(LiveChanged(domain=known.uuid, cause=cause, live=live, **said))

    async def _answer_removals(self, known: Known, live: Domain | None, timeout: float) -> None:
        """Removals that the host gave up are refused; those that came true were told as the devices went."""
        if live is None:
            known.removals.clear()
            return
        for alias, job in list(known.removals.items()):
            if alias not in _aliases(live):
                known.removals.pop(alias)
                continue
            refused = await self._refusal(job, timeout)
            if refused is not None:
                known.removals.pop(alias)
                self._observe(RemovalRefused(domain=known.uuid, alias=alias, reason=refused))

    async def _refusal(self, job: Reference | None, timeout: float) -> str | None:
        """Why a device that is still there will not go; None while the guest may still let go of it.

        :param job: the host's job of the removal; None where an earlier worker had it begun.
        """
        try:
            if job is not None:
                found = await self._client.get(job, timeout)
                return found.text("ErrorDescription") if found.number("JobState") > JobState.COMPLETED else None
            jobs = await self._client.enumerate(f"SELECT * FROM {JOB} WHERE JobType = {REMOVING}", timeout)
        except VirtbusError:
            # Asked again at the next look.
            return None
        under_way = any(each.number("JobState") < JobState.COMPLETED for each in jobs)
        return None if under_way else "the host does not try it any more"

    # ---- the definition ----

    def _compare_definition(self, known: Known, machine: Machine, cause: str | None) -> None:
        persistent = defined_domain(machine, self.switches, known.uuid)
        if persistent == known.persistent:
            return
        known.persistent = persistent
        if persistent is not None:
            self._observe(Defined(domain=known.uuid, cause=cause, persistent=persistent))
        else:
            self._observe(Undefined(domain=known.uuid, cause=cause))

    def of(self, uuid: UUID) -> Known | None:
        """What is known of a domain."""
        return self.directory.of_uuid(uuid)


def removed_by(machine: Machine, alias: str) -> str:
    """Who completed a removal: a reset, if the machine was reset after its guest was asked; else the guest."""
    asked = machine.notes.removals.get(alias)
    return "reset" if asked is not None and time.time() - machine.uptime > asked else "guest"


def _aliases(domain: Domain) -> set[str]:
    return {device.alias for device in domain.devices.every() if device.alias is not None}
