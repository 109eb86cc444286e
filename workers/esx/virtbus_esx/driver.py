"""The drivers of VMware hosts: `esx://` for an ESX host by itself, `vpx://` for one behind a vCenter.

Options: `secret` (a file with the password), `thumbprint` (SHA-256 of the server's certificate, pinned), `ca` (a file
with the certificates that are trusted), `datastore` (where the files of new machines go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known, Work
from virtbus.errors import Unavailable
from virtbus.observations import Observe, Observed
from virtbus_esx.console import EsxConsole
from virtbus_esx.copying import EsxCopying
from virtbus_esx.definition import complete
from virtbus_esx.devices import EsxDevices
from virtbus_esx.host import HostPlace, facts_of, find_host
from virtbus_esx.lifecycle import EsxLifecycle
from virtbus_esx.machine import Machine
from virtbus_esx.making import Maker
from virtbus_esx.manager import Manager
from virtbus_esx.missed import history_since, missed
from virtbus_esx.networks import EsxNetworks
from virtbus_esx.snapshots import EsxSnapshots
from virtbus_esx.soap import Session
from virtbus_esx.statistics import EsxStatistics
from virtbus_esx.storage import EsxStorage
from virtbus_esx.tuning import EsxTuning
from virtbus_esx.updates import Happening
from virtbus_esx.uri import parse_uri
from virtbus_esx.witness import Witness


class EsxDriver(
    EsxLifecycle,
    EsxDevices,
    EsxTuning,
    EsxStatistics,
    EsxSnapshots,
    EsxCopying,
    EsxStorage,
    EsxNetworks,
    EsxConsole,
    Driver,
):
    """Serves one ESX host."""

    family = "esx"
    local = False
    keeps_definitions = True

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self._address = parse_uri(settings.uri, settings.options)
        self._manager: Manager | None = None

    async def connect(self) -> HostFacts:
        """See Driver."""
        await self.close()
        self._manager = await Manager.acquire(self._address.login)
        self.session: Session = self._manager.session
        self.place: HostPlace = await find_host(self.session, self._address.path)
        self.witness = Witness(self.session, self.place, self.observe)
        self.maker = Maker(self.session, self.place, self.witness, self.settings.options.get("datastore"))
        return facts_of(self.place)

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver."""
        machines = await self.witness.look_at_all()
        told = await history_since(self.session, known)
        return [self._observed(machine, known.get(machine.uuid), told) for machine in machines]

    def _observed(self, machine: Machine, known: Known | None, told: Mapping[str, list[Happening]]) -> Observed:
        events = told.get(machine.ref.id, [])
        earlier, stopped = missed(machine, known, events)
        return Observed(
            domain=machine.uuid,
            name=machine.name,
            state=machine.state,
            reason=machine.reason,
            state_known=machine.reachable,
            incarnation=machine.incarnation,
            id=machine.id if machine.active else None,
            live=machine.live,
            persistent=machine.persistent,
            position=machine.position if machine.active else None,
            missed=earlier,
            stopped=stopped,
        )

    async def watch(self) -> None:
        """See Driver."""
        if self._manager is None:
            raise Unavailable("the host is not connected", host=self.settings.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._manager.updates.run(self.witness.told))
            group.create_task(self.witness.work_off())

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return complete(domain)

    async def define(self, definition: Domain, previous: Domain | None, work: Work) -> Domain:
        """See Driver. What a running machine cannot take waits beside its configuration until it is off."""
        return await self.maker.define(definition, work)

    async def undefined(self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool) -> None:
        """See Driver. The machine's own files go, its disks stay; with `keep_nvram` its whole folder does."""
        await self.maker.undefine(domain, work, keep_files=keep_nvram)

    async def close(self) -> None:
        """See Driver."""
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.release()


class VpxDriver(EsxDriver):
    """Serves one host of a vCenter."""

    family = "vpx"
