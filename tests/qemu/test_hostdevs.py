"""Devices of the host that are passed to the guest, and where they are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.qemu.alone import capabilities, context, device_of, words
from virtbus.domain.devices import parse_device
from virtbus.domain.hostdev import ScsiHostAddress, UsbHostdev, UsbHostSource
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.checks.hostdevs import check_hostdev
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.definition import complete
from virtbus_qemu.hostdevices import ANY_DEVICES, KernelDevices, note_missing
from virtbus_qemu.settings import Descriptors, QemuSettings

PLACE = "<address type='pci' bus='0x01' slot='0x02'/>"
SETTINGS = QemuSettings(host_devices=ANY_DEVICES)
MDEV = "<source><address uuid='53764d0e-85a0-42b4-af5c-2046b460b1dc'/></source>"


def passed(kind: str, inside: str, attributes: str = "", place: str = PLACE) -> list[str]:
    xml = f"<hostdev mode='subsystem' type='{kind}' {attributes}>{inside}{place}</hostdev>"
    return words(xml, context(settings=SETTINGS), alias="hostdev0")


@pytest.mark.parametrize(
    ("kind", "attributes", "inside", "expected"),
    [
        (
            "pci",
            "managed='no'",
            "<source><address domain='0' bus='6' slot='0x12' function='5'/></source>",
            {"driver": "vfio-pci", "host": "0000:06:12.5"},
        ),
        (
            "pci",
            "display='on' ramfb='on'",
            "<source><address bus='6'/></source><rom bar='off' file='/r'/>",
            {"driver": "vfio-pci-nohotplug", "display": "on", "ramfb": True, "rombar": 0, "romfile": "/r"},
        ),
        ("pci", "", "<source><address bus='6'/></source><rom enabled='no'/>", {"romfile": ""}),
        (
            "pci",
            "",
            "<source><address bus='6'/></source><teaming type='transient' persistent='ua-net'/>",
            {"failover_pair_id": "ua-net"},
        ),
        (
            "mdev",
            "model='vfio-pci' display='off'",
            MDEV,
            {
                "driver": "vfio-pci",
                "display": "off",
                "sysfsdev": "/sys/bus/mdev/devices/53764d0e-85a0-42b4-af5c-2046b460b1dc",
            },
        ),
        ("mdev", "model='vfio-pci' display='on' ramfb='on'", MDEV, {"driver": "vfio-pci-nohotplug", "ramfb": True}),
        (
            "scsi_host",
            "model='virtio-transitional'",
            "<source protocol='vhost' wwpn='naa.5123'/>",
            {"driver": "vhost-scsi-pci-transitional", "wwpn": "naa.5123"},
        ),
    ],
)
def test_cards_of_the_host(kind: str, attributes: str, inside: str, expected: dict[str, Any]) -> None:
    found = device_of(passed(kind, inside, attributes))
    assert {name: found.get(name) for name in expected} == expected
    assert (found["id"], found["bus"], found["addr"]) == ("hostdev0", "pci.1", "0x2")


def test_a_card_that_is_only_set_aside_is_not_the_guests() -> None:
    assert passed("pci", "<source><address bus='6'/></source>", "", "<address type='unassigned'/>") == []


def test_the_kernels_scsi_adapter_is_opened_by_qemu_or_handed_over() -> None:
    inside = "<source protocol='vhost' wwpn='naa.5123'/>"
    assert "vhostfd" not in device_of(passed("scsi_host", inside))
    settings = QemuSettings(descriptors=Descriptors(vhost_scsi=9))
    xml = f"<hostdev mode='subsystem' type='scsi_host'>{inside}{PLACE}</hostdev>"
    assert device_of(words(xml, context(settings=settings)))["vhostfd"] == "9"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", {}),
        ("guestReset='off'", {"guest-reset": False}),
        ("guestReset='on'", {"guest-reset": True, "guest-resets-all": True}),
        ("guestReset='uninitialized'", {"guest-reset": True, "guest-resets-all": False}),
    ],
)
def test_usb_devices_of_the_host(attributes: str, expected: dict[str, Any]) -> None:
    inside = f"<source {attributes}><address bus='14' device='6'/></source>"
    assert device_of(passed("usb", inside, place="")) == {
        "driver": "usb-host",
        "hostdevice": "/dev/bus/usb/014/006",
        "id": "hostdev0",
        **expected,
    }


def test_a_usb_device_that_may_be_missing_is_a_place_holder() -> None:
    device = parse_device(
        "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x1'/>"
        "<product id='0x2'/></source></hostdev>"
    )
    assert isinstance(device, UsbHostdev)
    device.source.missing = True
    assert "hostdevice" not in device_of(words(device.format(), context(settings=SETTINGS)))


def test_scsi_units_get_block_nodes_behind_the_disks() -> None:
    units = "".join(
        f"<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>"
        f"<address bus='0' target='0' unit='{unit}'/></source>{end}<alias name='ua-{unit}'/></hostdev>"
        for unit, end in ((1, ""), (2, "<readonly/>"))
    )
    disk = "<disk><source index='4' file='/a'/><target dev='vda'/></disk>"
    where = context(settings=SETTINGS, devices=disk + units)
    node = json.loads(words(where.domain.devices.hostdevs[1].format(), where, alias="ua-2")[1])
    assert node == {
        "driver": "host_device",
        "filename": "/dev/sg0",
        "node-name": "libvirt-6-backend",
        "read-only": True,
    }


def test_scsi_units_that_iscsi_reaches() -> None:
    argv = passed(
        "scsi",
        "<source protocol='iscsi' name='iqn.a:b/3'><host name='h' port='3260'/><initiator><iqn name='iqn.i'/>"
        "</initiator></source>",
        place="",
    )
    assert json.loads(argv[1]) == {
        "driver": "iscsi",
        "portal": "h:3260",
        "target": "iqn.a:b",
        "lun": 3,
        "transport": "tcp",
        "initiator-name": "iqn.i",
        "node-name": "libvirt-1-backend",
        "read-only": False,
    }
    assert device_of(argv)["drive"] == "libvirt-1-backend"


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (
            f"<hostdev mode='subsystem' type='mdev' model='vfio-ap'>{MDEV}<boot order='1'/></hostdev>",
            "booting from assigned devices is not supported by mediated devices of model vfio-ap",
        ),
        (
            "<hostdev mode='subsystem' type='pci'><source writeFiltering='no'><address bus='6'/></source></hostdev>",
            "Write filtering of PCI device configuration space is not supported by qemu",
        ),
        (
            "<hostdev mode='subsystem' type='pci' display='on'><source><address bus='6'/></source></hostdev>",
            "graphics device is needed for attribute value 'display=on' in <hostdev>",
        ),
    ],
)
def test_what_qemu_cannot_pass_on(xml: str, expected: str) -> None:
    domain = context(devices=xml).domain
    problems = check_hostdev(Scene(domain, capabilities(), QemuSettings()), "/x", domain.devices.hostdevs[0])
    assert next(iter(problems)).wording == f"unsupported configuration: {expected}"


def test_s390x_boots_from_mediated_channels() -> None:
    xml = f"<hostdev mode='subsystem' type='mdev' model='vfio-ccw'>{MDEV}<boot order='1'/></hostdev>"
    domain = context(devices=xml).domain
    assert not list(check_hostdev(Scene(domain, capabilities(), QemuSettings()), "/x", domain.devices.hostdevs[0]))


def plugged(bus: Path, name: str, **values: str) -> None:
    device = bus / "usb" / "devices" / name
    device.mkdir(parents=True)
    for file, value in values.items():
        (device / file).write_text(f"{value}\n")


def usb(source: str) -> UsbHostSource:
    device = parse_device(f"<hostdev mode='subsystem' type='usb'><source>{source}</source></hostdev>")
    assert isinstance(device, UsbHostdev)
    return device.source


IDS = "<vendor id='0x046d'/><product id='0x0825'/>"


def test_usb_devices_are_found_by_their_numbers_or_their_port(tmp_path: Path) -> None:
    plugged(tmp_path, "1-2", busnum="1", devnum="7", idVendor="046d", idProduct="0825", devpath="2")
    plugged(tmp_path, "1-3", busnum="1", devnum="8", idVendor="1234", idProduct="0001", devpath="3")
    host = KernelDevices(tmp_path)
    assert host.usb(usb(IDS)) == (1, 7)
    assert host.usb(usb("<address bus='1' port='3'/>")) == (1, 8)
    assert host.usb(usb("<address bus='5' device='9'/>")) == (5, 9)


def test_a_usb_device_that_is_not_there_or_there_twice_is_refused(tmp_path: Path) -> None:
    host = KernelDevices(tmp_path)
    with pytest.raises(ConfigUnsupported, match="Did not find USB device 46d:825"):
        host.usb(usb(IDS))
    for port in ("2", "3"):
        plugged(tmp_path, f"1-{port}", busnum="1", devnum=port, idVendor="046d", idProduct="0825", devpath=port)
    with pytest.raises(ConfigUnsupported, match="Multiple USB devices for 46d:825"):
        host.usb(usb(IDS))


def test_a_guest_starts_without_a_usb_device_that_need_not_be_there(tmp_path: Path) -> None:
    domain = context(
        devices="".join(
            f"<hostdev mode='subsystem' type='usb'><source{policy}>{IDS}</source></hostdev>"
            for policy in ("", " startupPolicy='optional'")
        )
    ).domain
    sources = [each.source for each in domain.devices.hostdevs if isinstance(each, UsbHostdev)]
    note_missing(domain, KernelDevices(tmp_path))
    assert [each.missing for each in sources] == [None, True]
    sources[1].missing = None
    plugged(tmp_path, "1-2", busnum="1", devnum="7", idVendor="046d", idProduct="0825", devpath="2")
    note_missing(domain, KernelDevices(tmp_path))
    assert [each.missing for each in sources] == [None, None]


def test_a_scsi_unit_is_found_by_its_place(tmp_path: Path) -> None:
    unit = ScsiHostAddress(bus=0, target=1, unit=2)
    host = KernelDevices(tmp_path)
    with pytest.raises(ConfigUnsupported, match="the host has no SCSI unit 3:0:1:2"):
        host.scsi_generic("scsi_host3", unit)
    (tmp_path / "scsi" / "devices" / "3:0:1:2" / "scsi_generic" / "sg4").mkdir(parents=True)
    assert host.scsi_generic("scsi_host3", unit) == "/dev/sg4"


def test_a_domain_may_be_defined_before_its_device_is_plugged_in() -> None:
    device = f"<hostdev mode='subsystem' type='usb'><source>{IDS}</source></hostdev>"
    domain = context(devices=device, machine="q35").domain
    missing = QemuSettings(host_devices=KernelDevices(Path("/nowhere")))
    assert complete(domain, capabilities(), missing).devices.hostdevs
