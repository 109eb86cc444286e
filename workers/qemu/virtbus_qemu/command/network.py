"""Network cards, as the guest sees them; `netdev` has the host's side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtbus.domain.address import CcwAddress, PciAddress, VirtioMmioAddress
from virtbus.domain.device import HostAddress
from virtbus.domain.domain import Domain
from virtbus.domain.interface import (
    Interface,
    InterfaceDriver,
    InterfaceType,
    LinkState,
    TeamingType,
    TxMode,
    connection,
)
from virtbus_qemu.command import netdev, place
from virtbus_qemu.command.hostdev import rom
from virtbus_qemu.command.keyvalue import escape
from virtbus_qemu.command.parts import Command, Context, Parts, given

#: Offloads of the host's and the guest's side, and the properties of virtio-net for them.
_HOST_OFFLOADS = {
    "csum": "csum",
    "gso": "gso",
    "tso4": "host_tso4",
    "tso6": "host_tso6",
    "ecn": "host_ecn",
    "ufo": "host_ufo",
    "mrg_rxbuf": "mrg_rxbuf",
}
_GUEST_OFFLOADS = {
    "csum": "guest_csum",
    "tso4": "guest_tso4",
    "tso6": "guest_tso6",
    "ecn": "guest_ecn",
    "ufo": "guest_ufo",
}


def describe(interface: Interface, context: Context) -> Parts:
    """A network card.

    A card on a tap device finds that device made already (`tap`), under the target's name.

    :raise ConfigUnsupported: it is connected to something that is not supported.
    """
    if connection(interface) is InterfaceType.HOSTDEV:
        return Parts(device=_assigned(interface, context))
    host = netdev.host_side(interface, context)
    if context.platform.is_arm and not isinstance(interface.address, PciAddress | VirtioMmioAddress):
        return Parts(host, options=_built_in(interface), settle=_settle(interface))
    return Parts(host, _card(interface, context), settle=_settle(interface))


def cards(domain: Domain) -> Iterator[Interface]:
    """The cards that are QEMU's own, not the host's."""
    for interface in domain.devices.interfaces:
        if connection(interface) is not InterfaceType.HOSTDEV:
            yield interface


def assigned(domain: Domain, *, by_network: bool) -> Iterator[Interface]:
    """The host's cards that are the guest's: those that a network has lent, or those that the definition names."""
    for interface in domain.devices.interfaces:
        lent = interface.type is InterfaceType.NETWORK
        if connection(interface) is InterfaceType.HOSTDEV and lent is by_network:
            yield interface


def _assigned(interface: Interface, context: Context) -> dict[str, Any]:
    team = interface.teaming
    return {
        "driver": "vfio-pci",
        "host": _host_pci(netdev.source_of(interface).address or HostAddress()),
        "id": interface.alias,
        **given(failover_pair_id=team.persistent if team and team.type is TeamingType.TRANSIENT else None),
        **place.boot(interface, context),
        **place.of(interface, context),
        **rom(interface.rom),
    }


def _host_pci(address: HostAddress) -> str:
    function = address.function or 0
    return f"{address.domain or 0:04x}:{address.bus or 0:02x}:{address.slot or 0:02x}.{function:x}"


def _built_in(interface: Interface) -> tuple[str, ...]:
    """A card that an ARM board has, by the only option that reaches it."""
    words = [
        "nic",
        *([f"macaddr={interface.mac.address}"] if interface.mac else []),
        f"netdev={netdev.name_of(interface)}",
        *([f"model={escape(interface.model.type)}"] if interface.model else []),
        f"id={interface.alias}",
    ]
    return ("-net", ",".join(words))


def _card(interface: Interface, context: Context) -> dict[str, Any]:
    model = interface.model.type if interface.model else "rtl8139"
    virtio = netdev.is_virtio(interface)
    return {
        "driver": place.virtio_name("virtio-net", interface, context) if virtio else model,
        **(_virtio(interface) if virtio else {}),
        "netdev": netdev.name_of(interface),
        "id": interface.alias,
        **given(mac=interface.mac.address if interface.mac else None),
        **place.boot(interface, context),
        **place.of(interface, context),
        **rom(interface.rom),
    }


def _virtio(interface: Interface) -> dict[str, Any]:
    driver = interface.driver or InterfaceDriver()
    tx = {TxMode.IOTHREAD: "bh", TxMode.TIMER: "timer"}.get(driver.tx_mode) if driver.tx_mode else None
    properties = place.virtio(driver) | given(tx=tx, ioeventfd=driver.ioeventfd, event_idx=driver.event_idx)
    for side, names in ((driver.host, _HOST_OFFLOADS), (driver.guest, _GUEST_OFFLOADS)):
        if side is not None:
            properties |= {qemu: value for own, qemu in names.items() if (value := getattr(side, own)) is not None}
    if driver.queues and driver.queues > 1:
        properties["mq"] = True
        if not isinstance(interface.address, CcwAddress):
            # One vector for each direction of each queue, one for control, one for configuration.
            properties["vectors"] = 2 * driver.queues + 2
    team = interface.teaming
    values = {
        "rx_queue_size": driver.rx_queue_size,
        "tx_queue_size": driver.tx_queue_size,
        "rss": driver.rss,
        "hash": driver.rss_hash_report,
        "host_mtu": interface.mtu,
        "failover": True if team is not None and team.type is TeamingType.PERSISTENT else None,
    }
    return properties | given(values)


def _settle(interface: Interface) -> tuple[Command, ...]:
    if interface.link in (None, LinkState.DEFAULT):
        return ()
    return (link(interface.alias or "", up=interface.link is LinkState.UP),)


def link(alias: str, *, up: bool) -> Command:
    """The command that plugs the cable in or out."""
    return Command("set_link", {"name": alias, "up": up})
