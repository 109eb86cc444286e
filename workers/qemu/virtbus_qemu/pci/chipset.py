"""The places that a PC's chipset has given away: controllers that are built in, and where cards sit by habit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtbus.domain.address import PciAddress
from virtbus.domain.controller import Controller, ControllerType, PciModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.sound import SoundModel
from virtbus.domain.video import Video, VideoType
from virtbus.errors import XmlError, XmlInternal
from virtbus_qemu.pci.buses import Buses, Place
from virtbus_qemu.pci.connection import CONVENTIONAL, Connect
from virtbus_qemu.pci.needs import wants_place
from virtbus_qemu.platform import Board, Platform

#: Controllers that are built in, by board, type and models (None where it says none), each with libvirt's name of it.
_BUILT_IN: dict[tuple[Board, ControllerType], tuple[Place, tuple[str | None, ...] | None, str]] = {
    (Board.I440FX, ControllerType.IDE): ((0, 1, 1), None, "Primary IDE controller"),
    (Board.I440FX, ControllerType.USB): (
        (0, 1, 2),
        (None, UsbModel.PIIX3_UHCI),
        "PIIX3 USB controller at index 0",
    ),
    (Board.Q35, ControllerType.SATA): ((0, 0x1F, 2), None, "Primary SATA controller"),
}

#: Functions of the chipset that no element of a definition stands for.
_CHIPSET: dict[Board, tuple[Place, ...]] = {
    Board.I440FX: ((0, 1, 0), (0, 1, 1), (0, 1, 2), (0, 1, 3)),
    Board.Q35: ((0, 0x1F, 0), (0, 0x1F, 3)),
}

#: The slot of the card that the guest starts on, and what its bus is asked for.
_FIRST_VIDEO = {Board.I440FX: (2, CONVENTIONAL), Board.Q35: (1, Connect.PCIE_DEVICE)}

_USB2_SLOTS = (0x1D, 0x1A)
_DMI_SLOT = 0x1E
_SOUND_SLOT = 0x1B

Reserve = Callable[[Device], None]
"""Gives a device the next free place."""


def fixed_place(controller: Controller, platform: Platform) -> Place | None:
    """Where a controller sits that the machine has built in; None for others."""
    known = _BUILT_IN.get((platform.board, controller.type))
    if known is None or controller.index != 0:
        return None
    place, models, _ = known
    return place if models is None or controller.model in models else None


def sits_built_in(device: Device, platform: Platform, buses: Buses) -> bool:
    """Whether a device is one of the PIIX3's own functions, at its place, which is not counted as taken.

    :raise XmlError: it is, but the root bus is not the PIIX3's.
    """
    address = device.address
    if not isinstance(device, Controller) or not isinstance(address, PciAddress) or address.domain:
        return False
    known = _BUILT_IN.get((Board.I440FX, device.type))
    if known is None or device.index != 0 or (address.bus, address.slot, address.function) != known[0]:
        return False
    if known[1] is not None and device.model not in known[1]:
        return False
    if len(buses) and not buses[0].offer.connect & Connect.PCI_DEVICE:
        raise XmlError("Bus 0 must be PCI for integrated PIIX3 USB or IDE controllers")
    return True


def place_fixed(domain: Domain, platform: Platform, buses: Buses, reserve_next: Reserve) -> None:
    """Reserve what is the chipset's, and put devices where the chipset has them.

    :raise XmlError: a built-in controller is said to be somewhere else, or its place is taken.
    """
    if platform.board not in _CHIPSET:
        return
    for controller in domain.devices.controllers:
        _place_controller(controller, platform, buses)
    reserve_chipset(platform, buses)
    _place_video(domain, platform, buses, reserve_next)
    if platform.board is Board.Q35 and not buses.is_taken(0, _SOUND_SLOT):
        sounds = (each for each in domain.devices.sounds if each.model is SoundModel.ICH9 and wants_place(each))
        for sound in sounds:
            _put(sound, (0, _SOUND_SLOT, 0), buses)
            break


def reserve_chipset(platform: Platform, buses: Buses) -> None:
    """Keep devices away from the chipset's own functions.

    :raise XmlError: one is there already.
    """
    for place in _CHIPSET.get(platform.board, ()) if len(buses) else ():
        buses.reserve(place, _FIRST_VIDEO[platform.board][1])


def _place_controller(controller: Controller, platform: Platform, buses: Buses) -> None:
    place = fixed_place(controller, platform)
    if place is not None:
        if wants_place(controller):
            controller.address = address_of(place)
        at = controller.address
        if not isinstance(at, PciAddress) or (at.domain, at.bus, at.slot, at.function) != (0, *place):
            name = _BUILT_IN[platform.board, controller.type][2]
            raise XmlInternal(f"{name} must have PCI address 0:0:{place[1]:x}.{place[2]}")
    elif platform.board is Board.Q35 and wants_place(controller):
        for slot in _usual_slots(controller):
            if not buses.is_taken(0, slot):
                _put(controller, (0, slot, 0), buses)
                break


def _usual_slots(controller: Controller) -> Iterator[int]:
    """Where the controller sits on real Q35 boards."""
    if controller.type is ControllerType.USB and controller.model == UsbModel.ICH9_UHCI1:
        yield from _USB2_SLOTS
    elif controller.type is ControllerType.PCI and controller.model == PciModel.DMI_TO_PCI_BRIDGE:
        yield _DMI_SLOT


def _put(device: Device, place: Place, buses: Buses) -> None:
    buses.reserve(place, Connect.PCIE_DEVICE)
    device.address = address_of(place)
    if isinstance(device, Controller) and device.type is ControllerType.USB:
        device.address.multifunction = True


def _place_video(domain: Domain, platform: Platform, buses: Buses, reserve_next: Reserve) -> None:
    first: Video | None = next(iter(domain.devices.videos), None)
    if first is None or first.model is None or first.model.type in (VideoType.NONE, VideoType.RAMFB):
        return
    if not wants_place(first):
        return
    slot, connect = _FIRST_VIDEO[platform.board]
    buses.check((0, slot, 0), connect)
    if buses.is_taken(0, slot):
        reserve_next(first)
    else:
        buses.reserve((0, slot, 0), connect)
        first.address = address_of((0, slot, 0))


def address_of(place: Place) -> PciAddress:
    """The address of a place."""
    bus, slot, function = place
    return PciAddress(domain=0, bus=bus, slot=slot, function=function)
