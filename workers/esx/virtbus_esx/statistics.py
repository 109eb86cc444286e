"""Figures of machines, from the host's performance manager."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from virtbus.domain import Disk, Domain, Interface
from virtbus.driver import Statistics, Target
from virtbus.errors import VirtbusError
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import DomainState, reason_number
from virtbus_esx.collecting import retrieve, specification
from virtbus_esx.config.writing import plugged_vcpus
from virtbus_esx.nodes import Node, Properties, content, every, find, number, ref, text
from virtbus_esx.soap import Session
from virtbus_esx.wire import Ref, Spec
from virtbus_esx.witness import Known, Witness

REALTIME = 20
"""Seconds of one sample of a host's own figures."""

COUNTERS = (
    "cpu.usage.average", "cpu.used.summation", "cpu.wait.summation", "cpu.ready.summation", "cpu.system.summation",
    "mem.active.average", "mem.consumed.average", "mem.vmmemctl.average", "mem.swapinRate.average",
    "net.bytesRx.average", "net.bytesTx.average", "net.packetsRx.summation", "net.packetsTx.summation",
    "net.droppedRx.summation", "net.droppedTx.summation", "virtualDisk.read.average", "virtualDisk.write.average",
    "virtualDisk.numberReadAveraged.average", "virtualDisk.numberWriteAveraged.average", "disk.read.average",
    "disk.write.average",
)  # fmt: skip

_PROPERTIES = ("runtime.powerState", "summary.quickStats", "runtime.bootTime", "summary.runtime.maxCpuUsage")

Samples = dict[tuple[str, str], list[int]]
"""The values of the samples of a counter's instance (a card's or a disk's; empty: the whole machine)."""


class EsxStatistics(Statistics):
    """The facet; the driver brings the session."""

    session: Session
    witness: Witness

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics. All machines are measured in one request.

        The host keeps figures of the last hour, of 20 seconds each. Counters that grow, as libvirt's do, are the sums
        of what was seen while this worker was there.
        """
        known = {target.uuid: self.witness.of(target.uuid) for target in targets}
        refs = [one.ref for one in known.values() if one is not None]
        try:
            async with asyncio.timeout(patience):
                fresh = await retrieve(self.session, [specification("VirtualMachine", _PROPERTIES, refs)], patience)
                samples = await self._query(refs, patience)
        except (TimeoutError, VirtbusError):
            fresh, samples = {}, {}
        for target in targets:
            one = known[target.uuid]
            values = {} if one is None else fresh.get(one.ref, {})
            state = _STATES.get(content(values, "runtime.powerState") or "")
            stats: dict[str, Any] = {}
            if not groups or Group.STATE in groups:
                told = state or target.state
                stats = {"state.state": told.number, "state.reason": reason_number(told, _reason(told, target))}
            if one is not None and values and state is not None and state.active:
                stats |= self._measured(target, one, values, samples.get(one.ref, {}), groups)
            yield DomainStatistics(uuid=target.uuid, name=target.name, timed_out=not values, stats=stats)

    def _measured(
        self, target: Target, known: Known, values: Properties, samples: Samples, groups: frozenset[Group]
    ) -> dict[str, Any]:
        live = known.machine.configured.domain if known.machine is not None else target.live
        if live is None:
            return {}
        stats: dict[str, Any] = {}
        sums = self._sums.setdefault(known.ref, {})
        _accumulate(sums, samples)
        for group, write in _GROUPS.items():
            if not groups or group in groups:
                stats |= write(live, values, sums)
        return stats

    @property
    def _sums(self) -> dict[Ref, dict[tuple[str, str], int]]:
        """What was counted of each machine so far."""
        found: dict[Ref, dict[tuple[str, str], int]] = self.__dict__.setdefault("_counted", {})
        return found

    async def _query(self, refs: list[Ref], timeout: float) -> dict[Ref, Samples]:
        counters = await self._counters(timeout)
        if not refs or not counters:
            return {}
        metrics = [Spec("PerfMetricId", counterId=key, instance="*") for key in counters]
        specs = [
            Spec("PerfQuerySpec", entity=each, maxSample=1, metricId=metrics, intervalId=REALTIME, format="normal")
            for each in refs
        ]
        manager = self.session.content["perfManager"]
        answer = await self.session.call("QueryPerf", manager, timeout, querySpec=specs)
        found: dict[Ref, Samples] = {}
        for entity in every(answer, "returnval"):
            owner = ref(find(entity, "entity"))
            if owner is not None:
                found[owner] = _samples(entity, counters)
        return found

    async def _counters(self, timeout: float) -> dict[int, str]:
        """The server's numbers of the counters that we ask for."""
        known: dict[int, str] | None = self.__dict__.get("_counter_names")
        if known is None:
            values = await self.session.properties(self.session.content["perfManager"], timeout, "perfCounter")
            every_one = values.get("perfCounter")
            names = {} if every_one is None else {number(each, "key") or 0: _counter_name(each) for each in every_one}
            known = {key: name for key, name in names.items() if name in COUNTERS}
            self.__dict__["_counter_names"] = known
        return known


_STATES = {
    "poweredOff": DomainState.SHUTOFF,
    "poweredOn": DomainState.RUNNING,
    "suspended": DomainState.PAUSED,
}


def _reason(state: DomainState, target: Target) -> str:
    return target.reason if state is target.state else "unknown"


def _counter_name(node: Node) -> str:
    return ".".join(
        (text(node, "groupInfo/key") or "", text(node, "nameInfo/key") or "", text(node, "rollupType") or "")
    )


def _samples(entity: Node, counters: Mapping[int, str]) -> Samples:
    found: Samples = {}
    for series in every(entity, "value"):
        name = counters.get(number(series, "id/counterId") or 0)
        if name is not None:
            values = [int(each.text or 0) for each in every(series, "value")]
            found[name, text(series, "id/instance") or ""] = [value for value in values if value >= 0]
    return found


def _accumulate(sums: dict[tuple[str, str], int], samples: Samples) -> None:
    """Add a sample to what was counted, unless it is the one that was counted last."""
    now = int(time.time()) // REALTIME
    if sums.get(("", "sample")) == now:
        return
    sums["", "sample"] = now
    for key, values in samples.items():
        if values:
            sums[key] = sums.get(key, 0) + values[-1]


def _sum(sums: Mapping[tuple[str, str], int], name: str, instance: str = "") -> int:
    return sums.get((name, instance), 0)


def _cpu(live: Domain, values: Properties, sums: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Nanoseconds; the host's sums are milliseconds."""
    used = _sum(sums, "cpu.used.summation") * 1_000_000
    system = _sum(sums, "cpu.system.summation") * 1_000_000
    return {"cpu.time": used + system, "cpu.user": used, "cpu.system": system}


def _balloon(live: Domain, values: Properties, sums: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """KiB; quickStats has MiB."""
    quick = values.get("summary.quickStats")
    whole = 0 if live.memory is None else live.memory.kib
    ballooned = 0 if quick is None else (number(quick, "balloonedMemory") or 0) * 1024
    resident = 0 if quick is None else (number(quick, "hostMemoryUsage") or 0) * 1024
    used = 0 if quick is None else (number(quick, "guestMemoryUsage") or 0) * 1024
    limit = whole if live.current_memory is None else live.current_memory.kib
    current = min(limit, whole - ballooned)
    return {
        "balloon.current": current, "balloon.maximum": whole, "balloon.rss": resident, "balloon.available": current,
        "balloon.unused": max(current - used, 0), "balloon.last-update": int(time.time()),
    }  # fmt: skip


def _vcpu(live: Domain, values: Properties, sums: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    count = plugged_vcpus(live)
    stats: dict[str, Any] = {"vcpu.current": count, "vcpu.maximum": 1 if live.vcpu is None else live.vcpu.count}
    for each in range(count):
        stats |= {
            f"vcpu.{each}.state": 1,
            f"vcpu.{each}.time": _sum(sums, "cpu.used.summation", str(each)) * 1_000_000,
            f"vcpu.{each}.wait": _sum(sums, "cpu.wait.summation", str(each)) * 1_000_000,
            f"vcpu.{each}.delay": _sum(sums, "cpu.ready.summation", str(each)) * 1_000_000,
        }
    return stats


def _interface(live: Domain, values: Properties, sums: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    cards: list[Interface] = live.devices.interfaces
    stats: dict[str, Any] = {"net.count": len(cards)}
    for each, card in enumerate(cards):
        # A card's instance is its key.
        instance = str(4000 + each)
        stats[f"net.{each}.name"] = card.alias or ""
        for way, name in (("rx", "Rx"), ("tx", "Tx")):
            stats |= {
                f"net.{each}.{way}.bytes": _sum(sums, f"net.bytes{name}.average", instance) * 1024 * REALTIME,
                f"net.{each}.{way}.pkts": _sum(sums, f"net.packets{name}.summation", instance),
                f"net.{each}.{way}.errs": 0,
                f"net.{each}.{way}.drop": _sum(sums, f"net.dropped{name}.summation", instance),
            }
    return stats


def _block(live: Domain, values: Properties, sums: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    disks: list[Disk] = live.devices.disks
    stats: dict[str, Any] = {"block.count": len(disks)}
    for each, disk in enumerate(disks):
        address = disk.address
        controller, unit = getattr(address, "controller", 0), getattr(address, "unit", 0)
        instance = f"{'' if disk.target.bus is None else disk.target.bus.value}{controller}:{unit}"
        stats[f"block.{each}.name"] = disk.target.dev
        if disk.source is not None and disk.source.file:
            stats[f"block.{each}.path"] = disk.source.file
        for way, name in (("rd", "read"), ("wr", "write")):
            requests = f"virtualDisk.number{name.capitalize()}Averaged.average"
            stats |= {
                f"block.{each}.{way}.reqs": _sum(sums, requests, instance) * REALTIME,
                f"block.{each}.{way}.bytes": _sum(sums, f"virtualDisk.{name}.average", instance) * 1024 * REALTIME,
            }
    return stats


_GROUPS = {
    Group.CPU_TOTAL: _cpu,
    Group.BALLOON: _balloon,
    Group.VCPU: _vcpu,
    Group.INTERFACE: _interface,
    Group.BLOCK: _block,
}
"""The groups that a VMware host measures."""
