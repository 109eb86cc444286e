"""The virtual bus of POWER guests (pseries): a device is known there by the address of its register."""

from __future__ import annotations

from virtbus.domain.address import SpaprVioAddress
from virtbus.domain.chardev import Serial, SerialTargetType
from virtbus.domain.controller import Controller, ControllerType, ScsiModel
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.interface import Interface
from virtbus.domain.nvram import Nvram
from virtbus.domain.tpm import Tpm, TpmModel
from virtbus.errors import XmlError
from virtbus_qemu.places.virtiodevices import in_order
from virtbus_qemu.platform import Board, Platform

_STEP = 0x1000

_FIRST: dict[type[Device], int] = {
    Interface: 0x1000,
    Controller: 0x2000,
    Serial: 0x30000000,
    Nvram: 0x3000,
    Tpm: 0x4000,
}
"""Where QEMU puts the first device of each kind (hw/net/spapr_llan.c, hw/scsi/spapr_vscsi.c and so on), in the order
in which libvirt goes through them."""


def assign(domain: Domain, platform: Platform) -> None:
    """Give every device on that bus its register.

    :raise XmlError: two devices have the same.
    """
    if platform.board is not Board.PSERIES:
        return
    devices = list(in_order(domain))
    for kind in _FIRST:
        for device in devices:
            if isinstance(device, kind):
                place(domain, device, platform)


def place(domain: Domain, device: Device, platform: Platform) -> None:
    """Give one device its register, where it sits on that bus.

    :raise XmlError: the one it asks for is taken.
    """
    if platform.board is not Board.PSERIES:
        return
    if device.address is None and sits_there(device):
        device.address = SpaprVioAddress()
    first = next((first for kind, first in _FIRST.items() if isinstance(device, kind)), None)
    address = device.address
    if first is None or not isinstance(address, SpaprVioAddress):
        return
    taken = {
        other.address.reg
        for other in in_order(domain)
        if other is not device and isinstance(other.address, SpaprVioAddress) and _is_own(other)
    }
    if address.reg is not None and address.reg in taken:
        raise XmlError(f"spapr-vio address {address.reg:#x} already in use", domain=domain.name)
    register = first if address.reg is None else address.reg
    while register in taken:
        register += _STEP
    address.reg = register


def sits_there(device: Device) -> bool:
    """Whether a device is one of that bus."""
    if isinstance(device, Interface):
        return device.model is not None and device.model.type == "spapr-vlan"
    if isinstance(device, Controller):
        return device.type is ControllerType.SCSI and device.model == ScsiModel.IBMVSCSI
    if isinstance(device, Serial):
        return device.target is not None and device.target.type is SerialTargetType.SPAPR_VIO_SERIAL
    return isinstance(device, Nvram) or (isinstance(device, Tpm) and device.model is TpmModel.TPM_SPAPR)


def _is_own(device: Device) -> bool:
    """Whether an address is a device's own: the console's is its serial port's."""
    return any(isinstance(device, kind) for kind in _FIRST)
