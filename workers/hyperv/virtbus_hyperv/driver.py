"""The driver of Hyper-V hosts: remote, without any agent there.

URIs are libvirt's: `hyperv://user@host[:port]/?transport=http|https`. Options: `secret` (the file of the password),
`auth` (negotiate, kerberos, ntlm, basic, certificate), `ca`, `thumbprint`, `certificate`, `key`, `poll` (seconds).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known, Work
from virtbus.errors import AlreadyExists, Unavailable
from virtbus.observations import DeviceRemoved, Observe, Observed
from virtbus_hyperv import known as directory
from virtbus_hyperv.classes import STATES, Power
from virtbus_hyperv.console import HypervConsole
from virtbus_hyperv.definition import complete
from virtbus_hyperv.devices import HypervDevices
from virtbus_hyperv.errand import Errand
from virtbus_hyperv.lifecycle import HypervLifecycle
from virtbus_hyperv.machines import Machine
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.networks import HypervNetworks
from virtbus_hyperv.reading import defined_domain, live_domain
from virtbus_hyperv.session import QUERY_SECONDS, Session
from virtbus_hyperv.snapshots import HypervSnapshots
from virtbus_hyperv.statistics import HypervStatistics
from virtbus_hyperv.tuning import HypervTuning
from virtbus_hyperv.witness import COMING, removed_by


class HypervDriver(
    HypervLifecycle,
    HypervDevices,
    HypervTuning,
    HypervStatistics,
    HypervSnapshots,
    HypervNetworks,
    HypervConsole,
    Driver,
):
    """Serves one Hyper-V host."""

    family = "hyperv"
    local = False
    keeps_definitions = True

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self._open: Session | None = None

    @property
    def session(self) -> Session:  # type: ignore[override]
        """The connection.

        :raises Unavailable: there is none.
        """
        if self._open is None:
            raise Unavailable("the host is not connected", host=self.settings.name,
                              hint="the worker connects anew by itself")  # fmt: skip
        return self._open

    async def connect(self) -> HostFacts:
        """See Driver."""
        await self.close()
        session = Session(self.settings, self.observe)
        try:
            facts = await session.open()
        except BaseException:
            await session.close()
            raise
        self._open = session
        return facts

    async def close(self) -> None:
        """See Driver."""
        session, self._open = self._open, None
        if session is not None:
            await session.close()

    async def watch(self) -> None:
        """See Driver."""
        await self.session.poll.watch()

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver."""
        session = self.session
        await session.refresh_switches(QUERY_SECONDS)
        first = not session.witness.directory.all()
        if not first:
            # What is new is told as what it is, before it is compared with the record.
            await session.poll.once()
        found = []
        for machine in await session.machines.all(QUERY_SECONDS):
            if first and machine.notes.transient == COMING and machine.power is Power.OFF:
                # Left of a start that nobody brought to its end; the job that comes again makes it anew.
                await session.settling.remove(machine, Errand(QUERY_SECONDS))
                continue
            observed = self._observed(machine, known, first)
            if observed is not None:
                found.append(observed)
        return found

    def _observed(self, machine: Machine, known: Mapping[UUID, Known], first: bool) -> Observed | None:
        switches = self.session.witness.switches
        entry = self.session.witness.directory.add(machine)
        live = live_domain(machine, switches, entry.uuid) if machine.power.active else None
        persistent = defined_domain(machine, switches, entry.uuid)
        if first:
            self._remember(entry, machine, live, persistent, known.get(entry.uuid))
        gone = [] if live is None else _gone(known.get(entry.uuid), machine, live)
        return Observed(
            domain=entry.uuid, name=machine.name, state=STATES[machine.power], reason=_reason(machine),
            incarnation=machine.incarnation if live is not None else None,
            id=machine.process if live is not None else None, live=live, persistent=persistent, missed=tuple(gone),
            stopped=None if live is not None else _stopped(machine),
        )  # fmt: skip

    def _remember(
        self, entry: directory.Known, machine: Machine, live: Domain | None, persistent: Domain | None,
        record: Known | None,
    ) -> None:  # fmt: skip
        """What the next look is compared with."""
        now = self.session.now()
        entry.note(machine, now, now)
        entry.live, entry.persistent = live, persistent
        entry.unsettled = live is None
        if record is not None and live is not None:
            there = {device.alias for device in live.devices.every()}
            entry.removals = {alias: None for alias in record.pending if alias in there}

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return complete(domain, previous)

    async def define(self, definition: Domain, previous: Domain | None, work: Work) -> Domain:
        """See Driver. A machine that runs gets it when it stops."""
        session = self.session
        assert definition.uuid is not None
        other = session.witness.directory.named(definition.name, definition.uuid)
        if other is not None:
            raise AlreadyExists(
                f"machine '{definition.name}' already exists with uuid {other.uuid}", host=self.settings.name,
                domain=definition.uuid, hint="give it another name", evidence={"uuid": str(other.uuid)},
            )  # fmt: skip
        async with session.made(definition, work) as (machine, known):
            if machine.power is Power.OFF:
                await session.settling.put_into_force(machine, definition, known, work)
            else:
                await session.settling.keep(machine, definition, known, work, machine.notes)
            assert known.persistent is not None
            return known.persistent

    async def undefined(self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool) -> None:
        """See Driver. Its disks stay, and there are no other files of its own."""
        session = self.session
        known = session.witness.of(domain.uuid) if domain.uuid is not None else None
        if known is None:
            return
        async with session.witness.hold(known.guid):
            machine = await session.machines.one(known.guid, request_seconds(work))
            if machine is None:
                session.witness.directory.forget(known.guid)
            elif machine.power.active:
                await session.settling.keep(machine, None, known, work, machine.notes)
            else:
                await session.settling.remove(machine, work)
                session.witness.directory.forget(known.guid)


def _gone(record: Known | None, machine: Machine, live: Domain) -> list[DeviceRemoved]:
    """Removals that were pending and have come true meanwhile."""
    if record is None or record.incarnation != machine.incarnation:
        return []
    there = {device.alias for device in live.devices.every()}
    uuid = live.uuid
    assert uuid is not None
    return [
        DeviceRemoved(domain=uuid, alias=alias, live=live, by=removed_by(machine, alias))
        for alias in record.pending
        if alias not in there
    ]


def _reason(machine: Machine) -> str:
    if machine.power is Power.PAUSED:
        return "user" if machine.healthy else "ioerror"
    return {Power.SAVED: "saved", Power.RUNNING: "booted"}.get(machine.power, "unknown")


def _stopped(machine: Machine) -> str:
    """How the last run ended, as far as it shows."""
    if machine.power is Power.SAVED:
        return "saved"
    return "shutdown" if machine.healthy else "failed"
