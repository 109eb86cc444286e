"""xl.cfg and xm's configuration files, both ways (xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5)).

    domain = read(text)                       # as libvirt reads it, with what it implies
    text = write(domain)                      # in libvirt's order of settings

What a file says that no domain can hold is refused; what a domain says that no file can hold is left out, as the two
formats have always done, for the worker checks it before (virtbus_xen.checks).
"""

from __future__ import annotations

from virtbus.domain import Domain, DomainType, complete
from virtbus_xen import implied
from virtbus_xen.config import booting, chardevs, disks, displays, guest, hostdevs, inputs, interfaces, numa
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.syntax import Settings, format_settings, parse_settings

__all__ = ["Dialect", "read", "write"]

_READERS = (
    guest.read_size, guest.read_features, guest.read_timers, guest.read_clock, guest.read_actions, booting.read,
    numa.read_features, numa.read, disks.read, interfaces.read, hostdevs.read, chardevs.read, inputs.read,
    displays.read,
)  # fmt: skip

_WRITERS = (
    guest.write_identity, guest.write_size, guest.write_features, guest.write_timers, guest.write_clock,
    guest.write_actions, displays.write, interfaces.write, hostdevs.write_pci, chardevs.write_ports,
    inputs.write_sounds, booting.write, numa.write_features, numa.write, hostdevs.write_limits, disks.write,
    displays.write_spice, inputs.write, hostdevs.write_usb, chardevs.write_channels,
)  # fmt: skip
"""The parts of a file, in the order in which libvirt writes them."""


def read(text: str, dialect: Dialect = Dialect.XL, *, arch: str = "x86_64") -> Domain:
    """The domain that a configuration file describes.

    :param arch: the host's processor architecture, which the files do not name.
    :raise InvalidArgument: it is no such file, or says what no domain can hold.
    """
    settings = parse_settings(text)
    domain = Domain(type=DomainType.XEN, name=guest.read_name(settings), uuid=guest.read_uuid(settings))
    domain.os = booting.read_type(settings, arch)
    for part in _READERS:
        part(settings, domain, dialect)
    implied.furnish(domain)
    complete(domain)
    return domain


def write(domain: Domain, dialect: Dialect = Dialect.XL) -> str:
    """The configuration file of a domain.

    :raise ConfigUnsupported: the file cannot say what the domain asks for.
    """
    settings = Settings()
    for part in _WRITERS:
        part(settings, domain, dialect)
    return format_settings(settings)
