"""What Xen's domains have used, under the names of libvirt's virConnectGetAllDomainStats.

Two questions answer for all domains: xl's list, and the counters of the backends in dom0's /sys.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID

from virtbus.driver import Statistics, Target
from virtbus.errors import VirtbusError
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import reason_number
from virtbus_xen.host import Host
from virtbus_xen.xl import Listed

Figures = dict[str, Any]
Counters = dict[tuple[str, int, int], dict[str, int]]
"""By vbd, vif or vcpu, the domain's number and the device's."""

SECTOR = 512
NANOSECONDS = 10**9
_RUNNING = 1
"""virVcpuState."""

_COUNTERS = "grep -s . /sys/bus/xen-backend/devices/vbd-*/statistics/* /sys/class/net/vif*/statistics/*; true"
_VBD = re.compile(r".*/vbd-(\d+)-(\d+)/statistics/(\w+):(\d+)")
_VIF = re.compile(r".*/vif(\d+)\.(\d+)/statistics/(\w+):(\d+)")

# What dom0's side of a card receives, the guest has sent.
_NET = {"rx.bytes": "tx_bytes", "rx.pkts": "tx_packets", "rx.errs": "tx_errors", "rx.drop": "tx_dropped",
        "tx.bytes": "rx_bytes", "tx.pkts": "rx_packets", "tx.errs": "rx_errors", "tx.drop": "rx_dropped"}  # fmt: skip


class XenStatistics(Statistics):
    """The facet; the driver brings the host."""

    host: Host

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics."""
        listed: dict[UUID, Listed] = {}
        counters: Counters = {}
        silent = False
        if any(target.live is not None for target in targets):
            try:
                domains, text, seconds = await asyncio.gather(
                    self.host.xl.domains(patience), self.host.xl.shell(_COUNTERS, timeout=patience),
                    self.host.xl.vcpu_seconds(patience),
                )  # fmt: skip
                listed, counters = {each.uuid: each for each in domains}, _counters(text)
                for domid, vcpus in seconds.items():
                    for number, used in vcpus.items():
                        counters["vcpu", domid, number] = {"milliseconds": int(used * 1000)}
            except VirtbusError:
                silent = True
        for target in targets:
            entry = listed.get(target.uuid) if target.live is not None else None
            stats: Figures = {}
            for group, write in _GROUPS.items():
                if (not groups or group in groups) and (entry is not None or group is Group.STATE):
                    stats |= await write(self.host, target, entry, counters)
            timed_out = silent and target.live is not None
            yield DomainStatistics(uuid=target.uuid, name=target.name, timed_out=timed_out, stats=stats)


def _counters(text: str) -> Counters:
    found: Counters = {}
    for line in text.splitlines():
        for kind, pattern in (("vbd", _VBD), ("vif", _VIF)):
            if (match := pattern.fullmatch(line)) is not None:
                found.setdefault((kind, int(match[1]), int(match[2])), {})[match[3]] = int(match[4])
    return found


async def _state(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    return {"state.state": target.state.number, "state.reason": reason_number(target.state, target.reason)}


async def _cpu(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    return {"cpu.time": int((entry.seconds if entry is not None else 0) * NANOSECONDS)}


async def _balloon(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    assert target.live is not None
    most = target.live.memory.kib if target.live.memory is not None else 0
    return {"balloon.current": entry.mib * 1024 if entry is not None else 0, "balloon.maximum": most}


async def _vcpu(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    vcpu = target.live.vcpu if target.live is not None else None
    assert vcpu is not None
    current = vcpu.current or vcpu.count
    stats: Figures = {"vcpu.current": current, "vcpu.maximum": vcpu.count}
    for number in range(current):
        seconds = counters.get(("vcpu", entry.domid if entry is not None else 0, number), {}).get("milliseconds", 0)
        stats |= {f"vcpu.{number}.state": _RUNNING, f"vcpu.{number}.time": seconds * 10**6}
    return stats


async def _interface(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    assert target.live is not None
    assert entry is not None
    cards = target.live.devices.interfaces
    stats: Figures = {"net.count": len(cards)}
    for number, card in enumerate(cards):
        backend = await host.backends.find(entry.domid, card)
        stats[f"net.{number}.name"] = f"vif{entry.domid}.{backend.number if backend else number}"
        counted = counters.get(("vif", entry.domid, int(backend.number)), {}) if backend is not None else {}
        stats |= {f"net.{number}.{ours}": counted[theirs] for ours, theirs in _NET.items() if theirs in counted}
    return stats


async def _block(host: Host, target: Target, entry: Listed | None, counters: Counters) -> Figures:
    assert target.live is not None
    assert entry is not None
    disks = target.live.devices.disks
    stats: Figures = {"block.count": len(disks)}
    for number, disk in enumerate(disks):
        at = f"block.{number}"
        stats[f"{at}.name"] = disk.target.dev
        if disk.source is not None and (path := disk.source.file or disk.source.dev):
            stats[f"{at}.path"] = path
        backend = await host.backends.find(entry.domid, disk)
        counted = counters.get(("vbd", entry.domid, int(backend.number))) if backend is not None else None
        if counted is not None:
            stats |= {
                f"{at}.rd.reqs": counted.get("rd_req", 0), f"{at}.rd.bytes": counted.get("rd_sect", 0) * SECTOR,
                f"{at}.wr.reqs": counted.get("wr_req", 0), f"{at}.wr.bytes": counted.get("wr_sect", 0) * SECTOR,
                f"{at}.fl.reqs": counted.get("f_req", 0),
            }  # fmt: skip
    return stats


_GROUPS: dict[Group, Callable[[Host, Target, Listed | None, Counters], Any]] = {
    Group.STATE: _state,
    Group.CPU_TOTAL: _cpu,
    Group.BALLOON: _balloon,
    Group.VCPU: _vcpu,
    Group.INTERFACE: _interface,
    Group.BLOCK: _block,
}
