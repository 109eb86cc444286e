"""Devices of the host that are passed to the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.address import AddressType
from virtbus.domain.device import Rom
from virtbus.domain.hostdev import (
    Hostdev,
    HostdevModel,
    MdevHostdev,
    PciHostAddress,
    PciHostdev,
    ScsiHostdev,
    ScsiHostHostdev,
    UsbHostdev,
)
from virtbus.domain.interface import TeamingType
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import hostscsi, place
from virtbus_qemu.command.parts import Context, Parts, given, on_off
from virtbus_qemu.ledger import read_through


def describe(device: Hostdev, context: Context) -> Parts:
    """A device of the host. One that is only set aside (`unassigned`) is not the guest's.

    :raise ConfigUnsupported: it is no device but a capability, which only containers have.
    """
    # Nothing but a PCI device has another driver of the host that must let go of it (see `provided`).
    _ = device.mode, getattr(device, "managed", None)
    for kind, pass_on in _KINDS.items():
        if isinstance(device, kind):
            if device.address is None or device.address.type is not AddressType.UNASSIGNED:
                return pass_on(device, context)
            read_through(device)
            return Parts()
    raise ConfigUnsupported(
        f"hostdev mode 'capabilities' is not supported in {context.domain.type}",
        domain=context.domain.name,
        evidence={"path": "/domain/devices/hostdev/@mode"},
    )


def _pci(device: PciHostdev, context: Context) -> Parts:
    teaming = device.teaming
    pair = teaming.persistent if teaming is not None and teaming.type is TeamingType.TRANSIENT else None
    # QEMU knows no other driver of the host than vfio.
    _ = device.driver and device.driver.name
    return Parts(
        device={
            "driver": "vfio-pci-nohotplug" if device.ramfb else "vfio-pci",
            "host": pci_name(device.source.address),
            "id": device.alias,
            **place.boot(device, context),
            **given(
                failover_pair_id=pair,
                display=on_off(device.display),
                # Must be left out unless it is to be on.
                ramfb=device.ramfb or None,
            ),
            **place.of(device, context),
            **rom(device.rom),
        }
    )


def pci_name(at: PciHostAddress) -> str:
    """A PCI function of the host, such as 0000:06:12.5."""
    return f"{at.domain:04x}:{at.bus:02x}:{at.slot:02x}.{at.function}"


def rom(settings: Rom | None) -> dict[str, Any]:
    """The option ROM of a PCI device."""
    if settings is None:
        return {}
    if settings.enabled is False:
        # QEMU takes no empty name for "none at all" in any other way.
        return {"romfile": ""}
    bar = None if settings.bar is None else int(settings.bar)
    return given(rombar=bar, romfile=settings.file)


#: What the guest's resets of a device do: whether it is reset, and whether even when the host has set it up.
_RESETS: dict[str | None, dict[str, bool]] = {
    "off": {"guest-reset": False},
    "uninitialized": {"guest-reset": True, "guest-resets-all": False},
    "on": {"guest-reset": True, "guest-resets-all": True},
}


def _usb(device: UsbHostdev, context: Context) -> Parts:
    node: dict[str, Any] = {}
    read_through(device.source)
    if not device.source.missing:
        bus, number = context.settings.host_devices.usb(device.source)
        if context.has("usb-host.hostdevice"):
            node = {"hostdevice": f"/dev/bus/usb/{bus:03}/{number:03}"}
        else:
            node = {"hostbus": bus, "hostaddr": number}
    return Parts(
        device={
            "driver": "usb-host",
            **node,
            "id": device.alias,
            **place.boot(device, context),
            **_RESETS.get(device.source.guest_reset, {}),
            **place.of(device, context),
        }
    )


def _mdev(device: MdevHostdev, context: Context) -> Parts:
    shadowed = device.model is HostdevModel.VFIO_PCI and device.ramfb
    return Parts(
        device={
            "driver": "vfio-pci-nohotplug" if shadowed else device.model.value,
            "id": device.alias,
            "sysfsdev": f"/sys/bus/mdev/devices/{device.source.address.uuid}",
            **given(display=on_off(device.display), ramfb=device.ramfb or None),
            **place.boot(device, context),
            **hostscsi.load_parameter(device, context),
            **place.of(device, context),
        }
    )


def _scsi_host(device: ScsiHostHostdev, context: Context) -> Parts:
    """A SCSI host adapter of the kernel's (vhost-scsi)."""
    # There is no other protocol.
    _ = device.source.protocol
    number = context.settings.descriptors.vhost_scsi
    return Parts(
        device={
            "driver": place.virtio_name("vhost-scsi", device, context),
            "wwpn": device.source.wwpn,
            **given(vhostfd=None if number is None else str(number)),
            "id": device.alias,
            **place.of(device, context),
        }
    )


_KINDS: dict[type[Hostdev], Callable[[Any, Context], Parts]] = {
    PciHostdev: _pci,
    UsbHostdev: _usb,
    MdevHostdev: _mdev,
    ScsiHostHostdev: _scsi_host,
    ScsiHostdev: hostscsi.describe,
}
