"""The domain as a whole: refusals by path, forms, labels, single devices."""

from __future__ import annotations

import pytest

from virtbus.domain import Device, Domain, Form, PciAddress, parse_device
from virtbus.errors import ConfigUnsupported, InvalidArgument, TooLarge, XmlError

from .guest import guest

HEAD = "<domain type='kvm'><name>a</name>"
REFUSED = [
    ("<domain><name>a</name></domain>", "/domain"),
    ("<domain type='kvm'/>", "/domain"),
    ("<domain type='toaster'><name>a</name></domain>", "/domain/@type"),
    (f"{HEAD}<unknown/></domain>", "/domain/unknown"),
    (f"{HEAD}<memory unit='pounds'>1</memory></domain>", "/domain/memory"),
    (f"{HEAD}<uuid>123</uuid></domain>", "/domain/uuid"),
    (f"{HEAD}<devices><toaster/></devices></domain>", "/domain/devices/toaster"),
    (
        f"{HEAD}<devices><disk><target dev='vda'/></disk>"
        "<disk snapshots='no'><target dev='vdb'/></disk></devices></domain>",
        "/domain/devices/disk[2]/@snapshots",
    ),
    (f"{HEAD}<devices><disk/></devices></domain>", "/domain/devices/disk"),
    (
        f"{HEAD}<devices><rng model='virtio'><backend model='random'/>"
        "<address type='pci' slot='0x20'/></rng></devices></domain>",
        "/domain/devices/rng/address/@slot",
    ),
    (
        f"{HEAD}<devices><disk><target dev='vda'/><boot order='1' loadparm='a?'/></disk></devices></domain>",
        "/domain/devices/disk/boot/@loadparm",
    ),
    (
        f"{HEAD}<devices><shmem name='a'><size unit='KiB'>1025</size></shmem></devices></domain>",
        "/domain/devices/shmem/size",
    ),
    (f"{HEAD}<devices><hostdev type='isa'/></devices></domain>", "/domain/devices/hostdev/@type"),
    (
        f"{HEAD}<devices><memballoon model='none'/><memballoon model='none'/></devices></domain>",
        "/domain/devices/memballoon[2]",
    ),
    (f"{HEAD}<features><acpi on='yes'/></features></domain>", "/domain/features/acpi/@on"),
    (
        f"{HEAD}<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg/></q:commandline></domain>",
        "/domain/q:commandline/q:arg",
    ),
    (f"{HEAD}<q:commandline xmlns:q='urn:other'/></domain>", "/domain/q:commandline"),
    ("<network><name>a</name></network>", "/network"),
]


@pytest.mark.parametrize(("document", "path"), REFUSED, ids=[path for _, path in REFUSED])
def test_what_is_outside_the_vocabulary_is_refused_by_its_path(document: str, path: str) -> None:
    with pytest.raises(XmlError) as refused:
        Domain.parse(document)
    assert refused.value.evidence["path"] == path
    assert path in str(refused.value)


def test_memory_of_management_mode_is_never_rounded() -> None:
    document = f"{HEAD}<features><smm state='on'><tseg unit='KiB'>{{}}</tseg></smm></features></domain>"
    assert "<tseg unit='MiB'>2</tseg>" in Domain.parse(document.format(2048)).format()
    with pytest.raises(ConfigUnsupported) as refused:
        Domain.parse(document.format(2049))
    assert refused.value.evidence["path"] == "/domain/features/smm/tseg"


@pytest.mark.parametrize("size", [512 * 1024, 5 * 1024 * 1024])
def test_an_oversized_domain_is_refused(size: int) -> None:
    with pytest.raises(TooLarge):
        Domain.parse(f"{HEAD}<description>{'x' * size}</description></domain>")


def test_a_backing_chain_of_200_images_is_read_and_copied() -> None:
    chain = "<backingStore/>"
    for number in range(199):
        chain = f"<backingStore type='file'><format type='qcow2'/><source file='/srv/{number}'/>{chain}</backingStore>"
    document = f"{HEAD}<devices><disk><source file='/a'/>{chain}<target dev='vda'/></disk></devices></domain>"
    domain = Domain.parse(document)
    assert Domain.parse(domain.format()) == domain.copy() == Domain.from_json(domain.to_json())


def test_the_definition_has_nothing_that_only_a_running_domain_has() -> None:
    text = guest().format()
    assert "id='3'" not in text
    assert "virtio-disk0" not in text
    assert "ua-data" in text
    assert "id='3'" in guest().format(Form.LIVE)
    assert "virtio-disk0" in guest().format(Form.LIVE)


def test_the_definition_is_the_default() -> None:
    assert guest().format() == guest().format(Form.INACTIVE)


def test_passwords_are_written_only_on_request() -> None:
    domain = Domain.parse(f"{HEAD}<devices><graphics type='vnc' passwd='sesame'/></devices></domain>")
    assert "sesame" not in domain.format(Form.LIVE)
    assert "sesame" not in str(domain.to_json())
    assert "sesame" in domain.format(secure=True)


def test_ports_and_host_side_names_that_were_found_at_start_are_not_defined() -> None:
    domain = Domain.parse(
        f"{HEAD}<devices><interface type='user'><target dev='vnet3'/></interface>"
        "<interface type='user'><target dev='uplink'/></interface>"
        "<graphics type='spice' port='5901' tlsPort='5902' autoport='yes'/></devices></domain>"
    )
    text = domain.format()
    assert "vnet3" not in text
    assert "uplink" in text
    assert "port='-1' tlsPort='-1' autoport='yes'" in text
    assert "vnet3" in domain.format(Form.LIVE)
    assert "5901" in domain.format(Form.LIVE)


def test_labels_travel_in_the_metadata() -> None:
    domain = Domain.parse(f"{HEAD}<metadata><x:note xmlns:x='urn:x'>keep</x:note></metadata></domain>")
    assert domain.labels == {}
    domain.set_labels({"tier": "web & <api>", "empty": ""})
    again = Domain.parse(domain.format())
    assert again.labels == {"tier": "web & <api>", "empty": ""}
    assert 'xmlns:virtbus="urn:virtbus:domain:1"' in domain.format()
    again.set_labels({"tier": "db"})
    assert again.labels == {"tier": "db"}
    assert len(again.metadata) == 2
    again.set_labels({})
    assert again.metadata == domain.metadata[:1]


@pytest.mark.parametrize("labels", [{"": "x"}, {"a\x00": "x"}, {"a": "\ufffe"}])
def test_labels_that_xml_cannot_carry_are_refused(labels: dict[str, str]) -> None:
    domain = guest()
    with pytest.raises(InvalidArgument):
        domain.set_labels(labels)
    assert domain.labels == {}


def test_every_device_comes_in_libvirts_order() -> None:
    tags = [device.element_tag for device in guest().devices.every()]
    order = list(dict.fromkeys(tags))
    assert order == [
        "disk", "controller", "interface", "serial", "console", "channel", "input", "hostdev", "watchdog",
        "memballoon", "rng", "memory",
    ]  # fmt: skip


def test_a_single_device_is_read_by_its_tag() -> None:
    for device in guest().devices.every():
        again = parse_device(device.format())
        assert again == device
        assert isinstance(again, Device)


@pytest.mark.parametrize("document", ["<toaster/>", "<domain type='kvm'/>", "<emulator>/bin/x</emulator>", "<diks/>"])
def test_what_is_no_device_is_refused(document: str) -> None:
    with pytest.raises(XmlError, match="is no device"):
        parse_device(document)


def test_an_address_left_at_zero_is_written_as_libvirt_does() -> None:
    assert PciAddress().format() == "<address type='pci' domain='0x0000' bus='0x00' slot='0x00' function='0x0'/>\n"
