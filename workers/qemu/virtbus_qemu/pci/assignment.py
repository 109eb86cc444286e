"""Every PCI device of a domain gets its place, as libvirt gives it.

First what is needed is found out on buses that may grow; the ports and bridges that this took become controllers of
the definition; then the places are given for good. One root port is left free for hot-plug where libvirt manages the
ports of a PCI Express machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtbus.domain.address import PciAddress
from virtbus.domain.chardev import Console
from virtbus.domain.controller import Controller, ControllerType, PciModel, UsbModel
from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import PciHostdev
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.lookup import insert
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.hostpci import HostPci
from virtbus_qemu.pci import bridges, zpci
from virtbus_qemu.pci.buses import Buses
from virtbus_qemu.pci.chipset import address_of, place_fixed, reserve_chipset, sits_built_in
from virtbus_qemu.pci.connection import EXPRESS, Connect
from virtbus_qemu.pci.needs import connection_of, is_blank, wants_place
from virtbus_qemu.platform import Board, Platform, platform_of

_PORTS = (PciModel.PCIE_ROOT_PORT, PciModel.PCIE_SWITCH_DOWNSTREAM_PORT)
_ROOTS = (PciModel.PCI_ROOT, PciModel.PCIE_ROOT)

#: The functions that the parts of a USB2 controller have in their slot.
_USB2_FUNCTIONS: dict[str | None, int] = {
    UsbModel.ICH9_UHCI1: 0,
    UsbModel.ICH9_UHCI2: 1,
    UsbModel.ICH9_UHCI3: 2,
    UsbModel.ICH9_EHCI1: 7,
}


class Assignment:
    """The places of one domain's PCI devices, in one pass.

    :param growing: whether buses may be added; then no device gets an address, but where the chipset has it.
    :raise XmlError: the given addresses contradict each other or the buses.
    """

    def __init__(self, domain: Domain, capabilities: Capabilities, host: HostPci, *, growing: bool) -> None:
        self._domain, self._host, self._growing = domain, host, growing
        self._platform = platform_of(domain)
        self.buses = _buses(domain, self._platform, capabilities, growing=growing)
        self._note_steady()
        self._isolate()
        for device in _as_collected(domain):
            self._collect(device)

    def run(self) -> None:
        """Give every device that has no place its place."""
        place_fixed(self._domain, self._platform, self.buses, self.place)
        for device in in_order(self._domain):
            if wants_place(device) and self._connection(device):
                self.place(device)

    def place(self, device: Device) -> None:
        """Give one device the next free place.

        :raise XmlError: there is none.
        """
        function = _USB2_FUNCTIONS.get(device.model) if isinstance(device, Controller) else None
        sibling = self._sibling(device) if isinstance(device, Controller) and function is not None else None
        if isinstance(sibling, PciAddress) and function is not None:
            place = sibling.bus, sibling.slot, function
            self.buses.reserve(place, self._connection(device), given=True)
            self._give(device, place, function == 0)
            return
        connect, group = self._connection(device), self._group(device)
        self._give(device, self.buses.reserve_next(connect, group=group, function=function), function == 0)

    def _give(self, device: Device, place: tuple[int, int, int], first: bool) -> None:
        if self._growing:
            return
        extension = device.address.zpci if isinstance(device.address, PciAddress) else None
        address = address_of(place)
        address.zpci = extension
        if first:
            address.multifunction = True
        device.address = address

    def _sibling(self, controller: Controller) -> PciAddress | None:
        """Where another part of the same USB2 controller sits."""
        for other in self._domain.devices.controllers:
            is_part = other.type is ControllerType.USB and other.model in _USB2_FUNCTIONS
            if is_part and other.index == controller.index and isinstance(other.address, PciAddress):
                return other.address
        return None

    def _collect(self, device: Device) -> None:
        address = device.address
        if (
            not isinstance(address, PciAddress)
            or is_blank(address)
            or sits_built_in(device, self._platform, self.buses)
        ):
            return
        place = address.bus, address.slot, address.function
        self.buses.reserve(place, self._connection(device), domain=address.domain, group=self._group(device))

    def _connection(self, device: Device) -> Connect:
        return connection_of(device, self._platform, self._host)

    def _note_steady(self) -> None:
        """Ports without hot-plug take only what is put there by its address."""
        for port in pci_controllers(self._domain):
            if port.model in _PORTS and port.target is not None and port.target.hotplug is False:
                self.buses[port.index or 0].steady = True

    def _isolate(self) -> None:
        """POWER keeps the host's devices away from its first host bridge, and those of one IOMMU group together."""
        if self._platform.board is Board.PSERIES and len(self.buses):
            self.buses[0].locked = True

    def _group(self, device: Device) -> int:
        if self._platform.board is not Board.PSERIES:
            return 0
        is_host = isinstance(device, PciHostdev) or (
            isinstance(device, Interface) and device.type is InterfaceType.HOSTDEV
        )
        source = getattr(device, "source", None) if is_host else None
        group = self._host.group(source.address) if source is not None and source.address is not None else None
        return 0 if group is None else group + 1


def assign(domain: Domain, capabilities: Capabilities, *, host: HostPci, spare_ports: int = 1) -> None:
    """Give every PCI device of a definition its place; bridges and ports are added as needed.

    :param host: what the host tells of the functions that are handed through.
    :param spare_ports: how many root ports stay free where all ports of a PCI Express machine are added here.
    :raise XmlError: devices want the same place, a place that cannot be, or there is none left.
    """
    platform = platform_of(domain)
    if not platform.has_pci:
        return
    given = max((each.index or 0 for each in pci_controllers(domain)), default=-1)
    zpci.reserve(domain, capabilities)
    if given >= 0:
        trial = Assignment(domain, capabilities, host, growing=True)
        trial.run()
        if given == 0 and len(trial.buses) > 1 and platform.express:
            for _ in range(spare_ports):
                trial.buses.reserve_next(EXPRESS)
        _add_controllers(domain, trial, platform, host)
    Assignment(domain, capabilities, host, growing=False).run()
    _mark_multifunction(domain)
    zpci.assign(domain, platform, host, capabilities)
    bridges.complete(domain, platform, capabilities)


def _add_controllers(domain: Domain, trial: Assignment, platform: Platform, host: HostPci) -> None:
    """Every bus of the trial gets its controller; their own places may take further buses."""
    known = {each.index for each in pci_controllers(domain)}
    index = 0
    while index < len(trial.buses):
        if index not in known:
            controller = Controller(type=ControllerType.PCI, index=index, model=trial.buses[index].model)
            insert(domain, controller)
            if connection_of(controller, platform, host):
                trial.place(controller)
        index += 1


def place_device(domain: Domain, device: Device, capabilities: Capabilities, *, host: HostPci) -> None:
    """Give one more device of a running domain, which it is among already, a free place.

    :raise XmlError: no place is left, or what its address says cannot be.
    """
    assignment = Assignment(domain, capabilities, host, growing=False)
    reserve_chipset(platform_of(domain), assignment.buses)
    if wants_place(device) and connection_of(device, platform_of(domain), host):
        assignment.place(device)


def _buses(domain: Domain, platform: Platform, capabilities: Capabilities, *, growing: bool) -> Buses:
    models = {each.index or 0: PciModel(each.model) for each in pci_controllers(domain) if each.model in list(PciModel)}
    if models and 0 not in models:
        models[0] = platform.root
    roots = platform.board is Board.PSERIES
    ports = PciModel.PCIE_ROOT_PORT if platform.express else PciModel.PCI_BRIDGE
    return Buses(
        models,
        growing=growing,
        filler=PciModel.PCI_ROOT if roots else ports,
        roots=roots,
        modern=capabilities.has("pcie-pci-bridge"),
    )


def pci_controllers(domain: Domain) -> list[Controller]:
    """The controllers that make PCI buses, by index."""
    found = [each for each in domain.devices.controllers if each.type is ControllerType.PCI]
    return sorted(found, key=lambda each: each.index or 0)


def in_order(domain: Domain) -> Iterator[Device]:
    """The order in which libvirt gives out places."""
    devices = domain.devices
    yield from (each for each in devices.controllers if _is_bridge(each))
    yield from devices.filesystems
    yield from (each for each in devices.interfaces if each.type is not InterfaceType.HOSTDEV)
    yield from devices.sounds
    yield from (each for each in devices.controllers if _is_card(each))
    yield from devices.disks
    # libvirt takes an interface of the host for a hostdev, which comes before the others.
    yield from (each for each in devices.interfaces if each.type is InterfaceType.HOSTDEV)
    yield from devices.hostdevs
    yield from _one(devices.memballoon)
    yield from devices.rngs
    yield from devices.watchdogs
    yield from devices.videos
    yield from devices.shmems
    yield from devices.inputs
    yield from devices.serials
    yield from devices.memories
    yield from devices.panics
    yield from devices.cryptos
    yield from _one(devices.vsock)
    yield from _one(devices.iommu)
    yield from _one(devices.pstore)


def _is_bridge(controller: Controller) -> bool:
    return controller.type is ControllerType.PCI and controller.model not in _ROOTS


def _is_card(controller: Controller) -> bool:
    """The first IDE controller is on the board, or nowhere."""
    is_first_ide = controller.type is ControllerType.IDE and controller.index == 0
    return controller.type is not ControllerType.PCI and not is_first_ide


def _one(device: Device | None) -> Iterator[Device]:
    if device is not None:
        yield device


def _as_collected(domain: Domain) -> Iterator[Device]:
    """The order in which libvirt looks at given addresses, which says whose double use is refused."""
    devices = domain.devices
    lists: tuple[Callable[[], list[Device]], ...] = (
        lambda: list(devices.disks),
        lambda: list(devices.interfaces),
        lambda: list(devices.sounds),
        lambda: list(devices.hostdevs),
        lambda: list(devices.controllers),
    )
    seen: set[int] = set()
    for each in (device for make in lists for device in make()):
        seen.add(id(each))
        yield each
    # A console has no place of its own: it may repeat that of its serial port.
    yield from (each for each in devices.every() if id(each) not in seen and not isinstance(each, Console))


def _mark_multifunction(domain: Domain) -> None:
    """Function 0 of a slot that has others must say so."""
    places = [each.address for each in domain.devices.every() if isinstance(each.address, PciAddress)]
    shared = {(each.bus, each.slot) for each in places if each.function}
    for address in places:
        if (address.bus, address.slot) in shared and address.function == 0 and address.multifunction is None:
            address.multifunction = True
