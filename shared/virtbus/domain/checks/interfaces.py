"""What network interfaces may not be."""

from __future__ import annotations

import re

from virtbus.domain.checks.problem import Problems, detail, of_kind, unsupported
from virtbus.domain.domain import Domain
from virtbus.domain.interface import Interface, InterfaceBackendType, InterfaceType
from virtbus.errors import InvalidArgument

_INTERFACE_NEEDS: dict[InterfaceType, str] = {
    InterfaceType.BRIDGE: "bridge",
    InterfaceType.NETWORK: "network",
    InterfaceType.DIRECT: "dev",
    InterfaceType.INTERNAL: "name",
    InterfaceType.VDPA: "dev",
}


def check_interfaces(domain: Domain) -> Problems:
    for number, interface in enumerate(domain.devices.interfaces, start=1):
        path = "/domain/devices/interface" + (f"[{number}]" if len(domain.devices.interfaces) > 1 else "")
        need = _INTERFACE_NEEDS.get(interface.type)
        if need is not None and (interface.source is None or not getattr(interface.source, need)):
            yield detail(
                f"No <source> '{need}' attribute specified with <interface type='{interface.type}'/>",
                f"{path}/source/@{need}",
            )
        mac = interface.mac.address if interface.mac is not None else "00"
        if int(mac.partition(":")[0], 16) & 1:
            yield detail(f"expected unicast mac address, found multicast '{mac}'", f"{path}/mac/@address")
        model = interface.model.type if interface.model is not None else "x"
        if not re.fullmatch("[A-Za-z0-9_-]+", model):
            yield InvalidArgument("Model name contains invalid characters", evidence={"path": f"{path}/model/@type"})


def check_port_forwards(domain: Domain) -> Problems:
    """Only passt forwards ports."""
    for path, interface in of_kind(domain, Interface):
        backend = interface.backend.type if interface.backend is not None else None
        may = interface.type in (InterfaceType.USER, InterfaceType.VHOST_USER)
        if interface.port_forwards and not (may and backend is InterfaceBackendType.PASST):
            yield unsupported(
                "The <portForward> element can only be used with the 'passt' backend of interface type='user' or "
                "type='vhostuser'",
                f"{path}/portForward",
            )


def check_queue_sizes(domain: Domain) -> Problems:
    """A virtio queue is a ring of a power of two."""
    for path, interface in of_kind(domain, Interface):
        for name in ("rx_queue_size", "tx_queue_size"):
            size = getattr(interface.driver, name, None)
            if size is not None and (size == 0 or size & (size - 1)):
                yield unsupported(f"{name} has to be a power of two", f"{path}/driver/@{name}")
