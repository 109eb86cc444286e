"""Places on buses other than PCI."""

from __future__ import annotations

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.domain.address import Address, CcwAddress, DimmAddress, SpaprVioAddress, UsbAddress, VirtioSerialAddress
from virtbus.domain.devices import parse_device
from virtbus.domain.lookup import insert
from virtbus.errors import VirtbusError, XmlError
from virtbus_qemu import places

UHCI = "<controller type='usb' index='0' model='piix3-uhci'/>"
MOUSE = "<input type='mouse' bus='usb'/>"


def domain_of(devices: str, *, arch: str = "x86_64", machine: str = "pc", rest: str = "") -> Domain:
    return Domain.parse(
        f"<domain type='qemu'><name>a</name>{rest}<os><type arch='{arch}' machine='{machine}'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )


def text(address: Address | None) -> str:
    match address:
        case UsbAddress(bus=bus, port=port):
            return f"{bus}:{port}"
        case VirtioSerialAddress(controller=controller, port=port):
            return f"{controller}:{port}"
        case CcwAddress(cssid=cssid, ssid=ssid, devno=devno):
            return f"{cssid:x}.{ssid:x}.{devno:x}"
        case SpaprVioAddress(reg=reg):
            return f"{reg:#x}"
        case DimmAddress(slot=slot):
            return f"slot {slot}"
    return "none" if address is None else str(address.type)


def assigned(domain: Domain, *, renew: bool = True) -> list[str]:
    places.before_pci(domain, invented.capabilities())
    places.after_pci(domain, renew=renew)
    return [f"{device.element_tag} {text(device.address)}" for device in domain.devices.every()]


def usb(*ports: str) -> str:
    return "".join(f"<input type='mouse' bus='usb'><address type='usb' {port}/></input>" for port in ports)


def test_usb_devices_get_the_first_free_ports() -> None:
    domain = domain_of(UHCI + MOUSE + "<redirdev bus='usb' type='spicevmc'/>")
    assert assigned(domain)[1:] == ["input 0:1", "redirdev 0:2"]


def test_a_stored_domain_keeps_usb_devices_without_ports() -> None:
    assert assigned(domain_of(UHCI + MOUSE), renew=False)[1:] == ["input none"]


def test_hubs_are_added_for_devices_that_find_no_port_and_filled_one_after_the_other() -> None:
    found = assigned(domain_of(UHCI + 10 * MOUSE))
    assert [each for each in found if each.startswith("hub")] == ["hub 0:1", "hub 0:2"]
    assert [each for each in found if each.startswith("input")][:9] == [
        *(f"input 0:1.{port}" for port in range(1, 9)),
        "input 0:2.1",
    ]


def test_companions_have_no_ports_of_their_own() -> None:
    companions = "".join(
        f"<controller type='usb' index='0' model='ich9-uhci{number}'><master startport='{first}'/></controller>"
        for number, first in ((1, 0), (2, 2), (3, 4))
    )
    domain = domain_of(f"<controller type='usb' index='0' model='ich9-ehci1'/>{companions}{6 * MOUSE}")
    assert assigned(domain)[-1] == "input 0:6"
    assert not domain.devices.hubs


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        (("bus='0' port='1'", "bus='0' port='1'"), "Duplicate USB address bus 0 port 1"),
        (("bus='1' port='1'",), "USB bus 1 requested but no controller with that index is present"),
        (("bus='0' port='3'",), "requested USB port 3 not present on USB bus 0"),
        (("bus='0' port='1.2'",), "there is no hub at port 1 in USB address bus: 0 port: 1.2"),
        (("bus='0' port='9.2'",), "port 9 out of range in USB address bus: 0 port: 9.2"),
    ],
)
def test_ports_that_cannot_be_are_refused(ports: tuple[str, ...], words: str) -> None:
    with pytest.raises(XmlError) as caught:
        assigned(domain_of(UHCI + usb(*ports)), renew=False)
    assert caught.value.message == words


def test_without_a_controller_there_is_no_port() -> None:
    with pytest.raises(XmlError, match="No free USB ports"):
        assigned(domain_of(MOUSE))


CHANNEL = "<channel type='pty'><target type='virtio' name='{}'/>{}</channel>"


def channel(name: str, address: str = "") -> str:
    return CHANNEL.format(name, address and f"<address type='virtio-serial' {address}/>")


def test_channels_are_spread_over_the_controllers_they_name() -> None:
    controllers = "".join(f"<controller type='virtio-serial' index='{index}'/>" for index in (0, 1))
    console = "<console type='pty'><target type='virtio'/></console>"
    domain = domain_of(controllers + channel("a") + channel("b", "controller='1'") + channel("c") + console)
    assert assigned(domain)[2:] == ["console none", "channel 0:1", "channel 1:1", "channel 0:2"]


def test_a_full_virtio_serial_controller_gets_a_second_one() -> None:
    domain = domain_of("<controller type='virtio-serial' index='0' ports='2'/>" + channel("a") + channel("b"))
    assigned(domain)
    assert [text(each.address) for each in domain.devices.channels] == ["0:1", "1:1"]
    assert [each.index for each in domain.devices.controllers] == [0, 1]


@pytest.mark.parametrize("port", ["controller='0' port='4'", "controller='0' port='40'", "controller='7' port='1'"])
def test_virtio_serial_ports_that_cannot_be_are_refused(port: str) -> None:
    twice = channel("a", "controller='0' port='4'") + channel("b", port)
    with pytest.raises(XmlError, match="virtio serial"):
        assigned(domain_of("<controller type='virtio-serial' index='0'/>" + twice))


S390 = {"arch": "s390x", "machine": "s390-ccw-virtio"}
DISK = "<disk><source file='/x'/><target dev='vd{}' bus='virtio'/>{}</disk>"


def test_channels_of_s390_are_given_by_kind_around_those_that_are_taken() -> None:
    kinds = (
        "<memballoon model='virtio'/><rng model='virtio'><backend model='random'/></rng>"
        "<controller type='scsi' index='0' model='virtio-scsi'/><video><model type='virtio'/></video>"
        "<vsock model='virtio'><cid auto='no' address='3'/></vsock>"
        "<interface type='user'><model type='virtio'/></interface>"
    )
    taken = DISK.format("a", "<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/>")
    found = assigned(domain_of(taken + DISK.format("b", "") + kinds, **S390))
    assert sorted(found, key=lambda each: each.split()[1]) == [
        *("disk fe.0.0", "disk fe.0.1", "interface fe.0.2", "video fe.0.3", "controller fe.0.4"),
        *("memballoon fe.0.5", "rng fe.0.6", "vsock fe.0.7"),
    ]


def test_a_channel_of_s390_is_used_once() -> None:
    same = "<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/>"
    with pytest.raises(XmlError, match=r"The CCW devno 'fe\.0\.0001' is in use already"):
        assigned(domain_of(DISK.format("a", same) + DISK.format("b", same), **S390))


PSERIES = {"arch": "ppc64", "machine": "pseries"}
VTY = "<serial type='pty'><target type='spapr-vio-serial' port='{}'/>{}</serial>"


def test_registers_of_power_guests_start_by_kind_and_step_over_taken_ones() -> None:
    devices = (
        "<controller type='scsi' index='0' model='ibmvscsi'/><controller type='scsi' index='1' model='ibmvscsi'/>"
        + VTY.format(0, "")
        + VTY.format(1, "<address type='spapr-vio' reg='0x30000000'/>")
        + "<nvram><address type='spapr-vio'/></nvram>"
    )
    assert assigned(domain_of(devices, **PSERIES)) == [
        *("controller 0x2000", "controller 0x3000", "serial 0x30001000", "serial 0x30000000", "nvram 0x4000"),
    ]


def test_a_register_is_used_once() -> None:
    same = "<address type='spapr-vio' reg='0x30000000'/>"
    with pytest.raises(XmlError, match="spapr-vio address 0x30000000 already in use"):
        assigned(domain_of(VTY.format(0, same) + VTY.format(1, same), **PSERIES))


def test_boards_without_pci_map_virtio_into_memory_and_others_only_with_an_example() -> None:
    root = "<controller type='pci' index='0' model='pcie-root'/>"
    example = DISK.format("b", "<address type='virtio-mmio'/>")
    disk = DISK.format("a", "")
    assert assigned(domain_of(disk, arch="armv7l", machine="vexpress-a9")) == ["disk virtio-mmio"]
    assert assigned(domain_of(disk + root, arch="aarch64", machine="virt"))[0] == "disk none"
    assert assigned(domain_of(disk + example + root, arch="aarch64", machine="virt"))[0] == "disk virtio-mmio"


SLOTS = "<maxMemory slots='2' unit='GiB'>4</maxMemory>"
DIMM = "<memory model='dimm'><target><size unit='MiB'>128</size></target>{}</memory>"


def dimm(address: str = "") -> str:
    return DIMM.format(address)


def test_memory_modules_get_the_free_slots() -> None:
    domain = domain_of(dimm() + dimm("<address type='dimm' slot='0' base='0x100000000'/>"), rest=SLOTS)
    assert assigned(domain) == ["memory slot 1", "memory slot 0"]


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (3 * dimm(), "failed to find an empty memory slot"),
        (dimm("<address type='dimm' slot='2'/>"), "memory device slot '2' exceeds slots count '2'"),
        (2 * dimm("<address type='dimm' slot='1'/>"), "slot '1' is already being used by another memory device"),
    ],
)
def test_memory_slots_that_cannot_be_are_refused(modules: str, words: str) -> None:
    with pytest.raises(VirtbusError, match=words):
        assigned(domain_of(modules, rest=SLOTS))


@pytest.mark.parametrize(
    ("xml", "machine", "place"),
    [
        (MOUSE, {}, "0:1"),
        (usb("bus='0' port='2'"), {}, "0:2"),
        (channel("late"), {}, "0:1"),
        (DISK.format("a", ""), S390, "fe.0.0"),
        (VTY.format(1, ""), PSERIES, "0x30000000"),
    ],
)
def test_a_device_that_is_plugged_in_gets_its_place(xml: str, machine: dict[str, str], place: str) -> None:
    domain = domain_of(UHCI + "<controller type='virtio-serial' index='0'/>", **machine)
    device = parse_device(xml)
    insert(domain, device)
    places.place_device(domain, device)
    assert text(device.address) == place


def test_a_running_domain_gets_no_controller_for_a_channel() -> None:
    domain = domain_of("<controller type='virtio-serial' index='0' ports='1'/>")
    device = parse_device(channel("late"))
    insert(domain, device)
    with pytest.raises(XmlError, match="Unable to find a free virtio-serial port"):
        places.place_device(domain, device)
