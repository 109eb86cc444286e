"""Network cards, and what they are connected to."""

from __future__ import annotations

from typing import Any

from virtbus.domain.interface import (
    Interface,
    InterfaceBackendDriver,
    InterfaceBackendType,
    InterfaceDriver,
    InterfaceType,
    LinkState,
    TxMode,
)
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Backend, BackendKind, Command, Context, Parts, backend, given

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

_TAPS = (InterfaceType.ETHERNET, InterfaceType.BRIDGE)


def describe(interface: Interface, context: Context) -> Parts:
    """A network card.

    A card on a tap device finds that device made already (`tap`), under the target's name.

    :raise ConfigUnsupported: it is connected to something that is not supported.
    """
    if interface.type is InterfaceType.USER:
        host = _user(interface, context)
    elif interface.type in _TAPS:
        host = _tap(interface, context)
    else:
        raise ConfigUnsupported(
            f"interfaces of type {interface.type} are not supported",
            domain=context.domain.name,
            hint="user, ethernet and bridge are",
            evidence={"path": "/domain/devices/interface/@type"},
        )
    return Parts((host,), _card(interface, context), settle=_settle(interface))


def _id(interface: Interface) -> str:
    return f"host{interface.alias}"


def _user(interface: Interface, context: Context) -> Backend:
    if interface.backend and interface.backend.type not in (None, InterfaceBackendType.DEFAULT):
        raise ConfigUnsupported(
            f"backend {interface.backend.type} is not supported",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/interface/backend/@type"},
        )
    networks: dict[str, Any] = {}
    for address in interface.ips:
        six = address.family == "ipv6"
        if six:
            networks |= {"ipv6-prefix": address.address, "ipv6-prefixlen": address.prefix or 64}
        else:
            networks["net"] = f"{address.address}/{address.prefix}" if address.prefix else address.address
    return Backend(BackendKind.NETDEV, {"type": "user", "id": _id(interface), **networks})


def _tap(interface: Interface, context: Context) -> Backend:
    driver = interface.driver or InterfaceDriver()
    is_virtio = interface.model is not None and interface.model.type.startswith("virtio")
    wanted = driver.name is InterfaceBackendDriver.VHOST or (driver.name is None and context.settings.vhost_net)
    if interface.source is not None and interface.type is InterfaceType.BRIDGE:
        # The worker puts the tap device on the bridge.
        _ = interface.source.bridge
    return backend(
        BackendKind.NETDEV,
        type="tap",
        id=_id(interface),
        ifname=interface.target.dev if interface.target else None,
        script="no",
        downscript="no",
        queues=driver.queues if driver.queues and driver.queues > 1 else None,
        vhost=True if wanted and is_virtio else None,
        sndbuf=interface.tune.sndbuf if interface.tune else None,
    )


def _card(interface: Interface, context: Context) -> dict[str, Any]:
    model = interface.model.type if interface.model else "rtl8139"
    is_virtio = model.startswith("virtio")
    name = place.virtio_name("virtio-net", model) if is_virtio else model
    return {
        "driver": name,
        **(_virtio(interface) if is_virtio else {}),
        "netdev": _id(interface),
        "id": interface.alias,
        **given(mac=interface.mac.address if interface.mac else None),
        **place.boot(interface, context),
        **place.pci(interface, context),
        **_rom(interface),
    }


def _virtio(interface: Interface) -> dict[str, Any]:
    driver = interface.driver or InterfaceDriver()
    properties = place.virtio(driver)
    for side, names in ((driver.host, _HOST_OFFLOADS), (driver.guest, _GUEST_OFFLOADS)):
        if side is not None:
            properties |= {qemu: value for own, qemu in names.items() if (value := getattr(side, own)) is not None}
    if driver.queues and driver.queues > 1:
        # One vector for each direction of each queue, one for control, one for configuration.
        properties |= {"mq": True, "vectors": 2 * driver.queues + 2}
    tx = {TxMode.IOTHREAD: "bh", TxMode.TIMER: "timer"}.get(driver.tx_mode) if driver.tx_mode else None
    values = {
        "tx": tx,
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
        "rx_queue_size": driver.rx_queue_size,
        "tx_queue_size": driver.tx_queue_size,
        "rss": driver.rss,
        "hash": driver.rss_hash_report,
        "host_mtu": interface.mtu,
    }
    return properties | given(values)


def _rom(interface: Interface) -> dict[str, Any]:
    rom = interface.rom
    if rom is None:
        return {}
    if rom.enabled is False:
        return {"romfile": ""}
    return given(rombar=None if rom.bar is None else int(rom.bar), romfile=rom.file)


def _settle(interface: Interface) -> tuple[Command, ...]:
    if interface.link in (None, LinkState.DEFAULT):
        return ()
    return (link(interface.alias or "", up=interface.link is LinkState.UP),)


def link(alias: str, *, up: bool) -> Command:
    """The command that plugs the cable in or out."""
    return Command("set_link", {"name": alias, "up": up})
