"""What QEMU's network cards need from the host: tap devices, there before QEMU opens them, gone after it."""

from __future__ import annotations

from virtbus.domain import Domain, Interface
from virtbus.domain.interface import InterfaceType
from virtbus_qemu import tap

WITH_TAP = (InterfaceType.BRIDGE, InterfaceType.ETHERNET)

OWN_NAMES = "vnet"
"""How the names begin that the worker gives; a definition keeps none such."""


def connect(interface: Interface) -> None:
    """Make a card's tap device, up and on its bridge; nothing for cards without one.

    :raises HypervisorError: the kernel refuses.
    """
    _respect(interface)
    name = _device(interface)
    if name is not None:
        bridge = interface.source.bridge if interface.source and interface.type is InterfaceType.BRIDGE else None
        mtu = interface.mtu.size if interface.mtu is not None and hasattr(interface.mtu, "size") else interface.mtu
        tap.make(name, bridge=bridge, mtu=mtu, queues=_queues(interface))


def disconnect(interface: Interface) -> None:
    """Remove a card's tap device."""
    name = _device(interface)
    if name is not None:
        tap.remove(name, queues=_queues(interface))


def connect_all(domain: Domain) -> None:
    """As `connect`, of every card; where one fails, none stays."""
    cards = domain.devices.interfaces
    for card in cards:
        _respect(card)
    for number, card in enumerate(cards):
        try:
            connect(card)
        except Exception:
            for made in cards[:number]:
                disconnect(made)
            raise


def disconnect_all(domain: Domain) -> None:
    """As `disconnect`, of every card."""
    for card in domain.devices.interfaces:
        disconnect(card)


def _respect(interface: Interface) -> None:
    """A device that is there before the card, under a name that the definition says, is somebody else's, and stays."""
    target = interface.target
    if interface.type is not InterfaceType.ETHERNET or target is None or target.dev is None:
        return
    # An earlier attempt at the start may have made one under the name that the worker gave it.
    if not target.dev.startswith(OWN_NAMES) and tap.exists(target.dev):
        target.managed = False


def _device(interface: Interface) -> str | None:
    """The tap device that is the worker's to make and to remove."""
    target = interface.target
    if interface.type not in WITH_TAP or target is None or target.managed is False:
        return None
    return target.dev


def _queues(interface: Interface) -> int:
    return (interface.driver.queues if interface.driver else None) or 1
