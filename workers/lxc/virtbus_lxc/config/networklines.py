"""Interfaces of a domain as a container's networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtbus.domain import Domain, Interface, InterfaceType
from virtbus.domain.hostdev import NetHostdev
from virtbus.domain.interface import DirectMode, IpAddress, LinkState, Route
from virtbus.errors import ConfigUnsupported

Line = tuple[str, object]

ANYWHERE = ("0.0.0.0", "::")
PREFIX = {"ipv4": 24, "ipv6": 64}
"""Of an address that says none."""


def has_own_network(domain: Domain) -> bool:
    """Whether a container has a network of its own: libvirt's rule, by which one that says nothing has the host's."""
    devices = domain.devices
    private = domain.features is not None and domain.features.privnet
    return private or bool(devices.interfaces) or any(isinstance(each, NetHostdev) for each in devices.hostdevs)


def network_lines(domain: Domain) -> Iterator[Line]:
    """The networks, by number.

    :raise ConfigUnsupported: LXC cannot connect an interface so.
    """
    if domain.lxc_namespace is not None and domain.lxc_namespace.share_net is not None:
        return
    moved = [each for each in domain.devices.hostdevs if isinstance(each, NetHostdev)]
    networks = [_interface(each) for each in domain.devices.interfaces] + [_moved(each) for each in moved]
    if not networks:
        yield "lxc.net.0.type", "empty" if has_own_network(domain) else "none"
    for number, lines in enumerate(networks):
        for name, value in lines:
            yield f"lxc.net.{number}.{name}", value


def _interface(interface: Interface) -> Iterator[Line]:
    write = CONNECTIONS.get(interface.type)
    if write is None:
        raise _unsupported(f"an interface of type '{interface.type.value}'")
    yield from write(interface)
    if interface.link is not LinkState.DOWN:
        yield "flags", "up"
    if interface.mac is not None:
        yield "hwaddr", interface.mac.address
    if interface.guest is not None and interface.guest.dev is not None:
        yield "name", interface.guest.dev
    if interface.mtu is not None:
        yield "mtu", interface.mtu
    yield from _addresses(interface.ips, interface.routes)


def _bridged(interface: Interface) -> Iterator[Line]:
    yield "type", "veth"
    if interface.type is InterfaceType.BRIDGE:
        if interface.source is None or interface.source.bridge is None:
            raise _unsupported("an interface of type 'bridge' without a bridge")
        yield "link", interface.source.bridge
    if interface.target is not None and interface.target.dev is not None:
        yield "veth.pair", interface.target.dev


def _direct(interface: Interface) -> Iterator[Line]:
    if interface.source is None or interface.source.dev is None:
        raise _unsupported("an interface of type 'direct' without a device of the host")
    mode = interface.source.mode or DirectMode.VEPA.value
    yield "type", "macvlan"
    yield "link", interface.source.dev
    yield "macvlan.mode", "passthru" if mode == DirectMode.PASSTHROUGH else mode


CONNECTIONS: dict[InterfaceType, Callable[[Interface], Iterator[Line]]] = {
    InterfaceType.BRIDGE: _bridged,
    InterfaceType.ETHERNET: _bridged,
    InterfaceType.DIRECT: _direct,
}
"""How each kind of interface is connected."""


def _moved(hostdev: NetHostdev) -> Iterator[Line]:
    yield "type", "phys"
    yield "link", hostdev.source.interface
    yield "flags", "up"
    yield from _addresses(hostdev.ips, hostdev.routes)


def _addresses(ips: list[IpAddress], routes: list[Route]) -> Iterator[Line]:
    for address in ips:
        family = address.family or ("ipv6" if ":" in address.address else "ipv4")
        prefix = PREFIX[family] if address.prefix is None else address.prefix
        yield f"{family}.address", f"{address.address}/{prefix}"
    for route in routes:
        if is_default(route):
            yield f"{'ipv6' if ':' in route.gateway else 'ipv4'}.gateway", route.gateway


def is_default(route: Route) -> bool:
    """Whether it leads everywhere; the others LXC cannot set, and are set when the container runs."""
    return route.address in ANYWHERE and not route.prefix and route.metric is None


def _unsupported(what: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"{what} cannot be had in a container", hint="use one of type bridge, ethernet or direct",
        evidence={"path": "/domain/devices/interface"},
    )  # fmt: skip
