"""What QEMU's network cards need from the host: tap devices, there before QEMU opens them, gone after it."""

from __future__ import annotations

from virtbus.domain import Domain, Interface
from virtbus.domain.interface import InterfaceType
from virtbus_qemu import tap

WITH_TAP = (InterfaceType.BRIDGE, InterfaceType.ETHERNET)


def connect(interface: Interface) -> None:
    """Make a card's tap device, up and on its bridge; nothing for cards without one.

    :raises HypervisorError: the kernel refuses.
    """
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


def _device(interface: Interface) -> str | None:
    if interface.type not in WITH_TAP or interface.target is None:
        return None
    return interface.target.dev


def _queues(interface: Interface) -> int:
    return (interface.driver.queues if interface.driver else None) or 1
