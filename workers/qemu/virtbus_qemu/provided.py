"""What a command line can ask of the host that the worker does not provide: refused when a domain is defined.

    provided.check(domain)

The builder writes the words for it nonetheless, as the settings may say that somebody else provides it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtbus.domain.checks import places
from virtbus.domain.device import Device
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Graphics, GraphicsType, ListenType
from virtbus.domain.hostdev import PciHostdev
from virtbus.domain.interface import Interface, InterfaceType, connection
from virtbus.domain.security import SevLaunch
from virtbus.domain.storage import StorageType
from virtbus.domain.tuning import NumaMode, Placement
from virtbus.domain.video import Video
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import passt


@dataclass(frozen=True)
class Missing:
    """A kind of device that needs something of the host."""

    kind: type[Device]
    applies: Callable[[Any], bool]
    reason: str
    hint: str
    plugged: bool = False
    """Whether it is only missing where the device is plugged into a guest that runs."""


MISSING: tuple[Missing, ...] = (
    Missing(
        Interface,
        passt.is_wanted,
        "the worker starts no passt for a guest that runs",
        "leave out <backend>: QEMU's own user network serves too; or attach the card to the definition",
        plugged=True,
    ),
    Missing(
        Interface,
        lambda interface: passt.is_wanted(interface) and connection(interface) is InterfaceType.VHOST_USER,
        "the worker starts no passt that speaks vhost-user",
        "use type='user'",
    ),
    Missing(
        Interface,
        lambda interface: connection(interface) is InterfaceType.DIRECT,
        "the worker makes no macvtap devices",
        "put the host's device on a bridge, and use type='bridge'",
    ),
    Missing(
        Interface,
        lambda interface: connection(interface) is InterfaceType.HOSTDEV,
        "the worker does not take cards from the host's drivers",
        "bind the card to vfio-pci, and use <hostdev managed='no'>",
    ),
    Missing(
        PciHostdev,
        lambda device: bool(device.managed),
        "the worker does not take devices from the host's drivers",
        "bind the device to vfio-pci, and use managed='no'",
    ),
    Missing(
        Graphics,
        lambda device: device.type is GraphicsType.RDP,
        "the worker starts no RDP server",
        "use vnc",
    ),
    Missing(
        Graphics,
        lambda device: device.type is GraphicsType.DBUS and not device.p2p and device.bus_address is None,
        "the worker starts no D-Bus daemon",
        "name a bus by address=, or use p2p='yes'",
    ),
    Missing(
        Graphics,
        lambda device: any(listen.type is ListenType.NETWORK for listen in device.listens),
        "the worker has no virtual networks whose address a display could have",
        "name the address: <listen type='address' address='...'/>",
    ),
    Missing(
        Video,
        lambda device: device.driver is not None and device.driver.name == "vhostuser",
        "the worker starts no process that draws a card",
        "leave out <driver name='vhostuser'/>",
    ),
    Missing(
        Disk,
        lambda disk: bool(disk.source and disk.source.reservations and disk.source.reservations.managed),
        "the worker starts no qemu-pr-helper",
        "start it yourself, and name its socket: <reservations managed='no'>",
    ),
    Missing(
        Disk, lambda disk: disk.transient is not None, "the worker keeps what guests write", "leave out <transient>"
    ),
    Missing(
        Disk,
        lambda disk: disk.type is StorageType.NVME and bool(disk.source and disk.source.managed),
        "the worker does not take NVMe devices from the host's drivers",
        "bind the device to vfio-pci, and use managed='no'",
    ),
)
"""What is refused, and what its user can do."""


@dataclass(frozen=True)
class Lacking:
    """Something of the domain itself that needs something of the host."""

    path: str
    applies: Callable[[Domain], bool]
    reason: str
    hint: str


def _memory_placement(domain: Domain) -> Placement | None:
    memory = domain.numatune.memory if domain.numatune is not None else None
    return memory.placement if memory is not None else None


def _is_restrictive(domain: Domain) -> bool:
    tune = domain.numatune
    said = [tune.memory, *tune.nodes] if tune is not None else []
    return any(each is not None and each.mode is NumaMode.RESTRICTIVE for each in said)


def _needs_files(domain: Domain) -> bool:
    launch = domain.launch_security
    return isinstance(launch, SevLaunch) and bool(launch.dh_cert or launch.session)


LACKING: tuple[Lacking, ...] = (
    Lacking(
        "/domain/vcpu/@placement",
        lambda domain: domain.vcpu is not None and domain.vcpu.placement is Placement.AUTO,
        "the worker asks nobody where a domain runs best",
        "leave placement='auto' out",
    ),
    Lacking(
        "/domain/numatune/memory/@placement",
        lambda domain: _memory_placement(domain) is Placement.AUTO,
        "the worker asks nobody where a domain's memory lies best",
        "name the nodes: <memory nodeset='...'/>",
    ),
    Lacking(
        "/domain/numatune",
        _is_restrictive,
        "the worker makes no cgroups",
        "use mode='strict'",
    ),
    Lacking(
        "/domain/vcpus",
        lambda domain: (
            domain.vcpus is not None and any(each.enabled and each.hotpluggable for each in domain.vcpus.vcpus)
        ),
        "the worker plugs in no processors at start",
        "leave <vcpus> out, and say how many there are by <vcpu current='...'>",
    ),
    Lacking(
        "/domain/launchSecurity",
        _needs_files,
        "the worker does not hand certificates of a SEV guest's owner to QEMU",
        "leave <dhCert> and <session> out",
    ),
)
"""What of the domain itself is refused."""


def check(domain: Domain) -> None:
    """Refuse a domain that needs what the worker does not provide.

    :raise ConfigUnsupported: it does; `evidence["path"]` says where.
    """
    for row in LACKING:
        if row.applies(domain):
            raise ConfigUnsupported(row.reason, domain=domain.name, hint=row.hint, evidence={"path": row.path})
    for path, device in places(domain):
        check_device(device, path, domain, plugged=False)


def check_device(device: Device, path: str, domain: Domain, *, plugged: bool = True) -> None:
    """As `check`, of one device.

    :param plugged: whether it is to be plugged into a guest that runs.

    :raise ConfigUnsupported: it needs what the worker does not provide.
    """
    for row in MISSING:
        if isinstance(device, row.kind) and (plugged or not row.plugged) and row.applies(device):
            raise ConfigUnsupported(row.reason, domain=domain.name, hint=row.hint, evidence={"path": path})
