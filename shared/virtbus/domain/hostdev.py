"""Devices of the host that are passed to the guest."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from lxml import etree

from virtbus.domain.address import Address, PciDomain, PciFunction, PciSlot
from virtbus.domain.device import AcpiIndex, Device, DeviceBoot, Rom, generated
from virtbus.domain.interface import IpAddress, Route, Teaming
from virtbus.domain.private import OriginalStates, SourcePrivate
from virtbus.domain.storage import Authentication, Initiator, StorageHost
from virtbus.errors import ConfigUnsupported
from virtbus.xml import Element, Hex2, Hex4, Number, OnOff, UInt, ULong, attribute, child, children, flag, pattern
from virtbus.xml.refusal import path_of


class HostdevMode(StrEnum):
    """Whether a device or, for containers, a capability of the host is passed on."""

    SUBSYSTEM = "subsystem"
    CAPABILITIES = "capabilities"


class HostdevType(StrEnum):
    """Which kind of device of the host is passed on."""

    USB = "usb"
    PCI = "pci"
    SCSI = "scsi"
    SCSI_HOST = "scsi_host"
    MDEV = "mdev"
    STORAGE = "storage"
    MISC = "misc"
    NET = "net"


class HostdevModel(StrEnum):
    """The hypervisor's device that stands for a mediated device or a SCSI host."""

    VFIO_PCI = "vfio-pci"
    VFIO_CCW = "vfio-ccw"
    VFIO_AP = "vfio-ap"
    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class StartupPolicy(StrEnum):
    """What happens when a USB device is not there at start."""

    DEFAULT = "default"
    MANDATORY = "mandatory"
    REQUISITE = "requisite"
    OPTIONAL = "optional"


class Hostdev(Device, tag="hostdev", by="type"):
    """A device of the host; the type says which class it is."""

    mode: HostdevMode = attribute(default=HostdevMode.SUBSYSTEM)
    type: HostdevType = attribute()


class HostdevTail(Device, tail=True):
    """What ends every passed-through device."""

    readonly: bool = flag()
    shareable: bool = flag()
    boot: DeviceBoot | None = child()
    alias: str | None = child(attribute="name", live=generated)
    rom: Rom | None = child()
    acpi: AcpiIndex | None = child()
    address: Address | None = child()


class PciHostAddress(Element, tag="address"):
    """A PCI function of the host."""

    domain: PciDomain = attribute(default=0)
    bus: Hex2 = attribute(default=0)
    slot: PciSlot = attribute(default=0)
    function: PciFunction = attribute(default=0)


class PciHostDriver(Element, tag="driver"):
    """Which driver of the host holds the device meanwhile."""

    name: str | None = attribute()
    model: str | None = attribute()
    iommufd: bool | None = attribute()


class PciHostSource(Element, tag="source"):
    """Which PCI device of the host."""

    write_filtering: bool | None = attribute("writeFiltering")
    address: PciHostAddress = child()
    original_states: OriginalStates | None = child("origstates", private=True)


class PciHostdev(HostdevTail, Hostdev, when="pci"):
    """A PCI device of the host."""

    managed: bool | None = attribute()
    display: OnOff | None = attribute()
    ramfb: OnOff | None = attribute()
    driver: PciHostDriver | None = child()
    source: PciHostSource = child()
    teaming: Teaming | None = child()


class UsbHostAddress(Element, tag="address"):
    """A USB device's place on the host."""

    bus: Number | None = attribute()
    device: Number | None = attribute()
    port: str | None = attribute()


class UsbId(Element):
    """A USB vendor's or product's number."""

    id: Hex4 = attribute()


class UsbHostSource(Element, tag="source"):
    """Which USB device of the host: by vendor and product, or by its place."""

    startup_policy: StartupPolicy | None = attribute("startupPolicy")
    guest_reset: str | None = attribute("guestReset")
    missing: bool | None = attribute(live=True)
    vendor: UsbId | None = child()
    product: UsbId | None = child()
    address: UsbHostAddress | None = child()


class UsbHostdev(HostdevTail, Hostdev, when="usb"):
    """A USB device of the host."""

    managed: bool | None = attribute()
    source: UsbHostSource = child()


class ScsiHostAddress(Element, tag="address"):
    """A SCSI unit of the host."""

    bus: UInt = attribute()
    target: UInt = attribute()
    unit: ULong = attribute()


class ScsiHostSource(Element, tag="source"):
    """Which SCSI unit: one of the host's, or one reached by iSCSI."""

    protocol: str | None = attribute()
    name: str | None = attribute()
    adapter: str | None = child(attribute="name")
    address: ScsiHostAddress | None = child()
    hosts: list[StorageHost] = children()
    private: SourcePrivate | None = child("privateData", private=True)
    auth: Authentication | None = child()
    initiator: Initiator | None = child()


class ScsiHostdev(HostdevTail, Hostdev, when="scsi"):
    """A SCSI unit of the host."""

    managed: bool | None = attribute()
    sgio: str | None = attribute()
    rawio: bool | None = attribute()
    source: ScsiHostSource = child()


class VhostScsiSource(Element, tag="source"):
    """Which SCSI host adapter, by its world wide port name."""

    protocol: str = attribute()
    wwpn: str = attribute()


class ScsiHostHostdev(HostdevTail, Hostdev, when="scsi_host"):
    """A SCSI host adapter that the host's kernel serves."""

    managed: bool | None = attribute()
    model: HostdevModel | None = attribute()
    source: VhostScsiSource = child()


class MdevAddress(Element, tag="address"):
    """A mediated device's UUID."""

    uuid: UUID = attribute()

    @classmethod
    def read(cls, node: etree._Element) -> Self:
        if node.get("uuid") is None:
            evidence = {"path": path_of(node), "line": node.sourceline}
            raise ConfigUnsupported("Missing 'uuid' attribute for element <address>", evidence=evidence)
        return super().read(node)


class MdevSource(Element, tag="source"):
    """Which mediated device."""

    address: MdevAddress = child()


class MdevHostdev(HostdevTail, Hostdev, when="mdev"):
    """A mediated device of the host, such as a slice of a graphics card."""

    managed: bool | None = attribute()
    model: HostdevModel = attribute()
    display: OnOff | None = attribute()
    ramfb: OnOff | None = attribute()
    source: MdevSource = child()


class CapabilitySource(Element, tag="source"):
    """Which resource of the host a container may use."""

    block: str | None = child()
    char: str | None = child()
    interface: str | None = child()


class StorageHostdev(HostdevTail, Hostdev, when="storage"):
    """A block device that a container may use."""

    source: CapabilitySource = child()


class MiscHostdev(HostdevTail, Hostdev, when="misc"):
    """A character device that a container may use."""

    source: CapabilitySource = child()


class NetHostdev(HostdevTail, Hostdev, when="net"):
    """A network interface that is moved into a container."""

    source: CapabilitySource = child()
    ips: list[IpAddress] = children()
    routes: list[Route] = children()


UsbNumber = Annotated[str, pattern("0x[0-9a-fA-F]{1,4}|-1", "a number such as 0x08 or -1")]


class RedirFilterRule(Element, tag="usbdev"):
    """Which USB devices may be redirected; what is not said, or -1, means any."""

    usb_class: UsbNumber | None = attribute("class")
    vendor: UsbNumber | None = attribute()
    product: UsbNumber | None = attribute()
    version: str | None = attribute()
    allow: bool = attribute()


class RedirFilter(Element, tag="redirfilter"):
    """Which USB devices may be redirected into the guest; it is no device itself."""

    rules: list[RedirFilterRule] = children()
