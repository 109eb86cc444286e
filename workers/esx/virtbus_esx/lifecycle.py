"""Starting, stopping and pausing machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from virtbus.domain import Domain
from virtbus.driver import Lifecycle, Target, Work
from virtbus.errors import Cancelled, Expired, HypervisorGone, HypervisorSilent, Overtaken, WrongState
from virtbus.state import DomainState
from virtbus_esx.machine import Machine, micros
from virtbus_esx.making import Maker
from virtbus_esx.soap import Session, returned
from virtbus_esx.tasks import ASK, finished, run, server_time
from virtbus_esx.updates import history
from virtbus_esx.witness import Known, Witness

KILL_AFTER = 10.0
"""Seconds that switching a machine off is given before its process is ended."""


class EsxLifecycle(Lifecycle):
    """The facet; the driver brings the session."""

    session: Session
    witness: Witness
    maker: Maker

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle. A host cannot start a machine paused: it is suspended as soon as it runs."""
        known = self.witness.of(target.uuid)
        if known is None:
            machine = await self.maker.create(definition, work, transient=target.persistent is None)
            known = self.witness.adopt(machine)
        elif work.begun is not None:
            await self.witness.look(known.ref)
        machine = self._machine(target, known)
        if not machine.active:
            if target.persistent is not None:
                async with self.witness.held(known.ref):
                    await self.maker.put(known, definition, work)
            await work.before_effect()
            await run(self.session, work, "PowerOnVM_Task", known.ref, host=None)
        if paused and machine.state is not DomainState.PAUSED:
            await self._suspended(known, work)
        await self.witness.look(known.ref, cause=work.job)

    async def _suspended(self, known: Known, work: Work) -> None:
        await work.before_effect()
        await run(self.session, work, "SuspendVM_Task", known.ref)

    def _machine(self, target: Target, known: Known) -> Machine:
        if known.machine is None:
            raise HypervisorGone("the machine is gone", host=target.host, domain=target.uuid)
        return known.machine

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        known.expected.stopped = "shutdown"
        try:
            if work.begun is None:
                await work.before_effect()
                await work.until(self.session.call("ShutdownGuest", known.ref, ASK))
            await work.progress("waiting for the guest")
            await work.until(self._until(known, lambda: known.machine is None or not known.machine.active))
        except (Cancelled, Expired, Overtaken):
            known.expected.stopped = None
            raise

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        since = await self._since(work)
        if not await self._happened(known, work, "VmGuestRebootEvent"):
            await work.before_effect(at=since)
            await work.until(self.session.call("RebootGuest", known.ref, ASK))
        await work.progress("waiting for the guest")
        await work.until(self._until(known, lambda: self._is_over(known, since)))
        if known.machine is None or not known.machine.active:
            raise HypervisorGone("the domain ended instead", host=target.host, domain=target.uuid)

    def _is_over(self, known: Known, since: int) -> bool:
        return known.rebooted > since or known.machine is None or not known.machine.active

    async def _until(self, known: Known, done: Callable[[], bool]) -> None:
        """Wait until a look at the machine shows it."""
        while True:
            changed = known.changed
            if done():
                return
            await changed.wait()

    async def _since(self, work: Work) -> int:
        """When this job was begun, by the server's clock."""
        if work.begun is not None and "at" in work.begun:
            return int(work.begun["at"])
        return micros(await server_time(self.session))

    async def _happened(self, known: Known, work: Work, kind: str) -> bool:
        """Whether an earlier attempt at this job did it already."""
        if work.begun is None or "at" not in work.begun:
            return False
        since = datetime.fromtimestamp(int(work.begun["at"]) / 1_000_000, UTC)
        events = await history(self.session, since, ASK)
        found = [event for event in events if event.machine == known.ref and event.kind == kind]
        if found:
            self.witness.told(set(), found)
        return bool(found)

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        since = await self._since(work)
        if not await self._happened(known, work, "VmResettingEvent"):
            await work.before_effect(at=since)
            await run(self.session, work, "ResetVM_Task", known.ref)
        if known.rebooted <= since:
            self.witness.rebooted(known, micros(await server_time(self.session)), cause=work.job)
        await self.witness.look(known.ref, cause=work.job)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        known.expected.stopped = "destroyed"
        known.expected.cause = work.job
        try:
            await work.before_effect()
            await self._switch_off(known, work)
        except WrongState:
            # It ended by itself just now: that is told first.
            known.expected.stopped = None
            await self.witness.look(known.ref)
            raise
        await self.witness.look(known.ref, cause=work.job)

    async def _switch_off(self, known: Known, work: Work) -> None:
        """Switch the machine off; where the host does not get to it, end its process."""
        task = returned(await work.until(self.session.call("PowerOffVM_Task", known.ref, ASK)))
        try:
            async with asyncio.timeout(min(KILL_AFTER, work.remaining())):
                await finished(self.session, task, "PowerOffVM_Task")
        except (TimeoutError, HypervisorSilent):
            await work.until(self.session.call("TerminateVM", known.ref, ASK))
            await work.until(self._until(known, lambda: known.machine is None or not known.machine.active))

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        if await self._is_still(known, DomainState.RUNNING, work):
            await self._suspended(known, work)
        await self.witness.look(known.ref, cause=work.job)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        known = self.witness.require(target)
        if await self._is_still(known, DomainState.PAUSED, work):
            await work.before_effect()
            await run(self.session, work, "PowerOnVM_Task", known.ref, host=None)
        await self.witness.look(known.ref, cause=work.job)

    async def _is_still(self, known: Known, state: DomainState, work: Work) -> bool:
        """Whether it is to be done still: an earlier attempt may have done it."""
        if work.begun is None:
            return True
        found = await self.witness.look(known.ref, cause=work.job)
        return found is not None and found.state is state
