"""Contradictions are refused by their path, and nothing that is right is.

Paths count devices in libvirt's order, in which `complete` has put them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from virtbus.domain import Domain, check, complete
from virtbus.domain.checks import CHECKS, places, problems_of
from virtbus.errors import ConfigUnsupported, InvalidArgument, VirtbusError, XmlDetail

from .guest import GUEST, guest

DISK = "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/>"
CONTRADICTIONS: dict[str, tuple[str, str, type[VirtbusError], str]] = {
    "empty name": ("<name>shop</name>", "<name> </name>", XmlDetail, "/domain/name"),
    "slash in name": ("<name>shop</name>", "<name>a/b</name>", XmlDetail, "/domain/name"),
    "line break in name": ("<name>shop</name>", "<name>a\nb</name>", XmlDetail, "/domain/name"),
    "long name": ("<name>shop</name>", f"<name>{'x' * 256}</name>", XmlDetail, "/domain/name"),
    "line break in title": ("<vcpu>", "<title>a\nb</title><vcpu>", XmlDetail, "/domain/title"),
    "no memory": ("<memory unit='MiB'>1024</memory>", "", XmlDetail, "/domain/memory"),
    "memory devices above memory": (">1024<", ">128<", XmlDetail, "/domain/memory"),
    "memory above its maximum": (
        "<vcpu>",
        "<maxMemory slots='1' unit='KiB'>1000</maxMemory><vcpu>",
        XmlDetail,
        "/domain/maxMemory",
    ),
    "more dimms than slots": (
        "<vcpu>",
        "<maxMemory slots='0' unit='GiB'>4</maxMemory><vcpu>",
        XmlDetail,
        "/domain/maxMemory/@slots",
    ),
    "no vcpu": ("<vcpu>2", "<vcpu>0", XmlDetail, "/domain/vcpu"),
    "more vcpus now than ever": ("<vcpu>2", "<vcpu current='3'>2", XmlDetail, "/domain/vcpu/@current"),
    "no vcpu now": ("<vcpu>2", "<vcpu current='0'>2", XmlDetail, "/domain/vcpu/@current"),
    "topology of other size": (
        "<os>",
        "<cpu><topology sockets='1' cores='3' threads='1'/></cpu><os>",
        ConfigUnsupported,
        "/domain/cpu/topology",
    ),
    "topology of nothing": (
        "<os>",
        "<cpu><topology sockets='0' cores='3' threads='1'/></cpu><os>",
        XmlDetail,
        "/domain/cpu/topology",
    ),
    "disk name twice": ("dev='vdc'", "dev='vda'", XmlDetail, "/domain/devices/disk[2]/target/@dev"),
    "disk name unknown": ("dev='vdc'", "dev='/dev/vdc'", XmlDetail, "/domain/devices/disk[1]/target/@dev"),
    "wwn twice": (
        "<devices>",
        f"<devices>{DISK.replace('vda', 'vdx')}<wwn>5000c50015ea71ac</wwn></disk>"
        f"{DISK.replace('vda', 'vdy')}<wwn>5000C50015EA71AC</wwn></disk>",
        XmlDetail,
        "/domain/devices/disk[4]/wwn",
    ),
    "floppy on virtio": (
        "<devices>",
        "<devices><disk device='floppy'><target dev='vdz' bus='virtio'/></disk>",
        ConfigUnsupported,
        "/domain/devices/disk[3]/target/@bus",
    ),
    "disk on a floppy controller": (
        "<devices>",
        f"<devices>{DISK.replace('vda', 'fda').replace('virtio', 'fdc')}</disk>",
        ConfigUnsupported,
        "/domain/devices/disk[1]/target/@bus",
    ),
    "cdrom on virtio": (
        "bus='sata'/><alias",
        "bus='virtio'/><alias",
        ConfigUnsupported,
        "/domain/devices/disk[2]/@device",
    ),
    "lun of a file": (
        "<disk type='file'>\n",
        "<disk type='file' device='lun'>\n",
        XmlDetail,
        "/domain/devices/disk[1]/@device",
    ),
    "disk without source": ("<source file='/srv/c.qcow2'/>", "", XmlDetail, "/domain/devices/disk[2]/source"),
    "source of another type": (
        "<source file='/srv/c.qcow2'/>",
        "<source dev='/dev/x'/>",
        XmlDetail,
        "/domain/devices/disk[2]/source/@file",
    ),
    "total and parts limited": (
        "<source file='/srv/c.qcow2'/>",
        "<source file='/srv/c.qcow2'/>"
        "<iotune><total_iops_sec>9</total_iops_sec><read_iops_sec>9</read_iops_sec></iotune>",
        ConfigUnsupported,
        "/domain/devices/disk[2]/iotune/total_iops_sec",
    ),
    "controller twice": (
        "<devices>",
        "<devices><controller type='scsi' index='0'/>",
        XmlDetail,
        "/domain/devices/controller[2]/@index",
    ),
    "controller model unknown": ("'virtio-scsi'", "'turbo'", XmlDetail, "/domain/devices/controller[3]/@model"),
    "user alias twice": ("'rng1'", "'ua-data'", XmlDetail, "/domain/devices/rng[2]/alias/@name"),
    "user alias with a space": ("'ua-data'", "'ua-my data'", XmlDetail, "/domain/devices/disk[2]/alias/@name"),
    "user alias without a name": ("'ua-data'", "'ua-'", XmlDetail, "/domain/devices/disk[2]/alias/@name"),
    "pci address twice": ("bus='0x05'", "bus='0x04'", XmlDetail, "/domain/devices/interface[3]/address"),
    "boot orders of both kinds": (
        "<os><type arch='x86_64' machine='q35'>hvm</type>",
        "<os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/>",
        ConfigUnsupported,
        "/domain/os/boot",
    ),
    "boot order zero": ("order='1'", "order='0'", XmlDetail, "/domain/devices/disk[2]/boot/@order"),
    "boot order twice": ("order='2'", "order='1'", XmlDetail, "/domain/devices/interface[1]/boot/@order"),
    "file port without a path": (
        "<serial type='pty'>",
        "<serial type='file'>",
        XmlDetail,
        "/domain/devices/serial/source/@path",
    ),
    "channel without a target": (
        "<target type='virtio' name='org.qemu.guest_agent.0'/>",
        "",
        XmlDetail,
        "/domain/devices/channel/target",
    ),
    "guestfwd without a port": (
        "<target type='virtio' name='org.qemu.guest_agent.0'/>",
        "<target type='guestfwd' address='10.0.2.1'/>",
        XmlDetail,
        "/domain/devices/channel/target/@port",
    ),
    "guestfwd without an address": (
        "<target type='virtio' name='org.qemu.guest_agent.0'/>",
        "<target type='guestfwd' port='4600'/>",
        XmlDetail,
        "/domain/devices/channel/target/@address",
    ),
    "bridge without a name": (
        "<source bridge='br1'/>",
        "<source network='x'/>",
        XmlDetail,
        "/domain/devices/interface[3]/source/@bridge",
    ),
    "multicast mac": ("52:54:00:00:00:0a", "53:54:00:00:00:0a", XmlDetail, "/domain/devices/interface[1]/mac/@address"),
    "interface model with a space": (
        "<source bridge='br1'/>",
        "<source bridge='br1'/><model type='a b'/>",
        InvalidArgument,
        "/domain/devices/interface[3]/model/@type",
    ),
    "listen addresses that differ": (
        "<devices>",
        "<devices><graphics type='vnc' listen='1.2.3.4'><listen type='address' address='5.6.7.8'/></graphics>",
        XmlDetail,
        "/domain/devices/graphics/@listen",
    ),
    "port out of range": (
        "<devices>",
        "<devices><graphics type='vnc' port='70000' autoport='no'/>",
        XmlDetail,
        "/domain/devices/graphics/@port",
    ),
}
BOOTED = GUEST.replace("<alias name='ua-data'/>", "<boot order='1'/><alias name='ua-data'/>").replace(
    "<alias name='net0'/>", "<boot order='2'/><alias name='net0'/>"
)


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_refused_by_its_path(name: str) -> None:
    was, becomes, kind, path = CONTRADICTIONS[name]
    document = BOOTED if "boot" in name else GUEST
    assert was in document
    domain = Domain.parse(document.replace(was, becomes, 1))
    complete(domain)
    with pytest.raises(kind) as refused:
        check(domain)
    assert type(refused.value) is kind
    assert refused.value.evidence["path"] == path
    assert [problem.evidence["path"] for problem in problems_of(domain)] == [path]


@pytest.mark.parametrize("document", [GUEST, BOOTED], ids=["plain", "with boot orders"])
def test_a_guest_without_contradictions_passes(document: str) -> None:
    domain = Domain.parse(document)
    complete(domain)
    check(domain)
    assert problems_of(domain) == []


ALLOWED: dict[str, Callable[[Domain], None]] = {
    "the same mac twice": lambda domain: None,
    "no id": lambda domain: setattr(domain, "id", None),
    "addresses still to be assigned": lambda domain: (
        [setattr(device, "address", None) for device in domain.devices.every()] and None
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_libvirt_allows_is_allowed(name: str) -> None:
    domain = guest()
    ALLOWED[name](domain)
    check(domain)


def test_every_check_has_a_contradiction_that_shows_it() -> None:
    silent = set(CHECKS)
    for name, (was, becomes, _, _) in CONTRADICTIONS.items():
        domain = Domain.parse((BOOTED if "boot" in name else GUEST).replace(was, becomes, 1))
        complete(domain)
        silent -= {each for each in CHECKS if list(each(domain))}
    assert not silent


def test_paths_number_devices_of_a_kind_only_where_there_are_several() -> None:
    paths = [path for path, _ in places(guest())]
    assert "/domain/devices/disk[3]" in paths
    assert "/domain/devices/watchdog" in paths
