"""What no hypervisor can run: contradictions within a domain, as a table of checks.

A check looks at one thing and yields the error for each contradiction, with its path in the document, in libvirt's
words and with its code. They expect what `complete` fills in. A hypervisor adds checks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from virtbus.domain.checks import (
    chardevs,
    controllers,
    disks,
    displays,
    firmware,
    guest,
    hostdevs,
    interfaces,
    labels,
    numa,
    positions,
    smalldevices,
    threads,
    usb,
)
from virtbus.domain.checks.problem import Problems, places
from virtbus.domain.domain import Domain
from virtbus.errors import VirtbusError

__all__ = ["CHECKS", "WHEN_DEFINED", "check", "places", "problems_of"]


def check(domain: Domain, *, but: Collection[Callable[[Domain], Problems]] = ()) -> None:
    """Refuse a domain that contradicts itself.

    :param but: checks that are left out.
    :raise XmlError: it does; `evidence["path"]` says where.
    :raise ConfigUnsupported: it asks for a combination that libvirt does not know.
    """
    for problems in CHECKS:
        for problem in problems(domain) if problems not in but else ():
            raise problem.at(domain=domain.name or None)


def problems_of(domain: Domain) -> list[VirtbusError]:
    """Every contradiction, not only the first."""
    return [problem for problems in CHECKS for problem in problems(domain)]


CHECKS: tuple[Callable[[Domain], Problems], ...] = (
    guest.check_names,
    guest.check_memory,
    guest.check_vcpus,
    guest.check_smbios,
    guest.check_physical_address,
    firmware.check_loader,
    firmware.check_nvram,
    firmware.check_boot_menu,
    labels.check_domain_labels,
    labels.check_device_labels,
    numa.check_huge_pages,
    numa.check_placement,
    threads.check_caches,
    threads.check_bandwidth,
    disks.check_disk_names,
    disks.check_disk_identities,
    disks.check_disks,
    disks.check_secrets,
    disks.check_drive_addresses,
    usb.check_disabled,
    controllers.check_controllers,
    controllers.check_pci_controllers,
    positions.check_aliases,
    positions.check_addresses,
    positions.check_zpci,
    positions.check_spapr,
    positions.check_boot_order,
    chardevs.check_chardevs,
    interfaces.check_interfaces,
    interfaces.check_port_forwards,
    interfaces.check_queue_sizes,
    displays.check_graphics,
    displays.check_videos,
    hostdevs.check_duplicates,
    hostdevs.check_mediated,
    smalldevices.check_tpms,
    smalldevices.check_iommu,
    smalldevices.check_shmems,
)

WHEN_DEFINED = frozenset({disks.check_disk_identities})
"""Checks that a device which is plugged in need not pass: a running guest may get a second way to the same disk."""
