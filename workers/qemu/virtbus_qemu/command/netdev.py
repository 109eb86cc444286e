"""What network cards are connected to on the host's side, as QEMU's netdevs.

The keys and their order are libvirt's, which names the netdev last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtbus.domain.device import Reconnect
from virtbus.domain.interface import (
    Interface,
    InterfaceBackendDriver,
    InterfaceDriver,
    InterfaceSource,
    InterfaceType,
    connection,
)
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import passt
from virtbus_qemu.command import stream
from virtbus_qemu.command.descriptor import pass_file
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given

_PASST_SECONDS = 5
"""After how many seconds QEMU connects again to a passt that went away."""


def source_of(interface: Interface) -> InterfaceSource:
    """The host's side of that connection."""
    source = interface.source if interface.actual is None else interface.actual.source
    return source or InterfaceSource()


def is_virtio(interface: Interface) -> bool:
    """Whether the card speaks virtio."""
    return interface.model is not None and interface.model.type.startswith("virtio")


def host_side(interface: Interface, context: Context) -> tuple[Backend, ...]:
    """The netdev of a card, last, behind the chardev that it may need.

    :raise ConfigUnsupported: it is connected to something that QEMU or the worker does not know.
    """
    make = _KINDS.get(connection(interface))
    unknown = interface.actual is None and interface.type is InterfaceType.NETWORK
    if make is None or unknown:
        raise ConfigUnsupported(
            f"interfaces of type {connection(interface)} are not supported",
            domain=context.domain.name,
            hint="name what the network is made of: bridge, direct, ethernet, user",
            evidence={"path": "/domain/devices/interface/@type"},
        )
    before, values, opened = make(interface, context)
    properties = {**values, "id": name_of(interface)}
    return (*before, Backend(BackendKind.NETDEV, properties, json=context.has("netdev.json"), opened=opened))


def name_of(interface: Interface) -> str:
    """The netdev's name."""
    return f"host{interface.alias}"


_Made = tuple[tuple[Backend, ...], dict[str, Any], tuple[str, ...]]
"""The backends before a netdev, its properties, and the options before it."""


def _user(interface: Interface, context: Context) -> _Made:
    if passt.is_wanted(interface):
        return _passt(interface, context)
    values: dict[str, Any] = {"type": "user"}
    for address in interface.ips:
        if address.family == "ipv6":
            values |= given({"ipv6-prefix": address.address, "ipv6-prefixlen": address.prefix or None})
        else:
            values["net"] = f"{address.address}/{address.prefix}" if address.prefix else address.address
    return (), values, ()


def _internal(interface: Interface, context: Context) -> _Made:
    """QEMU knows nothing of the host's inner networks; libvirt gives such a card a network of its own."""
    return (), {"type": "user"}, ()


def _passt(interface: Interface, context: Context) -> _Made:
    values: dict[str, Any] = {
        "type": "stream",
        "addr": {"type": "unix", "path": _passt_socket(interface, context)},
        "server": False,
    }
    if context.has("netdev-stream-reconnect-miliseconds"):
        values["reconnect-ms"] = _PASST_SECONDS * 1000
    elif context.has("netdev.stream.reconnect"):
        values["reconnect"] = _PASST_SECONDS
    return (), values, ()


def _passt_socket(interface: Interface, context: Context) -> str:
    return str(passt.socket(interface, context.domain, context.folder, context.settings))


def _tap(interface: Interface, context: Context) -> _Made:
    driver = interface.driver or InterfaceDriver()
    count = driver.queues or 1
    numbers = context.settings.descriptors
    bridged = connection(interface) in (InterfaceType.BRIDGE, InterfaceType.NETWORK)
    first = numbers.bridged_tap if bridged else numbers.first_tap
    values: dict[str, Any] = {"type": "tap"}
    if first is None:
        values |= _by_name(interface, count)
    else:
        values |= _numbered("fd", first, count)
    if _wants_vhost(interface, driver, context):
        values["vhost"] = True
        values |= {} if numbers.vhost_net is None else _numbered("vhostfd", numbers.vhost_net, count)
    return (), values | given(sndbuf=interface.tune.sndbuf if interface.tune else None), ()


def _by_name(interface: Interface, count: int) -> dict[str, Any]:
    """A tap device that the worker has made, and put on its bridge."""
    if connection(interface) is InterfaceType.BRIDGE:
        _ = source_of(interface).bridge
    target = interface.target
    if target is not None and interface.type is InterfaceType.ETHERNET:
        # Whose the device is, the worker minds (`virtbus_qemu.network`).
        _ = target.managed
    return given(
        ifname=target.dev if target is not None else None,
        script="no",
        downscript="no",
        queues=count if count > 1 else None,
    )


def _numbered(name: str, first: int, count: int) -> dict[str, Any]:
    if count == 1:
        return {name: str(first)}
    return {f"{name}s": ":".join(str(first + number) for number in range(count))}


def _wants_vhost(interface: Interface, driver: InterfaceDriver, context: Context) -> bool:
    """Whether the kernel moves the packets."""
    if not is_virtio(interface):
        if driver.name is InterfaceBackendDriver.VHOST:
            raise ConfigUnsupported(
                "vhost-net is only supported for virtio network interfaces",
                domain=context.domain.name,
                evidence={"path": "/domain/devices/interface/driver/@name"},
            )
        return False
    usual = context.settings.vhost_net or context.settings.descriptors.vhost_net is not None
    return driver.name is InterfaceBackendDriver.VHOST or (driver.name is None and usual)


def _vhost_user(interface: Interface, context: Context) -> _Made:
    name = f"char{interface.alias}"
    source = source_of(interface)
    if passt.is_wanted(interface):
        again = Reconnect(enabled=True, timeout=_PASST_SECONDS)
        end = stream.client(name, _passt_socket(interface, context), context, again)
    else:
        # The only type there is.
        _ = source.type
        waits = source.mode == "server"
        path = source.path or ""
        end = stream.server(name, path, context) if waits else stream.client(name, path, context, source.reconnect)
    return (end,), {"type": "vhost-user", "chardev": name, **_queues(interface)}, ()


def _vdpa(interface: Interface, context: Context) -> _Made:
    opened: tuple[str, ...] = ()
    path = source_of(interface).dev or ""
    number = context.settings.descriptors.vdpa_net
    if number is not None:
        opened, path = pass_file(context, number, f"{interface.alias}-vdpa")
    return (), {"type": "vhost-vdpa", "vhostdev": path, **_queues(interface)}, opened


def _queues(interface: Interface) -> dict[str, Any]:
    queues = interface.driver.queues if interface.driver is not None else None
    return {"queues": queues} if queues and queues > 1 else {}


def _socket(interface: Interface, context: Context) -> _Made:
    source = source_of(interface)
    place = f"{source.address_text or ''}:{source.port or 0}"
    values = {"type": "socket", _SOCKETS[connection(interface)]: place}
    if source.local is not None and connection(interface) is InterfaceType.UDP:
        values["localaddr"] = f"{source.local.address or ''}:{source.local.port or 0}"
    return (), values, ()


_SOCKETS = {
    InterfaceType.SERVER: "listen",
    InterfaceType.CLIENT: "connect",
    InterfaceType.MCAST: "mcast",
    InterfaceType.UDP: "udp",
}
"""What the sockets that join the networks of two QEMUs are called."""

_KINDS: dict[InterfaceType, Callable[[Interface, Context], _Made]] = {
    InterfaceType.USER: _user,
    InterfaceType.INTERNAL: _internal,
    InterfaceType.ETHERNET: _tap,
    InterfaceType.BRIDGE: _tap,
    InterfaceType.NETWORK: _tap,
    InterfaceType.DIRECT: _tap,
    InterfaceType.VHOST_USER: _vhost_user,
    InterfaceType.VDPA: _vdpa,
    **dict.fromkeys(_SOCKETS, _socket),
}
