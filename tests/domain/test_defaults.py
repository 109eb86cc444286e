"""What libvirt fills in for every hypervisor."""

from __future__ import annotations

import re

import pytest

from virtbus.domain import Domain, complete, complete_device, pair_console, parse_device

from .guest import guest


def completed(devices: str = "", *, kind: str = "kvm", rest: str = "", os: str = "<type>hvm</type>") -> Domain:
    """A small domain with these devices, complete."""
    domain = Domain.parse(
        f"<domain type='{kind}'><name>a</name><memory>1024</memory><os>{os}</os>{rest}"
        f"<devices>{devices}</devices></domain>"
    )
    complete(domain, renew=True)
    return domain


def test_completing_again_changes_nothing() -> None:
    domain = guest()
    twin = domain.copy()
    complete(twin)
    assert twin == domain


def test_a_domain_without_a_uuid_gets_one_of_its_own() -> None:
    assert completed().uuid != completed().uuid


def test_memory_comes_from_numa_nodes_and_memory_devices_when_defined() -> None:
    cells = "<cpu><numa><cell cpus='0' memory='1' unit='MiB'/><cell cpus='1' memory='1024'/></numa></cpu>"
    dimm = "<memory model='dimm'><target><size>512</size></target></memory>"
    domain = completed(dimm, rest=cells)
    assert domain.memory is not None
    assert domain.memory.kib == 2560
    assert domain.current_memory is not None
    assert domain.current_memory.kib == 2560


def test_stored_memory_is_not_computed_anew() -> None:
    domain = Domain.parse(
        "<domain type='kvm'><name>a</name><memory>4096</memory>"
        "<cpu><numa><cell cpus='0' memory='1024'/></numa></cpu></domain>"
    )
    complete(domain)
    assert domain.memory is not None
    assert domain.memory.kib == 4096


@pytest.mark.parametrize(
    ("name", "bus"),
    [("vda", "virtio"), ("sdb", "scsi"), ("hdc", "ide"), ("fda", "fdc"), ("xvda", "xen"), ("ubda", "uml")],
)
def test_a_disks_name_speaks_of_its_bus(name: str, bus: str) -> None:
    disk = completed(f"<disk><source file='/a'/><target dev='{name}'/></disk>").devices.disks[0]
    assert disk.target.bus == bus


def test_a_cdrom_is_read_only_and_an_empty_source_is_none() -> None:
    disk = completed("<disk device='cdrom'><source/><target dev='hdc'/></disk>").devices.disks[0]
    assert disk.readonly
    assert disk.source is None


def test_disks_and_controllers_are_put_in_order() -> None:
    domain = completed(
        "<disk><source file='/b'/><target dev='vdb'/></disk><disk><source file='/a'/><target dev='vda'/></disk>"
        "<controller type='usb' index='1' model='ich9-ehci1'/><controller type='usb' index='0' model='ich9-uhci1'/>"
        "<controller type='usb' index='0' model='ich9-ehci1'/><controller type='sata'/><controller type='sata'/>"
    )
    assert [disk.target.dev for disk in domain.devices.disks] == ["vda", "vdb"]
    assert [(c.type, c.index, c.model) for c in domain.devices.controllers] == [
        ("usb", 0, "ich9-ehci1"),
        ("usb", 0, "ich9-uhci1"),
        ("usb", 1, "ich9-ehci1"),
        ("sata", 0, None),
        ("sata", 1, None),
    ]
    assert domain.devices.controllers[1].master is not None
    assert domain.devices.controllers[1].master.start_port == 0


@pytest.mark.parametrize(("kind", "prefix"), [("kvm", "52:54:00"), ("xen", "00:16:3e"), ("vmware", "00:0c:29")])
def test_a_card_without_a_mac_gets_one_of_the_hypervisors_vendor(kind: str, prefix: str) -> None:
    domain = completed("<interface type='user'/><interface type='user'/>", kind=kind)
    first, second = (card.mac.address for card in domain.devices.interfaces if card.mac is not None)
    assert re.fullmatch(prefix + "(:[0-9a-f]{2}){3}", first)
    assert first != second


def test_a_serial_port_makes_the_console_and_the_other_way_round() -> None:
    domain = completed("<serial type='file'><source path='/log'/></serial><serial type='pty'/>")
    assert [(c.type, c.source and c.source.path) for c in domain.devices.consoles] == [("file", "/log")]
    assert [s.target.port for s in domain.devices.serials if s.target is not None] == [0, 1]
    domain = completed("<console type='pty'/>")
    assert [s.type for s in domain.devices.serials] == ["pty"]


def test_a_usb_serial_port_makes_no_console() -> None:
    assert completed("<serial type='pty'><target type='usb-serial'/></serial>").devices.consoles == []


def test_the_console_follows_its_serial_port() -> None:
    domain = completed("<serial type='pty'/>")
    domain.devices.serials[0].alias = "serial0"
    pair_console(domain)
    assert domain.devices.consoles[0].alias == "serial0"


def test_a_containers_console_stays_alone() -> None:
    domain = completed("<console type='pty'/>", kind="lxc", os="<type>exe</type>")
    assert domain.devices.serials == []
    assert domain.devices.consoles[0].target is not None
    assert domain.devices.consoles[0].target.type == "lxc"


@pytest.mark.parametrize(
    ("device", "arch", "bus"),
    [
        ("mouse", "x86_64", "ps2"),
        ("keyboard", "x86_64", "ps2"),
        ("tablet", "x86_64", "usb"),
        ("keyboard", "aarch64", "usb"),
        ("passthrough", "x86_64", "virtio"),
        ("evdev", "x86_64", None),
    ],
)
def test_an_input_device_goes_on_the_usual_bus(device: str, arch: str, bus: str | None) -> None:
    domain = completed(f"<input type='{device}'/>", os=f"<type arch='{arch}'>hvm</type>")
    assert domain.devices.inputs[0].bus == bus


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("<graphics type='vnc'/>", "<graphics type='vnc' port='-1' autoport='yes'>\n  <listen type='address'/>"),
        ("<graphics type='vnc' port='5901'/>", "<graphics type='vnc' port='5901' autoport='no'>"),
        (
            "<graphics type='vnc' port='5901' listen='::1'/>",
            "<graphics type='vnc' port='5901' autoport='no' listen='::1'>\n  <listen type='address' address='::1'/>",
        ),
        (
            "<graphics type='vnc' socket='/run/v'/>",
            "<graphics type='vnc' socket='/run/v'>\n  <listen type='socket' socket='/run/v'/>",
        ),
        ("<graphics type='spice'/>", "<graphics type='spice'>\n  <listen type='none'/>"),
    ],
)
def test_older_ways_to_say_where_graphics_listen_become_elements(given: str, written: str) -> None:
    assert completed(given).devices.graphics[0].format().startswith(written)


def test_a_full_guest_boots_from_its_hard_disk_where_nothing_is_said() -> None:
    domain = completed()
    assert domain.os is not None
    assert domain.os.boots == ["hd"]
    domain = completed("<interface type='user'><boot order='1'/></interface>")
    assert domain.os is not None
    assert domain.os.boots == []


def test_a_device_to_be_attached_is_completed_alone() -> None:
    device = parse_device("<interface type='user'/>")
    complete_device(guest(), device)
    assert "52:54:00:" in device.format()


def test_a_tcp_port_without_a_protocol_is_raw() -> None:
    source = "<source mode='bind' host='::1' service='1'/>"
    domain = completed(f"<serial type='tcp'>{source}</serial>")
    assert domain.devices.serials[0].protocol == "raw"
