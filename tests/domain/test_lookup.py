"""Finding the one device that is meant, and putting devices in and out."""

from __future__ import annotations

import pytest

from virtbus.domain import Disk, find, insert, parse_device, remove, replace, resolve
from virtbus.errors import Ambiguous, Conflict, NoDevice

from .guest import guest


def test_a_device_is_found_by_its_alias() -> None:
    domain = guest()
    for device in domain.devices.every():
        if device.element_tag != "console":
            assert device.alias is not None
            assert find(domain, device.alias) is device


def test_the_serial_port_is_found_and_not_the_console_that_repeats_it() -> None:
    domain = guest()
    assert domain.devices.consoles[0].alias == "serial0"
    assert find(domain, "serial0") is domain.devices.serials[0]


def test_an_unknown_alias_names_those_there_are() -> None:
    with pytest.raises(NoDevice) as refused:
        find(guest(), "virtio-disk9")
    assert "virtio-disk0" in refused.value.evidence["candidates"]
    assert refused.value.domain == "shop"


RESOLVED = {
    "disk by target": ("<disk type='file'><target dev='vdc'/></disk>", "ua-data"),
    "disk by target alone": ("<disk type='block' device='lun'><target dev='vda' bus='scsi'/></disk>", "virtio-disk0"),
    "controller by type and index": ("<controller type='pci' index='2'/>", "pci.2"),
    "interface by mac": ("<interface type='user'><mac address='52:54:00:00:00:0a'/></interface>", "net0"),
    "interface by mac in capitals": ("<interface type='user'><mac address='52:54:00:00:00:0A'/></interface>", "net0"),
    "interface by mac and address": (
        "<interface type='bridge'><mac address='52:54:00:00:00:02'/><address type='pci' bus='5'/></interface>",
        "net2",
    ),
    "interface by mac and alias": (
        "<interface type='bridge'><mac address='52:54:00:00:00:02'/><alias name='net1'/></interface>",
        "net1",
    ),
    "pci hostdev by source": (
        "<hostdev type='pci'><source><address bus='6' slot='2' function='1'/></source></hostdev>",
        "hostdev0",
    ),
    "usb hostdev by source": (
        "<hostdev type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>",
        "hostdev1",
    ),
    "channel by target": (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        "channel0",
    ),
    "input by type and bus": ("<input type='keyboard' bus='usb'/>", "input1"),
    "rng by alias": ("<rng model='virtio'><backend model='random'/><alias name='rng1'/></rng>", "rng1"),
    "watchdog by model": ("<watchdog model='i6300esb'/>", "watchdog0"),
    "memory by size and node": (
        "<memory model='dimm'><target><size unit='KiB'>262144</size><node>0</node></target></memory>",
        "dimm0",
    ),
    "balloon, of which there is one": ("<memballoon model='virtio'/>", "balloon0"),
}


@pytest.mark.parametrize("name", RESOLVED)
def test_a_description_means_the_device_with_libvirts_keys(name: str) -> None:
    description, alias = RESOLVED[name]
    assert resolve(guest(), parse_device(description)).alias == alias


MISSING = [
    "<disk type='file'><target dev='vdb'/></disk>",
    "<controller type='pci' index='7'/>",
    "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>",
    "<interface type='user'><mac address='52:54:00:00:00:0a'/><address type='pci' bus='5'/></interface>",
    "<hostdev type='pci'><source><address bus='6' slot='2'/></source></hostdev>",
    "<hostdev type='usb'><source><vendor id='0x1234'/><product id='0xbee0'/></source></hostdev>",
    "<input type='mouse' bus='usb'/>",
    "<memory model='dimm'><target><size unit='KiB'>262145</size></target></memory>",
    "<tpm><backend type='emulator'/></tpm>",
]


@pytest.mark.parametrize("description", MISSING)
def test_a_description_that_fits_nothing_is_refused(description: str) -> None:
    with pytest.raises(NoDevice) as refused:
        resolve(guest(), parse_device(description))
    assert isinstance(refused.value.evidence["candidates"], list)


@pytest.mark.parametrize(
    "description",
    [
        "<interface type='bridge'><mac address='52:54:00:00:00:02'/></interface>",
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<interface type='bridge'/>",
    ],
)
def test_a_description_that_fits_several_is_refused(description: str) -> None:
    with pytest.raises(Ambiguous) as refused:
        resolve(guest(), parse_device(description))
    assert len(refused.value.evidence["candidates"]) >= 2


def test_disks_and_controllers_go_in_where_libvirt_keeps_them() -> None:
    domain = guest()
    for name, bus in (("vdb", "virtio"), ("vdaa", "virtio"), ("sdb", "sata"), ("hda", "ide")):
        insert(domain, parse_device(f"<disk type='file'><target dev='{name}' bus='{bus}'/></disk>"))
    assert [disk.target.dev for disk in domain.devices.disks] == ["vda", "vdb", "vdc", "vdaa", "sda", "sdb", "hda"]
    insert(domain, parse_device("<controller type='pci' index='1' model='pcie-root-port'/>"))
    assert [c.index for c in domain.devices.controllers if c.type == "pci"] == [0, 1, 2]


def test_other_devices_go_in_at_the_end() -> None:
    domain = guest()
    device = parse_device("<input type='mouse' bus='ps2'/>")
    insert(domain, device)
    assert domain.devices.inputs[-1] is device


def test_a_second_balloon_does_not_go_in() -> None:
    with pytest.raises(Conflict, match="only one"):
        insert(guest(), parse_device("<memballoon model='virtio'/>"))


def test_what_was_removed_is_gone_and_the_rest_stays() -> None:
    domain = guest()
    before = list(domain.devices.every())
    for alias in ("rng1", "balloon0"):
        remove(domain, find(domain, alias))
    left = list(domain.devices.every())
    gone = [device.alias for device in before if all(device is not other for other in left)]
    assert gone == ["balloon0", "rng1"]
    with pytest.raises(NoDevice):
        find(domain, "rng1")


def test_an_equal_device_that_is_not_the_domains_is_not_removed() -> None:
    domain = guest()
    with pytest.raises(NoDevice):
        remove(domain, find(domain, "rng1").copy())


def test_a_device_takes_the_place_of_another_of_its_kind_only() -> None:
    domain = guest()
    old = find(domain, "ua-data")
    new = old.copy()
    assert isinstance(new, Disk)
    replace(domain, old, new)
    assert domain.devices.disks[1] is new
    with pytest.raises(Conflict):
        replace(domain, new, parse_device("<watchdog model='ib700'/>"))
    balloon = parse_device("<memballoon model='none'/>")
    replace(domain, find(domain, "balloon0"), balloon)
    assert domain.devices.memballoon is balloon
