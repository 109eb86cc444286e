"""Where PCI devices sit, as libvirt assigns it: fixed places first, then the free places in a fixed order of kinds.

On q35, PCI Express endpoints go one to a root port (there they can be hot-plugged), conventional cards on a
PCIe-to-PCI bridge; ports and bridges are added as needed, eight ports to a slot of the root bus. On pc, everything
sits on the root bus.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from virtbus.domain.address import Address, PciAddress
from virtbus.domain.controller import Controller, ControllerTarget, ControllerType, PciModel, PciModelName, UsbModel
from virtbus.domain.controller import ControllerModel as PciControllerModel
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk, DiskBus
from virtbus.domain.domain import Domain
from virtbus.domain.input import Input, InputBus
from virtbus.domain.interface import Interface
from virtbus.domain.lookup import insert
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.rng import Rng
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.video import Video, VideoType
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogModel
from virtbus.errors import XmlDetail
from virtbus_qemu.platform import Board, Platform, platform_of

Place = tuple[int, int, int]
"""Bus, slot, function."""


class Wish(Enum):
    """What kind of place a device wants."""

    NONE = "not on PCI"
    EXPRESS = "a PCI Express endpoint"
    CONVENTIONAL = "a conventional card"
    ROOT_PORT = "a port of the root bus"
    INTEGRATED = "a place on the root bus"


#: First and last slot of a bus by its controller; slot 0 of bridges is the bridge's own.
_SLOTS = {
    PciModel.PCIE_ROOT: (1, 31),
    PciModel.PCI_ROOT: (1, 31),
    PciModel.PCIE_ROOT_PORT: (0, 0),
    PciModel.PCIE_TO_PCI_BRIDGE: (1, 31),
    PciModel.PCI_BRIDGE: (1, 31),
    PciModel.DMI_TO_PCI_BRIDGE: (0, 31),
}

_CONVENTIONAL_BUSES = (PciModel.PCI_ROOT, PciModel.PCIE_TO_PCI_BRIDGE, PciModel.PCI_BRIDGE, PciModel.DMI_TO_PCI_BRIDGE)

#: What sits on the root bus by itself.
_BUILT_IN: dict[Board, tuple[Place, ...]] = {
    Board.Q35: ((0, 0x1F, 0), (0, 0x1F, 3)),
    Board.I440FX: ((0, 1, 0), (0, 1, 3)),
}

#: Where built-in controllers sit: platform, type, index, model (None for any).
_FIXED: dict[tuple[Board, ControllerType, str | None], Place] = {
    (Board.Q35, ControllerType.SATA, None): (0, 0x1F, 2),
    (Board.Q35, ControllerType.USB, UsbModel.ICH9_EHCI1): (0, 0x1D, 7),
    (Board.Q35, ControllerType.USB, UsbModel.ICH9_UHCI1): (0, 0x1D, 0),
    (Board.Q35, ControllerType.USB, UsbModel.ICH9_UHCI2): (0, 0x1D, 1),
    (Board.Q35, ControllerType.USB, UsbModel.ICH9_UHCI3): (0, 0x1D, 2),
    (Board.I440FX, ControllerType.IDE, None): (0, 1, 1),
    (Board.I440FX, ControllerType.USB, UsbModel.PIIX3_UHCI): (0, 1, 2),
}

_PRIMARY_VIDEO = {Board.Q35: (0, 1, 0), Board.I440FX: (0, 2, 0)}

_PORTS_PER_SLOT = 8


class Bus:
    """The places of one domain's PCI buses: which there are, and which are taken."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._platform = platform_of(domain)
        self._taken: dict[Place, str] = dict.fromkeys(_BUILT_IN.get(self._platform.board, ()), "the chipset")
        for device in domain.devices.every():
            if isinstance(device.address, PciAddress) and not is_blank(device.address):
                self.take(_place_of(device.address), device)

    def take(self, place: Place, device: Device) -> None:
        """Note that a device sits there.

        :raise XmlDetail: another one does.
        """
        if place in self._taken:
            raise XmlDetail(
                f"two devices want the PCI address {_text(place)}: {_name(device)} and {self._taken[place]}",
                domain=self._domain.name,
            )
        self._taken[place] = _name(device)

    def is_free(self, place: Place) -> bool:
        """Whether nothing sits there."""
        return place not in self._taken

    def free_for(self, wish: Wish) -> Place | None:
        """The first free place of that kind; None where there is none."""
        return next(self._free(wish), None)

    def count_free_ports(self) -> int:
        """How many root ports have nothing in them."""
        return sum(1 for _ in self._free(Wish.EXPRESS)) if self._platform.express else 0

    def _free(self, wish: Wish) -> Iterator[Place]:
        for model, index in self._buses(wish):
            first, last = _SLOTS[model]
            for slot in range(first, last + 1):
                if wish is Wish.ROOT_PORT:
                    yield from self._free_functions(index, slot)
                elif all(self.is_free((index, slot, function)) for function in range(8)):
                    yield (index, slot, 0)

    def _free_functions(self, bus: int, slot: int) -> Iterator[Place]:
        # Ports share a slot with ports only.
        holders = {self._taken.get((bus, slot, function)) for function in range(_PORTS_PER_SLOT)} - {None}
        if all(holder is not None and holder.startswith("controller pci") for holder in holders):
            for function in range(_PORTS_PER_SLOT):
                if self.is_free((bus, slot, function)):
                    yield (bus, slot, function)

    def _buses(self, wish: Wish) -> Iterator[tuple[PciModel, int]]:
        wanted: tuple[PciModel, ...] = _CONVENTIONAL_BUSES
        if self._platform.express:
            wanted = {
                Wish.EXPRESS: (PciModel.PCIE_ROOT_PORT,),
                Wish.CONVENTIONAL: _CONVENTIONAL_BUSES,
            }.get(wish, (PciModel.PCIE_ROOT,))
        for controller in pci_controllers(self._domain):
            model = PciModel(controller.model or "")
            if model in wanted:
                yield model, controller.index or 0


def assign(domain: Domain, *, spare_ports: int) -> None:
    """Give every PCI device of a definition its place; bridges and ports are added as needed.

    :param spare_ports: how many root ports shall stay free on q35 when a device was given its place.
    :raise XmlDetail: two devices want the same place, or there is none left.
    """
    platform = platform_of(domain)
    _place_fixed(domain, platform)
    _bridge_numbers(domain)
    waiting = [
        device for device in _in_order(domain) if wants(device, platform) is not Wish.NONE and needs_place(device)
    ]
    for device in waiting:
        place_device(domain, device, grow=True)
    if platform.express and waiting:
        while Bus(domain).count_free_ports() < spare_ports:
            _add_controller(domain, PciModel.PCIE_ROOT_PORT)
    _mark_multifunction(domain)


def place_device(domain: Domain, device: Device, *, grow: bool) -> None:
    """Give one device a free place.

    :param grow: whether ports and bridges may be added: not while the domain runs.
    :raise XmlDetail: no place is left.
    """
    platform = platform_of(domain)
    wish = wants(device, platform)
    bus = Bus(domain)
    place = bus.free_for(wish)
    if place is None and grow and platform.express and wish in (Wish.EXPRESS, Wish.CONVENTIONAL):
        if bus.free_for(Wish.EXPRESS) is None:
            _add_controller(domain, PciModel.PCIE_ROOT_PORT)
        if wish is Wish.CONVENTIONAL:
            _add_controller(domain, PciModel.PCIE_TO_PCI_BRIDGE)
        place = Bus(domain).free_for(wish)
    if place is None:
        raise XmlDetail(
            f"no free PCI slot is left for {_name(device)}",
            domain=domain.name,
            hint="add <controller type='pci' model='pcie-root-port'/> to the definition" if platform.express else None,
        )
    device.address = _address(place)


def needs_place(device: Device) -> bool:
    """Whether a PCI device has no address yet."""
    return device.address is None or (isinstance(device.address, PciAddress) and is_blank(device.address))


def is_blank(address: PciAddress) -> bool:
    """Whether an address is all zero, which asks for one."""
    return _place_of(address) == (0, 0, 0) and not address.domain


def pci_controllers(domain: Domain) -> list[Controller]:
    """The controllers that make PCI buses, by index."""
    found = [each for each in domain.devices.controllers if each.type is ControllerType.PCI]
    return sorted(found, key=lambda each: each.index or 0)


def bus_name(domain: Domain, index: int) -> str:
    """QEMU's name of a PCI bus."""
    return platform_of(domain).root_bus if index == 0 else f"pci.{index}"


def wants(device: Device, platform: Platform) -> Wish:
    """What kind of place a device wants; on pc every card is conventional."""
    wish = _wish(device, platform)
    if not platform.express and wish is Wish.EXPRESS:
        return Wish.CONVENTIONAL
    return wish


def _wish(device: Device, platform: Platform) -> Wish:
    if isinstance(device, Controller):
        return _wish_of_controller(device, platform)
    model = getattr(device, "model", None)
    if str(model) == "virtio-transitional":
        return Wish.CONVENTIONAL
    if isinstance(device, Disk):
        return Wish.EXPRESS if device.target.bus is DiskBus.VIRTIO else Wish.NONE
    if isinstance(device, Interface):
        kind = device.model.type if device.model else ""
        return Wish.EXPRESS if kind in ("virtio", "virtio-non-transitional", "e1000e", "igb") else Wish.CONVENTIONAL
    if isinstance(device, Video):
        kind = device.model.type if device.model else VideoType.NONE
        express = (VideoType.VIRTIO, VideoType.BOCHS)
        return Wish.NONE if kind is VideoType.NONE else Wish.EXPRESS if kind in express else Wish.CONVENTIONAL
    if isinstance(device, Memballoon):
        return Wish.NONE if device.model is MemballoonModel.NONE else Wish.EXPRESS
    if isinstance(device, Input):
        return Wish.EXPRESS if device.bus is InputBus.VIRTIO else Wish.NONE
    if isinstance(device, Watchdog):
        return Wish.CONVENTIONAL if device.model is WatchdogModel.I6300ESB else Wish.NONE
    if isinstance(device, Panic):
        return Wish.EXPRESS if device.model is PanicModel.PVPANIC else Wish.NONE
    return Wish.EXPRESS if isinstance(device, Rng | Vsock) else Wish.NONE


#: What a PCI controller itself wants.
_BRIDGES = {
    PciModel.PCIE_ROOT_PORT: Wish.ROOT_PORT,
    PciModel.PCIE_TO_PCI_BRIDGE: Wish.EXPRESS,
    PciModel.DMI_TO_PCI_BRIDGE: Wish.INTEGRATED,
    PciModel.PCI_BRIDGE: Wish.CONVENTIONAL,
}

_EXPRESS_USB = (UsbModel.QEMU_XHCI, UsbModel.NEC_XHCI)


def _wish_of_controller(controller: Controller, platform: Platform) -> Wish:
    kind, model = controller.type, controller.model
    if kind is ControllerType.PCI:
        return _BRIDGES.get(PciModel(model), Wish.NONE) if model in list(PciModel) else Wish.NONE
    if kind is ControllerType.USB:
        if model == UsbModel.NONE:
            return Wish.NONE
        return Wish.EXPRESS if model in _EXPRESS_USB else Wish.CONVENTIONAL
    if kind is ControllerType.SCSI:
        return Wish.EXPRESS if model in ("virtio-scsi", "virtio-non-transitional") else Wish.CONVENTIONAL
    if kind is ControllerType.SATA:
        return Wish.CONVENTIONAL
    return Wish.EXPRESS if kind is ControllerType.VIRTIO_SERIAL else Wish.NONE


def fixed_place(controller: Controller, platform: Platform) -> Place | None:
    """Where a controller sits that the machine has built in; None for others."""
    if controller.index != 0:
        return None
    known = _FIXED.get((platform.board, controller.type, controller.model))
    return known or _FIXED.get((platform.board, controller.type, None))


def _place_fixed(domain: Domain, platform: Platform) -> None:
    for controller in domain.devices.controllers:
        place = fixed_place(controller, platform)
        if place is not None and needs_place(controller) and Bus(domain).is_free(place):
            controller.address = _address(place)
    video = domain.devices.videos[0] if domain.devices.videos else None
    if video is not None and needs_place(video) and wants(video, platform) is not Wish.NONE:
        place = _PRIMARY_VIDEO.get(platform.board, (0, 1, 0))
        if Bus(domain).is_free(place):
            video.address = _address(place)


def _in_order(domain: Domain) -> list[Device]:
    """The order in which libvirt gives out places."""
    devices = domain.devices
    others = [each for each in devices.controllers if each.type is not ControllerType.PCI]
    balloon = [devices.memballoon] if devices.memballoon else []
    vsock = [devices.vsock] if devices.vsock else []
    return [
        *pci_controllers(domain),
        *devices.interfaces,
        *others,
        *devices.disks,
        *balloon,
        *devices.rngs,
        *devices.watchdogs,
        *devices.videos,
        *devices.inputs,
        *vsock,
        *devices.panics,
    ]


def _add_controller(domain: Domain, model: PciModel) -> None:
    index = max((each.index or 0) for each in pci_controllers(domain)) + 1
    controller = Controller(type=ControllerType.PCI, index=index, model=model)
    insert(domain, controller)
    place_device(domain, controller, grow=True)
    _bridge_numbers(domain)


_NAMES = {
    PciModel.PCIE_ROOT_PORT: PciModelName.PCIE_ROOT_PORT,
    PciModel.PCIE_TO_PCI_BRIDGE: PciModelName.PCIE_PCI_BRIDGE,
    PciModel.DMI_TO_PCI_BRIDGE: PciModelName.I82801B11_BRIDGE,
    PciModel.PCI_BRIDGE: PciModelName.PCI_BRIDGE,
}


def _bridge_numbers(domain: Domain) -> None:
    """Model names, chassis and port numbers of bridges and ports."""
    for controller in pci_controllers(domain):
        name = _NAMES.get(PciModel(controller.model or ""))
        if name is None:
            continue
        controller.model_name = controller.model_name or PciControllerModel(name=name)
        target = controller.target
        if controller.model == PciModel.PCIE_ROOT_PORT:
            target = controller.target = target or ControllerTarget()
            target.chassis = controller.index if target.chassis is None else target.chassis
            if target.port is None and isinstance(controller.address, PciAddress):
                target.port = controller.address.slot << 3 | controller.address.function
        elif controller.model == PciModel.PCI_BRIDGE:
            target = controller.target = target or ControllerTarget()
            target.chassis_number = controller.index if target.chassis_number is None else target.chassis_number


def _mark_multifunction(domain: Domain) -> None:
    """Function 0 of a slot that has others must say so."""
    places = [each.address for each in domain.devices.every() if isinstance(each.address, PciAddress)]
    shared = {(each.bus, each.slot) for each in places if each.function}
    for address in places:
        if (address.bus, address.slot) in shared and address.function == 0 and address.multifunction is None:
            address.multifunction = True
    _bridge_numbers(domain)


def _address(place: Place) -> Address:
    bus, slot, function = place
    return PciAddress(domain=0, bus=bus, slot=slot, function=function)


def _place_of(address: PciAddress) -> Place:
    return address.bus, address.slot, address.function


def _text(place: Place) -> str:
    return f"0000:{place[0]:02x}:{place[1]:02x}.{place[2]}"


def _name(device: Device) -> str:
    words = [device.element_tag or "device"]
    for attribute in ("type", "model", "index"):
        value = getattr(device, attribute, None)
        words += [str(value)] if isinstance(value, str | int) else []
    return " ".join(words)
