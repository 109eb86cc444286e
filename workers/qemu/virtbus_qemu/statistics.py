"""Figures of running QEMU domains, under the names of libvirt's virConnectGetAllDomainStats.

Each domain is asked by itself and within its own time: a QEMU that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from virtbus.domain import Disk, Domain, Interface
from virtbus.driver import Statistics, Target
from virtbus.errors import HypervisorError
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.state import reason_number
from virtbus.worker.size import memory, most_memory, most_vcpus
from virtbus_qemu import proc
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine

Figures = dict[str, Any]

BALLOON_FIELDS = {
    "stat-swap-in": ("swap_in", 1024), "stat-swap-out": ("swap_out", 1024), "stat-major-faults": ("major_fault", 1),
    "stat-minor-faults": ("minor_fault", 1), "stat-free-memory": ("unused", 1024),
    "stat-total-memory": ("available", 1024), "stat-available-memory": ("usable", 1024),
    "stat-disk-caches": ("disk_caches", 1024), "stat-htlb-pgalloc": ("hugetlb_pgalloc", 1),
    "stat-htlb-pgfail": ("hugetlb_pgfail", 1),
}  # fmt: skip
"""QEMU's names of the guest's memory figures: libvirt's, and what they are divided by to be KiB or counts."""

UNKNOWN = 1 << 63
"""QEMU gives all ones for a figure that the guest does not tell."""


class QemuStatistics(Statistics):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """See Statistics."""
        tasks = [asyncio.ensure_future(self._measure(target, groups, patience)) for target in targets]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()

    async def _measure(self, target: Target, groups: frozenset[Group], patience: float) -> DomainStatistics:
        figures: Figures = {}
        machine = self.host.machines.get(target.uuid)
        timed_out = False
        if Group.STATE in groups:
            figures["state.state"] = target.state.number
            figures["state.reason"] = reason_number(target.state, target.reason)
        if machine is not None:
            self._without_asking(machine, groups, figures)
            timed_out = not await self._answers(machine, groups, patience, figures)
        return DomainStatistics(uuid=target.uuid, name=target.name, timed_out=timed_out, stats=figures)

    async def _answers(self, machine: Machine, groups: frozenset[Group], patience: float, figures: Figures) -> bool:
        """Ask QEMU; says whether it answered, or has ended. One that is known not to answer is not waited for."""
        if machine.silent.is_set() or proc.stopped(machine.process.identity.pid):
            return False
        try:
            async with asyncio.timeout(patience):
                await self._asking(machine, groups, figures)
        except TimeoutError:
            machine.silent.set()
            return False
        except HypervisorError:
            return machine.process.ended is not None
        return True

    def _without_asking(self, machine: Machine, groups: frozenset[Group], figures: Figures) -> None:
        """What the kernel and the definition tell."""
        live = machine.live
        if Group.CPU_TOTAL in groups:
            figures |= proc.cpu(machine.process.identity.pid) | proc.halt_polls(machine.process.identity.pid)
            # Cache monitors (resctrl) are none of what a definition here can ask for.
            figures["cpu.cache.monitor.count"] = 0
        if Group.BALLOON in groups:
            figures["balloon.current"] = memory(live)
            figures["balloon.maximum"] = most_memory(live)
            figures["balloon.rss"] = proc.resident(machine.process.identity.pid)
        if Group.VCPU in groups:
            figures |= self._vcpus(machine, live)
        if Group.INTERFACE in groups:
            figures |= _interfaces(live)
        if Group.PERF in groups:
            figures |= {}

    def _vcpus(self, machine: Machine, live: Domain) -> Figures:
        threads = proc.vcpu_threads(machine.process.identity.pid)
        figures: Figures = {"vcpu.current": len(threads), "vcpu.maximum": most_vcpus(live)}
        for number, thread in enumerate(threads):
            figures |= {f"vcpu.{number}.{name}": value for name, value in thread.items()}
        return figures

    async def _asking(self, machine: Machine, groups: frozenset[Group], figures: Figures) -> None:
        """What only QEMU knows; the questions are sent together."""
        questions = []
        if Group.BLOCK in groups:
            questions.append(self._blocks(machine))
        if Group.BALLOON in groups and machine.live.devices.memballoon is not None:
            questions.append(self._balloon(machine))
        if Group.IOTHREAD in groups:
            questions.append(self._iothreads(machine))
        if Group.DIRTYRATE in groups:
            questions.append(self._dirty_rate(machine))
        for answer in await asyncio.gather(*questions):
            figures |= answer

    async def _blocks(self, machine: Machine) -> Figures:
        disks = machine.live.devices.disks
        if not disks:
            return {"block.count": 0}
        answers, blocks = await asyncio.gather(machine.execute("query-blockstats"), machine.execute("query-block"))
        stats = {_alias(entry.get("qdev", "")): entry for entry in answers}
        media = {_alias(entry.get("qdev", "")): entry for entry in blocks}
        figures: Figures = {"block.count": len(disks)}
        for number, disk in enumerate(disks):
            entry = stats.get(str(disk.alias), {})
            medium = media.get(str(disk.alias), {})
            figures |= {f"block.{number}.{name}": value for name, value in _block(disk, entry, medium).items()}
        return figures

    async def _balloon(self, machine: Machine) -> Figures:
        balloon = machine.live.devices.memballoon
        if balloon is None or balloon.alias is None or str(balloon.model) == "none":
            return {}
        path = f"/machine/peripheral/{balloon.alias}"
        told = await machine.execute("qom-get", {"path": path, "property": "guest-stats"})
        figures: Figures = {"balloon.last-update": told.get("last-update", 0)}
        for name, value in told.get("stats", {}).items():
            if name in BALLOON_FIELDS and 0 <= value < UNKNOWN:
                known, unit = BALLOON_FIELDS[name]
                figures[f"balloon.{known}"] = value // unit
        return figures

    async def _iothreads(self, machine: Machine) -> Figures:
        if not machine.live.iothreads and machine.live.iothread_ids is None:
            return {"iothread.count": 0}
        threads = await machine.execute("query-iothreads")
        figures: Figures = {"iothread.count": len(threads)}
        for thread in threads:
            number = str(thread["id"]).removeprefix("iothread")
            for name in ("poll-max-ns", "poll-grow", "poll-shrink"):
                figures[f"iothread.{number}.{name}"] = thread[name]
        return figures

    async def _dirty_rate(self, machine: Machine) -> Figures:
        told = await machine.execute("query-dirty-rate")
        status = {"unstarted": 0, "measuring": 1, "measured": 2}.get(told["status"], 0)
        figures: Figures = {
            "dirtyrate.calc_status": status,
            "dirtyrate.calc_start_time": told["start-time"],
            "dirtyrate.calc_period": told["calc-time"],
            "dirtyrate.calc_mode": str(told.get("mode", "page-sampling")),
        }
        if "dirty-rate" in told and told["dirty-rate"] >= 0:
            figures["dirtyrate.megabytes_per_second"] = told["dirty-rate"]
        return figures


def _alias(path: str) -> str:
    return path.removeprefix("/machine/peripheral/").partition("/")[0]


def _block(disk: Disk, entry: dict[str, Any], medium: dict[str, Any]) -> Figures:
    figures: Figures = {"name": disk.target.dev}
    source = disk.source
    if source is None:
        return figures
    path = source.file or source.dev
    if path:
        figures["path"] = path
    if source.index is not None:
        figures["backingIndex"] = source.index
    stats = entry.get("stats", {})
    for name, prefix in (("rd", "rd"), ("wr", "wr")):
        if f"{prefix}_operations" in stats:
            figures[f"{name}.reqs"] = stats[f"{prefix}_operations"]
            figures[f"{name}.bytes"] = stats[f"{prefix}_bytes"]
            figures[f"{name}.times"] = stats[f"{prefix}_total_time_ns"]
    if "flush_operations" in stats:
        figures["fl.reqs"] = stats["flush_operations"]
        figures["fl.times"] = stats["flush_total_time_ns"]
    image = medium.get("inserted", {}).get("image", {})
    highest = entry.get("parent", {}).get("stats", {}).get("wr_highest_offset")
    if "virtual-size" in image:
        figures["capacity"] = image["virtual-size"]
        figures["physical"] = _physical(path, image)
        allocated = highest if highest else image.get("actual-size", figures["physical"])
        figures["allocation"] = allocated
    return figures


def _physical(path: str | None, image: dict[str, Any]) -> int:
    try:
        return os.stat(path).st_size if path else int(image["virtual-size"])
    except OSError:
        return int(image["virtual-size"])


def _interfaces(live: Domain) -> Figures:
    cards = live.devices.interfaces
    figures: Figures = {"net.count": len(cards)}
    for number, card in enumerate(cards):
        figures |= {f"net.{number}.{name}": value for name, value in _interface(card).items()}
    return figures


def _interface(card: Interface) -> Figures:
    device = card.target.dev if card.target else None
    if device is None:
        # A user-mode card has no device on the host, and so nothing is counted (as with libvirt).
        return {"name": card.alias or ""}
    figures: Figures = {"name": device}
    folder = Path("/sys/class/net") / device / "statistics"
    # What the host's end receives is what the guest sent.
    for name, file in (("rx", "tx"), ("tx", "rx")):
        for ours, kernels in (("bytes", "bytes"), ("pkts", "packets"), ("errs", "errors"), ("drop", "dropped")):
            try:
                figures[f"{name}.{ours}"] = int((folder / f"{file}_{kernels}").read_text())
            except OSError:
                continue
    return figures
