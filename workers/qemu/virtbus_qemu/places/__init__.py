"""Where devices sit on buses other than PCI, as libvirt assigns it.

before_pci(domain, capabilities)        # virtio-serial ports, POWER's virtual bus, channels of s390x, virtio-mmio
after_pci(domain, renew=True)           # USB ports and hubs, memory slots
place_device(domain, device)            # the place of one device that is plugged in

What sits on one of the first buses is not on PCI; so they come before it. Drives and smartcards have their places
from `virtbus.domain.buses`.
"""

from __future__ import annotations

from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.places import ccw, memoryslots, mmio, spaprvio, usbports, virtioserial
from virtbus_qemu.platform import platform_of


def before_pci(domain: Domain, capabilities: Capabilities) -> None:
    """Assign the places that keep a device off PCI.

    :raise XmlError: two devices want the same place.
    """
    platform = platform_of(domain)
    virtioserial.assign(domain)
    spaprvio.assign(domain, platform)
    if platform.is_s390:
        ccw.assign(domain)
    mmio.assign(domain, platform, capabilities)


def after_pci(domain: Domain, *, renew: bool) -> None:
    """Assign USB ports and memory slots.

    :param renew: whether devices that have no USB port get one, and hubs where ports are too few. A domain that was
        stored without keeps its USB devices where QEMU put them, until it is started anew.
    :raise XmlError: two devices want the same place, or one that is not there.
    """
    usbports.assign(domain, renew=renew)
    memoryslots.assign(domain)


def place_device(domain: Domain, device: Device) -> None:
    """Give one device of a running domain its place, where it sits on one of these buses and has none.

    :raise XmlError: the place that it asks for is taken, or not there.
    """
    platform = platform_of(domain)
    virtioserial.place(domain, device)
    spaprvio.place(domain, device, platform)
    if platform.is_s390:
        ccw.place(domain, device)
    mmio.place(domain, device, platform)
    usbports.place(domain, device)
    memoryslots.place(domain, device)
