"""Memory-mapped virtio devices, on ARM and RISC-V boards without PCI, or where a definition has one already."""

from __future__ import annotations

from virtbus.domain.address import VirtioMmioAddress
from virtbus.domain.controller import ControllerType
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.places.virtiodevices import in_order, is_carried
from virtbus_qemu.platform import Board, Platform

_BOARDS = (Board.ARM_VIRT, Board.RISCV_VIRT, Board.VEXPRESS)
"""Boards that have slots for such devices."""


def assign(domain: Domain, platform: Platform, capabilities: Capabilities) -> None:
    """Say of every virtio device without an address that it is mapped into memory, where the board prefers that."""
    if platform.board not in _BOARDS or not _is_preferred(domain) or not capabilities.has("virtio-mmio"):
        return
    for device in in_order(domain):
        place(domain, device, platform)


def place(domain: Domain, device: Device, platform: Platform) -> None:
    """As `assign`, of one device."""
    if platform.board in _BOARDS and device.address is None and is_carried(device) and _is_preferred(domain):
        device.address = VirtioMmioAddress()


def _is_preferred(domain: Domain) -> bool:
    """A board with PCI has these only where the definition has one."""
    roots = any(each.type is ControllerType.PCI and each.index == 0 for each in domain.devices.controllers)
    return not roots or any(isinstance(each.address, VirtioMmioAddress) for each in in_order(domain))
