"""The containers of one host: adopted when the worker comes, served while it is there, left running when it goes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.errors import HypervisorError, VirtbusError, WrongState
from virtbus.observations import Observation, Observe, Observed, Rebooted, Started
from virtbus.state import DomainState
from virtbus.worker.service import machine_id
from virtbus_lxc import loops
from virtbus_lxc.aliases import assign_aliases
from virtbus_lxc.cgroups import Layout
from virtbus_lxc.config.writing import Place
from virtbus_lxc.container import Container
from virtbus_lxc.events import Events
from virtbus_lxc.folder import DomainFolder, HostFolder, Notes, recalled
from virtbus_lxc.foreign import Foreign, find_foreign
from virtbus_lxc.process import Identity, naming
from virtbus_lxc.settings import lxc_settings
from virtbus_lxc.settling import settle, settle_again
from virtbus_lxc.tools import ask

log = logging.getLogger(__name__)

LOOK_LIMIT = 3.0
"""Seconds that a container's monitor is given to say which process is its first."""


class LxcHost:
    """What the facets of the driver share."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self.name = settings.name
        self.observe = observe
        self.folder = HostFolder(settings.run)
        self.settings = lxc_settings(settings)
        self.place = Place(Layout.of_host(), os.cpu_count() or 1)
        self.containers: dict[UUID, Container] = {}
        self.starting: set[UUID] = set()
        """Domains whose start is under way: nobody else looks into their folders."""
        self.foreign: dict[UUID, Foreign] = {}
        self._arriving: asyncio.Queue[Container] = asyncio.Queue()

    def container(self, target: Target) -> Container:
        """The running container of a domain.

        :raises WrongState: it has none.
        """
        container = self.containers.get(target.uuid)
        if container is None:
            raise WrongState("the domain is not running", host=self.name, domain=target.uuid, hint="start it first")
        return container

    # ---- serving ----

    def arrive(self, container: Container) -> None:
        """Serve a container from now on."""
        container.rebooted = settle_again
        self.containers[container.uuid] = container
        self._arriving.put_nowait(container)

    async def watch(self) -> None:
        """Serve every container, until cancelled."""
        paths = [self.settings.own, *(path for path in self.settings.found if path.is_dir())]
        events = Events(paths, self._poke)
        async with asyncio.TaskGroup() as group:
            group.create_task(events.listen(), name="lxc-monitor")
            while True:
                container = await self._arriving.get()
                group.create_task(self._serve(container), name=f"container {container.uuid}")

    def _poke(self, name: str | None) -> None:
        for container in self.containers.values():
            if name is None or container.notes.name == name:
                container.poke()

    async def _serve(self, container: Container) -> None:
        await container.serve()
        if self.containers.get(container.uuid) is container:
            del self.containers[container.uuid]

    async def close(self) -> None:
        """Let go of every container; they run on."""
        for container in self.containers.values():
            container.close()
        self.containers.clear()

    # ---- adoption ----

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """What is there: by the runtime folders, and by the configurations of containers that others made."""
        found = {each.uuid: each for each in find_foreign(machine_id(), self.settings.found)}
        self.foreign = found
        folders = {folder.uuid: folder for folder in self.folder.domains()}
        observed: dict[UUID, Observed] = {}
        for folder in folders.values():
            seen = await self._look_safely(folder, known)
            if seen is not None:
                observed[folder.uuid] = seen
        for foreign in found.values():
            if foreign.uuid not in observed and foreign.uuid not in self.starting:
                observed[foreign.uuid] = await self._look_foreign(foreign, known)
        return list(observed.values())

    async def _look_safely(self, folder: DomainFolder, known: Mapping[UUID, Known]) -> Observed | None:
        """As `_look`; a folder that makes no sense hides no other domain, and its own counts as it was recorded."""
        try:
            return await self._look(folder, known)
        except (VirtbusError, ValueError, KeyError, TypeError, OSError) as error:
            log.error("host %s: the runtime folder %s makes no sense: %s", self.name, folder.path, error)
        record = known.get(folder.uuid)
        if record is None or not record.active:
            return None
        return Observed(
            domain=folder.uuid, name=str(folder.uuid), state=DomainState.RUNNING, reason="unknown", state_known=False
        )

    async def _look(self, folder: DomainFolder, known: Mapping[UUID, Known]) -> Observed | None:
        if folder.uuid in self.starting:
            return None
        if folder.uuid in self.containers:
            return self._state(self.containers[folder.uuid], ())
        notes, text = folder.read_notes(), folder.read_definition()
        if notes is None or text is None:
            folder.remove()
            return None
        live = Domain.parse(text)
        monitor = recalled(notes.monitor)
        if monitor is None:
            # Its start may have been cut off before its processes were noted.
            monitor = None if notes.monitor is not None else await self._monitor_of(notes)
        if monitor is not None:
            live.id = live.id or monitor.pid
            return await self._adopt(Container(folder, notes, live, self.observe, self.place.cgroups, monitor))
        if notes.monitor is None:
            await self._give_up_start(folder, notes)
        return await self._ended(folder, notes, live, known.get(folder.uuid))

    async def _give_up_start(self, folder: DomainFolder, notes: Notes) -> None:
        """End a start that was cut off before there was a container, and may still be under way."""
        for process in await asyncio.to_thread(naming, str(folder.log)):
            process.kill()
        try:
            await ask("lxc-stop", "-P", notes.path, "-n", notes.name, "-k", timeout=LOOK_LIMIT)
        except HypervisorError as error:
            log.warning("%s", error.at(self.name, folder.uuid))

    async def _monitor_of(self, notes: Notes) -> Identity | None:
        """The process that watches a container, which is the parent of its first one."""
        words = ("-P", notes.path, "-n", notes.name, "-p", "-H")
        try:
            answer = await ask("lxc-info", *words, timeout=LOOK_LIMIT)
        except HypervisorError as error:
            log.warning("%s", error.at(self.name))
            return None
        text = answer.output.strip()
        init = Identity.of(int(text)) if text.isdigit() and int(text) > 0 else None
        return None if init is None else init.parent()

    async def _adopt(self, container: Container) -> Observed:
        missed = tuple(container.look())
        if not container.notes.settled:
            # Its start was cut off in between.
            try:
                await settle(container, LOOK_LIMIT)
            except HypervisorError as error:
                log.warning("%s", error.at(self.name, container.uuid))
        if any(isinstance(each, Rebooted) for each in missed):
            await settle_again(container)
        self.arrive(container)
        return self._state(container, missed)

    def _state(self, container: Container, missed: tuple[Observation, ...]) -> Observed:
        state = DomainState.PAUSED if container.frozen else DomainState.RUNNING
        return Observed(
            domain=container.uuid, name=container.live.name, state=state,
            reason="user" if container.frozen else "unknown", incarnation=container.incarnation,
            id=container.live.id, live=container.live, missed=missed,
        )  # fmt: skip

    async def _ended(self, folder: DomainFolder, notes: Notes, live: Domain, record: Known | None) -> Observed | None:
        """A run that ended while nobody looked."""
        identity = None if notes.monitor is None else Identity(*notes.monitor)
        if identity is None or record is None or not record.active:
            await loops.release(notes.loops.values())
            folder.remove()
            return None
        container = Container(folder, notes, live, self.observe, self.place.cgroups, identity)
        await container.sweep()
        missed = container.ending()
        container.close()
        if record.incarnation != container.incarnation:
            began = Started(domain=folder.uuid, incarnation=container.incarnation, id=live.id or 0, live=live)
            missed = [began, *missed]
        return Observed(
            domain=folder.uuid, name=live.name, state=DomainState.SHUTOFF, reason="unknown", missed=tuple(missed)
        )

    async def _look_foreign(self, foreign: Foreign, known: Mapping[UUID, Known]) -> Observed:
        """A container that others made; its definition is given until the record knows it: then it is the record's."""
        persistent = foreign.definition if foreign.uuid not in known else None
        notes = Notes(path=str(foreign.path), name=foreign.name, settled=True)
        monitor = await self._monitor_of(notes)
        if monitor is None:
            return Observed(
                domain=foreign.uuid, name=foreign.name, state=DomainState.SHUTOFF, reason="unknown",
                persistent=persistent,
            )  # fmt: skip
        folder = self.folder.domain(foreign.uuid)
        live = foreign.definition.copy()
        live.id = monitor.pid
        assign_aliases(live)
        folder.create()
        container = Container(folder, notes, live, self.observe, self.place.cgroups, monitor)
        container.look()
        container.rewrite()
        container.note()
        self.arrive(container)
        seen = self._state(container, ())
        return Observed(**{**vars(seen), "persistent": persistent})

    # ---- which container ----

    def notes_for(self, target: Target, definition: Domain) -> tuple[Notes, Path | None]:
        """Where LXC has a domain's container, and the configuration that somebody else wrote for it, if it is to be
        started from that."""
        foreign = self.foreign.get(target.uuid)
        if foreign is None:
            return Notes(path=str(self.settings.own), name=str(target.uuid)), None
        own = foreign.config if foreign.unchanged(definition) else None
        return Notes(path=str(foreign.path), name=foreign.name), own

    def own_folder(self, uuid: UUID) -> Path:
        """LXC's folder of a container that Virtbus made: its configuration and its snapshots."""
        return self.settings.own / str(uuid)
