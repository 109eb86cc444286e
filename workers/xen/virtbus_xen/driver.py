"""The driver of Xen hosts: through xl and the xenstore of dom0, on this machine or over ssh.

URIs are xen:///system and xen+ssh://root@machine[:port]/system. Settings, for ssh: `known_hosts` (the file with
dom0's key) and `key` (the client's private key); what is not said is as ssh's own files say.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known
from virtbus.errors import HypervisorError
from virtbus.observations import DeviceRemoved, Observation, Observe, Observed, Rebooted
from virtbus.state import DomainState
from virtbus_xen import definition
from virtbus_xen.capabilities import capabilities
from virtbus_xen.devices import XenDevices
from virtbus_xen.host import Host
from virtbus_xen.lifecycle import XenLifecycle
from virtbus_xen.notes import Note
from virtbus_xen.run import Run
from virtbus_xen.statistics import XenStatistics
from virtbus_xen.tuning import XenTuning
from virtbus_xen.xl import Listed

_FACTS = "cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id; hostname -f 2>/dev/null || hostname"


class XenDriver(XenLifecycle, XenDevices, XenTuning, XenStatistics, Driver):
    """Serves one Xen host. Its consoles are text, so it lacks Console; xl keeps no snapshots, so it lacks these too."""

    family = "xen"

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self.host = Host(settings, observe)

    async def connect(self) -> HostFacts:
        """See Driver."""
        self.host = Host(self.settings, self.observe)
        await self.host.dom0.open()
        text = await self.host.xl.ask("info", urgent=True)
        info = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
        if "xen_version" not in info:
            raise HypervisorError("xl does not say which Xen this is", host=self.settings.name,
                                  hint="is this machine a dom0, and Xen booted?")  # fmt: skip
        machine, boot, name, *_ = [*(await self.host.xl.shell(_FACTS)).split(), "", "", ""]
        return HostFacts(
            version=f"Xen {info['xen_version']}", machine=machine, boot=boot, fqdn=name,
            capabilities=capabilities(info, machine),
        )  # fmt: skip

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver."""
        host = self.host
        notes = await host.notes.all()
        listed = {each.uuid: each for each in await host.xl.domains()}
        found = []
        for uuid in {**notes, **listed}:
            if uuid in host.starting:
                continue
            note, entry = notes.get(uuid), listed.get(uuid)
            if note is not None:
                entry = await host.recover(note, uuid, entry)
            if entry is not None:
                found.append(await self._observed(entry, note, known.get(uuid)))
            elif note is not None and uuid in known:
                found.append(await self._ended(uuid, note))
            else:
                await host.notes.forget(uuid)
        host.taken.set()
        return found

    async def _observed(self, entry: Listed, note: Note | None, known: Known | None) -> Observed:
        host, uuid = self.host, entry.uuid
        missed: list[Observation] = []
        if note is None or note.live is None:
            run = await host.adopt(entry)
        else:
            run = Run(uuid, entry.domid, note.incarnation, note.live, paused=entry.paused)
            run.live.id = entry.domid
            run.removals = dict.fromkeys(known.pending if known is not None else ())
            if note.domid != entry.domid:
                # A number of 0 means that the worker ended in the midst of the start.
                missed = await self._restarted(run, restarted=note.domid != 0)
            for alias in list(run.removals):
                backend = await host.backends.of(run.domid, run.live, alias)
                if backend is not None and known is not None:
                    await host.backends.ask(backend)
        host.arrive(run)
        state = DomainState.PAUSED if entry.paused else DomainState.RUNNING
        return Observed(
            domain=uuid, name=entry.name, state=state, reason="user" if entry.paused else "booted",
            incarnation=run.incarnation, id=run.domid, live=run.live.copy(), missed=tuple(missed),
        )  # fmt: skip

    async def _restarted(self, run: Run, *, restarted: bool) -> list[Observation]:
        """What a restart that nobody watched has brought about."""
        host = self.host
        missed: list[Observation] = [Rebooted(domain=run.uuid)] if restarted else []
        for alias in list(run.removals):
            if await host.backends.of(run.domid, run.live, alias) is None:
                del run.removals[alias]
                run.live.devices.disks = [each for each in run.live.devices.disks if each.alias != alias]
                run.live.devices.interfaces = [each for each in run.live.devices.interfaces if each.alias != alias]
                missed.append(DeviceRemoved(domain=run.uuid, alias=alias, live=run.live.copy(), by="reset"))
        await host.notes.define(run.uuid, run.live)
        await host.notes.number(run.uuid, run.domid)
        return missed

    async def _ended(self, uuid: UUID, note: Note) -> Observed:
        await self.host.notes.forget(uuid)
        name = note.live.name if note.live is not None else str(uuid)
        return Observed(domain=uuid, name=name, state=DomainState.SHUTOFF, reason=note.detail or "failed",
                        stopped=note.detail or "failed")  # fmt: skip

    async def watch(self) -> None:
        """See Driver."""
        await self.host.watch()

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return definition.complete(domain, previous)

    async def close(self) -> None:
        """See Driver."""
        await self.host.store.close()
        await self.host.dom0.close()
