"""A running container: the process that LXC watches it with, its first process, and what was last told of both."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from virtbus.domain import Domain, Form
from virtbus.driver import Work
from virtbus.errors import HypervisorGone
from virtbus.observations import Observation, Observe, PoweredOff, Rebooted, Resumed, Stopped, Suspended
from virtbus_lxc import loops
from virtbus_lxc.cgroups import Cgroup, Layout
from virtbus_lxc.folder import DomainFolder, Notes, noted, recalled
from virtbus_lxc.process import Identity, Watch

T = TypeVar("T")

CLEAN_UP = 3.0
"""Seconds that LXC is given to clean up after a container whose first process was killed."""
LOOK_EVERY = 2.0
"""Seconds between two looks at a container of which nothing is heard: what lxc-monitor lost is found then."""


class Container:
    """Serve it by `serve`, until it has ended; tell it by `poke` that something may have changed."""

    def __init__(self, folder: DomainFolder, notes: Notes, live: Domain, observe: Observe, layout: Layout,
                 monitor: Identity) -> None:  # fmt: skip
        self.folder = folder
        self.notes = notes
        self.live = live
        self.observe = observe
        self.layout = layout
        self.monitor = monitor
        self.init: Identity | None = recalled(notes.init)
        self.cgroup: Cgroup | None = None
        self.booted: Identity | None = self.init
        """The first process as last told: a reboot is told when all is done that follows it."""
        self.frozen = False
        """As last told."""
        self.dying = False
        """Whether it is being killed: what happens on the way is not told."""
        self.gone = asyncio.Event()
        """Set when its end has been told."""
        self.changed = asyncio.Condition()
        self.changing = asyncio.Lock()
        """Held while devices are changed."""
        self.rebooted: Callable[[Container], Awaitable[None]] | None = None
        """What is to be done after a reboot, before it is told."""
        self._poked = asyncio.Event()
        self._watch = Watch(monitor)
        self._note_cgroup()

    @property
    def uuid(self) -> UUID:
        return self.folder.uuid

    @property
    def incarnation(self) -> str:
        """The run's name: the monitor's process outlives the container's reboots."""
        return str(self.monitor)

    @property
    def where(self) -> tuple[str, ...]:
        """How the lxc-* commands are told which container."""
        return ("-P", self.notes.path, "-n", self.notes.name)

    def note(self) -> None:
        """Write down what a later worker must know."""
        self.notes.monitor = noted(self.monitor)
        self.notes.init = noted(self.init) or self.notes.init
        self.folder.write_notes(self.notes)

    def rewrite(self) -> None:
        """Write the live definition down."""
        self.folder.write_definition(self.live.format(Form.STATUS, secure=True))

    def poke(self) -> None:
        """Something may have changed: have a look."""
        self._poked.set()

    def first_process(self) -> Identity:
        """The container's first process.

        :raise HypervisorGone: it has none: it ends or reboots at this moment.
        """
        if self.init is None or not self.init.alive():
            raise HypervisorGone("the container ends or reboots at this moment", domain=self.uuid)
        return self.init

    # ---- looking ----

    def look(self) -> list[Observation]:
        """What has changed since the last look, in order."""
        told: list[Observation] = []
        if self.dying or not self.monitor.alive():
            return told
        current = self._current_init()
        if current is not None and current != self.init:
            booted_before = self.notes.init is not None
            self.init = current
            self.note()
            self._note_cgroup()
            if booted_before:
                told.append(Rebooted(domain=self.uuid))
        frozen = self.is_frozen()
        if frozen is not None and frozen != self.frozen:
            self.frozen = frozen
            told.append(Suspended(domain=self.uuid) if frozen else Resumed(domain=self.uuid))
        return told

    def is_frozen(self) -> bool | None:
        """Whether its processes are stopped now; None where that cannot be said."""
        return None if self.cgroup is None else self.cgroup.frozen()

    def _current_init(self) -> Identity | None:
        if self.init is not None and self.init.alive():
            return self.init
        return next((child for child in self.monitor.children() if in_own_pid_namespace(child)), None)

    def _note_cgroup(self) -> None:
        if self.init is not None:
            found = Cgroup.of(self.layout, self.init.pid)
            self.cgroup = found or self.cgroup

    # ---- serving ----

    async def serve(self) -> None:
        """Tell what changes until the run has ended, and tell that."""
        while not self._watch.ended.is_set():
            await self._tell()
            await self._something()
            self._poked.clear()
        await self._tell_end()

    async def _something(self) -> None:
        """Until something may have changed."""
        tasks = [asyncio.ensure_future(each.wait()) for each in (self._poked, self._watch.ended)]
        try:
            await asyncio.wait(tasks, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _tell(self) -> None:
        told = self.look()
        if self.rebooted is not None and any(isinstance(each, Rebooted) for each in told):
            await self.rebooted(self)
        for observation in told:
            self.observe(observation)
        self.booted = self.init
        if told:
            async with self.changed:
                self.changed.notify_all()

    async def told(self, wanted: Callable[[], bool], work: Work) -> None:
        """Wait until what is looked for has been told.

        :raise HypervisorGone: the run ended first.
        """

        async def wait() -> None:
            async with self.changed:
                await self.changed.wait_for(lambda: wanted() or self.gone.is_set())

        await work.until(wait())
        if not wanted():
            raise HypervisorGone("the container ended instead", domain=self.uuid)

    async def _tell_end(self) -> None:
        await self.sweep()
        for observation in self.ending():
            self.observe(observation)
        self.gone.set()
        async with self.changed:
            self.changed.notify_all()
        self.close()

    def ending(self) -> list[Observation]:
        """How the run ended."""
        notes, ending = self.notes, self.folder.ending()
        if notes.destroyed is not None:
            return [Stopped(domain=self.uuid, detail=notes.detail, cause=notes.destroyed)]
        if not ending.told or ending.signal not in (None, signal.SIGINT):
            return [Stopped(domain=self.uuid, detail="failed", reason="crashed")]
        return [
            PoweredOff(domain=self.uuid, detail="guest", cause=notes.shutdown),
            Stopped(domain=self.uuid, detail="shutdown", cause=notes.shutdown),
        ]

    # ---- ending ----

    async def kill(self) -> None:
        """End it at once, also where it is frozen or LXC's monitor answers nobody."""
        self.dying = True
        if self.init is not None:
            self.init.kill()
        if self.cgroup is not None:
            # What is frozen dies only when it is let go of.
            self.cgroup.thaw()
        try:
            async with asyncio.timeout(CLEAN_UP):
                await self._watch.ended.wait()
        except TimeoutError:
            self.monitor.kill()
            async with asyncio.timeout(CLEAN_UP):
                await self._watch.ended.wait()

    async def sweep(self) -> None:
        """Take away what is left of it: loop devices; processes and cgroups, where its monitor was killed."""
        await self._kill_left()
        await loops.release(self.notes.loops.values())

    async def _kill_left(self) -> None:
        if self.cgroup is None:
            return
        left = [found for pid in self.cgroup.processes() if (found := Identity.of(pid)) is not None]
        for process in left:
            process.kill()
        if left:
            self.cgroup.thaw()
        for process in left:
            watch = Watch(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLEAN_UP):
                    await watch.ended.wait()
            watch.close()
        self.cgroup.remove()

    def close(self) -> None:
        """Let go of it; it runs on."""
        self._watch.close()


def in_own_pid_namespace(process: Identity) -> bool:
    """Whether a process is the first of a PID namespace below the host's (proc(5), NSpid)."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"
