"""Interfaces: one text of keys and values each (xl-network-configuration(5))."""

from __future__ import annotations

import re
from ipaddress import ip_address

from virtbus.domain import Domain, Interface, InterfaceType
from virtbus.domain.interface import (
    Bandwidth,
    InterfaceModel,
    InterfaceSource,
    InterfaceTarget,
    IpAddress,
    Mac,
    Rate,
    VirtualPort,
    Vlan,
    VlanTag,
)
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings

NETFRONT = "netfront"
_PARAVIRTUAL = {Dialect.XL: "vif", Dialect.XM: NETFRONT}
"""How each dialect says that a full guest's card is paravirtual only."""

_BRIDGE_SCRIPTS = ("vif-bridge", "vif-vnic", "vif-openvswitch")

_RATE = re.compile(r"(\d+)([GMK]?)([Bb])/s(?:@\d+[mu]?s)?")
_RATE_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    domain.devices.interfaces += [_read(text, domain, dialect) for text in settings.texts("vif")]


def _read(text: str, domain: Domain, dialect: Dialect) -> Interface:
    said: dict[str, str] = {}
    for word in filter(None, (each.strip() for each in text.split(","))):
        name, found, value = word.partition("=")
        if not found:
            raise InvalidArgument(f"vif has no value for '{word:.80}'")
        said[name.strip()] = value.strip()
    is_bridge = "bridge" in said or said.get("script") in _BRIDGE_SCRIPTS
    interface = Interface(type=InterfaceType.BRIDGE if is_bridge else InterfaceType.ETHERNET)
    if "mac" in said:
        interface.mac = Mac(address=said["mac"])
    if "bridge" in said:
        _read_bridge(interface, said["bridge"])
    addresses = said.get("ip", "").split()
    interface.ips = [IpAddress(address=each, family=f"ipv{ip_address(each).version}") for each in addresses]
    interface.script = said.get("script")
    model = said.get("model")
    if model is None and is_full(domain) and said.get("type") == _PARAVIRTUAL[dialect]:
        model = NETFRONT
    interface.model = InterfaceModel(type=model) if model is not None else None
    if "vifname" in said:
        interface.target = InterfaceTarget(dev=said["vifname"])
    if "backend" in said and dialect is Dialect.XL:
        interface.backend_domain = said["backend"]
    if "rate" in said:
        interface.bandwidth = Bandwidth(outbound=Rate(average=_kilobytes(said["rate"])))
    return interface


def _read_bridge(interface: Interface, text: str) -> None:
    """Open vSwitch's scripts take the VLANs behind the bridge's name: trunked ones after colons, one after a dot."""
    name, trunked, rest = text.partition(":")
    tags = rest.split(":") if trunked else []
    if not trunked:
        name, dotted, tag = text.partition(".")
        tags = [tag] if dotted else []
    interface.source = InterfaceSource(bridge=name)
    if tags:
        if not all(tag.isdigit() for tag in tags):
            raise InvalidArgument(f"vif has an invalid VLAN: {text:.80}")
        interface.vlan = Vlan(trunk=True if trunked else None, tags=[VlanTag(id=int(tag)) for tag in tags])
        interface.virtual_port = VirtualPort(type="openvswitch")


def _kilobytes(text: str) -> int:
    """A rate in KiB a second."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise InvalidArgument(f"Invalid rate '{text:.40}'")
    amount = int(found[1]) * _RATE_BYTES[found[2]]
    return (amount // 8 if found[3] == "b" else amount) // 1024


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    cards = [each for each in domain.devices.interfaces if each.type is not InterfaceType.HOSTDEV]
    if cards:
        settings["vif"] = [format_interface(each, full=is_full(domain), dialect=dialect) for each in cards]


def format_interface(interface: Interface, *, full: bool, dialect: Dialect = Dialect.XL) -> str:
    """An interface as xl's specification.

    :raise ConfigUnsupported: it is connected to what Xen does not reach.
    """
    words = [f"mac={interface.mac.address}"] if interface.mac is not None else []
    kind = interface.actual.type if interface.actual is not None else interface.type
    source = (interface.actual.source if interface.actual is not None else None) or interface.source
    addresses = [f"ip={' '.join(each.address for each in interface.ips)}"] if interface.ips else []
    script = [f"script={interface.script}"] if interface.script is not None else []
    if kind is InterfaceType.BRIDGE:
        name = source.bridge if source is not None and source.bridge is not None else None
        words += [f"bridge={name}{vlan_suffix(interface)}"] if name is not None else []
        words += [*addresses, *script]
    elif kind is InterfaceType.ETHERNET:
        words += [*script, *addresses]
    else:
        raise ConfigUnsupported(f"Unsupported net type '{kind}'")
    model = interface.model.type if interface.model is not None else None
    if full and model == NETFRONT:
        words.append(f"type={_PARAVIRTUAL[dialect]}")
    elif model is not None:
        words.append(f"model={model}")
    if interface.target is not None and interface.target.dev is not None:
        words.append(f"vifname={interface.target.dev}")
    if interface.backend_domain is not None and dialect is Dialect.XL:
        words.append(f"backend={interface.backend_domain}")
    outbound = interface.bandwidth.outbound if interface.bandwidth is not None else None
    if outbound is not None and outbound.average:
        words.append(f"rate={outbound.average}KB/s")
    return ",".join(words)


def vlan_suffix(interface: Interface) -> str:
    """What Open vSwitch's script reads behind the bridge's name."""
    if interface.vlan is None or interface.virtual_port is None or interface.virtual_port.type != "openvswitch":
        return ""
    if interface.vlan.trunk or len(interface.vlan.tags) > 1:
        return "".join(f":{tag.id}" for tag in interface.vlan.tags)
    return "".join(f".{tag.id}" for tag in interface.vlan.tags)
