"""Starting, stopping, pausing, saving and restoring Xen's domains."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID, uuid4

from virtbus.domain import Domain
from virtbus.driver import Lifecycle, Saving, Target, Work
from virtbus.errors import HypervisorError, NoDomain, VirtbusError, WrongState
from virtbus.observations import Resumed, Started, Stopped, Suspended
from virtbus_xen import aliases
from virtbus_xen.config.guest import is_full
from virtbus_xen.host import Host, file_of
from virtbus_xen.notes import Phase
from virtbus_xen.run import Run
from virtbus_xen.xl import CHANGE_SECONDS

UNDO_SECONDS = 60.0

_ASKED = {"shutdown": "poweroff", "reboot": "reboot"}
"""What a paravirtual guest finds in control/shutdown (Xen: docs/misc/xenstore-paths)."""


class XenLifecycle(Lifecycle, Saving):
    """Both facets; the driver brings the host."""

    host: Host

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle."""

        async def create(live: Domain) -> None:
            await self.host.create(live, paused=paused, timeout=work.remaining() + 1)

        await self._begin(target, definition, work, create, "booted", paused=paused)

    async def restore(self, target: Target, definition: Domain, file: str, work: Work, *, paused: bool) -> None:
        """See Saving."""

        async def create(live: Domain) -> None:
            limit = work.remaining() + 1
            await self.host.xl.restore(file_of(live), file, paused=paused, timeout=limit)

        await self._begin(target, definition, work, create, "restored", paused=paused)

    async def _begin(self, target: Target, definition: Domain, work: Work,
                     create: Callable[[Domain], Awaitable[None]], detail: str, *, paused: bool) -> None:  # fmt: skip
        host, uuid = self.host, target.uuid
        host.starting.add(uuid)
        try:
            if work.begun is not None and await self._was_begun(uuid, work, detail, paused=paused):
                return
            if (there := await host.listed(uuid)) is not None:
                raise WrongState(f"Xen has a domain of this UUID, with the number {there.domid}",
                                 host=target.host, domain=uuid)  # fmt: skip
            live = definition.copy()
            aliases.assign(live)
            await work.before_effect()
            incarnation = uuid4().hex
            await host.notes.begin(uuid, incarnation, work.job, live)
            try:
                await work.until(_awaited(create(live)))
                await self._arrived(uuid, incarnation, live, work, detail, paused=paused)
            except BaseException:
                await self._undo(uuid)
                raise
        finally:
            host.starting.discard(uuid)

    async def _arrived(self, uuid: UUID, incarnation: str, live: Domain, work: Work, detail: str, *, paused: bool
                       ) -> None:  # fmt: skip
        host = self.host
        entry = await host.listed(uuid)
        if entry is None:
            raise HypervisorError("the domain ended while it was starting", domain=uuid)
        live.id = entry.domid
        await host.notes.number(uuid, entry.domid)
        await host.notes.turn(uuid, Phase.RUNNING)
        run = Run(uuid, entry.domid, incarnation, live, paused=paused)
        host.arrive(run)
        host.observe(Started(domain=uuid, cause=work.job, incarnation=incarnation, id=entry.domid, live=live.copy(),
                             paused=paused, detail=detail))  # fmt: skip

    async def _was_begun(self, uuid: UUID, work: Work, detail: str, *, paused: bool) -> bool:
        """Whether an earlier attempt started it; what that left half made is removed."""
        note = await self.host.notes.read(uuid)
        if note is None or note.job != work.job or note.live is None:
            return uuid in self.host.runs
        entry = await self.host.listed(uuid)
        if entry is not None and (note.phase == Phase.RUNNING or (entry.paused == paused and not entry.over)):
            await self._arrived(uuid, note.incarnation, note.live, work, detail, paused=paused)
            return True
        await self._undo(uuid)
        return False

    async def _undo(self, uuid: UUID) -> None:
        """Nothing of a failed start stays."""
        with suppress(VirtbusError):
            if (entry := await self.host.listed(uuid)) is not None:
                await self.host.xl.ask("destroy", str(entry.domid), timeout=UNDO_SECONDS)
            await self.host.notes.forget(uuid)

    # ---- asking the guest ----

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        run = self.host.run(target)
        run.asked["poweroff"] = work.job
        run.asked.pop("reboot", None)
        if work.begun is None:
            await work.before_effect(domid=run.domid)
            await self._ask(run, "shutdown", work)
        await work.progress("waiting-for-guest")
        await work.until(_until(run.gone))

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        run = self.host.run(target)
        if work.begun is not None and work.begun.get("domid") != run.domid:
            return
        run.asked["reboot"] = work.job
        run.restarted.clear()
        if work.begun is None:
            await work.before_effect(domid=run.domid)
            await self._ask(run, "reboot", work)
        await work.progress("waiting-for-guest")
        await work.until(_until(run.restarted))

    async def _ask(self, run: Run, verb: str, work: Work) -> None:
        """A paravirtual guest is asked through the xenstore, where xl would wait for it to say that it has heard; a
        full one by xl, which asks through ACPI where the guest has no drivers of Xen's (-F)."""
        if not is_full(run.live):
            await self.host.store.write(f"/local/domain/{run.domid}/control/shutdown", _ASKED[verb])
            return
        with suppress(NoDomain):
            await work.until(_awaited(self.host.xl.ask(verb, "-F", str(run.domid), timeout=CHANGE_SECONDS)))

    # ---- at once ----

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle. Xen has no reset: the domain is destroyed and created anew."""
        run = self.host.run(target)
        if work.begun is not None and work.begun.get("domid") != run.domid:
            return
        await work.before_effect(domid=run.domid)
        with self.host.hold(run):
            run.asked["reboot"] = work.job
            await self.host.restart(run)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        run = self.host.run(target)
        await work.before_effect(domid=run.domid)
        await self._end(run, "destroyed", work, lambda: self.host.xl.ask("destroy", str(run.domid), urgent=True))

    async def save(self, target: Target, file: str, work: Work) -> None:
        """See Saving."""
        run = self.host.run(target)
        await work.before_effect(domid=run.domid)
        limit = work.remaining() + 1
        part = f"{file}.part"
        try:
            await self._end(run, "saved", work, lambda: self.host.xl.save(run.domid, part, file, timeout=limit))
        except VirtbusError:
            await self.host.xl.forget_file(part)
            raise

    async def _end(self, run: Run, detail: str, work: Work, act: Callable[[], Awaitable[object]]) -> None:
        with self.host.hold(run):
            await self.host.notes.turn(run.uuid, Phase.ENDING, detail)
            try:
                await act()
            except NoDomain:
                pass
            except VirtbusError:
                await self.host.notes.turn(run.uuid, Phase.RUNNING)
                raise
            await self.host.depart(run, Stopped(domain=run.uuid, cause=work.job, detail=detail))

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await self._pause(self.host.run(target), "pause", work)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await self._pause(self.host.run(target), "unpause", work)

    async def _pause(self, run: Run, verb: str, work: Work) -> None:
        await work.before_effect()
        with self.host.hold(run):
            await work.until(_awaited(self.host.xl.ask(verb, str(run.domid))))
            run.paused = verb == "pause"
            kind = Suspended if run.paused else Resumed
            self.host.observe(kind(domain=run.uuid, cause=work.job))


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _awaited(awaitable: Awaitable[object]) -> None:
    await awaitable
