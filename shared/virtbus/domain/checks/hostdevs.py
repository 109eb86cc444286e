"""What devices of the host may not be."""

from __future__ import annotations

from virtbus.domain.address import AddressType
from virtbus.domain.checks.problem import Problems, malformed, of_kind, twice
from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import Hostdev, HostdevModel, MdevHostdev


def check_duplicates(domain: Domain) -> Problems:
    """A device of the host is passed on once."""
    sources = (
        (f"{type(device).__name__}{getattr(device, 'source', None)!r}", path)
        for path, device in of_kind(domain, Hostdev)
    )
    for _, first, again in twice(sources):
        yield malformed("Hostdev already exists in the domain configuration", again, f"{first} is the same")


_BUS_OF_MODEL: dict[HostdevModel, tuple[AddressType, ...]] = {
    HostdevModel.VFIO_PCI: (AddressType.PCI,),
    HostdevModel.VFIO_CCW: (AddressType.CCW,),
    HostdevModel.VFIO_AP: (),
}
"""The kind of address that a mediated device of a model has."""


def check_mediated(domain: Domain) -> Problems:
    """A mediated device sits on the bus of its model."""
    for path, device in of_kind(domain, MdevHostdev):
        buses = _BUS_OF_MODEL.get(device.model)
        if buses is None or device.address is None or device.address.type in (*buses, AddressType.UNASSIGNED):
            continue
        yield malformed(
            f"Unsupported address type '{device.address.type}' with mediated device model '{device.model}'",
            f"{path}/address",
        )
