"""The names of live devices."""

from __future__ import annotations

import pytest

from virtbus.domain import Domain
from virtbus_qemu import aliases


def named(devices: str, *, arch: str = "x86_64", machine: str = "pc") -> list[str | None]:
    domain = Domain.parse(
        f"<domain type='qemu'><name>a</name><os><type arch='{arch}' machine='{machine}'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )
    aliases.assign(domain)
    return [device.alias for device in domain.devices.every()]


def disk(bus: str, name: str, address: str = "") -> str:
    place = address and f"<address type='drive' {address}/>"
    return f"<disk><source file='/x'/><target dev='{name}' bus='{bus}'/>{place}</disk>"


@pytest.mark.parametrize(
    ("xml", "alias"),
    [
        (disk("ide", "hda", "controller='0' bus='1' target='0' unit='0'"), "ide0-1-0"),
        (disk("scsi", "sda", "controller='0' bus='0' target='2' unit='1'"), "scsi0-0-1"),
        (disk("virtio", "vdc"), "virtio-disk2"),
        (disk("usb", "sdb"), "usb-disk1"),
        ("<filesystem><source dir='/x'/><target dir='x'/></filesystem>", "fs0"),
        ("<interface type='user'/>", "net0"),
        ("<smartcard mode='host'/>", "smartcard0"),
        ("<tpm model='tpm-tis'><backend type='emulator'/></tpm>", "tpm0"),
        ("<sound model='ac97'/>", "sound0"),
        ("<redirdev bus='usb' type='spicevmc'/>", "redir0"),
        ("<hub type='usb'/>", "hub0"),
        ("<memballoon model='virtio'/>", "balloon0"),
        ("<memballoon model='none'/>", None),
        ("<nvram/>", "nvram"),
        ("<panic model='isa'/>", "panic0"),
        ("<shmem name='s'/>", "shmem0"),
        ("<crypto model='virtio' type='qemu'><backend model='builtin'/></crypto>", "crypto0"),
        ("<iommu model='intel'/>", "iommu0"),
        ("<vsock model='virtio'/>", "vsock0"),
        ("<pstore backend='acpi-erst'/>", "pstore0"),
        ("<graphics type='vnc'/>", None),
    ],
)
def test_each_kind_has_its_series(xml: str, alias: str | None) -> None:
    assert named(xml) == [alias]


def test_a_wide_scsi_bus_names_the_target() -> None:
    controller = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    place = "controller='0' bus='0' target='2' unit='1'"
    assert named(disk("scsi", "sda", place) + controller) == ["scsi0-0-2-1", "scsi0"]


@pytest.mark.parametrize(
    ("arch", "machine", "xml", "alias"),
    [
        ("x86_64", "pc", "type='pci' index='0' model='pci-root'", "pci.0"),
        ("x86_64", "q35", "type='pci' index='0' model='pcie-root'", "pcie.0"),
        ("x86_64", "q35", "type='pci' index='3' model='pcie-root-port'", "pci.3"),
        ("armv7l", "versatilepb", "type='pci' index='0' model='pci-root'", "pci"),
        ("ppc64", "pseries", "type='pci' index='1' model='pci-root'", "pci.1"),
        ("x86_64", "pc", "type='ide' index='0'", "ide"),
        ("x86_64", "q35", "type='ide' index='0'", "ide0"),
        ("x86_64", "q35", "type='sata' index='0'", "ide"),
        ("x86_64", "pc", "type='sata' index='0'", "sata0"),
        ("x86_64", "pc", "type='usb' index='0' model='piix3-uhci'", "usb"),
        ("x86_64", "pc", "type='usb' index='1' model='piix3-uhci'", "usb1"),
        ("sparc", "SS-5", "type='scsi' index='0' model='ncr53c90'", "scsi"),
        ("x86_64", "pc", "type='virtio-serial' index='2'", "virtio-serial2"),
    ],
)
def test_controllers_are_named_by_type_and_index_but_for_the_built_in(
    arch: str, machine: str, xml: str, alias: str
) -> None:
    assert named(f"<controller {xml}/>", arch=arch, machine=machine) == [alias]


def test_a_new_device_gets_the_number_after_the_largest_whatever_users_call_theirs() -> None:
    card = "<interface type='user'><alias name='{}'/></interface>"
    assert named(card.format("net4") + card.format("ua-net9") + "<interface type='user'/>")[-1] == "net5"


def test_cards_that_are_devices_of_the_host_count_among_those() -> None:
    address = "domain='0x0' bus='0x3' slot='0x0' function='0x{}'/>"
    card = f"<interface type='hostdev'><source><address type='pci' {address.format(1)}</source></interface>"
    device = f"<hostdev mode='subsystem' type='pci'><source><address {address.format(2)}</source></hostdev>"
    assert named(card + "<interface type='user'/>" + device) == ["hostdev0", "net0", "hostdev1"]


def test_the_first_console_is_the_first_serial_port() -> None:
    ports = "<serial type='pty'/><console type='pty'/><console type='pty'><target type='virtio'/></console>"
    assert named(ports) == ["serial0", "serial0", "console1"]


def test_memory_is_named_by_its_slot() -> None:
    module = "<memory model='{}'><target><size>1</size></target>{}</memory>"
    slot = "<address type='dimm' slot='3'/>"
    virtio = 2 * module.format("virtio-mem", "")
    assert named(module.format("dimm", slot) + module.format("nvdimm", slot) + virtio) == [
        *("dimm3", "nvdimm3", "virtiomem0", "virtiomem1"),
    ]
