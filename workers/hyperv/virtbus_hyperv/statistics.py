"""What machines have used, under the names of libvirt's virConnectGetAllDomainStats.

The figures are the performance counters of Windows, which belong to the host and not to the machine: one that hangs is
measured like any other. They are asked for by class, so that any number of machines takes the same few requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from virtbus.domain import Domain
from virtbus.driver import Statistics, Target
from virtbus.errors import HypervisorSilent, Unavailable
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import DomainState, reason_number
from virtbus_hyperv.classes import MANAGEMENT, POWER, STATES, SUMMARY
from virtbus_hyperv.session import Session
from virtbus_hyperv.wsman.instance import Instance
from virtbus_hyperv.wsman.names import CIMV2
from virtbus_hyperv.wsman.reference import Reference

PROCESSORS = "Win32_PerfRawData_HvStats_HyperVHypervisorVirtualProcessor"
DISKS = "Win32_PerfRawData_Counters_HyperVVirtualStorageDevice"
CARDS = "Win32_PerfRawData_NvspNicStats_HyperVVirtualNetworkAdapter"
_TICK = 100
"""Nanoseconds of Windows' unit of time."""
_KIB = 1024
_RUNNING = 1
"""virVcpuState."""
_CHUNK = 100
"""Machines in one request for summaries, whose answer cannot come in parts."""

Figures = dict[str, Any]


@dataclass
class Measured:
    """All counters, as of one moment."""

    summaries: dict[str, Instance] = field(default_factory=dict)
    """By Hyper-V's own names of the machines, in small letters."""
    processors: dict[str, Instance] = field(default_factory=dict)
    """By instance names: `NAME:Hv VP N`."""
    disks: dict[str, Instance] = field(default_factory=dict)
    """By the paths of files, with what Windows does not allow in names put otherwise."""
    cards: list[Instance] = field(default_factory=list)


class HypervStatistics(Statistics):
    """The facet; the driver brings the session."""

    session: Session

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics."""
        try:
            measured: Measured | None = await self._measure(targets, groups, patience)
        except (HypervisorSilent, Unavailable, TimeoutError):
            measured = None
        for target in targets:
            yield self._one(target, groups, measured)

    async def _measure(self, targets: Sequence[Target], groups: frozenset[Group], patience: float) -> Measured:
        """Ask for all counters that are wanted, side by side."""
        wanted = groups or frozenset(Group)
        guids = [known.guid for target in targets if (known := self.session.witness.of(target.uuid)) is not None]
        asked: dict[str, asyncio.Task[list[Instance]]] = {}
        async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
            summaries = group.create_task(self._summaries(guids, patience))
            for kind, needed in _NEEDED.items():
                if wanted & needed:
                    query = self.session.client.enumerate(f"SELECT * FROM {kind}", patience, CIMV2)
                    asked[kind] = group.create_task(query)
        found = {kind: asked[kind].result() if kind in asked else [] for kind in _NEEDED}
        return Measured(
            {each.text("Name").lower(): each for each in summaries.result()},
            {each.text("Name").lower(): each for each in found[PROCESSORS]},
            {each.text("Name").lower(): each for each in found[DISKS]},
            found[CARDS],
        )

    async def _summaries(self, guids: list[str], patience: float) -> list[Instance]:
        service = await self.session.management.service(MANAGEMENT, patience)
        found: list[Instance] = []
        wanted = [SUMMARY[name] for name in ("name", "state", "memory")]
        for at in range(0, len(guids), _CHUNK):
            references = [
                Reference("Msvm_VirtualSystemSettingData", (("InstanceID", f"Microsoft:{guid}"),))
                for guid in guids[at : at + _CHUNK]
            ]
            result, _ = await self.session.management.begin(
                service, "GetSummaryInformation", {"SettingData": references, "RequestedInformation": wanted}, patience
            )
            found += result.instances("SummaryInformation")
        return found

    def _one(self, target: Target, groups: frozenset[Group], measured: Measured | None) -> DomainStatistics:
        known = self.session.witness.of(target.uuid)
        summary = None if known is None or measured is None else measured.summaries.get(known.guid.lower())
        stats: Figures = {}
        if not groups or Group.STATE in groups:
            stats |= _state(target, summary)
        if target.live is not None and measured is not None and summary is not None:
            for group, write in _GROUPS.items():
                if not groups or group in groups:
                    stats |= write(target.name, target.live, summary, measured)
        timed_out = measured is None and target.live is not None
        return DomainStatistics(uuid=target.uuid, name=target.name, timed_out=timed_out, stats=stats)


_NEEDED: dict[str, frozenset[Group]] = {
    PROCESSORS: frozenset({Group.CPU_TOTAL, Group.VCPU}),
    DISKS: frozenset({Group.BLOCK}),
    CARDS: frozenset({Group.INTERFACE}),
}
"""The groups that need the counters of a class."""


def _state(target: Target, summary: Instance | None) -> Figures:
    power = None if summary is None else POWER.get(summary.number("EnabledState"))
    state = target.state if power is None else STATES[power]
    reason = target.reason if state is target.state else "unknown"
    try:
        number = reason_number(state, reason)
    except ValueError:
        number = reason_number(state, "unknown")
    return {"state.state": DomainState(state).number, "state.reason": number}


def _times(name: str, live: Domain, measured: Measured) -> list[int]:
    """Nanoseconds that each virtual processor has run."""
    times = []
    for number in range(live.vcpu.count if live.vcpu is not None else 1):
        found = measured.processors.get(f"{name}:Hv VP {number}".lower())
        if found is None:
            break
        times.append(found.number("PercentTotalRunTime") * _TICK)
    return times


def _cpu(name: str, live: Domain, summary: Instance, measured: Measured) -> Figures:
    return {"cpu.time": sum(_times(name, live, measured))}


def _balloon(name: str, live: Domain, summary: Instance, measured: Measured) -> Figures:
    most = live.memory.kib if live.memory is not None else 0
    return {"balloon.current": summary.number("MemoryUsage") * _KIB, "balloon.maximum": most}


def _vcpu(name: str, live: Domain, summary: Instance, measured: Measured) -> Figures:
    most = live.vcpu.count if live.vcpu is not None else 1
    current = live.vcpu.current if live.vcpu is not None and live.vcpu.current is not None else most
    stats: Figures = {"vcpu.current": current, "vcpu.maximum": most}
    for number, used in enumerate(_times(name, live, measured)):
        stats |= {f"vcpu.{number}.state": _RUNNING, f"vcpu.{number}.time": used}
    return stats


_CARD_COUNTERS = {
    "rx.bytes": "BytesReceivedPersec", "rx.pkts": "PacketsReceivedPersec", "rx.drop": "DroppedPacketsIncomingPersec",
    "tx.bytes": "BytesSentPersec", "tx.pkts": "PacketsSentPersec", "tx.drop": "DroppedPacketsOutgoingPersec",
}  # fmt: skip
_DISK_COUNTERS = {
    "rd.bytes": "ReadBytesPersec", "rd.reqs": "ReadOperationsPerSec", "wr.bytes": "WriteBytesPersec",
    "wr.reqs": "WriteOperationsPerSec",
}  # fmt: skip
"""libvirt's names and Windows': raw counters grow, whatever their names say of seconds."""


def _interface(name: str, live: Domain, summary: Instance, measured: Measured) -> Figures:
    stats: Figures = {"net.count": len(live.devices.interfaces)}
    guid = summary.text("Name").lower()
    own = sorted((each for each in measured.cards if guid in each.text("Name").lower()), key=_card_name)
    for number, interface in enumerate(live.devices.interfaces):
        stats[f"net.{number}.name"] = interface.alias or ""
        if len(own) == len(live.devices.interfaces):
            stats |= {f"net.{number}.{word}": own[number].number(counter) for word, counter in _CARD_COUNTERS.items()}
    return stats


def _card_name(counter: Instance) -> str:
    return counter.text("Name").lower()


def _block(name: str, live: Domain, summary: Instance, measured: Measured) -> Figures:
    stats: Figures = {"block.count": len(live.devices.disks)}
    for number, disk in enumerate(live.devices.disks):
        stats[f"block.{number}.name"] = disk.target.dev
        path = disk.source.file if disk.source is not None else None
        if path is not None:
            stats[f"block.{number}.path"] = path
        found = measured.disks.get((path or "").replace("\\", "-").replace("/", "-").lower())
        for word, counter in _DISK_COUNTERS.items():
            stats[f"block.{number}.{word}"] = 0 if found is None else found.number(counter)
    return stats


_GROUPS: dict[Group, Callable[[str, Domain, Instance, Measured], Figures]] = {
    Group.CPU_TOTAL: _cpu,
    Group.BALLOON: _balloon,
    Group.VCPU: _vcpu,
    Group.INTERFACE: _interface,
    Group.BLOCK: _block,
}
"""The groups that need counters."""

