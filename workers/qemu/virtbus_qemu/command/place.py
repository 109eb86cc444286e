"""Where a device goes, as the properties of -device: bus and addr, unit, port, channel, register.

place.of(device, context)                   # {"bus": "pci.0", "addr": "0x3"}, {"devno": "fe.0.0001"}, ...
place.virtio_name("virtio-blk", device, context)        # virtio-blk-pci, virtio-blk-ccw, virtio-blk-device
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.address import (
    Address,
    AddressType,
    CcidAddress,
    CcwAddress,
    DimmAddress,
    DriveAddress,
    IsaAddress,
    PciAddress,
    SpaprVioAddress,
    UsbAddress,
    VirtioMmioAddress,
    VirtioSerialAddress,
)
from virtbus.domain.controller import Controller, ControllerType, ScsiModel
from virtbus.domain.device import Device, VirtioOptions
from virtbus.domain.disk import Disk, DiskBus
from virtbus.errors import ConfigUnsupported, InternalError
from virtbus_qemu.command.parts import Context, given
from virtbus_qemu.pci import fixed_place


def of(device: Device, context: Context) -> dict[str, Any]:
    """Of any device, by its address; nothing where it has none, or one that QEMU is not told."""
    address = device.address
    describe = _BY_ADDRESS.get(address.type) if address is not None else None
    return describe(device, address, context) if describe else {}


def pci(device: Device, context: Context) -> dict[str, Any]:
    """Of a PCI device. The address is always given: without one QEMU may take a slot the guest cannot see.

    :raise InternalError: it has no PCI address.
    """
    return _of_type(PciAddress, "PCI", device, context)


def usb(device: Device, context: Context) -> dict[str, Any]:
    """Of a USB device; nothing where it may sit anywhere."""
    return _of_type(UsbAddress, "USB", device, context) if device.address is not None else {}


def drive(device: Device, context: Context) -> dict[str, Any]:
    """Of a disk or another unit on a controller of drives."""
    return _of_type(DriveAddress, "drive", device, context)


def _of_type(kind: type[Address], name: str, device: Device, context: Context) -> dict[str, Any]:
    if not isinstance(device.address, kind):
        raise InternalError(f"{device.alias} has no {name} address", domain=context.domain.name)
    return of(device, context)


def _pci(device: Device, address: PciAddress, context: Context) -> dict[str, Any]:
    if address.domain:
        raise ConfigUnsupported("Only PCI device addresses with domain=0 are supported", domain=context.domain.name)
    function = f".0x{address.function:x}" if address.function else ""
    return given(
        {
            "bus": pci_bus(address.bus, context),
            "multifunction": address.multifunction,
            "addr": f"0x{address.slot:x}{function}",
            "acpi-index": device.acpi.index if device.acpi else None,
        }
    )


def pci_bus(index: int, context: Context) -> str:
    """QEMU's name of the bus that a PCI controller makes: its alias, but for the further host bridges of POWER."""
    controller = _controller(ControllerType.PCI, index, context)
    if index == 0 or controller is None or controller.alias is None:
        # The root is built in: whatever the user calls it, QEMU does not.
        return context.platform.root_bus if index == 0 else f"pci.{index}"
    further = controller.target is not None and bool(controller.target.index)
    return f"{controller.alias}.0" if further else controller.alias


def _usb(device: Device, address: UsbAddress, context: Context) -> dict[str, Any]:
    alias = _alias(ControllerType.USB, address.bus, context)
    return given(bus=f"{alias}.0", port=address.port)


def _virtio_serial(device: Device, address: VirtioSerialAddress, context: Context) -> dict[str, Any]:
    alias = _alias(ControllerType.VIRTIO_SERIAL, address.controller, context)
    return {"bus": f"{alias}.{address.bus}", "nr": address.port}


def _ccid(device: Device, address: CcidAddress, context: Context) -> dict[str, Any]:
    return {"bus": f"{_alias(ControllerType.CCID, address.controller, context)}.0"}


def _ccw(device: Device, address: CcwAddress, context: Context) -> dict[str, Any]:
    return {"devno": f"{address.cssid or 0:x}.{address.ssid or 0:x}.{address.devno or 0:04x}"}


def _spapr_vio(device: Device, address: SpaprVioAddress, context: Context) -> dict[str, Any]:
    return given(reg=address.reg)


def _isa(device: Device, address: IsaAddress, context: Context) -> dict[str, Any]:
    return given(iobase=address.iobase, irq=address.irq)


def _dimm(device: Device, address: DimmAddress, context: Context) -> dict[str, Any]:
    return given(slot=address.slot, addr=address.base)


#: SCSI controllers whose devices have one number only.
_NARROW = (
    *(None, ScsiModel.AUTO, ScsiModel.BUSLOGIC, ScsiModel.LSILOGIC),
    *(ScsiModel.NCR53C90, ScsiModel.DC390, ScsiModel.AM53C974),
)

_OF_DISK_BUS = {DiskBus.IDE: ControllerType.IDE, DiskBus.SATA: ControllerType.SATA, DiskBus.FDC: ControllerType.FDC}


def _drive(device: Device, address: DriveAddress, context: Context) -> dict[str, Any]:
    bus = device.target.bus if isinstance(device, Disk) else None
    kind = _OF_DISK_BUS.get(bus, ControllerType.SCSI) if bus else ControllerType.SCSI
    if kind is ControllerType.FDC:
        return {"unit": address.unit}
    alias = _alias(kind, address.controller, context)
    if kind is ControllerType.IDE:
        return {"bus": f"{alias}.{address.bus}", "unit": address.unit}
    if kind is ControllerType.SATA:
        return {"bus": f"{alias}.{address.unit}"}
    controller = _controller(kind, address.controller, context)
    if controller is None or controller.model in _NARROW:
        return {"bus": f"{alias}.{address.bus}", "scsi-id": address.unit}
    return {"bus": f"{alias}.0", "channel": address.bus, "scsi-id": address.target, "lun": address.unit}


def _mmio(device: Device, address: VirtioMmioAddress, context: Context) -> dict[str, Any]:
    # Which slot of the board it gets is decided by the order on the command line.
    return {}


_BY_ADDRESS: dict[AddressType, Callable[[Device, Any, Context], dict[str, Any]]] = {
    AddressType.PCI: _pci,
    AddressType.USB: _usb,
    AddressType.VIRTIO_SERIAL: _virtio_serial,
    AddressType.CCID: _ccid,
    AddressType.CCW: _ccw,
    AddressType.SPAPR_VIO: _spapr_vio,
    AddressType.ISA: _isa,
    AddressType.DIMM: _dimm,
    AddressType.DRIVE: _drive,
    AddressType.VIRTIO_MMIO: _mmio,
}


def _controller(kind: ControllerType, index: int, context: Context) -> Controller | None:
    found = (each for each in context.domain.devices.controllers if each.type is kind and each.index == index)
    return next(found, None)


def _alias(kind: ControllerType, index: int, context: Context) -> str:
    """The name of a controller, by which its bus is named too.

    :raise ConfigUnsupported: there is no such controller.
    """
    controller = _controller(kind, index, context)
    if controller is None or controller.alias is None:
        raise InternalError(f"could not find {kind} controller with index {index} required for device")
    return controller.alias


def built_in(device: Controller, context: Context) -> None:
    """Of a controller that the machine has built in: it can be nowhere else.

    :raise ConfigUnsupported: its address says otherwise.
    """
    address = device.address
    if address is None:
        return
    place = fixed_place(device, context.platform)
    if not isinstance(address, PciAddress) or (address.bus, address.slot, address.function) != place or address.domain:
        raise ConfigUnsupported(
            f"controller {device.alias} is built into the machine and cannot be moved",
            domain=context.domain.name,
            hint="leave out its address",
            evidence={"path": "/domain/devices/controller/address"},
        )
    # Which the chipset's other functions in that slot decide.
    _ = address.multifunction


def virtio(options: VirtioOptions | None) -> dict[str, Any]:
    """What every virtio driver may be told."""
    if options is None:
        return {}
    return given(
        {
            "iommu_platform": options.iommu,
            "ats": options.ats,
            "packed": options.packed,
            "page-per-vq": options.page_per_vq,
        }
    )


_TRANSPORTS = {AddressType.CCW: "ccw", AddressType.VIRTIO_MMIO: "device"}
_GENERATIONS = {"virtio-transitional": "-transitional", "virtio-non-transitional": "-non-transitional"}


def virtio_name(base: str, device: Device, context: Context) -> str:
    """QEMU's name of a virtio device, by its address and the generation of virtio that its model asks for."""
    transport = _TRANSPORTS.get(device.address.type) if device.address is not None else None
    if transport is not None:
        return f"{base}-{transport}"
    model = getattr(device, "model", None)
    kind = str(getattr(model, "type", model))
    return f"{base}-pci{_GENERATIONS.get(kind, '')}"


def boot(device: Device, context: Context) -> dict[str, Any]:
    """The place in the boot order."""
    return given(bootindex=context.boot_index.get(device.alias or ""))
