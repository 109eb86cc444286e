"""How much memory a domain's process may lock, so that the kernel cannot move or swap it.

A guest whose memory devices of the host reach directly has all of it pinned. The rules are libvirt's
(qemuDomainGetMemLockLimitBytes); their figures leave room for what QEMU needs itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from virtbus.domain.controller import Controller, ControllerType, PciModel
from virtbus.domain.defaults import UNLIMITED
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.hostdev import MdevHostdev, PciHostdev
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.storage import StorageType
from virtbus_qemu.platform import PPC, platform_of

__all__ = ["UNLIMITED", "limit_of"]

#: In KiB: what the devices' own registers may take on x86, whose whole range for them this is.
_REGISTERS = 1024 * 1024

#: In KiB: a POWER guest's 32-bit DMA window of one host bridge, and the tables of all.
_WINDOW, _TABLES = 4 * 1024, 8 * 1024

#: In KiB: what a POWER guest's device may map through one host bridge.
_MAPPED = 2 * 1024 * 1024


def limit_of(domain: Domain) -> int:
    """The limit in bytes; 0 where the process locks nothing, UNLIMITED where nobody can tell how much.

    libvirt's figure for no limit is the same whether it counts bytes or KiB.
    """
    hard = domain.memtune.hard_limit if domain.memtune is not None else None
    if hard:
        return hard * 1024
    if domain.memory_backing is not None and domain.memory_backing.locked:
        return UNLIMITED
    if domain.type is DomainType.KVM and platform_of(domain).arch in PPC - {"ppc"}:
        return _power_limit(domain) * 1024
    times = _pinned_times(domain)
    return (times * _memory(domain) + _REGISTERS) * 1024 if times else 0


def _pinned_times(domain: Domain) -> int:
    """How often the guest's memory is pinned: devices that translate addresses by themselves pin it for themselves."""
    cards = sum(each.type is InterfaceType.VDPA for each in domain.devices.interfaces)
    passed = sum(isinstance(each, PciHostdev | MdevHostdev) for each in domain.devices.hostdevs)
    passed += sum(_is_passed(each) for each in domain.devices.interfaces)
    apart = domain.devices.iommu is not None
    return cards + _nvme_disks(domain) + (passed if apart else min(passed, 1))


def _is_passed(interface: Interface) -> bool:
    actual = interface.actual.type if interface.actual is not None else interface.type
    return actual is InterfaceType.HOSTDEV


def _nvme_disks(domain: Domain) -> int:
    """Disks of whose chain an image lies on a controller that QEMU drives itself."""
    return sum(StorageType.NVME in types for types in map(set, _image_types(domain)))


def _image_types(domain: Domain) -> Iterator[Iterator[StorageType | None]]:
    for disk in domain.devices.disks:
        layers = []
        layer = disk.backing_store
        while layer is not None:
            layers.append(layer.type)
            layer = layer.backing_store
        yield chain([disk.type], layers)


def _power_limit(domain: Domain) -> int:
    """In KiB. KVM accounts a POWER guest's page table and DMA tables to the process."""
    bridges = sum(map(_is_host_bridge, domain.devices.controllers))
    memory = _memory(domain)
    most = domain.max_memory.kib if domain.max_memory is not None else memory
    limit = most // 128 + _WINDOW * bridges + _TABLES
    passed = any(isinstance(each, PciHostdev | MdevHostdev) for each in domain.devices.hostdevs)
    if passed or any(map(_is_passed, domain.devices.interfaces)) or _nvme_disks(domain):
        limit += max(_MAPPED * bridges, memory + memory // 512 * bridges + _TABLES)
    return limit


def _is_host_bridge(controller: Controller) -> bool:
    return controller.type is ControllerType.PCI and controller.model == PciModel.PCI_ROOT


def _memory(domain: Domain) -> int:
    """In KiB."""
    return domain.memory.kib if domain.memory is not None else 0
