"""The identifiers that PCI devices of s390x guests have besides their addresses: uid and fid."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.address import PciAddress, ZpciAddress
from virtbus.domain.domain import Domain
from virtbus.errors import ConfigUnsupported, XmlInternal
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.hostpci import HostPci
from virtbus_qemu.pci.needs import connection_of
from virtbus_qemu.platform import Platform

FLAG = "zpci"
"""The flag of a QEMU that has them."""
LAST_UID = 0xFFFF
LAST_FID = 0xFFFFFFFF


def reserve(domain: Domain, capabilities: Capabilities) -> None:
    """Refuse identifiers that two devices have.

    :raise XmlInternal: they do.
    :raise ConfigUnsupported: QEMU knows no such identifiers.
    """
    uids: set[int] = set()
    fids: set[int] = set()
    for zpci in _given(domain):
        if not capabilities.has(FLAG):
            raise ConfigUnsupported("This QEMU doesn't support zpci devices", domain=domain.name)
        for name, number, taken in (("uid", zpci.uid, uids), ("fid", zpci.fid, fids)):
            if number is None:
                continue
            if number in taken:
                # libvirt writes the number in octal.
                raise XmlInternal(f"zPCI {name} {number:o} is already reserved")
            taken.add(number)


def assign(domain: Domain, platform: Platform, host: HostPci, capabilities: Capabilities) -> None:
    """Give every PCI device of an s390x guest the identifiers that it lacks: the lowest that are free."""
    if not platform.is_s390 or not capabilities.has(FLAG):
        return
    uids = {zpci.uid for zpci in _given(domain)}
    fids = {zpci.fid for zpci in _given(domain)}
    wanting = [each for each in domain.devices.every() if isinstance(each.address, PciAddress)]
    # Those that have one of the two come first.
    for device in sorted(wanting, key=lambda each: getattr(each.address, "zpci", None) is None):
        address = device.address
        if not isinstance(address, PciAddress) or not connection_of(device, platform, host):
            continue
        zpci = address.zpci = address.zpci or ZpciAddress()
        if zpci.uid is None:
            zpci.uid = next(number for number in range(1, LAST_UID + 1) if number not in uids)
            uids.add(zpci.uid)
        if zpci.fid is None:
            zpci.fid = next(number for number in range(LAST_FID + 1) if number not in fids)
            fids.add(zpci.fid)


def _given(domain: Domain) -> Iterator[ZpciAddress]:
    for device in domain.devices.every():
        if isinstance(device.address, PciAddress) and device.address.zpci is not None:
            yield device.address.zpci
