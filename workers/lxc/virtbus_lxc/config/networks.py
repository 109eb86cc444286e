"""A container's networks: the settings `lxc.net.N.*`, as interfaces and network devices of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from virtbus.domain import Domain, HostdevType, Interface, InterfaceType
from virtbus.domain.hostdev import CapabilitySource, HostdevMode, NetHostdev
from virtbus.domain.interface import (
    DirectMode,
    InterfaceGuest,
    InterfaceSource,
    InterfaceTarget,
    IpAddress,
    LinkState,
    Mac,
    Route,
)
from virtbus.errors import XmlInternal
from virtbus_lxc.config.settings import Setting

_KEY = re.compile(r"lxc\.net\.(\d+)\.(.+)")
_ANYWHERE = {"ipv4": "0.0.0.0", "ipv6": "::"}
"""The destination of a default route."""


@dataclass
class Network:
    """What is set of one network."""

    settings: dict[str, str] = field(default_factory=dict)
    addresses: list[IpAddress] = field(default_factory=list)

    @property
    def type(self) -> str:
        return self.settings.get("type", "")

    @property
    def routes(self) -> list[Route]:
        """The default routes; a gateway of `auto` or `dev` is known only at start."""
        gateways = [(family, self.settings.get(f"{family}.gateway", "")) for family in _ANYWHERE]
        return [
            Route(family=family, address=_ANYWHERE[family], gateway=gateway)
            for family, gateway in gateways
            if gateway and gateway not in ("auto", "dev")
        ]


def read_networks(domain: Domain, settings: Iterable[Setting]) -> bool:
    """Add the networks to the domain; returns whether it shares the host's, or has one at least."""
    networks = _collect(settings)
    connected = False
    for _, network in sorted(networks.items()):
        connected |= _add(domain, network) or network.type == "none"
    return connected


def _collect(settings: Iterable[Setting]) -> dict[int, Network]:
    networks: dict[int, Network] = {}
    for setting in settings:
        match = _KEY.fullmatch(setting.key)
        if match is None:
            continue
        network = networks.setdefault(int(match.group(1)), Network())
        name = match.group(2)
        if name in ("ipv4.address", "ipv6.address"):
            network.addresses.append(_address(name[:4], setting.value))
        else:
            network.settings[name] = setting.value
    return networks


def _address(family: str, text: str) -> IpAddress:
    """The address; a broadcast address may follow it, which the kernel finds by itself."""
    address, slash, prefix = (text.split() or [""])[0].partition("/")
    if slash and not prefix.isdigit():
        raise XmlInternal(f"Invalid CIDR address: '{text}'")
    return IpAddress(address=address, family=family, prefix=int(prefix) if slash else None)


def _add(domain: Domain, network: Network) -> bool:
    if network.type in ("", "empty", "none"):
        return False
    if network.type in ("phys", "vlan"):
        domain.devices.hostdevs.append(_host_interface(network))
    else:
        domain.devices.interfaces.append(_interface(network))
    return True


def _host_interface(network: Network) -> NetHostdev:
    link = network.settings.get("link")
    if link is None:
        raise XmlInternal("Missing 'link' attribute for NIC")
    if network.type == "vlan":
        number = network.settings.get("vlan.id")
        if number is None:
            raise XmlInternal("Missing vlan id for the network device")
        link = f"{link}.{number}"
    return NetHostdev(
        mode=HostdevMode.CAPABILITIES, type=HostdevType.NET, source=CapabilitySource(interface=link),
        ips=network.addresses, routes=network.routes,
    )  # fmt: skip


def _interface(network: Network) -> Interface:
    settings = network.settings
    link, name, mac, peer = (settings.get(key) for key in ("link", "name", "hwaddr", "veth.pair"))
    kind, source = InterfaceType.ETHERNET, None
    if network.type == "macvlan":
        kind = InterfaceType.DIRECT
        source = InterfaceSource(dev=link, mode=_macvlan_mode(settings.get("macvlan.mode")))
    elif network.type == "veth" and link is not None:
        kind, source = InterfaceType.BRIDGE, InterfaceSource(bridge=link)
    interface = Interface(type=kind, source=source, ips=network.addresses, routes=network.routes)
    if mac is not None and "x" not in mac.lower():
        # LXC chooses the digits that are written as x.
        interface.mac = Mac(address=mac)
    if name is not None:
        interface.guest = InterfaceGuest(dev=name)
    if peer is not None:
        interface.target = InterfaceTarget(dev=peer)
    if "flags" in settings:
        interface.link = LinkState.UP if settings["flags"] == "up" else LinkState.DOWN
    if settings.get("mtu", "").isdigit():
        interface.mtu = int(settings["mtu"])
    return interface


def _macvlan_mode(text: str | None) -> str:
    modes = {mode.value for mode in (DirectMode.PRIVATE, DirectMode.VEPA, DirectMode.BRIDGE, DirectMode.PASSTHROUGH)}
    mode = text or DirectMode.PRIVATE.value
    if mode == "passthru":
        return DirectMode.PASSTHROUGH.value
    if mode not in modes:
        raise XmlInternal(f"Unknown macvlan type: {text}")
    return mode
