"""Where PCI devices sit, as libvirt assigns it.

    pci.assign(domain, capabilities, host=HostPci())         # of a definition: adds ports and bridges as needed
    pci.place_device(live, device, capabilities, host=...)   # of one more device of a running domain

`connection` has what can be plugged into what, `needs` what each device needs, `chipset` the places that are fixed,
`bridges` what ports and bridges show of themselves, `zpci` the identifiers of s390x guests.
"""

from virtbus_qemu.hostpci import HostPci
from virtbus_qemu.pci.assignment import assign, pci_controllers, place_device
from virtbus_qemu.pci.chipset import fixed_place
from virtbus_qemu.pci.connection import Connect
from virtbus_qemu.pci.needs import connection_of, wants_place

__all__ = [
    "Connect",
    "HostPci",
    "assign",
    "connection_of",
    "fixed_place",
    "pci_controllers",
    "place_device",
    "wants_place",
]
