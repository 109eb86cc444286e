"""Which PCI connection each device needs, if it is a PCI device at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.address import PciAddress, UnassignedAddress
from virtbus.domain.chardev import Serial, SerialTargetType
from virtbus.domain.controller import Controller, ControllerType, PciModel, ScsiModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.filesystem import Filesystem
from virtbus.domain.hostdev import Hostdev, HostdevModel, MdevHostdev, PciHostdev, ScsiHostHostdev
from virtbus.domain.input import Input, InputBus
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.iommu import Iommu, IommuModel
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryDevice, MemoryModel
from virtbus.domain.pstore import Pstore
from virtbus.domain.rng import Rng
from virtbus.domain.shmem import Shmem
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.sound import Sound, SoundModel
from virtbus.domain.video import Video, VideoType
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogModel
from virtbus_qemu.hostpci import HostPci
from virtbus_qemu.pci.connection import CONVENTIONAL, EXPRESS, OF_MODEL, Connect
from virtbus_qemu.platform import Platform

TRANSITIONAL = "virtio-transitional"
"""virtio devices that old guests know too: conventional cards."""


def connection_of(device: Device, platform: Platform, host: HostPci) -> Connect:
    """The connection that a device needs; Connect.NONE where it is no PCI device."""
    if str(getattr(device, "model", None)) == TRANSITIONAL:
        return CONVENTIONAL
    for kind, describe in _NEEDS.items():
        if isinstance(device, kind):
            return _on(platform, describe(device, host))
    return Connect.NONE


def _on(platform: Platform, connect: Connect) -> Connect:
    """Where the root bus is conventional, cards for PCI Express are conventional too."""
    if not platform.express and connect & Connect.PCIE_DEVICE:
        return connect & ~Connect.PCIE_DEVICE | Connect.PCI_DEVICE
    return connect


def wants_place(device: Device) -> bool:
    """Whether a device has no address yet; an address of zeros asks for one."""
    address = device.address
    return address is None or (isinstance(address, PciAddress) and is_blank(address))


def is_blank(address: PciAddress) -> bool:
    """Whether an address is all zero."""
    return not (address.domain or address.bus or address.slot or address.function)


_USB: dict[str | None, Connect] = {
    UsbModel.QEMU_XHCI: EXPRESS,
    UsbModel.NEC_XHCI: EXPRESS,
    UsbModel.NONE: Connect.NONE,
    UsbModel.QUSB1: Connect.NONE,
    UsbModel.QUSB2: Connect.NONE,
}

_SCSI: dict[str | None, Connect] = {
    ScsiModel.VIRTIO_SCSI: EXPRESS,
    ScsiModel.VIRTIO_NON_TRANSITIONAL: EXPRESS,
    ScsiModel.IBMVSCSI: Connect.NONE,
    ScsiModel.NCR53C90: Connect.NONE,
    ScsiModel.AUTO: Connect.NONE,
    None: Connect.NONE,
}


def _controller(device: Controller, host: HostPci) -> Connect:
    model = device.model
    if device.type is ControllerType.PCI:
        return OF_MODEL.get(PciModel(model), Connect.NONE) if model in list(PciModel) else Connect.NONE
    if device.type is ControllerType.USB:
        return _USB.get(model, CONVENTIONAL)
    if device.type is ControllerType.SCSI:
        return _SCSI.get(model, CONVENTIONAL)
    return _CONTROLLERS.get(device.type, Connect.NONE)


_CONTROLLERS = {
    ControllerType.IDE: CONVENTIONAL,
    ControllerType.SATA: CONVENTIONAL,
    ControllerType.VIRTIO_SERIAL: EXPRESS,
    ControllerType.NVME: EXPRESS,
}

_CARDS = dict.fromkeys(("virtio", "virtio-non-transitional", "e1000e", "igb"), EXPRESS)


def _interface(device: Interface, host: HostPci) -> Connect:
    model = device.model.type if device.model else None
    if model == "usb-net":
        return Connect.NONE
    if device.type is InterfaceType.HOSTDEV:
        source = device.source.address if device.source else None
        return _host_function(source, host) if source is None or source.type in (None, "pci") else Connect.NONE
    return _CARDS.get(model or "", CONVENTIONAL)


def _host_function(address: Any, host: HostPci) -> Connect:
    return CONVENTIONAL if address is not None and host.is_conventional(address) else EXPRESS


def _hostdev(device: Hostdev, host: HostPci) -> Connect:
    if isinstance(device.address, UnassignedAddress):
        return Connect.NONE
    if isinstance(device, MdevHostdev):
        return EXPRESS if device.model is HostdevModel.VFIO_PCI else Connect.NONE
    if isinstance(device, ScsiHostHostdev):
        return EXPRESS
    return _host_function(device.source.address, host) if isinstance(device, PciHostdev) else Connect.NONE


_SOUND = {SoundModel.VIRTIO: EXPRESS} | dict.fromkeys((SoundModel.SB16, SoundModel.PCSPK, SoundModel.USB), Connect.NONE)

_VIDEO = {
    **dict.fromkeys((VideoType.VIRTIO, VideoType.BOCHS), EXPRESS),
    **dict.fromkeys((VideoType.NONE, VideoType.RAMFB, VideoType.GOP, VideoType.DEFAULT), Connect.NONE),
}


def _video(device: Video, host: HostPci) -> Connect:
    return _VIDEO.get(device.model.type, CONVENTIONAL) if device.model else Connect.NONE


def _memory(device: MemoryDevice, host: HostPci) -> Connect:
    return EXPRESS if device.model in (MemoryModel.VIRTIO_MEM, MemoryModel.VIRTIO_PMEM) else Connect.NONE


def _when(is_card: Callable[[Any], bool], connect: Connect) -> Callable[[Any, HostPci], Connect]:
    return lambda device, host: connect if is_card(device) else Connect.NONE


def _is_pci_serial(device: Serial) -> bool:
    return device.target is not None and device.target.type is SerialTargetType.PCI_SERIAL


_NEEDS: dict[type[Device], Callable[[Any, HostPci], Connect]] = {
    Controller: _controller,
    Filesystem: lambda device, host: EXPRESS,
    Interface: _interface,
    Sound: lambda device, host: _SOUND.get(device.model, CONVENTIONAL),
    Disk: _when(lambda device: device.target.bus is DiskBus.VIRTIO, EXPRESS),
    Hostdev: _hostdev,
    Memballoon: _when(lambda device: device.model not in (MemballoonModel.NONE, MemballoonModel.XEN), EXPRESS),
    Rng: lambda device, host: EXPRESS,
    Watchdog: _when(lambda device: device.model is WatchdogModel.I6300ESB, CONVENTIONAL),
    Video: _video,
    Shmem: lambda device, host: CONVENTIONAL,
    Input: _when(lambda device: device.bus is InputBus.VIRTIO, EXPRESS),
    Serial: _when(_is_pci_serial, CONVENTIONAL),
    MemoryDevice: _memory,
    Panic: _when(lambda device: device.model is PanicModel.PVPANIC, Connect.PCIE_DEVICE | Connect.INTEGRATED),
    Vsock: lambda device, host: EXPRESS,
    Crypto: lambda device, host: EXPRESS,
    Iommu: _when(lambda device: device.model is IommuModel.VIRTIO, Connect.PCIE_DEVICE | Connect.INTEGRATED),
    Pstore: lambda device, host: CONVENTIONAL,
}
