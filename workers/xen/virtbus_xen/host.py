"""A Xen host: what runs there, and how its changes are found and told.

xl is asked what is whenever the xenstore says that a domain came or went. The guest's own end is handled here: the
domains are started so that Xen keeps one that has ended, with the reason, until it is dealt with; nothing is missed
while no worker looks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from uuid import UUID, uuid4

from virtbus.domain import Domain
from virtbus.domain.power import LifecycleAction
from virtbus.driver import HostSettings, Target
from virtbus.errors import HypervisorError, NoDomain, VirtbusError, WrongState
from virtbus.observations import (
    Crashed,
    DeviceRemoved,
    LiveChanged,
    Observation,
    Observe,
    PoweredOff,
    Rebooted,
    Resumed,
    Started,
    Stopped,
    Suspended,
)
from virtbus_xen import adoption, aliases, config
from virtbus_xen.backends import BACKENDS, CLOSED, CLOSING, Backends
from virtbus_xen.dom0 import reach
from virtbus_xen.notes import Note, Notes, Phase
from virtbus_xen.run import Run
from virtbus_xen.xenstore import XenStore
from virtbus_xen.xl import CHANGE_SECONDS, Listed, Reason, Xl

log = logging.getLogger(__name__)

RESTART_SECONDS = 120.0
SWEEP_SECONDS = 30.0
"""Between two looks although nothing was told: xl and others pause domains without a word."""

_DETAILS = {Reason.CRASH: "crashed", Reason.WATCHDOG: "crashed"}
_BACKEND_STATE = re.compile(rf"{BACKENDS}/(?:vbd|vif)/(?P<domid>\d+)/\d+(?:/state)?")


class Host:
    """Everything that the facets share."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self.settings, self.observe = settings, observe
        self.dom0 = reach(settings)
        self.xl = Xl(self.dom0)
        self.store = XenStore(self.dom0)
        self.notes = Notes(self.store)
        self.backends = Backends(self.store, self.xl)
        self.runs: dict[UUID, Run] = {}
        self.starting: set[UUID] = set()
        self.taken = asyncio.Event()
        """Set when the inventory has been taken."""
        self._looking = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    # ---- what runs ----

    def run(self, target: Target) -> Run:
        """The domain's run.

        :raises WrongState: it is not running.
        """
        run = self.runs.get(target.uuid)
        if run is None:
            raise WrongState("the domain is not running", host=self.settings.name, domain=target.uuid)
        return run

    @contextmanager
    def hold(self, run: Run) -> Iterator[None]:
        """While a domain is changed, only the changer tells what becomes of it."""
        run.held += 1
        try:
            yield
        finally:
            run.held -= 1

    async def listed(self, uuid: UUID) -> Listed | None:
        """A domain as xl shows it now."""
        return next((each for each in await self.xl.domains() if each.uuid == uuid), None)

    def arrive(self, run: Run) -> None:
        """A domain runs from now on."""
        self.runs[run.uuid] = run
        self.starting.discard(run.uuid)

    async def depart(self, run: Run, told: Observation | None) -> None:
        """A domain is gone: tell it and forget it."""
        if self.runs.get(run.uuid) is run:
            del self.runs[run.uuid]
            if told is not None:
                self.observe(told)
        run.gone.set()
        await self.notes.forget(run.uuid)

    async def restart(self, run: Run) -> None:
        """Destroy a domain and create it anew, without the devices whose removal is pending; tell what that is.

        To be called while the run is held.
        """
        removed = dict(run.removals)
        run.removals.clear()
        for alias in removed:
            _drop(run.live, alias)
        await self.notes.define(run.uuid, run.live)
        await self.notes.turn(run.uuid, Phase.RESTARTING)
        with suppress(NoDomain):
            await self.xl.ask("destroy", str(run.domid))
        await self.create(run.live, paused=run.paused)
        await self._restarted(run, removed)

    async def _restarted(self, run: Run, removed: dict[str, str | None]) -> None:
        entry = await self.listed(run.uuid)
        run.domid = entry.domid if entry is not None else run.domid
        run.live.id = run.domid
        await self.notes.number(run.uuid, run.domid)
        await self.notes.turn(run.uuid, Phase.RUNNING)
        run.over = False
        self.observe(Rebooted(domain=run.uuid, cause=run.asked.pop("reboot", None)))
        for alias, job in removed.items():
            self.observe(DeviceRemoved(domain=run.uuid, cause=job, alias=alias, live=run.live.copy(), by="reset"))
        self.observe(LiveChanged(domain=run.uuid, live=run.live.copy()))
        run.removals.clear()
        run.restarts += 1
        run.restarted.set()

    async def create(self, live: Domain, *, paused: bool, timeout: float = CHANGE_SECONDS) -> None:
        """Have xl create a domain."""
        await self.xl.create(file_of(live), paused=paused, timeout=timeout)

    # ---- what changes ----

    async def watch(self) -> None:
        """Look whenever something came or went, until the connection ends."""
        ready = asyncio.Event()
        paths = ("@introduceDomain", "@releaseDomain", f"{BACKENDS}/vbd", f"{BACKENDS}/vif")
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            sweeping = tasks.create_task(self._sweep())
            async with aclosing(self.store.watch(paths, ready)) as events:
                async for path in events:
                    await self._heard(path, tasks)
            sweeping.cancel()

    async def _sweep(self) -> None:
        await self.taken.wait()
        while True:
            await self.look()
            for run in list(self.runs.values()):
                for alias in list(run.removals):
                    await self._look_at_removal(run, alias)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _heard(self, path: str, tasks: asyncio.TaskGroup) -> None:
        if not self.taken.is_set():
            return
        if path.startswith("@"):
            await self.look()
            return
        found = _BACKEND_STATE.fullmatch(path)
        run = next((each for each in self.runs.values() if found and each.domid == int(found["domid"])), None)
        if run is not None and run.removals and not run.held:
            for alias in list(run.removals):
                tasks.create_task(self._look_at_removal(run, alias))

    async def look(self) -> None:
        """Compare what is with what is known, and tell the differences."""
        async with self._looking:
            before = dict(self.runs)
            found = {each.uuid: each for each in await self.xl.domains()}
            for uuid, run in before.items():
                if run.held or self.runs.get(uuid) is not run:
                    continue
                entry = found.get(uuid)
                if entry is None:
                    await self.depart(run, Stopped(domain=uuid, detail="failed"))
                elif entry.domid != run.domid:
                    await self._restarted(run, await self._lost(run, entry))
                elif entry.over and not run.over:
                    self._begin_end(run, entry)
                elif entry.paused != run.paused and not entry.over:
                    run.paused = entry.paused
                    self.observe(Suspended(domain=uuid) if run.paused else Resumed(domain=uuid))
            for uuid, entry in found.items():
                if uuid not in before and uuid not in self.runs and uuid not in self.starting:
                    run = await self.adopt(entry)
                    self.arrive(run)
                    self.observe(Started(domain=uuid, incarnation=run.incarnation, id=run.domid, live=run.live.copy(),
                                         paused=run.paused))  # fmt: skip

    async def _lost(self, run: Run, entry: Listed) -> dict[str, str | None]:
        """The pending removals that a restart from outside has completed; takes the devices out of the definition."""
        lost = {}
        for alias, job in run.removals.items():
            if await self.backends.of(entry.domid, run.live, alias) is None:
                lost[alias] = job
                _drop(run.live, alias)
        if lost:
            await self.notes.define(run.uuid, run.live)
        return lost

    async def adopt(self, entry: Listed) -> Run:
        """A domain that somebody else started."""
        described = json.loads(await self.xl.ask("list", "-l", str(entry.domid), urgent=True))
        described = described[0] if isinstance(described, list) else described
        live = adoption.read(described, entry.uuid)
        live.id = entry.domid
        aliases.assign(live)
        run = Run(entry.uuid, entry.domid, uuid4().hex, live, paused=entry.paused)
        await self.notes.begin(run.uuid, run.incarnation, "", live)
        await self.notes.number(run.uuid, run.domid)
        await self.notes.turn(run.uuid, Phase.RUNNING)
        return run

    # ---- a guest's own end ----

    def _begin_end(self, run: Run, entry: Listed) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._end(run, entry.reason or Reason.POWEROFF))

    async def _end(self, run: Run, reason: Reason) -> None:
        """A guest has ended: do what the definition says follows."""
        if run.held or reason is Reason.SUSPEND:
            return
        with self.hold(run):
            try:
                if await self.settle(run, reason):
                    await self.restart(run)
                elif not run.over:
                    detail = _DETAILS.get(reason, "shutdown")
                    await self.notes.turn(run.uuid, Phase.ENDING, detail)
                    with suppress(NoDomain):
                        await self.xl.ask("destroy", str(run.domid))
                    job = run.asked.get("poweroff")
                    await self.depart(run, Stopped(domain=run.uuid, cause=job, detail=detail))
            except HypervisorError as error:
                # The next look finds what is left.
                log.warning("domain %s: its end could not be dealt with: %s", run.uuid, error)

    async def settle(self, run: Run, reason: Reason) -> bool:
        """Tell how a guest ended; whether it is to be restarted."""
        if reason is Reason.REBOOT:
            action = run.live.on_reboot or LifecycleAction.RESTART
        elif reason in _DETAILS:
            action = run.live.on_crash or LifecycleAction.DESTROY
            self.observe(Crashed(domain=run.uuid))
        else:
            action = run.live.on_poweroff or LifecycleAction.DESTROY
            job = run.asked.get("poweroff")
            self.observe(PoweredOff(domain=run.uuid, cause=job))
        if action is LifecycleAction.PRESERVE:
            run.over = True
        return action in (LifecycleAction.RESTART, LifecycleAction.RENAME_RESTART, LifecycleAction.COREDUMP_RESTART)

    # ---- devices that the guest lets go of ----

    async def _look_at_removal(self, run: Run, alias: str) -> None:
        """Finish a removal whose backend is closed."""
        backend = await self.backends.of(run.domid, run.live, alias)
        state = await self.backends.state(backend) if backend is not None else None
        if backend is not None and state not in (CLOSED, None):
            if state != CLOSING and alias in run.removals and not run.held:
                # The guest was still connecting when it was asked, and has not heard it.
                await self.backends.ask(backend)
            return
        if alias not in run.removals or run.held or self.runs.get(run.uuid) is not run:
            # Another one has seen it, or the domain is being changed as a whole.
            return
        job = run.removals.pop(alias)
        try:
            if backend is not None:
                await self.backends.remove(backend)
        except VirtbusError as error:
            run.removals[alias] = job
            log.warning("domain %s: %s cannot be taken away yet: %s", run.uuid, alias, error)
            return
        _drop(run.live, alias)
        await self.notes.define(run.uuid, run.live)
        self.observe(DeviceRemoved(domain=run.uuid, cause=job, alias=alias, live=run.live.copy()))

    async def look_at_removal(self, run: Run, alias: str) -> None:
        """As when its backend changed."""
        await self._look_at_removal(run, alias)

    # ---- after an absence ----

    async def recover(self, note: Note, uuid: UUID, entry: Listed | None) -> Listed | None:
        """Finish what an earlier worker had begun; what runs then."""
        if note.phase == Phase.RESTARTING and note.live is not None and (entry is None or entry.over):
            if entry is not None:
                await self.xl.ask("destroy", str(entry.domid))
            await self.create(note.live, paused=False)
            return await self.listed(uuid)
        return entry


def file_of(live: Domain) -> str:
    """xl's file of a domain, by which Xen keeps a domain that has ended until the worker has dealt with it."""
    held = live.copy()
    held.on_poweroff = held.on_reboot = held.on_crash = LifecycleAction.PRESERVE
    return config.write(held)


def _drop(live: Domain, alias: str) -> None:
    live.devices.disks = [each for each in live.devices.disks if each.alias != alias]
    live.devices.interfaces = [each for each in live.devices.interfaces if each.alias != alias]
