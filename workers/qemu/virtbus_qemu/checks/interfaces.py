"""What network cards may not be (libvirt: qemuValidateDomainDeviceDefNetwork, virDomainActualNetDefValidate)."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, malformed, unsupported
from virtbus.domain.interface import Interface, InterfaceBackendType, InterfaceType, connection
from virtbus_qemu.checks.scene import Scene

_TAPS = (InterfaceType.NETWORK, InterfaceType.BRIDGE, InterfaceType.ETHERNET)
_MANY_QUEUES = (*_TAPS, InterfaceType.DIRECT, InterfaceType.VHOST_USER, InterfaceType.VDPA)
# A user network has no device on the host whose size matters.
_RESIZED = (*_TAPS, InterfaceType.USER, InterfaceType.VHOST_USER, InterfaceType.VDPA)

_LONGEST = {"ipv4": 27, "ipv6": 120}
"""The longest prefixes of user networks: QEMU wants room for its own servers."""


def check_interface(scene: Scene, path: str, interface: Interface) -> Problems:
    """What is known when the card is defined."""
    yield from _check_addresses(scene, path, interface)
    kind = interface.type
    virtio = interface.model is not None and interface.model.type.startswith("virtio")
    if kind is InterfaceType.VDPA:
        if not scene.has("netdev.vhost-vdpa"):
            yield unsupported("vDPA devices are not supported with this QEMU binary", f"{path}/@type")
        if not virtio:
            model = interface.model.type if interface.model is not None else ""
            yield unsupported(f"invalid model for interface of type '{kind}': '{model}'", f"{path}/model/@type")
    if virtio and interface.driver is not None and not scene.has("virtio-net.rss"):
        if interface.driver.rss is not None:
            yield unsupported("virtio rss is not supported with this QEMU binary", f"{path}/driver/@rss")
        if interface.driver.rss_hash_report is not None:
            yield unsupported(
                "virtio rss hash report is not supported with this QEMU binary", f"{path}/driver/@rss_hash_report"
            )
    if interface.mtu is not None and kind not in _RESIZED:
        yield unsupported(f"setting MTU on interface type {kind} is not supported yet", f"{path}/mtu")
    if interface.coalesce is not None and kind not in (*_TAPS, InterfaceType.DIRECT):
        yield unsupported(f"coalesce settings on interface type {kind} are not supported", f"{path}/coalesce")


def _check_addresses(scene: Scene, path: str, interface: Interface) -> Problems:
    """The guest's addresses can only be said where QEMU, or passt, answers its DHCP."""
    passt = interface.backend is not None and interface.backend.type is InterfaceBackendType.PASST
    if interface.type is not InterfaceType.USER and not (passt and interface.type is InterfaceType.VHOST_USER):
        if interface.ips or interface.routes:
            yield unsupported(
                "Invalid attempt to set network interface guest-side IP route and/or address info, not supported by "
                "QEMU",
                f"{path}/ip",
            )
        return
    if passt and not scene.has("netdev.stream"):
        yield unsupported("The 'passt' network backend is not supported with this QEMU binary", f"{path}/backend/@type")
    if interface.routes:
        yield unsupported(
            "Invalid attempt to set network interface guest-side IP route, not supported by QEMU", f"{path}/route"
        )
    seen = set()
    for address in interface.ips:
        family = address.family or "ipv4"
        if address.peer is not None:
            yield unsupported("Invalid attempt to set peer IP for guest", f"{path}/ip/@peer")
        if family in seen:
            yield malformed(f"only one {family.replace('ip', 'IP')} address per interface is allowed", f"{path}/ip")
        if (address.prefix or 0) > _LONGEST[family]:
            yield malformed("prefix too long", f"{path}/ip/@prefix")
        seen.add(family)


def check_connection(scene: Scene, path: str, interface: Interface) -> Problems:
    """What is known once the network that the card may name has said what it is made of."""
    kind, driver, backend = connection(interface), interface.driver, interface.backend
    card = f"interface {interface.mac.address if interface.mac is not None else ''}"
    refusal = f"is not supported for network interfaces of type {kind}"
    if interface.vlan is not None and not _keeps_vlans(interface):
        yield unsupported(f"{card} - vlan tag not supported for this connection type", f"{path}/vlan")
    if interface.bandwidth is not None and kind is InterfaceType.HOSTDEV:
        yield unsupported(f"{card} - bandwidth settings are not supported for hostdev interfaces", f"{path}/bandwidth")
    if kind not in _TAPS and backend is not None and backend.tap is not None:
        yield unsupported(f"{card} - custom tap device path {refusal}", f"{path}/backend/@tap")
    if kind not in _MANY_QUEUES and driver is not None and driver.queues:
        yield unsupported(f"{card} - multiqueue {refusal}", f"{path}/driver/@queues")
    if kind not in _TAPS and interface.filter is not None:
        yield unsupported(f"{card} - filterref {refusal}", f"{path}/filterref")


def _keeps_vlans(interface: Interface) -> bool:
    kind = connection(interface)
    source = interface.source if interface.actual is None else interface.actual.source
    alone = source is not None and source.mode == "passthrough"
    return kind in (InterfaceType.HOSTDEV, InterfaceType.BRIDGE) or (kind is InterfaceType.DIRECT and alone)
