"""Where PCI devices sit: the fixed places of chipsets, ports and bridges as they are needed, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.qemu import invented
from virtbus.domain import Domain, parse_device
from virtbus.domain.address import PciAddress
from virtbus.domain.device import Device
from virtbus.domain.devicedefaults import complete_device
from virtbus.errors import VirtbusError
from virtbus_qemu import controllers, pci
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.hostpci import HostPci

HOST = HostPci(
    groups={"0000:01:00.0": 3, "0000:01:00.1": 3, "0000:02:00.0": 4}, conventional=frozenset({"0000:03:00.0"})
)

DISK = "<disk><source file='/a'/><target dev='vda' bus='virtio'/></disk>"
CARD = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='{}'/></interface>"
BALLOON = "<memballoon model='virtio'/>"
VIDEO = "<video><model type='vga'/></video>"
HOSTDEV = "<hostdev mode='subsystem' type='pci'><source><address bus='{}' slot='0' function='{}'/></source></hostdev>"


def without(*flags: str) -> Capabilities:
    """QEMU without some of what it has."""
    whole = invented.capabilities()
    whole.digest.head.flags = [flag for flag in whole.digest.head.flags if flag.name not in flags]
    return replace(whole, fingerprint="less")


def assigned(
    machine: str, devices: str, *, arch: str = "x86_64", capabilities: Capabilities | None = None, spare: int = 1
) -> Domain:
    domain = Domain.parse(
        f"<domain type='qemu'><name>d</name><memory>65536</memory>"
        f"<os><type arch='{arch}' machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"
    )
    found = capabilities or invented.capabilities()
    controllers.add_defaults(domain, found, renew=True)
    for device in domain.devices.controllers:
        complete_device(domain, device)
    controllers.fill_models(domain, found, renew=True)
    pci.assign(domain, found, host=HOST, spare_ports=spare)
    return domain


def place(device: Device) -> str:
    at = device.address
    assert isinstance(at, PciAddress)
    return f"{at.bus:x}:{at.slot:x}.{at.function}" + ("+" if at.multifunction else "")


def layout(domain: Domain) -> dict[str, str]:
    """The place of every controller that has one."""
    found = (each for each in domain.devices.controllers if each.address is not None)
    return {f"{each.model or each.type} {each.index}": place(each) for each in found}


def test_on_a_pc_everything_sits_on_the_root_bus_behind_the_chipset() -> None:
    domain = assigned("pc", VIDEO + DISK + CARD.format("virtio") + BALLOON)
    assert [each.model for each in domain.devices.controllers] == ["piix3-uhci", "pci-root"]
    assert place(domain.devices.controllers[0]) == "0:1.2"
    assert place(domain.devices.videos[0]) == "0:2.0"
    assert place(domain.devices.interfaces[0]) == "0:3.0"
    assert place(domain.devices.disks[0]) == "0:4.0"


def test_on_q35_each_express_card_has_a_port_and_one_port_is_spare() -> None:
    domain = assigned("q35", DISK + CARD.format("e1000e") + BALLOON)
    ports = [each for each in domain.devices.controllers if each.model == "pcie-root-port"]
    assert [place(each) for each in ports] == ["0:1.0+", "0:1.1", "0:1.2", "0:1.3", "0:1.4"]
    assert [(each.target.chassis, each.target.port) for each in ports if each.target] == [
        (number, 7 + number) for number in range(1, 6)
    ]
    assert place(domain.devices.interfaces[0]) == "1:0.0"
    buses = {place(each).partition(":")[0] for each in domain.devices.every() if each.address}
    assert buses == {"0", "1", "2", "3", "4"}


def test_conventional_cards_of_q35_share_a_bridge_behind_a_port() -> None:
    domain = assigned("q35", "<controller type='usb' model='none'/>" + CARD.format("rtl8139"))
    assert layout(domain) == {
        "sata 0": "0:1f.2",
        "pcie-root-port 1": "0:1.0+",
        "pcie-to-pci-bridge 2": "1:0.0",
        "pcie-root-port 3": "0:1.1",
    }
    assert place(domain.devices.interfaces[0]) == "2:1.0"


def test_older_qemu_has_its_bridges_on_the_root_complex() -> None:
    domain = assigned(
        "q35",
        "<controller type='usb' model='none'/>" + CARD.format("rtl8139"),
        capabilities=without("pcie-pci-bridge"),
    )
    assert [each.model for each in domain.devices.controllers if each.type == "pci"][1:3] == [
        "dmi-to-pci-bridge",
        "pci-bridge",
    ]
    assert place(domain.devices.interfaces[0]) == "2:1.0"


def test_nothing_is_spare_where_the_user_manages_the_ports() -> None:
    port = "<controller type='pci' model='pcie-root-port'/>"
    domain = assigned("q35", "<controller type='usb' model='none'/>" + port * 2 + DISK)
    assert sorted(each.index or 0 for each in domain.devices.controllers if each.type == "pci") == [0, 1, 2]


def test_parts_of_a_usb2_controller_share_a_slot() -> None:
    parts = "".join(
        f"<controller type='usb' index='0' model='ich9-{kind}'>{master}</controller>"
        for kind, master in (
            ("ehci1", ""),
            ("uhci1", "<master startport='0'/>"),
            ("uhci2", "<master startport='2'/>"),
            ("uhci3", "<master startport='4'/>"),
        )
    )
    usb = [each for each in assigned("q35", parts).devices.controllers if each.type == "usb"]
    assert [place(each) for each in usb] == ["0:1d.7", "0:1d.0+", "0:1d.1", "0:1d.2"]
    usb = [each for each in assigned("pc", parts).devices.controllers if each.type == "usb"]
    assert [place(each) for each in usb] == ["0:2.7", "0:2.0+", "0:2.1", "0:2.2"]


@pytest.mark.parametrize(
    ("device", "where"),
    [
        ("<sound model='ich9'/>", "0:1b.0"),
        ("<sound model='ich6'/>", "2:1.0"),
        ("<video><model type='virtio'/></video>", "0:1.0"),
        ("<iommu model='virtio'/>", "0:1.0"),
        ("<panic model='pvpanic'/>", "0:1.0"),
        ("<watchdog model='i6300esb'/>", "2:1.0"),
        ("<rng model='virtio'><backend model='builtin'/></rng>", "1:0.0"),
        ("<rng model='virtio-transitional'><backend model='builtin'/></rng>", "2:1.0"),
        ("<shmem name='a'><model type='ivshmem-plain'/></shmem>", "2:1.0"),
        ("<filesystem type='mount'><source dir='/a'/><target dir='b'/></filesystem>", "1:0.0"),
        ("<input type='tablet' bus='virtio'/>", "1:0.0"),
        (HOSTDEV.format(1, 0), "1:0.0"),
        (HOSTDEV.format(3, 0), "2:1.0"),
        ("<sound model='usb'/>", None),
        ("<video><model type='ramfb'/></video>", None),
        ("<watchdog model='ib700'/>", None),
        (HOSTDEV.format(1, 0).replace("</hostdev>", "<address type='unassigned'/></hostdev>"), None),
    ],
)
def test_each_kind_has_the_bus_that_it_needs(device: str, where: str | None) -> None:
    domain = assigned("q35", f"<controller type='usb' model='none'/>{device}")
    kind = type(parse_device(device))
    found = next(each for each in domain.devices.every() if isinstance(each, kind) and each.element_tag != "controller")
    if where is None:
        assert not isinstance(found.address, PciAddress)
    else:
        assert place(found).rstrip("+") == where


def test_power_gives_the_hosts_groups_buses_of_their_own() -> None:
    devices = HOSTDEV.format(1, 0) + HOSTDEV.format(2, 0) + HOSTDEV.format(1, 1)
    domain = assigned("pseries", devices, arch="ppc64")
    assert [place(each) for each in domain.devices.hostdevs] == ["1:1.0", "2:1.0", "1:2.0"]
    roots = [each for each in domain.devices.controllers if each.type == "pci"]
    assert [each.target.index for each in roots if each.target] == [0, 1, 2]
    assert {each.model_name.name for each in roots if each.model_name} == {"spapr-pci-host-bridge"}


def test_devices_of_s390x_have_identifiers() -> None:
    address = "<address type='pci'><zpci uid='0x1' fid='0x0'/></address></hostdev>"
    given = HOSTDEV.format(2, 0).replace("</hostdev>", address)
    domain = assigned("s390-ccw-virtio", HOSTDEV.format(1, 0) + given, arch="s390x")
    found = [each.address.zpci for each in domain.devices.hostdevs if isinstance(each.address, PciAddress)]
    assert [(each.uid, each.fid) for each in found if each] == [(2, 1), (1, 0)]


def test_expanders_count_down_from_the_last_bus_number() -> None:
    expander = "<controller type='pci' model='pci-expander-bus'/>"
    domain = assigned("pc", f"<controller type='usb' model='none'/>{expander * 2}")
    made = [each for each in domain.devices.controllers if each.model == "pci-expander-bus"]
    assert [each.target.bus_number for each in made if each.target] == [254, 252]


def test_a_bus_that_an_address_names_is_made_with_those_before_it() -> None:
    balloon = "<memballoon model='virtio'><address type='pci' bus='3' slot='6'/></memballoon>"
    domain = assigned("pc", balloon)
    bridges = [each for each in domain.devices.controllers if each.model == "pci-bridge"]
    assert [place(each) for each in bridges] == ["0:2.0", "0:3.0", "0:4.0"]
    assert [each.target.chassis_number for each in bridges if each.target] == [1, 2, 3]


def test_assigning_again_changes_nothing() -> None:
    domain = assigned("q35", VIDEO + DISK + CARD.format("rtl8139") + BALLOON)
    again = domain.copy()
    pci.assign(again, invented.capabilities(), host=HOST)
    assert again.format() == domain.format()


RNG = "<rng model='virtio'><backend model='builtin'/><address type='pci' {}/></rng>"


@pytest.mark.parametrize(
    ("machine", "devices", "words"),
    [
        ("pc", RNG.format("slot='1' function='1'"), "XML error: Attempted double use of PCI Address 0000:00:01.1"),
        ("pc", RNG.format("slot='9'") * 2, "XML error: Attempted double use of PCI Address 0000:00:09.0"),
        ("pc", RNG.format("domain='1' slot='9'"), "XML error: Only PCI domain 0 is available"),
        ("isapc", RNG.format("slot='9'"), "XML error: No PCI buses available"),
        (
            "q35",
            "<controller type='pci' index='1' model='pcie-root-port'/>" + RNG.format("bus='1' slot='1'"),
            "XML error: Invalid PCI address 0000:01:01.0. slot must be <= 0",
        ),
        (
            "pc",
            RNG.format("slot='9'").replace("slot='9'/>", "slot='9'><zpci uid='0x1'/></address>"),
            "unsupported configuration: This QEMU doesn't support zpci devices",
        ),
        (
            "pc",
            "<controller type='ide' index='0'><address type='pci' slot='5'/></controller>",
            "internal error: Primary IDE controller must have PCI address 0:0:1.1",
        ),
        (
            "q35",
            "<controller type='pci' index='0' model='pci-root'/>",
            "XML error: The PCI controller with index='0' must be model='pcie-root' for this machine type,"
            " but model='pci-root' was found instead",
        ),
        (
            "q35",
            "<controller type='pci' index='1' model='pcie-root-port'/>"
            "<controller type='pci' index='2' model='dmi-to-pci-bridge'><address type='pci' bus='1' slot='0'/>"
            "</controller>",
            "XML error: The device at PCI address 0000:01:00.0 cannot be plugged into the PCI controller with"
            " index='1'. It requires a controller that accepts a dmi-to-pci-bridge.",
        ),
        (
            "q35",
            "<controller type='pci' index='1' model='pcie-switch-upstream-port'><address type='pci' bus='2' slot='0'/>"
            "</controller><controller type='pci' index='2' model='pcie-root-port'/>",
            "XML error: PCI controller at index 1 (0x01) has bus='0x02', but index must be larger than bus",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_libvirts_words(machine: str, devices: str, words: str) -> None:
    with pytest.raises(VirtbusError) as caught:
        assigned(machine, devices, capabilities=without("zpci"))
    assert caught.value.wording == words


@pytest.mark.parametrize(
    ("machine", "arch", "flags", "models"),
    [
        ("pc", "x86_64", (), ["piix3-uhci"]),
        ("q35", "x86_64", (), ["qemu-xhci"]),
        ("q35", "x86_64", ("qemu-xhci",), ["nec-xhci"]),
        ("q35", "x86_64", ("qemu-xhci", "nec-usb-xhci"), ["ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3"]),
        ("q35", "x86_64", ("qemu-xhci", "nec-usb-xhci", "ich9-usb-ehci1"), []),
        ("isapc", "x86_64", (), []),
        ("virt", "aarch64", (), []),
        ("pseries", "ppc64", (), ["qemu-xhci"]),
        ("versatilepb", "armv7l", (), ["pci-ohci"]),
        ("s390-ccw-virtio", "s390x", (), []),
    ],
)
def test_machines_have_their_own_usb_controllers(
    machine: str, arch: str, flags: tuple[str, ...], models: list[str]
) -> None:
    domain = assigned(machine, "", arch=arch, capabilities=without(*flags))
    assert [each.model for each in domain.devices.controllers if each.type == "usb"] == models


def test_flags_decide_the_device_behind_a_port() -> None:
    domain = assigned("q35", DISK, capabilities=without("pcie-root-port"))
    ports = [each for each in domain.devices.controllers if each.model == "pcie-root-port"]
    assert {each.model_name.name for each in ports if each.model_name} == {"ioh3420"}


def test_a_port_without_hotplug_takes_nothing_by_itself() -> None:
    port = "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>"
    domain = assigned("q35", f"<controller type='usb' model='none'/>{port}{DISK}")
    assert place(domain.devices.disks[0]) == "2:0.0"
    given = DISK.replace("</disk>", "<address type='pci' bus='1' slot='0'/></disk>")
    assert place(assigned("q35", f"{port}{given}").devices.disks[0]) == "1:0.0"
