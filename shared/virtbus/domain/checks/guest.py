"""What the guest as a whole may not be: names, memory, processors, firmware, boot, labels."""

from __future__ import annotations

import re
from uuid import UUID

from virtbus.domain.checks.problem import Problems, detail, unsupported
from virtbus.domain.domain import Domain
from virtbus.domain.memorydevice import MemoryModel


def check_names(domain: Domain) -> Problems:
    name = domain.name
    if not name.strip():
        yield detail("the domain's name is empty", "/domain/name")
    elif "/" in name or "\n" in name:
        what = "'/'" if "/" in name else "a line break"
        yield detail(f"name {name!r:.80} cannot contain {what}", "/domain/name")
    elif len(name.encode()) > 255:
        yield detail("the domain's name is longer than 255 bytes", "/domain/name")
    if domain.title is not None and "\n" in domain.title:
        yield detail("the domain's title cannot contain line breaks", "/domain/title")


def check_memory(domain: Domain) -> Problems:
    if domain.memory is None or domain.memory.kib == 0:
        yield detail("Memory size must be specified via <memory> or in the <numa> configuration", "/domain/memory")
        return
    plugged = sum(device.target.size for device in domain.devices.memories)
    if plugged > domain.memory.kib:
        yield detail("Total size of memory devices exceeds the total memory size", "/domain/memory")
    current, most = domain.current_memory, domain.max_memory
    if current is not None and current.kib > domain.memory.kib:
        yield detail(
            f"current memory {current.kib} KiB exceeds memory {domain.memory.kib} KiB", "/domain/currentMemory"
        )
    if most is None:
        return
    if most.kib < domain.memory.kib:
        yield detail(f"memory {domain.memory.kib} KiB exceeds maxMemory {most.kib} KiB", "/domain/maxMemory")
    slots = sum(device.model in _IN_SLOTS for device in domain.devices.memories)
    if most.slots is not None and slots > most.slots:
        yield detail(f"memory device count '{slots}' exceeds slots count '{most.slots}'", "/domain/maxMemory/@slots")


_IN_SLOTS = (MemoryModel.DIMM, MemoryModel.NVDIMM)
"""The memory devices that take a slot; virtio's are PCI devices."""


def check_vcpus(domain: Domain) -> Problems:
    vcpu = domain.vcpu
    if vcpu is None:
        return
    if vcpu.count == 0:
        yield detail("invalid maximum number of vCPUs '0'", "/domain/vcpu")
    elif vcpu.current is not None and vcpu.current > vcpu.count:
        yield detail(
            f"maxvcpus must not be less than current vcpus ({vcpu.count} < {vcpu.current})", "/domain/vcpu/@current"
        )
    elif vcpu.current == 0:
        yield detail("invalid current number of vCPUs '0'", "/domain/vcpu/@current")
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is None:
        return
    product = topology.sockets * (topology.dies or 1) * (topology.clusters or 1) * topology.cores * topology.threads
    if product == 0:
        yield detail("Invalid CPU topology", "/domain/cpu/topology")
    elif product != vcpu.count:
        yield unsupported("CPU topology doesn't match maximum vcpu count", "/domain/cpu/topology")


_DATE = re.compile(r"(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])/([0-9]{2}|[0-9]{4})")


def check_smbios(domain: Domain) -> Problems:
    """The BIOS's date is one, and the machine's UUID in its tables is the domain's."""
    for sysinfo in domain.sysinfo:
        for entry in sysinfo.bios.entries if sysinfo.bios is not None else ():
            if entry.name == "date" and not _DATE.fullmatch(entry.value or ""):
                yield detail("Invalid BIOS 'date' format", "/domain/sysinfo/bios/entry", "month/day/year is expected")
        for entry in sysinfo.system.entries if sysinfo.system is not None else ():
            if entry.name == "uuid":
                yield from _check_smbios_uuid(domain, entry.value or "")


def _check_smbios_uuid(domain: Domain, value: str) -> Problems:
    path = "/domain/sysinfo/system/entry"
    try:
        said = UUID(value.strip())
    except ValueError:
        yield detail("malformed <sysinfo> uuid element", path)
        return
    if said != domain.uuid:
        yield detail("UUID mismatch between <uuid> and <sysinfo>", path)


def check_physical_address(domain: Domain) -> Problems:
    """Only an emulated width of addresses can be chosen."""
    wide = domain.cpu.maxphysaddr if domain.cpu is not None else None
    if wide is None or wide.mode != "passthrough" or wide.bits is None:
        return
    yield unsupported(
        "CPU maximum physical address bits number specification cannot be used with mode='passthrough'",
        "/domain/cpu/maxphysaddr/@bits",
    )
