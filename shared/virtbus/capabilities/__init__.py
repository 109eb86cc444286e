"""What a host is and offers, and what its domains may ask for: libvirt's <capabilities> and <domainCapabilities>."""

from virtbus.capabilities.document import Capabilities, Guest, GuestArch, GuestFeatures, Host
from virtbus.capabilities.sysfs import Sysfs
from virtbus.capabilities.topology import Topology

__all__ = ["Capabilities", "Guest", "GuestArch", "GuestFeatures", "Host", "Sysfs", "Topology"]
