"""What can be plugged into what: the kinds of PCI connections, and which of them each bus offers.

A device says which connection it needs (`needs.connection_of`), a bus which it has (`BUSES`); the rules and the words
of the refusals are libvirt's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from functools import cache

from virtbus.domain.controller import PciModel


class Connect(IntFlag):
    """Kinds of connections; the first four say more of one."""

    NONE = 0
    HOTPLUGGABLE = 1
    SHARES_SLOT = 2
    """Several of these are put into one slot, a function each."""
    INTEGRATED = 4
    """Belongs on the root bus itself."""
    PCI_DEVICE = 16
    PCIE_DEVICE = 32
    ROOT_PORT = 64
    UPSTREAM_PORT = 128
    DOWNSTREAM_PORT = 256
    DMI_TO_PCI_BRIDGE = 512
    PCI_EXPANDER_BUS = 1024
    PCIE_EXPANDER_BUS = 2048
    PCI_BRIDGE = 4096
    PCIE_TO_PCI_BRIDGE = 8192


ENDPOINT = Connect.PCI_DEVICE | Connect.PCIE_DEVICE

TYPES = Connect(sum(each for each in Connect if each >= Connect.PCI_DEVICE))
"""The flags that are a kind of connection."""

CONVENTIONAL = Connect.PCI_DEVICE | Connect.HOTPLUGGABLE
"""What a conventional card needs."""

EXPRESS = Connect.PCIE_DEVICE | Connect.HOTPLUGGABLE
"""What a PCI Express card needs."""

#: What a PCI controller needs of the bus above it; roots need none.
OF_MODEL: dict[PciModel, Connect] = {
    PciModel.PCI_EXPANDER_BUS: Connect.PCI_EXPANDER_BUS,
    PciModel.PCIE_EXPANDER_BUS: Connect.PCIE_EXPANDER_BUS,
    PciModel.PCI_BRIDGE: Connect.PCI_BRIDGE,
    PciModel.DMI_TO_PCI_BRIDGE: Connect.DMI_TO_PCI_BRIDGE,
    PciModel.PCIE_TO_PCI_BRIDGE: Connect.PCIE_TO_PCI_BRIDGE,
    PciModel.PCIE_ROOT_PORT: Connect.ROOT_PORT | Connect.SHARES_SLOT,
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: Connect.UPSTREAM_PORT,
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: Connect.DOWNSTREAM_PORT,
}


@dataclass(frozen=True)
class Offer:
    """What a bus takes, and in which slots."""

    connect: Connect
    first: int
    last: int


_PORT = Offer(EXPRESS | Connect.UPSTREAM_PORT | Connect.PCIE_TO_PCI_BRIDGE, 0, 0)
_BRIDGED = CONVENTIONAL | Connect.PCI_BRIDGE

BUSES: dict[PciModel, Offer] = {
    PciModel.PCI_ROOT: Offer(Connect.INTEGRATED | _BRIDGED | Connect.PCI_EXPANDER_BUS, 1, 31),
    PciModel.PCIE_ROOT: Offer(
        Connect.INTEGRATED
        | Connect.PCIE_DEVICE
        | Connect.ROOT_PORT
        | Connect.DMI_TO_PCI_BRIDGE
        | Connect.PCIE_EXPANDER_BUS,
        1,
        31,
    ),
    PciModel.PCI_BRIDGE: Offer(_BRIDGED, 1, 31),
    PciModel.PCI_EXPANDER_BUS: Offer(_BRIDGED, 0, 31),
    PciModel.DMI_TO_PCI_BRIDGE: Offer(Connect.PCI_DEVICE | Connect.PCI_BRIDGE, 0, 31),
    PciModel.PCIE_TO_PCI_BRIDGE: Offer(_BRIDGED, 1, 31),
    PciModel.PCIE_ROOT_PORT: _PORT,
    PciModel.PCIE_SWITCH_DOWNSTREAM_PORT: _PORT,
    PciModel.PCIE_SWITCH_UPSTREAM_PORT: Offer(Connect.DOWNSTREAM_PORT, 0, 31),
    PciModel.PCIE_EXPANDER_BUS: Offer(Connect.ROOT_PORT | Connect.DMI_TO_PCI_BRIDGE, 0, 31),
}
"""What each controller offers below it."""

#: What libvirt calls the connections; the first that fits is the one that is told.
NAMES: tuple[tuple[Connect, str], ...] = (
    (Connect.PCI_DEVICE, "standard PCI device"),
    (Connect.PCIE_DEVICE, "PCI Express device"),
    (Connect.ROOT_PORT, "pcie-root-port"),
    (Connect.UPSTREAM_PORT, "pcie-switch-upstream-port"),
    (Connect.DOWNSTREAM_PORT, "pcie-switch-downstream-port"),
    (Connect.DMI_TO_PCI_BRIDGE, "dmi-to-pci-bridge"),
    (Connect.PCIE_TO_PCI_BRIDGE, "pcie-to-pci-bridge"),
    (Connect.PCI_EXPANDER_BUS, "pci-expander-bus"),
    (Connect.PCIE_EXPANDER_BUS, "pcie-expander-bus"),
    (Connect.PCI_BRIDGE, "pci-bridge"),
)


def name_of(connect: Connect) -> str:
    """libvirt's word for the kind of connection."""
    return next((name for kind, name in NAMES if connect & kind), "PCI device")


@cache
def obstacle(offer: Connect, needed: Connect, *, given: bool) -> str | None:
    """Why a device cannot sit on a bus, as the end of libvirt's sentence about it; None where it can.

    :param given: whether the definition says that it sits there: then conventional cards may be on PCI Express and
        the other way round, and it need not be hot-pluggable.
    """
    if given:
        if offer & ENDPOINT:
            offer |= ENDPOINT
        if needed & Connect.HOTPLUGGABLE:
            offer |= Connect.HOTPLUGGABLE
        offer |= Connect.INTEGRATED
        if needed & Connect.PCI_BRIDGE:
            needed |= Connect.PCI_DEVICE
    if not offer & needed & TYPES:
        return f"cannot be plugged into {_CONTROLLER}. It requires a controller that accepts a {name_of(needed)}."
    if needed & Connect.HOTPLUGGABLE and not offer & Connect.HOTPLUGGABLE:
        return f"requires hotplug capability, but {_CONTROLLER} doesn't support hotplug"
    if needed & Connect.INTEGRATED and not offer & Connect.INTEGRATED:
        return f"needs to be an integrated device, but {_CONTROLLER} doesn't support integrated devices"
    return None


_CONTROLLER = "the PCI controller with index='{index}'"
