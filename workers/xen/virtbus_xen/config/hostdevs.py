"""Devices of the host that the guest gets, the USB controllers they sit on, and the limits of Xen's own bus."""

from __future__ import annotations

import re

from virtbus.domain import Controller, ControllerType, Domain, HostdevType
from virtbus.domain.controller import UsbModel
from virtbus.domain.hostdev import (
    HostdevMode,
    PciHostAddress,
    PciHostdev,
    PciHostSource,
    UsbHostAddress,
    UsbHostdev,
    UsbHostSource,
)
from virtbus.errors import InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.syntax import Settings

_BDF = re.compile(r"(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])")

_LIMITS = {"max_grant_frames": "max_grant_frames", "max_event_channels": "max_event_channels"}
"""Settings of a file, and the attributes of the xenbus controller."""


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    domain.devices.hostdevs += [_read_pci(text) for text in settings.texts("pci")]
    if dialect is Dialect.XM:
        return
    limits = {name: settings.number(key) for key, name in _LIMITS.items() if key in settings}
    if limits:
        bus = Controller(type=ControllerType.XENBUS, index=0)
        vars(bus).update(limits)
        domain.devices.controllers.append(bus)
    for index, text in enumerate(settings.texts("usbctrl")):
        domain.devices.controllers.append(_read_usb_controller(index, text))
    domain.devices.hostdevs += [_read_usb(text) for text in settings.texts("usbdev")]


def _read_pci(text: str) -> PciHostdev:
    place, *options = [word.strip() for word in text.split(",")]
    found = _BDF.fullmatch(place)
    if found is None:
        raise InvalidArgument(f"Invalid PCI address '{place:.80}'")
    address = PciHostAddress(
        domain=int(found[1] or "0", 16), bus=int(found[2], 16), slot=int(found[3], 16), function=int(found[4])
    )
    permissive = "permissive=1" in options or "permissive" in options
    source = PciHostSource(address=address, write_filtering=False if permissive else None)
    return PciHostdev(mode=HostdevMode.SUBSYSTEM, type=HostdevType.PCI, managed=False, source=source)


def _read_usb_controller(index: int, text: str) -> Controller:
    said = _pairs(text)
    model = UsbModel.QUSB1 if said.get("version") == "1" else UsbModel.QUSB2
    ports = int(said["ports"], 16) if "ports" in said else None
    return Controller(type=ControllerType.USB, index=index, model=model, ports=ports)


def _read_usb(text: str) -> UsbHostdev:
    said = _pairs(text)
    try:
        address = UsbHostAddress(bus=int(said["hostbus"], 16), device=int(said["hostaddr"], 16))
    except (KeyError, ValueError) as error:
        raise InvalidArgument(f"usbdev names no device: {text:.80}") from error
    source = UsbHostSource(address=address)
    return UsbHostdev(mode=HostdevMode.SUBSYSTEM, type=HostdevType.USB, managed=False, source=source)


def _pairs(text: str) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (word.partition("=") for word in text.split(","))}


def write_pci(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    texts = [format_pci(each) for each in domain.devices.hostdevs if isinstance(each, PciHostdev)]
    if texts:
        settings["pci"] = list(texts)


def format_pci(hostdev: PciHostdev) -> str:
    """A PCI device as xl's specification."""
    at = hostdev.source.address
    permissive = ",permissive=1" if hostdev.source.write_filtering is False else ""
    return f"{at.domain:04x}:{at.bus:02x}:{at.slot:02x}.{at.function:x}{permissive}"


def write_limits(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    for controller in domain.devices.controllers if dialect is Dialect.XL else ():
        if controller.type is ControllerType.XENBUS:
            for key, name in _LIMITS.items():
                if (value := getattr(controller, name)) is not None:
                    settings[key] = value


def write_usb(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if dialect is Dialect.XM:
        return
    controllers = [each for each in domain.devices.controllers if each.model in (UsbModel.QUSB1, UsbModel.QUSB2)]
    if controllers:
        settings["usbctrl"] = [_format_usb_controller(each) for each in controllers]
    devices = [each for each in domain.devices.hostdevs if isinstance(each, UsbHostdev)]
    if devices:
        settings["usbdev"] = [format_usb(each) for each in devices]


def _format_usb_controller(controller: Controller) -> str:
    version = 1 if controller.model == UsbModel.QUSB1 else 2
    return f"version={version}" + (f",ports={controller.ports:x}" if controller.ports is not None else "")


def format_usb(hostdev: UsbHostdev) -> str:
    """A USB device as xl's specification, by its place on the host.

    :raise InvalidArgument: its place is not said.
    """
    address = hostdev.source.address
    if address is None or address.bus is None or address.device is None:
        raise InvalidArgument("a USB device is given to a Xen guest by bus and device", hint="add its <address>")
    return f"hostbus={address.bus:x},hostaddr={address.device:x}"
