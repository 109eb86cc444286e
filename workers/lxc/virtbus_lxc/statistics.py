"""What containers have used, from their cgroups, under the names of libvirt's virConnectGetAllDomainStats.

The kernel is asked, not LXC: a monitor that answers nobody delays no figure.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from virtbus.domain import Interface
from virtbus.driver import Statistics, Target
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import DomainState, reason_number
from virtbus.worker.size import memory, most_memory, most_vcpus, vcpus
from virtbus_lxc.cgroups import Cgroup
from virtbus_lxc.container import Container
from virtbus_lxc.host import LxcHost

Figures = dict[str, Any]

_RUNNING = 1
"""virVcpuState."""
_TICKS = os.sysconf("SC_CLK_TCK")
_SECOND = 1_000_000_000
"""Nanoseconds, in which libvirt counts processor time."""


class LxcStatistics(Statistics):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics."""
        for target in targets:
            container = self.host.containers.get(target.uuid)
            stats = _state(target, container) if not groups or Group.STATE in groups else {}
            if container is not None and container.cgroup is not None:
                for group, write in _GROUPS.items():
                    if not groups or group in groups:
                        stats |= write(container, container.cgroup)
            yield DomainStatistics(uuid=target.uuid, name=target.name, stats=stats)


def _state(target: Target, container: Container | None) -> Figures:
    state, reason = target.state, target.reason
    if container is not None:
        frozen = container.is_frozen()
        state, reason = (DomainState.PAUSED, "user") if frozen else (DomainState.RUNNING, "unknown")
    return {"state.state": state.number, "state.reason": reason_number(state, reason)}


def _times(cgroup: Cgroup) -> tuple[int, int, int]:
    """Nanoseconds of processor time: all, in programs, in the kernel."""
    whole = cgroup.number("cpuacct", "cpuacct.usage")
    if whole is not None:
        split = cgroup.table("cpuacct", "cpuacct.stat")
        return whole, split.get("user", 0) * _SECOND // _TICKS, split.get("system", 0) * _SECOND // _TICKS
    split = cgroup.table("cpu", "cpu.stat")
    names = ("usage_usec", "user_usec", "system_usec")
    used, user, system = (split.get(name, 0) * 1000 for name in names)
    return used, user, system


def _cpu(container: Container, cgroup: Cgroup) -> Figures:
    used, user, system = _times(cgroup)
    return {"cpu.time": used, "cpu.user": user, "cpu.system": system}


def _balloon(container: Container, cgroup: Cgroup) -> Figures:
    second = cgroup.layout.is_second("memory")
    used = cgroup.number("memory", "memory.current" if second else "memory.usage_in_bytes") or 0
    told = cgroup.table("memory", "memory.stat")
    available = memory(container.live)
    cache = told.get("file" if second else "cache", 0)
    return {
        "balloon.current": available,
        "balloon.maximum": most_memory(container.live),
        "balloon.major_fault": told.get("pgmajfault", 0),
        "balloon.minor_fault": max(told.get("pgfault", 0) - told.get("pgmajfault", 0), 0),
        "balloon.unused": max(available - used // 1024, 0),
        "balloon.available": available,
        "balloon.usable": max(available - (used - cache) // 1024, 0),
        "balloon.disk_caches": cache // 1024,
        "balloon.last-update": int(time.time()),
        "balloon.rss": told.get("anon" if second else "rss", 0) // 1024,
    }


def _vcpu(container: Container, cgroup: Cgroup) -> Figures:
    """The kernel counts by the host's processors; what a container used is shared out among its virtual ones."""
    current = vcpus(container.live)
    used = _times(cgroup)[0]
    stats: Figures = {"vcpu.current": current, "vcpu.maximum": most_vcpus(container.live)}
    for number in range(current):
        stats |= {f"vcpu.{number}.state": _RUNNING, f"vcpu.{number}.time": used // current, f"vcpu.{number}.wait": 0}
    return stats


def _interface(container: Container, cgroup: Cgroup) -> Figures:
    interfaces = container.live.devices.interfaces
    stats: Figures = {"net.count": len(interfaces)}
    for number, interface in enumerate(interfaces):
        stats[f"net.{number}.name"] = name = _host_side(interface)
        # What the container receives, its peer on the host has sent.
        for way, counted in (("rx", "tx"), ("tx", "rx")):
            for counter, file in _COUNTERS:
                stats[f"net.{number}.{way}.{counter}"] = _counter(name, f"{counted}_{file}")
    return stats


_COUNTERS = (("bytes", "bytes"), ("pkts", "packets"), ("errs", "errors"), ("drop", "dropped"))


def _counter(interface: str, name: str) -> int:
    try:
        return int(Path(f"/sys/class/net/{interface}/statistics/{name}").read_text())
    except (OSError, ValueError):
        return 0


def _host_side(interface: Interface) -> str:
    if interface.target is not None and interface.target.dev:
        return interface.target.dev
    return interface.alias or ""


def _block(container: Container, cgroup: Cgroup) -> Figures:
    disks = container.live.devices.disks
    stats: Figures = {"block.count": len(disks)}
    for number, disk in enumerate(disks):
        source = disk.source
        path = None if source is None else source.file or source.dev
        device = container.notes.loops.get(disk.alias or "") or (None if source is None else source.dev)
        stats[f"block.{number}.name"] = disk.target.dev
        if path:
            stats[f"block.{number}.path"] = path
        stats |= {f"block.{number}.{name}": value for name, value in _transfers(cgroup, _numbers(device)).items()}
        stats[f"block.{number}.capacity"] = _size(device)
    return stats


def _numbers(device: str | None) -> str | None:
    try:
        number = os.stat(device).st_rdev if device is not None else None
    except OSError:
        return None
    return None if number is None else f"{os.major(number)}:{os.minor(number)}"


def _size(device: str | None) -> int:
    name = _numbers(device)
    try:
        return int(Path(f"/sys/dev/block/{name}/size").read_text()) * 512
    except (OSError, ValueError):
        return 0


def _transfers(cgroup: Cgroup, numbers: str | None) -> Figures:
    if cgroup.layout.is_second("blkio"):
        found = dict(_second_version(cgroup, numbers))
    else:
        found = {
            f"{way}.{name}": _first_version(cgroup, file, numbers, word)
            for way, word in (("rd", "Read"), ("wr", "Write"))
            for name, file in (("reqs", "io_serviced"), ("bytes", "io_service_bytes"))
        }
    return {f"{way}.{name}": found.get(f"{way}.{name}", 0) for way in ("rd", "wr") for name in ("reqs", "bytes")}


def _first_version(cgroup: Cgroup, file: str, numbers: str | None, word: str) -> int:
    for line in (cgroup.read("blkio", f"blkio.throttle.{file}") or "").splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[0] == numbers and fields[1] == word:
            return int(fields[2])
    return 0


_SECOND_NAMES = {"rbytes": "rd.bytes", "wbytes": "wr.bytes", "rios": "rd.reqs", "wios": "wr.reqs"}


def _second_version(cgroup: Cgroup, numbers: str | None) -> Iterator[tuple[str, int]]:
    for line in (cgroup.read("blkio", "io.stat") or "").splitlines():
        device, *fields = line.split()
        for name, _, value in (field.partition("=") for field in fields if device == numbers):
            if name in _SECOND_NAMES and value.isdigit():
                yield _SECOND_NAMES[name], int(value)


_GROUPS: dict[Group, Callable[[Container, Cgroup], Figures]] = {
    Group.CPU_TOTAL: _cpu,
    Group.BALLOON: _balloon,
    Group.VCPU: _vcpu,
    Group.INTERFACE: _interface,
    Group.BLOCK: _block,
}
"""libvirt's other groups are of virtual hardware."""
