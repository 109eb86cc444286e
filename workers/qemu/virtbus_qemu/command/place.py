"""Where a device goes, as the properties of -device: bus and addr, unit, port."""

from __future__ import annotations

from typing import Any

from virtbus.domain.address import PciAddress, UsbAddress, VirtioSerialAddress
from virtbus.domain.controller import Controller
from virtbus.domain.device import Device, VirtioOptions
from virtbus.errors import ConfigUnsupported, InternalError
from virtbus_qemu.command.parts import Context, given
from virtbus_qemu.pci import bus_name, fixed_place


def pci(device: Device, context: Context) -> dict[str, Any]:
    """Of a PCI device. The address is always given: without one QEMU may take a slot the guest cannot see."""
    address = device.address
    if not isinstance(address, PciAddress) or address.domain:
        raise InternalError(f"{device.alias} has no PCI address", domain=context.domain.name)
    function = f".0x{address.function:x}" if address.function else ""
    return given(
        {"acpi-index": device.acpi.index if device.acpi else None},
        bus=bus_name(context.domain, address.bus),
        multifunction=address.multifunction or None,
        addr=f"0x{address.slot:x}{function}",
    )


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


def usb(device: Device, context: Context) -> dict[str, Any]:
    """Of a USB device."""
    address = device.address
    if not isinstance(address, UsbAddress):
        raise InternalError(f"{device.alias} has no USB address", domain=context.domain.name)
    bus = "usb" if address.bus == 0 else f"usb{address.bus}"
    return {"bus": f"{bus}.0", "port": address.port or "1"}


def virtio_serial(device: Device, context: Context) -> dict[str, Any]:
    """Of a virtio-serial port."""
    address = device.address
    if not isinstance(address, VirtioSerialAddress):
        raise InternalError(f"{device.alias} has no virtio-serial address", domain=context.domain.name)
    return {"bus": f"virtio-serial{address.controller}.{address.bus}", "nr": address.port}


def virtio(options: VirtioOptions | None) -> dict[str, Any]:
    """What every virtio driver may be told."""
    if options is None:
        return {}
    return given(
        {"page-per-vq": options.page_per_vq},
        iommu_platform=options.iommu,
        ats=options.ats,
        packed=options.packed,
    )


def virtio_name(base: str, model: str | None) -> str:
    """QEMU's name of a virtio PCI device of a model: virtio, virtio-transitional, virtio-non-transitional."""
    suffix = (model or "").removeprefix("virtio")
    return f"{base}-pci{suffix}" if suffix in ("-transitional", "-non-transitional") else f"{base}-pci"


def boot(device: Device, context: Context) -> dict[str, Any]:
    """The place in the boot order."""
    return given(bootindex=context.boot_index.get(device.alias or ""))
