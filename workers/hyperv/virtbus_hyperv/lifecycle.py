"""Starting, stopping and pausing machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from virtbus.domain import Domain
from virtbus.driver import Lifecycle, Target, Work
from virtbus.errors import (
    Cancelled,
    Expired,
    HypervisorError,
    HypervisorGone,
    Overtaken,
    VirtbusError,
    WrongState,
)
from virtbus_hyperv.classes import SHUTDOWN, Power, Requested
from virtbus_hyperv.errand import Errand
from virtbus_hyperv.known import Known
from virtbus_hyperv.machines import Machine, system_reference
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.session import Session
from virtbus_hyperv.witness import COMING, GOING

KILL_SECONDS = 20.0
LOOK_EVERY = (0.05, 1.0)
"""Seconds between looks for a guest's answer: at first, and at most."""
REASON = "asked for by Virtbus"


class HypervLifecycle(Lifecycle):
    """The facet; the driver brings the session."""

    session: Session

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle."""
        transient = target.persistent is None
        known = await self._made(definition, work) if transient else self.session.known(target)
        machine = await self._settled(known, work)
        if not machine.power.active:
            await work.before_effect()
            detail = "restored" if machine.power is Power.SAVED else "booted"
            self.session.witness.expect_start(known, detail, work.job)
            try:
                await self._request(known, Requested.RUNNING, work)
            except (Cancelled, Expired, Overtaken):
                # A start that has failed must not come true afterwards.
                await self._kill(known)
                raise
            except VirtbusError:
                known.starting = None
                if transient:
                    await self.session.settling.remove(machine, Errand(KILL_SECONDS))
                    self.session.witness.directory.forget(known.guid)
                raise
        if transient:
            await self._mark_transient(known, work)
        if paused and machine.power is not Power.PAUSED:
            await self._request(known, Requested.PAUSED, work)
        await self.session.look(known, work)

    async def _made(self, definition: Domain, work: Work) -> Known:
        """A machine without a definition, to be started."""
        assert definition.uuid is not None
        await work.before_effect()
        async with self.session.made(definition, work, COMING) as (machine, known):
            if machine.power is Power.OFF:
                await self.session.settling.put_into_force(machine, definition, known, work, transient=COMING)
        return known

    async def _mark_transient(self, known: Known, work: Work) -> None:
        machine = await self.session.applying.read(known.guid, work)
        notes = machine.notes
        notes.transient = GOING
        await self.session.applying.write_notes(machine, notes, work)

    async def _settled(self, known: Known, work: Work) -> Machine:
        """The machine, with the definition in force that waited for its end."""
        machine = await self.session.look(known, work)
        if machine is None:
            raise HypervisorError("the machine is gone", domain=known.uuid)
        if known.unsettled:
            raise HypervisorError("the definition could not be put into force", domain=known.uuid,
                                  hint="the worker's log says why")  # fmt: skip
        return machine

    async def _kill(self, known: Known) -> None:
        errand = Errand(KILL_SECONDS)
        # It may not have begun.
        with suppress(WrongState):
            await self._request(known, Requested.OFF, errand)
        await self.session.look(known, errand)

    async def _request(self, known: Known, state: Requested, work: Work) -> None:
        """Have a machine come to a state, to the end of the host's job."""
        system = system_reference(known.guid)
        await self.session.management.run(system, "RequestStateChange", {"RequestedState": state.value}, work)

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.session.known(target)
        self.session.witness.expect_stop(known, "shutdown", work.job)
        process = known.process
        await self._ask_guest(target, known, "InitiateShutdown", {"Force": True, "Reason": REASON}, work)
        await work.until(self._until(known, lambda: not known.active or known.process != process))

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.session.known(target)
        process, resets = known.process, known.resets
        if not await self._was_reset(target, work):
            await self._ask_guest(target, known, "InitiateReboot", {"Force": True, "Reason": REASON}, work)
            await work.until(self._until(
                known, lambda: known.resets != resets or not known.active or known.process != process
            ))  # fmt: skip
        if not known.active:
            raise HypervisorGone("the domain ended instead", host=target.host, domain=target.uuid)

    async def _was_reset(self, target: Target, work: Work) -> bool:
        """Whether a machine was reset since an earlier attempt asked for it."""
        if work.begun is None or "asked" not in work.begun:
            return False
        machine = await self.session.machine(target, work)
        return time.time() - machine.uptime > float(work.begun["asked"])

    async def _ask_guest(
        self, target: Target, known: Known, method: str, arguments: dict[str, bool | str], work: Work
    ) -> None:
        query = f"SELECT * FROM {SHUTDOWN} WHERE SystemName = '{known.guid}'"
        found = await work.until(self.session.client.references(query, request_seconds(work)))
        if not found:
            raise HypervisorError(
                "the guest cannot be asked: it runs no integration services", host=target.host, domain=target.uuid,
                hint="install them in the guest, or destroy the domain",
            )  # fmt: skip
        await work.before_effect(asked=time.time())
        await self.session.management.run(found[0], method, arguments, work)
        await work.progress("waiting for the guest")

    async def _until(self, known: Known, done: Callable[[], bool]) -> None:
        """Look until something is so; whoever asks limits the time."""
        pause, most = LOOK_EVERY
        while not done():
            await asyncio.sleep(pause)
            pause = min(most, pause * 1.5)
            await self.session.witness.look(known.guid, KILL_SECONDS)

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.session.known(target)
        if await self._was_reset(target, work):
            return
        await work.before_effect(asked=time.time())
        async with self.session.witness.hold(known.guid):
            await self._request(known, Requested.RESET, work)
            known.reset_by_us = True
            await work.until(self.session.witness.look_held(known.guid, request_seconds(work), work.job))

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.session.known(target)
        await work.before_effect()
        before = known.stopping
        self.session.witness.expect_stop(known, "destroyed", work.job)
        try:
            await self._request(known, Requested.OFF, work)
        except VirtbusError:
            # It may have ended by itself just now: that is told first.
            known.stopping = before
            await self.session.look(known, Errand(KILL_SECONDS))
            raise
        await self.session.look(known, work)

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await self._change(target, Requested.PAUSED, work)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await self._change(target, Requested.RUNNING, work)

    async def _change(self, target: Target, state: Requested, work: Work) -> None:
        known = self.session.known(target)
        await work.before_effect()
        try:
            await self._request(known, state, work)
        except WrongState:
            await self.session.look(known, work)
            raise
        await self.session.look(known, work)
