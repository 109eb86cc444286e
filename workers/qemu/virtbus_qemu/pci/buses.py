"""The PCI buses of one domain: which there are, and which functions of their slots are taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from virtbus.domain.controller import PciModel
from virtbus.errors import VirtbusError, XmlError, XmlInternal
from virtbus_qemu.pci.connection import BUSES, Connect, Offer, name_of, obstacle

FUNCTIONS = 8
"""How many functions a slot has."""

LAST_BUS = 255

_OLDER = [PciModel.DMI_TO_PCI_BRIDGE, PciModel.PCI_BRIDGE]
"""The way from PCI Express to conventional cards before there were PCIe-to-PCI bridges."""

Place = tuple[int, int, int]
"""Bus, slot, function."""


@dataclass
class Slot:
    """One slot: a bit for each function that is taken."""

    taken: int = 0
    shared: bool = False
    """Whether its functions are of devices that share a slot of their own accord."""


@dataclass
class Bus:
    """One bus."""

    model: PciModel
    slots: dict[int, Slot] = field(default_factory=dict)
    group: int = 0
    """Devices of one isolation group share buses."""
    locked: bool = False
    """Whether the group may not change."""
    steady: bool = False
    """Whether the user has switched hot-plug off there."""

    @property
    def offer(self) -> Offer:
        """What it takes."""
        offer = BUSES[self.model]
        return replace(offer, connect=offer.connect & ~Connect.HOTPLUGGABLE) if self.steady else offer

    def slot(self, number: int) -> Slot:
        """One of its slots."""
        return self.slots.setdefault(number, Slot())

    def is_empty(self) -> bool:
        """Whether nothing sits on it."""
        return not any(slot.taken for slot in self.slots.values())

    def free(self, connect: Connect, function: int | None) -> tuple[int, int] | None:
        """The first slot and function that is free for such a device; None where there is none.

        :param function: the function that it must be; None for any.
        """
        if obstacle(self.offer.connect, connect, given=False):
            return None
        for number in range(self.offer.first, self.offer.last + 1):
            slot = self.slot(number)
            if not slot.taken:
                return number, function or 0
            if connect & Connect.SHARES_SLOT and slot.shared:
                for each in range(FUNCTIONS) if function is None else (function,):
                    if not slot.taken & 1 << each:
                        return number, each
        return None


class Buses:
    """All buses of a domain.

    :param growing: whether ports and bridges may be added (`added` lists them) to make places.
    :param filler: the model of buses that no controller was given for.
    :param roots: whether further root buses can be added, as on POWER.
    :param modern: whether there are PCIe-to-PCI bridges.
    """

    def __init__(
        self, models: dict[int, PciModel], *, growing: bool, filler: PciModel, roots: bool, modern: bool
    ) -> None:
        count = max(models, default=-1) + 1
        self._buses = [Bus(models.get(index, filler)) for index in range(count)]
        self._growing, self._roots, self._modern = growing, roots, modern

    def __len__(self) -> int:
        return len(self._buses)

    def __getitem__(self, index: int) -> Bus:
        return self._buses[index]

    def is_taken(self, bus: int, slot: int) -> bool:
        """Whether any function of a slot is."""
        return bool(self._buses[bus].slot(slot).taken)

    def reserve(self, place: Place, connect: Connect, *, domain: int = 0, group: int = 0, given: bool = True) -> None:
        """Note that a device sits there.

        :param given: whether the definition says so.
        :raise XmlError: it cannot; an internal error in libvirt's words where the place was not given.
        """
        self._grow_to(place[0], connect)
        self.check(place, connect, domain=domain, given=given)
        number, at, function = place
        bus = self._buses[number]
        slot = bus.slot(at)
        if slot.taken & 1 << function:
            raise _refusal(given)(f"Attempted double use of PCI Address {text(place, domain)}")
        if not slot.taken and connect & Connect.SHARES_SLOT:
            slot.shared = True
        if bus.is_empty() and not bus.locked:
            bus.group = group
        elif bus.group != group and given:
            bus.group = 0
        slot.taken |= 1 << function

    def check(self, place: Place, connect: Connect, *, domain: int = 0, given: bool = True) -> None:
        """Refuse a place that cannot be, whether or not it is taken.

        :raise XmlError: see `reserve`.
        """
        error, (number, slot, _) = _refusal(given), place
        if domain:
            raise error("Only PCI domain 0 is available")
        if not self._buses:
            raise error("No PCI buses available")
        if number >= len(self._buses):
            raise error(f"Invalid PCI address {text(place)}, only PCI buses up to {len(self._buses) - 1} are available")
        offer = self._buses[number].offer
        if why := obstacle(offer.connect, connect, given=given):
            raise error(f"The device at PCI address {text(place)} {why.format(index=number)}")
        if slot < offer.first:
            raise error(f"Invalid PCI address {text(place)}. slot must be >= {offer.first}")
        if slot > offer.last:
            raise error(f"Invalid PCI address {text(place)}. slot must be <= {offer.last}")

    def reserve_next(self, connect: Connect, *, group: int = 0, function: int | None = None) -> Place:
        """Find a free place and reserve it.

        :raise XmlError: there is none, and none can be made.
        """
        if not self._buses:
            raise XmlError("No PCI buses available")
        place = self._next(connect, group, function)
        self.reserve(place, connect, group=group, given=False)
        return place

    def _next(self, connect: Connect, group: int, function: int | None) -> Place:
        same = (bus for bus in enumerate(self._buses) if bus[1].group == group)
        # An empty bus joins the group of what comes first.
        empty = (bus for bus in enumerate(self._buses) if bus[1].is_empty() and not bus[1].locked)
        for buses in (same, empty):
            for number, bus in buses:
                if found := bus.free(connect, function):
                    return (number, *found)
        if not self._growing:
            raise XmlInternal(
                "No more available PCI slots",
                hint="add <controller type='pci' model='pcie-root-port'/> to the definition",
            )
        self._grow(connect, 1)
        last = len(self._buses) - 1
        return last, self._buses[last].offer.first, function or 0

    def _grow_to(self, number: int, connect: Connect) -> None:
        if self._growing and number >= len(self._buses) and number <= LAST_BUS:
            self._grow(connect, number - len(self._buses) + 1)

    def _grow(self, connect: Connect, count: int) -> None:
        """Add buses that take such a device.

        :raise XmlInternal: none can be added for it.
        """
        models = self._models(connect, count)
        if models is None:
            raise XmlInternal(
                f"a PCI slot is needed to connect a PCI controller model='{name_of(connect)}',"
                " but none is available, and it cannot be automatically added"
            )
        self._buses += map(Bus, models)

    def _models(self, connect: Connect, count: int) -> list[PciModel] | None:
        if connect & Connect.PCI_DEVICE:
            if self._roots:
                return [PciModel.PCI_ROOT] * count
            if any(bus.offer.connect & Connect.PCI_BRIDGE for bus in self._buses):
                return [PciModel.PCI_BRIDGE] * count
            # The first conventional bus hangs below PCI Express: the cards follow on the second one that is added.
            first = [PciModel.PCIE_ROOT_PORT, PciModel.PCIE_TO_PCI_BRIDGE] if self._modern else _OLDER
            return [*first, *[PciModel.PCI_BRIDGE] * (count - len(first))]
        express = self._buses and self._buses[0].model is PciModel.PCIE_ROOT
        if express and connect & (Connect.PCIE_DEVICE | Connect.UPSTREAM_PORT | Connect.PCIE_TO_PCI_BRIDGE):
            return [PciModel.PCIE_ROOT_PORT] * count
        return None


def _refusal(given: bool) -> type[VirtbusError]:
    return XmlError if given else XmlInternal


def text(place: Place, domain: int = 0) -> str:
    """As libvirt writes an address."""
    return f"{domain:04x}:{place[0]:02x}:{place[1]:02x}.{place[2]}"
