"""Controllers: the buses that devices are plugged into."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, VirtioOptions, generated
from virtbus.domain.disk import DiskIothreads
from virtbus.xml import Element, Hex, Index, OnOff, UInt, attribute, child


class ControllerType(StrEnum):
    """Which kind of bus a controller makes."""

    IDE = "ide"
    FDC = "fdc"
    SCSI = "scsi"
    SATA = "sata"
    VIRTIO_SERIAL = "virtio-serial"
    CCID = "ccid"
    USB = "usb"
    PCI = "pci"
    XENBUS = "xenbus"
    ISA = "isa"
    NVME = "nvme"


class PciModel(StrEnum):
    """The controllers that make PCI buses."""

    PCI_ROOT = "pci-root"
    PCIE_ROOT = "pcie-root"
    PCI_BRIDGE = "pci-bridge"
    DMI_TO_PCI_BRIDGE = "dmi-to-pci-bridge"
    PCIE_TO_PCI_BRIDGE = "pcie-to-pci-bridge"
    PCIE_ROOT_PORT = "pcie-root-port"
    PCIE_SWITCH_UPSTREAM_PORT = "pcie-switch-upstream-port"
    PCIE_SWITCH_DOWNSTREAM_PORT = "pcie-switch-downstream-port"
    PCI_EXPANDER_BUS = "pci-expander-bus"
    PCIE_EXPANDER_BUS = "pcie-expander-bus"


class PciModelName(StrEnum):
    """The hypervisor's device behind a PCI controller."""

    PCI_BRIDGE = "pci-bridge"
    I82801B11_BRIDGE = "i82801b11-bridge"
    IOH3420 = "ioh3420"
    X3130_UPSTREAM = "x3130-upstream"
    XIO3130_DOWNSTREAM = "xio3130-downstream"
    PXB = "pxb"
    PXB_PCIE = "pxb-pcie"
    PCIE_ROOT_PORT = "pcie-root-port"
    SPAPR_PCI_HOST_BRIDGE = "spapr-pci-host-bridge"
    PCIE_PCI_BRIDGE = "pcie-pci-bridge"


class ScsiModel(StrEnum):
    """The controllers that make SCSI buses."""

    AUTO = "auto"
    BUSLOGIC = "buslogic"
    LSILOGIC = "lsilogic"
    LSISAS1068 = "lsisas1068"
    VMPVSCSI = "vmpvscsi"
    IBMVSCSI = "ibmvscsi"
    VIRTIO_SCSI = "virtio-scsi"
    LSISAS1078 = "lsisas1078"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"
    NCR53C90 = "ncr53c90"
    DC390 = "dc390"
    AM53C974 = "am53c974"


class UsbModel(StrEnum):
    """The controllers that make USB buses."""

    PIIX3_UHCI = "piix3-uhci"
    PIIX4_UHCI = "piix4-uhci"
    EHCI = "ehci"
    ICH9_EHCI1 = "ich9-ehci1"
    ICH9_UHCI1 = "ich9-uhci1"
    ICH9_UHCI2 = "ich9-uhci2"
    ICH9_UHCI3 = "ich9-uhci3"
    VT82C686B_UHCI = "vt82c686b-uhci"
    PCI_OHCI = "pci-ohci"
    NEC_XHCI = "nec-xhci"
    QUSB1 = "qusb1"
    QUSB2 = "qusb2"
    QEMU_XHCI = "qemu-xhci"
    NONE = "none"


class IdeModel(StrEnum):
    """The controllers that make IDE buses."""

    PIIX3 = "piix3"
    PIIX4 = "piix4"
    ICH6 = "ich6"


class VirtioSerialModel(StrEnum):
    """Which generation of virtio a serial controller speaks."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


MODELS: dict[ControllerType, type[StrEnum]] = {
    ControllerType.PCI: PciModel,
    ControllerType.SCSI: ScsiModel,
    ControllerType.USB: UsbModel,
    ControllerType.IDE: IdeModel,
    ControllerType.VIRTIO_SERIAL: VirtioSerialModel,
}
"""Which models the controllers of a type have; the other types have none."""


class ControllerModel(Element, tag="model"):
    """The hypervisor's device behind a PCI controller."""

    name: PciModelName = attribute()


class ControllerTarget(Element, tag="target"):
    """What a PCI controller shows of itself to the guest."""

    chassis_number: UInt | None = attribute("chassisNr")
    chassis: UInt | None = attribute()
    port: Hex | None = attribute()
    bus_number: UInt | None = attribute("busNr")
    index: UInt | None = attribute()
    hotplug: OnOff | None = attribute()
    mem_reserve: UInt | None = attribute("memReserve")
    node: UInt | None = child()


class ControllerDriver(VirtioOptions, tag="driver"):
    """How the hypervisor serves a SCSI or virtio controller."""

    queues: UInt | None = attribute()
    cmd_per_lun: UInt | None = attribute()
    max_sectors: UInt | None = attribute()
    ioeventfd: OnOff | None = attribute()
    iothread: UInt | None = attribute()
    iothreads: DiskIothreads | None = child()


class Master(Element, tag="master"):
    """The first port of the main controller that a companion serves."""

    start_port: UInt = attribute("startport")


class Controller(Device, tag="controller"):
    """A controller; type and index name it."""

    type: ControllerType = attribute()
    index: Index | None = attribute()
    model: str | None = attribute()
    ports: UInt | None = attribute()
    vectors: UInt | None = attribute()
    max_grant_frames: UInt | None = attribute("maxGrantFrames")
    max_event_channels: UInt | None = attribute("maxEventChannels")
    model_name: ControllerModel | None = child("model")
    target: ControllerTarget | None = child()
    driver: ControllerDriver | None = child()
    alias: str | None = child(attribute="name", live=generated)
    master: Master | None = child()
    pcihole64: int | None = child(unit="KiB")
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
