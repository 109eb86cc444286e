"""What simulated domains have used, under the names of libvirt's virConnectGetAllDomainStats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from virtbus.domain import Disk, Interface
from virtbus.driver import Statistics, Target
from virtbus.errors import HypervisorGone, HypervisorSilent, WrongState
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import reason_number
from virtbus_simulated.definition import most_memory_of, most_vcpus_of, vcpus_of
from virtbus_simulated.session import Session
from virtbus_simulated.translation import STATES

Figures = dict[str, Any]

_RUNNING = 1
"""virVcpuState."""


class SimulatedStatistics(Statistics):
    """The facet; the driver brings the session."""

    session: Session

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics."""
        asking = {asyncio.ensure_future(self._one(target, groups, patience)) for target in targets}
        try:
            for answer in asyncio.as_completed(asking):
                yield await answer
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _one(self, target: Target, groups: frozenset[Group], patience: float) -> DomainStatistics:
        figures: Figures | None = None
        timed_out = False
        if target.live is not None:
            try:
                figures = await self.session.ask(target.uuid, "figures", patience, devices=_devices(target))
            except (HypervisorSilent, HypervisorGone):
                timed_out = True
            except WrongState:
                # It ended meanwhile: only its state is left to tell.
                figures = None
        stats = _state(target, figures) if not groups or Group.STATE in groups else {}
        for group, write in _GROUPS.items():
            if figures is not None and (not groups or group in groups):
                stats |= write(target, figures)
        return DomainStatistics(uuid=target.uuid, name=target.name, timed_out=timed_out, stats=stats)


def _devices(target: Target) -> list[str]:
    assert target.live is not None
    devices = [*target.live.devices.disks, *target.live.devices.interfaces]
    return [device.alias for device in devices if device.alias is not None]


def _state(target: Target, figures: Figures | None) -> dict[str, Any]:
    """Without an answer, the state is that of the record, and its reason is not known here."""
    state, reason = (target.state, "unknown") if figures is None else (STATES[figures["state"]], figures["reason"])
    return {"state.state": state.number, "state.reason": reason_number(state, reason)}


def _cpu(target: Target, figures: Figures) -> dict[str, Any]:
    return {"cpu.time": figures["cpu_time"], "cpu.user": figures["cpu_user"], "cpu.system": figures["cpu_system"]}


def _balloon(target: Target, figures: Figures) -> dict[str, Any]:
    assert target.live is not None
    memory, used = figures["memory"], figures["used"]
    return {
        "balloon.current": memory,
        "balloon.maximum": most_memory_of(target.live),
        "balloon.swap_in": 0,
        "balloon.swap_out": 0,
        "balloon.major_fault": figures["faults"] // 100,
        "balloon.minor_fault": figures["faults"],
        "balloon.unused": memory - used,
        "balloon.available": memory,
        "balloon.usable": memory - used,
        "balloon.last-update": int(time.time()),
        "balloon.rss": figures["rss"],
    }


def _vcpu(target: Target, figures: Figures) -> dict[str, Any]:
    assert target.live is not None
    stats: dict[str, Any] = {"vcpu.current": vcpus_of(target.live), "vcpu.maximum": most_vcpus_of(target.live)}
    for number, used in enumerate(figures["vcpu_times"]):
        stats |= {
            f"vcpu.{number}.state": _RUNNING,
            f"vcpu.{number}.time": used,
            f"vcpu.{number}.wait": 0,
            f"vcpu.{number}.delay": 0,
        }
    return stats


def _interface(target: Target, figures: Figures) -> dict[str, Any]:
    assert target.live is not None
    stats: dict[str, Any] = {"net.count": len(target.live.devices.interfaces)}
    for number, interface in enumerate(target.live.devices.interfaces):
        stats[f"net.{number}.name"] = _host_side(interface)
        counted = figures["devices"].get(interface.alias, {})
        for way in ("rx", "tx"):
            for counter in ("bytes", "pkts", "errs", "drop"):
                stats[f"net.{number}.{way}.{counter}"] = counted.get(f"{way}_{counter}", 0)
    return stats


def _block(target: Target, figures: Figures) -> dict[str, Any]:
    assert target.live is not None
    stats: dict[str, Any] = {"block.count": len(target.live.devices.disks)}
    for number, disk in enumerate(target.live.devices.disks):
        stats[f"block.{number}.name"] = disk.target.dev
        if path := _image(disk):
            stats[f"block.{number}.path"] = path
        counted = figures["devices"].get(disk.alias, {})
        for way, counters in (("rd", _TRANSFER), ("wr", _TRANSFER), ("fl", _FLUSH)):
            for counter in counters:
                stats[f"block.{number}.{way}.{counter}"] = counted.get(f"{way}_{counter}", 0)
        for size in ("allocation", "capacity", "physical"):
            stats[f"block.{number}.{size}"] = counted.get("capacity", 0)
    return stats


_TRANSFER = ("reqs", "bytes", "times")
_FLUSH = ("reqs", "times")


def _host_side(interface: Interface) -> str:
    if interface.target is not None and interface.target.dev:
        return interface.target.dev
    return interface.alias or ""


def _image(disk: Disk) -> str | None:
    source = disk.source
    return None if source is None else getattr(source, "file", None) or getattr(source, "dev", None)


_GROUPS: dict[Group, Callable[[Target, Figures], dict[str, Any]]] = {
    Group.CPU_TOTAL: _cpu,
    Group.BALLOON: _balloon,
    Group.VCPU: _vcpu,
    Group.INTERFACE: _interface,
    Group.BLOCK: _block,
}
"""The groups that need the domain's answer; libvirt's other groups are of real hardware."""
