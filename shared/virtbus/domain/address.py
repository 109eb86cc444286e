"""Where a device sits: on which bus of the guest, and at which place there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from virtbus.errors import XmlError, XmlInternal
from virtbus.xml import Element, Hex, Hex4, Hex8, OnOff, Refusal, UInt, attribute, child, hexadecimal, pattern

UsbPort = Annotated[
    str,
    pattern(
        r"[0-9]+(\.[0-9]+){0,3}",
        "a USB port such as 1 or 1.2",
        Refusal(XmlInternal, "Cannot parse <address> 'port' attribute"),
    ),
]
PciBus = Annotated[int, hexadecimal(2, 0xFF, Refusal(XmlError, "Invalid PCI address bus='{raw}', must be <= 0xFF"))]
PciSlot = Annotated[int, hexadecimal(2, 0x1F, Refusal(XmlError, "Invalid PCI address slot='{raw}', must be <= 0x1F"))]
PciFunction = Annotated[int, hexadecimal(1, 7, Refusal(XmlError, "Invalid PCI address function={raw}, must be <= 7"))]
SpaprRegister = Annotated[int, hexadecimal(8, 2**64 - 1)]
PciDomain = Annotated[int, hexadecimal(4, 0xFFFFFFFF)]


class AddressType(StrEnum):
    """Which bus an address belongs to."""

    PCI = "pci"
    DRIVE = "drive"
    VIRTIO_SERIAL = "virtio-serial"
    CCID = "ccid"
    USB = "usb"
    SPAPR_VIO = "spapr-vio"
    VIRTIO_S390 = "virtio-s390"
    CCW = "ccw"
    VIRTIO_MMIO = "virtio-mmio"
    ISA = "isa"
    DIMM = "dimm"
    UNASSIGNED = "unassigned"


class Address(Element, tag="address", by="type"):
    """A place on a bus; the type says which class it is."""

    type: AddressType = attribute()


class ZpciAddress(Element, tag="zpci"):
    """The identifiers that a PCI device has besides on s390x."""

    uid: Hex4 | None = attribute()
    fid: Hex8 | None = attribute()


class PciAddress(Address, when="pci"):
    """A function on a PCI bus; all zero means that one is to be assigned."""

    domain: PciDomain = attribute(default=0)
    bus: PciBus = attribute(default=0)
    slot: PciSlot = attribute(default=0)
    function: PciFunction = attribute(default=0)
    multifunction: OnOff | None = attribute()
    zpci: ZpciAddress | None = child()


class DriveAddress(Address, when="drive"):
    """A unit on an IDE, SATA, SCSI or floppy controller."""

    controller: UInt = attribute(default=0)
    bus: UInt = attribute(default=0)
    target: UInt = attribute(default=0)
    unit: UInt = attribute(default=0)


class VirtioSerialAddress(Address, when="virtio-serial"):
    """A port on a virtio-serial controller."""

    controller: UInt = attribute(default=0)
    bus: UInt = attribute(default=0)
    port: UInt = attribute(default=0)


class CcidAddress(Address, when="ccid"):
    """A slot on a smartcard controller."""

    controller: UInt = attribute(default=0)
    slot: UInt = attribute(default=0)


class UsbAddress(Address, when="usb"):
    """A port on a USB bus, through hubs where it has dots."""

    bus: UInt = attribute(default=0)
    port: UsbPort | None = attribute()


class SpaprVioAddress(Address, when="spapr-vio"):
    """A register on a POWER guest's virtual bus."""

    reg: SpaprRegister | None = attribute()


class VirtioS390Address(Address, when="virtio-s390"):
    """The bus of old s390 machines."""


class CcwAddress(Address, when="ccw"):
    """A channel of an s390x guest."""

    cssid: Hex | None = attribute()
    ssid: Hex | None = attribute()
    devno: Hex4 | None = attribute()


class VirtioMmioAddress(Address, when="virtio-mmio"):
    """A virtio device that is mapped into memory."""


class IsaAddress(Address, when="isa"):
    """An ISA device's port and interrupt."""

    iobase: Hex | None = attribute()
    irq: Hex | None = attribute()


class DimmAddress(Address, when="dimm"):
    """A memory slot, and where in the guest's memory it begins."""

    slot: UInt | None = attribute()
    base: Hex | None = attribute()


class UnassignedAddress(Address, when="unassigned"):
    """The device is not in the guest, though the host has set it aside."""
