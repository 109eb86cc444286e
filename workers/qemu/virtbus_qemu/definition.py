"""A definition made complete: what is stored when a domain is defined, and what it will be started from."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from virtbus.domain import Domain, pair_console
from virtbus.domain import check as check_contradictions
from virtbus.domain import complete as complete_neutrally
from virtbus_qemu import addresses, controllers, defaults, live, pci
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import build_argv
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.settings import QemuSettings

#: Stands for the runtime folder while a definition is tried out.
_NOWHERE = Path("/run/virtbus")


def complete(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> Domain:
    """The definition with libvirt's defaults, controllers and addresses. A complete one comes back as it is.

    It is then tried out: what could not be started is refused now, not at start.

    :raise ConfigUnsupported: it asks for something that QEMU or this worker cannot do; `evidence["path"]` says where.
    :raise XmlDetail: it contradicts itself.
    """
    whole = domain.copy()
    fill(whole, capabilities, settings, renew=True)
    check(whole, capabilities, settings)
    return whole


def fill(domain: Domain, capabilities: Capabilities, settings: QemuSettings, *, renew: bool) -> None:
    """Fill in what a definition leaves open, as libvirt does, and refuse what contradicts itself.

    :param renew: whether what the guest sees may become what a new domain has (libvirt: ABI update).
    :raise ConfigUnsupported: QEMU has no such thing.
    :raise XmlDetail: it contradicts itself.
    """
    defaults.fill_machine(domain, capabilities, settings)
    controllers.add_defaults(domain)
    complete_neutrally(domain, renew=renew)
    defaults.fill_devices(domain)
    addresses.assign_drives(domain)
    controllers.add_needed(domain)
    pci.assign(domain, spare_ports=settings.spare_root_ports)
    addresses.assign_ports(domain)
    pair_console(domain)
    check_contradictions(domain)


def check(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Refuse a complete definition from which no command line can be made."""
    uuid = domain.uuid or uuid4()
    folder = DomainFolder(_NOWHERE / str(uuid), uuid)
    build_argv(live.prepare(domain, folder, settings, choose_ports=False), folder, capabilities, settings)
