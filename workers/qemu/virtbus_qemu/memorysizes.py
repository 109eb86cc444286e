"""The sizes that the guest's memory really has: whole units of what the machine can map.

libvirt rounds up when a domain is started (its live definition shows it), not when it is defined.
"""

from __future__ import annotations

from virtbus.domain.cpu import Cpu, Numa, NumaCell
from virtbus.domain.domain import Domain
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.errors import ConfigUnsupported

_MIB = 1024
"""In KiB, as all sizes here."""

#: What POWER guests' memory is a multiple of.
_POWER_UNIT = 256 * _MIB

#: What every other guest's is, and its memory modules'.
_UNIT, _MODULE_UNIT = _MIB, 2 * _MIB

#: QEMU counts bytes in 64 bits with a sign, and keeps the last page.
_MOST = ((1 << 63) - 1) // 1024


def align(domain: Domain) -> None:
    """Round the sizes of a live domain's memory up.

    :raise ConfigUnsupported: one is too large for that.
    """
    if domain.memory is None:
        return
    is_power = _is_power(domain)
    unit, module_unit = (_POWER_UNIT, _POWER_UNIT) if is_power else (_UNIT, _MODULE_UNIT)
    modules = sum(each.target.size for each in domain.devices.memories)
    initial = domain.memory.kib - modules
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    for number, cell in enumerate(cells):
        cell.memory = _rounded(cell.memory, unit, domain, f"memory size of NUMA node '{number}' overflowed")
    initial = sum(cell.memory for cell in cells) or _rounded(initial, unit, domain, "initial memory size overflowed")
    if domain.max_memory is not None:
        most = _rounded(domain.max_memory.kib, unit, domain, "maximum memory size overflowed")
        domain.max_memory.kib = most
    plugged = 0
    for number, device in enumerate(domain.devices.memories):
        if device.model is not MemoryModel.NVDIMM or not is_power:
            words = f"size of memory module '{number}' overflowed"
            device.target.size = _rounded(device.target.size, module_unit, domain, words)
        plugged += device.target.size
    domain.memory.kib = initial + plugged


def renew(domain: Domain) -> None:
    """What a new domain gets that a stored one does not: a NUMA node where memory can be plugged in, as guests find
    plugged memory by its node; and modules of a size that POWER takes.

    :raise ConfigUnsupported: an NVDIMM is too small.
    """
    has_cells = domain.cpu is not None and domain.cpu.numa is not None and domain.cpu.numa.cells
    if domain.max_memory is not None and domain.memory is not None and not has_cells:
        domain.cpu = domain.cpu or Cpu()
        domain.cpu.numa = domain.cpu.numa or Numa()
        plugged = sum(each.target.size for each in domain.devices.memories)
        domain.cpu.numa.cells = [NumaCell(id=0, memory=domain.memory.kib - plugged)]
        for each in domain.devices.memories:
            if each.model in _ON_A_NODE and each.target.node is None:
                each.target.node = 0
    if _is_power(domain):
        for each in domain.devices.memories:
            _fit_power(each, domain)


_ON_A_NODE = (MemoryModel.DIMM, MemoryModel.NVDIMM, MemoryModel.VIRTIO_MEM)


def _fit_power(device: MemoryDevice, domain: Domain) -> None:
    """An NVDIMM's file has the size that it has, so that what the guest sees of it is rounded down."""
    if device.model is not MemoryModel.NVDIMM:
        device.target.size = -(-device.target.size // _POWER_UNIT) * _POWER_UNIT
        return
    label = device.target.label.size if device.target.label else 0
    seen = (device.target.size - label) // _POWER_UNIT * _POWER_UNIT
    if seen <= 0:
        raise ConfigUnsupported(
            "minimum target size for the NVDIMM must be 256MB plus the label size",
            domain=domain.name,
            evidence={"path": "/domain/devices/memory/target/size"},
        )
    device.target.size = seen + label


def _is_power(domain: Domain) -> bool:
    return bool(domain.os and domain.os.type.arch in ("ppc64", "ppc64le"))


def _rounded(size: int, unit: int, domain: Domain, trouble: str) -> int:
    whole = -(-size // unit) * unit
    if whole > _MOST:
        raise ConfigUnsupported(f"{trouble} after alignment", domain=domain.name, evidence={"path": "/domain/memory"})
    return whole
