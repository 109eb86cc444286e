"""Starting, stopping and pausing simulated domains."""

from __future__ import annotations

import asyncio
from uuid import UUID

from virtbus.domain import Domain, Form
from virtbus.driver import Lifecycle, Target, Work
from virtbus.errors import Cancelled, Expired, HypervisorError, HypervisorGone, Overtaken, WrongState
from virtbus_simulated.aliases import assign_aliases
from virtbus_simulated.definition import chosen_failures, memory_of, vcpus_of
from virtbus_simulated.ledger import POWER_OFF, REBOOT
from virtbus_simulated.session import Session, find_entry
from virtbus_simulated.translation import Entry

KILL_SECONDS = 5.0


class SimulatedLifecycle(Lifecycle):
    """The facet; the driver brings the session."""

    session: Session

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle."""
        with self.session.ledger.following(target.uuid) as entries:
            look = await self.session.look(target.uuid, work)
            earlier = [entry for entry in look.entries if entry.get("tag") == work.job]
            if not earlier and not (look.state == "starting" and look.tag == work.job):
                await self._start(target, definition, work, paused)
                return
            entry = earlier[0] if earlier else await self._next(entries, ("started", "start-failed"), work)
        if entry["event"] == "start-failed":
            raise HypervisorError(entry["message"], host=target.host, domain=target.uuid)

    async def _start(self, target: Target, definition: Domain, work: Work, paused: bool) -> None:
        live = definition.copy()
        assign_aliases(live)
        await work.before_effect(position=self.session.ledger.latest)
        try:
            await self.session.change(
                target.uuid,
                "start",
                work,
                name=target.name,
                xml=live.format(Form.LIVE, secure=True),
                tag=work.job,
                paused=paused,
                fail=chosen_failures(definition),
                vcpus=vcpus_of(definition),
                memory=memory_of(definition),
            )
        except (Cancelled, Expired, Overtaken):
            # A start that has failed must not come true afterwards.
            await self._kill(target.uuid)
            raise

    async def _kill(self, uuid: UUID) -> None:
        try:
            reply = await self.session.ask(uuid, "kill", KILL_SECONDS)
        except (WrongState, HypervisorGone):
            return
        await self.session.reach(uuid, reply["position"])

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        self.session.ledger.asked(target.uuid, POWER_OFF, work.job)
        await self._ask_guest(target, work, "power-off", "power-off-asked", "stopped")

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        self.session.ledger.asked(target.uuid, REBOOT, work.job)
        await self._ask_guest(target, work, "reboot", "reboot-asked", "reset")

    async def _ask_guest(self, target: Target, work: Work, request: str, asked: str, answer: str) -> None:
        """Ask the guest for something and wait until it has done it, or is gone."""
        with self.session.ledger.following(target.uuid) as entries:
            earlier = await self.session.since(target.uuid, work)
            position = await self.session.once(target.uuid, request, asked, work, earlier=earlier)
            await work.progress("waiting for the guest")
            done = find_entry(earlier, answer, after=position) or find_entry(earlier, "stopped", after=position)
            if done is None:
                done = await self._next(entries, (answer, "stopped"), work)
        if done["event"] != answer:
            raise HypervisorGone("the domain ended instead", host=target.host, domain=target.uuid)

    async def _next(self, entries: asyncio.Queue[Entry], kinds: tuple[str, ...], work: Work) -> Entry:
        """The next entry of one of these kinds, if the job may wait so long."""

        async def wait() -> Entry:
            while True:
                entry = await entries.get()
                if entry["event"] in kinds:
                    return entry

        return await work.until(wait())

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        earlier = [entry for entry in await self.session.since(target.uuid, work) if entry.get("by") != "guest"]
        await self.session.once(target.uuid, "reset", "reset", work, earlier=earlier)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        try:
            await self.session.once(target.uuid, "kill", "stopped", work)
        except WrongState:
            # It ended by itself just now: that is told first.
            await self.session.catch_up(target.uuid)
            raise

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        earlier = [entry for entry in await self.session.since(target.uuid, work) if entry.get("detail") == "paused"]
        await self.session.once(target.uuid, "suspend", "suspended", work, earlier=earlier)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await self.session.once(target.uuid, "resume", "resumed", work)
