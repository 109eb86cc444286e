"""Slots of memory modules."""

from __future__ import annotations

from virtbus.domain.address import DimmAddress
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.errors import XmlError, XmlInternal

_IN_SLOTS = (MemoryModel.DIMM, MemoryModel.NVDIMM)
"""Models that fill a slot; the others sit on PCI or nowhere."""


def assign(domain: Domain) -> None:
    """Give every memory module its slot.

    :raise XmlError: two modules have the same slot, or there is no such slot.
    """
    for device in domain.devices.memories:
        if isinstance(device.address, DimmAddress) and device.address.slot is not None:
            _check(domain, device, device.address.slot)
    for device in domain.devices.memories:
        place(domain, device)


def place(domain: Domain, device: Device) -> None:
    """Give one memory module the first free slot, where it has none.

    :raise XmlInternal: all are taken.
    """
    slots = _slots(domain)
    if not slots or not isinstance(device, MemoryDevice) or device.model not in _IN_SLOTS:
        return
    address = device.address
    if address is not None and (not isinstance(address, DimmAddress) or address.slot is not None):
        return
    taken = _taken(domain, device)
    free = next((slot for slot in range(slots) if slot not in taken), None)
    if free is None:
        raise XmlInternal(
            "failed to find an empty memory slot",
            domain=domain.name,
            hint="<maxMemory> says how many slots there are",
        )
    device.address = DimmAddress(slot=free, base=address.base if isinstance(address, DimmAddress) else None)


def _check(domain: Domain, device: MemoryDevice, slot: int) -> None:
    slots = _slots(domain)
    if slots and slot >= slots:
        raise XmlError(f"memory device slot '{slot}' exceeds slots count '{slots}'", domain=domain.name)
    if slots and slot in _taken(domain, device):
        raise XmlError(
            f"memory device slot '{slot}' is already being used by another memory device", domain=domain.name
        )


def _slots(domain: Domain) -> int:
    return domain.max_memory.slots or 0 if domain.max_memory is not None else 0


def _taken(domain: Domain, besides: MemoryDevice) -> set[int]:
    return {
        other.address.slot
        for other in domain.devices.memories
        if other is not besides and isinstance(other.address, DimmAddress) and other.address.slot is not None
    }
