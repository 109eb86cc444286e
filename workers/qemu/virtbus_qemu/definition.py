"""A definition made complete: what is stored when a domain is defined, and what it will be started from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from virtbus.domain import Domain, pair_console
from virtbus.domain import check as check_contradictions
from virtbus.domain import complete as complete_neutrally
from virtbus_qemu import (
    checks,
    controllers,
    cpudefaults,
    devicedefaults,
    firmwarechoice,
    live,
    machinedefaults,
    memorysizes,
    pci,
    places,
    provided,
)
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import build_argv
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.hostdevices import ANY_DEVICES
from virtbus_qemu.settings import QemuSettings
from virtbus_qemu.vault import NO_VALUES

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


def fill(
    domain: Domain, capabilities: Capabilities, settings: QemuSettings, *, renew: bool, running: bool = False
) -> None:
    """Fill in what a definition leaves open, as libvirt does, and refuse what contradicts itself.

    :param renew: whether what the guest sees may become what a new domain has (libvirt: ABI update).
    :param running: whether this is the live form of a running domain, of which stays what its start made.
    :raise ConfigUnsupported: QEMU has no such thing.
    :raise XmlDetail: it contradicts itself.
    """
    machinedefaults.fill(domain, capabilities, settings)
    firmwarechoice.choose(domain, capabilities, settings, renew=renew)
    cpudefaults.fill(domain, capabilities)
    machinedefaults.fill_label(domain)
    if renew:
        machinedefaults.fill_iommu(domain)
        memorysizes.renew(domain)
    machinedefaults.fill_features(domain, capabilities, settings, renew=renew)
    controllers.add_defaults(domain, capabilities, renew=renew)
    complete_neutrally(domain, renew=renew)
    machinedefaults.fill_nodes(domain)
    devicedefaults.add_devices(domain, capabilities, settings)
    devicedefaults.fill_devices(domain, capabilities, settings)
    if not running:
        devicedefaults.forget_start(domain, settings)
    check_contradictions(domain)
    controllers.fill_models(domain, capabilities, renew=renew)
    places.before_pci(domain, capabilities)
    pci.assign(domain, capabilities, host=settings.host_pci, spare_ports=settings.spare_root_ports)
    places.after_pci(domain, renew=renew)
    pair_console(domain)
    checks.check(domain, capabilities, settings)


def check(domain: Domain, capabilities: Capabilities, settings: QemuSettings) -> None:
    """Refuse a complete definition from which no command line can be made, or that the worker cannot serve."""
    provided.check(domain)
    uuid = domain.uuid or uuid4()
    folder = DomainFolder(_NOWHERE / str(uuid), uuid)
    # A secret or a device of the host may come later than the domain that needs it.
    trial = replace(settings, vault=NO_VALUES, host_devices=ANY_DEVICES)
    build_argv(live.prepare(domain, folder, trial, choose_ports=False), folder, capabilities, trial)
