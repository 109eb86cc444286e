"""The machine as a whole: identity, memory, processors, clock, threads."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.qemu.readings.view import Readings, View
from virtbus.domain import Domain
from virtbus.domain.clock import Clock, ClockBasis, ClockOffset, TimerName
from virtbus.domain.cpu import CpuFeaturePolicy, CpuMode
from virtbus.domain.domain import DomainType
from virtbus.domain.memory import MemoryAllocationMode, MemorySourceType
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.tuning import NumaMode
from virtbus.xml.codec import numbers

KIB = 1024

SLACK = timedelta(seconds=30)
"""How far a guest's clock may be from what is expected, on a loaded machine."""


async def identity(view: View) -> Readings:
    """Name, UUID, state, accelerator, machine type, generation."""
    live = view.live
    assert live.os is not None
    yield "name", live.name, (await view.ask("query-name"))["name"]
    yield "uuid", str(live.uuid), (await view.ask("query-uuid"))["UUID"]
    yield "status", "prelaunch", (await view.ask("query-status"))["status"]
    yield "kvm", live.type is DomainType.KVM, (await view.ask("query-kvm"))["enabled"]
    yield "machine", f"{live.os.type.machine}-machine", await view.get("/machine", "type")
    if live.genid is not None:
        yield "genid", live.genid, (await view.ask("query-vm-generation-id"))["guid"]


async def switches(view: View) -> Readings:
    """What the board has or lacks."""
    live = view.live
    features, timers = live.features, live.clock.timers if live.clock else []
    has_acpi = bool(features and features.acpi)
    # Left to itself the board has it.
    yield "acpi", has_acpi, await view.get("/machine", "acpi") in ("on", "auto")
    if features is not None and features.smm is not None:
        yield "smm", "off" if features.smm.state is False else "on", await view.get("/machine", "smm")
    if features is not None and features.vmport is not None:
        yield "vmport", "off" if features.vmport.state is False else "on", await view.get("/machine", "vmport")
    for timer in timers:
        if timer.name is TimerName.HPET and timer.present is not None:
            yield "hpet", timer.present, await view.get("/machine", "hpet")
    merged = not (live.memory_backing and live.memory_backing.nosharepages)
    yield "mem-merge", merged, await view.get("/machine", "mem-merge")
    has_nvdimm = any(each.model is MemoryModel.NVDIMM for each in live.devices.memories)
    yield "nvdimm", has_nvdimm, await view.get("/machine", "nvdimm")


async def memory(view: View) -> Readings:
    """How much there is, and how much may come."""
    live = view.live
    assert live.memory is not None
    base = (live.memory.kib - sum(each.target.size for each in live.devices.memories)) * KIB
    # Of virtio-mem there is as much as the guest has agreed to: nothing yet.
    sizes = (_seen(each) for each in live.devices.memories if each.model is not MemoryModel.VIRTIO_MEM)
    there = sum(sizes) * KIB
    found = await view.ask("query-memory-size-summary")
    yield "base-memory", base, found["base-memory"]
    yield "plugged-memory", there, found["plugged-memory"]
    limits = await view.get("/machine", "memory")
    # QEMU tells the limit only where there are slots.
    if live.max_memory is not None and live.max_memory.slots:
        yield "maxMemory", live.max_memory.kib * KIB, limits["max-size"]
        yield "slots", live.max_memory.slots, limits["slots"]
    cells = live.cpu.numa.cells if live.cpu and live.cpu.numa else []
    if cells:
        yield "cells", base, sum(cell.memory for cell in cells) * KIB


async def backings(view: View) -> Readings:
    """Where the memory of each node lies, and how."""
    live = view.live
    backing, cells = live.memory_backing, live.cpu.numa.cells if live.cpu and live.cpu.numa else []
    found = {each["id"]: each for each in await view.ask("query-memdev") if "id" in each}
    names = [f"ram-node{number}" for number in range(len(cells))] or [name for name in found if name == "pc.ram"]
    for number, name in enumerate(names):
        there = found.get(name, {})
        cell = cells[number] if cells else None
        if cell is not None:
            yield f"{name} size", cell.memory * KIB, there.get("size")
        access = (cell.mem_access if cell else None) or (backing.access if backing else None)
        if access is not None:
            yield f"{name} share", access.value == "shared", there.get("share")
        async for reading in _placement(view, number if cells else None, name, there):
            yield reading


async def _placement(view: View, number: int | None, name: str, there: dict[str, Any]) -> Readings:
    """The policy, the host's nodes, the kind of backing and its file."""
    backing = view.live.memory_backing
    kind = await view.get(f"/objects/{name}", "type")
    nodes, mode = _host_nodes(view.live, number)
    if nodes is not None:
        yield f"{name} host-nodes", nodes, there.get("host-nodes")
        yield f"{name} policy", _POLICIES[mode], there.get("policy")
    if backing is None:
        return
    if backing.allocation is not None and backing.allocation.mode is MemoryAllocationMode.IMMEDIATE:
        yield f"{name} prealloc", True, there.get("prealloc")
    if backing.allocation is not None and backing.allocation.threads is not None:
        yield f"{name} threads", backing.allocation.threads, await view.get(f"/objects/{name}", "prealloc-threads")
    if backing.source is MemorySourceType.MEMFD:
        yield f"{name} kind", "memory-backend-memfd", kind
    elif backing.source is MemorySourceType.FILE or backing.hugepages is not None:
        yield f"{name} kind", "memory-backend-file", kind
    if backing.hugepages is not None:
        yield (
            f"{name} on huge pages",
            True,
            (await view.get(f"/objects/{name}", "mem-path")).startswith(f"{view.hugepages}/"),
        )
    if backing.discard and backing.source is MemorySourceType.FILE:
        yield f"{name} discard", True, await view.get(f"/objects/{name}", "discard-data")


_POLICIES = {NumaMode.STRICT: "bind", NumaMode.PREFERRED: "preferred", NumaMode.INTERLEAVE: "interleave"}


def _host_nodes(domain: Domain, number: int | None) -> tuple[list[int] | None, NumaMode]:
    tune = domain.numatune
    own = next((each for each in tune.nodes if each.cell_id == number), None) if tune else None
    said = own or (tune.memory if tune else None)
    if said is None:
        return None, NumaMode.STRICT
    return sorted(numbers(said.nodeset or "")), said.mode or NumaMode.STRICT


async def memory_devices(view: View) -> Readings:
    """Modules of memory: size, slot, place, node."""
    found = {each["data"]["id"]: each for each in await view.ask("query-memory-devices")}
    kinds = {each.alias: _MEMORY_KINDS[each.model] for each in view.live.devices.memories}
    yield "memory devices", kinds, {alias: each["type"] for alias, each in found.items()}
    for device in view.live.devices.memories:
        there = found.get(device.alias or "", {}).get("data", {})
        for name, value in _asked_of(device).items():
            if value is not None:
                yield f"{device.alias} {name}", value, there.get(name)


_MEMORY_KINDS = {
    MemoryModel.DIMM: "dimm",
    MemoryModel.NVDIMM: "nvdimm",
    MemoryModel.VIRTIO_MEM: "virtio-mem",
    MemoryModel.VIRTIO_PMEM: "virtio-pmem",
}


def _seen(device: MemoryDevice) -> int:
    """What the guest sees of a module, in KiB: all but its label."""
    return device.target.size - (device.target.label.size if device.target.label else 0)


def _asked_of(device: MemoryDevice) -> dict[str, object]:
    target = device.target
    if device.model is MemoryModel.VIRTIO_MEM:
        return {
            "max-size": target.size * KIB,
            "requested-size": (target.requested or 0) * KIB,
            "block-size": (target.block or 0) * KIB or None,
            "node": target.node,
        }
    if device.model is MemoryModel.VIRTIO_PMEM:
        return {"size": target.size * KIB, "memdev": f"/objects/mem{device.alias}"}
    return {
        "size": _seen(device) * KIB,
        "slot": getattr(device.address, "slot", None),
        "addr": getattr(device.address, "base", None),
        "node": target.node,
        "memdev": f"/objects/mem{device.alias}",
    }


async def processors(view: View) -> Readings:
    """How many there are, how many may come, on which nodes, of which model."""
    live = view.live
    assert live.vcpu is not None
    there = await view.ask("query-cpus-fast")
    places = await view.ask("query-hotpluggable-cpus")
    current = live.vcpu.current or live.vcpu.count
    yield "vcpus", current, len(there)
    yield "possible vcpus", live.vcpu.count, sum(place["vcpus-count"] for place in places)
    yield "present places", current, sum(place["vcpus-count"] for place in places if "qom-path" in place)
    topology = live.cpu.topology if live.cpu else None
    if topology is not None:
        found = await view.get("/machine", "smp")
        for name in ("sockets", "dies", "cores", "threads"):
            yield name, getattr(topology, name) or 1, found[name]
    cells = live.cpu.numa.cells if live.cpu and live.cpu.numa else []
    if cells:
        asked = {number: len(list(numbers(cell.cpus or ""))) for number, cell in enumerate(cells) if cell.cpus}
        nodes: Counter[int] = Counter()
        for place in places:
            nodes[place["props"]["node-id"]] += place["vcpus-count"]
        yield "vcpus of nodes", asked, dict(nodes)
    async for reading in _model(view, there[0]["qom-path"]):
        yield reading


async def _model(view: View, path: str) -> Readings:
    cpu, features = view.live.cpu, view.live.features
    if cpu is not None and cpu.mode is CpuMode.CUSTOM and cpu.model is not None:
        yield "cpu", f"{cpu.model.name}-x86_64-cpu", await view.get(path, "type")
    elif cpu is not None and cpu.mode in _WHOLE:
        yield "cpu", _WHOLE[cpu.mode], await view.get(path, "type")
    for feature in cpu.features if cpu else ():
        if feature.policy in (CpuFeaturePolicy.DISABLE, CpuFeaturePolicy.FORBID):
            yield f"cpu {feature.name}", False, await view.get(path, feature.name)
    if cpu is not None and cpu.maxphysaddr is not None and cpu.maxphysaddr.bits is not None:
        yield "phys-bits", cpu.maxphysaddr.bits, await view.get(path, "phys-bits")
    if features is not None and features.pmu is not None:
        yield "pmu", features.pmu.state is not False, await view.get(path, "pmu")
    if features is not None and features.kvm is not None and features.kvm.hidden is not None:
        yield "kvm shows itself", False, await view.get(path, "kvm")
    if features is not None and features.hyperv is not None:
        for name in ("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies"):
            said = getattr(features.hyperv, name)
            if said is not None and said.state:
                yield f"hv-{name}", True, await view.get(path, f"hv-{name}")
        if features.hyperv.spinlocks is not None and features.hyperv.spinlocks.retries is not None:
            retries = await view.get(path, "hv-spinlocks")
            yield "hv-spinlocks", features.hyperv.spinlocks.retries, retries


_WHOLE = {CpuMode.HOST_PASSTHROUGH: "host-x86_64-cpu", CpuMode.MAXIMUM: "max-x86_64-cpu"}


async def clock(view: View) -> Readings:
    """What the guest's real-time clock shows."""
    shown = await view.get("/machine", "rtc-time")
    found = datetime(
        shown["tm_year"] + 1900, shown["tm_mon"] + 1, shown["tm_mday"], shown["tm_hour"], shown["tm_min"],
        shown["tm_sec"],
    )  # fmt: skip
    expected = _expected(view.live.clock or Clock())
    yield "rtc is right", True, abs(found - expected) < SLACK or (found, expected)


def _expected(said: Clock) -> datetime:
    local = datetime.now()
    utc = datetime.now(UTC).replace(tzinfo=None)
    match said.offset:
        case ClockOffset.LOCALTIME:
            return local
        case ClockOffset.TIMEZONE:
            return datetime.now(ZoneInfo(said.timezone or "UTC")).replace(tzinfo=None)
        case ClockOffset.VARIABLE:
            moment = local if said.basis is ClockBasis.LOCALTIME else utc
            return moment + timedelta(seconds=int(said.adjustment or 0))
        case ClockOffset.ABSOLUTE:
            return datetime(1970, 1, 1) + timedelta(seconds=said.start or 0)
    return utc


async def iothreads(view: View) -> Readings:
    """Threads of disks, with their pools."""
    live = view.live
    ids = [each.id for each in live.iothread_ids.iothreads] if live.iothread_ids else []
    ids = ids or list(range(1, (live.iothreads or 0) + 1))
    found = {each["id"] for each in await view.ask("query-iothreads")}
    yield "iothreads", {f"iothread{number}" for number in ids}, found
    for each in live.iothread_ids.iothreads if live.iothread_ids else ():
        for limit in ("min", "max"):
            value = getattr(each, f"thread_pool_{limit}")
            if value is not None:
                name = f"thread-pool-{limit}"
                yield f"iothread{each.id} {name}", value, await view.get(f"/objects/iothread{each.id}", name)
