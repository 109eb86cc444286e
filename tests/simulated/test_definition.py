"""What definitions become, and which are refused."""

from __future__ import annotations

import pytest

from tests.simulated.parts import TEST_UUID, XML
from virtbus.domain import Domain, DomainType, parse_device
from virtbus.errors import ConfigUnsupported, InvalidArgument, XmlError
from virtbus_simulated.aliases import assign_aliases, new_alias
from virtbus_simulated.definition import complete


def domain() -> Domain:
    return Domain.parse(XML.format(name="vm", uuid=TEST_UUID))


def test_defaults_and_controllers_are_filled_in_and_the_argument_stays() -> None:
    given = domain()
    before = given.format()
    made = complete(given, None)
    assert given.format() == before
    assert [(one.type, one.index) for one in made.devices.controllers] == [("scsi", 0)]
    assert made.current_memory is not None
    assert made.on_crash == "destroy"
    assert complete(made, given) == made


def test_a_definition_without_uuid_keeps_that_of_the_one_it_replaces() -> None:
    given = domain()
    given.uuid = None
    assert complete(given, domain()).uuid == TEST_UUID
    assert complete(given, None).uuid is not None


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("<domain type='test'>", "<domain type='kvm'>", "/domain/@type"),
        (">hvm<", ">exe<", "/domain/os/type"),
        ("arch='x86_64'", "arch='s390x'", "/domain/os/type/@arch"),
        ("<memory unit='KiB'>1048576</memory>", "", "/domain/memory"),
        ("dev='sda'", "dev='vda'", "/domain/devices/disk[2]/target/@dev"),
        ("current='2'", "current='9'", "/domain/vcpu/@current"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(old: str, new: str, path: str) -> None:
    xml = XML.format(name="vm", uuid=TEST_UUID)
    assert old in xml
    with pytest.raises((ConfigUnsupported, XmlError)) as caught:
        complete(Domain.parse(xml.replace(old, new)), None)
    assert caught.value.evidence["path"] == path


def test_every_other_type_of_domain_is_refused() -> None:
    for kind in DomainType:
        given = domain()
        given.type = kind
        if kind is not DomainType.TEST:
            with pytest.raises(ConfigUnsupported):
                complete(given, None)


def test_labels_choose_failures_and_unknown_ones_are_refused() -> None:
    given = domain()
    given.set_labels({"simulated.fail": "slow-guest, deaf-guest"})
    assert complete(given, None).labels == given.labels
    given.set_labels({"simulated.fail": "sulking-guest"})
    with pytest.raises(InvalidArgument, match="sulking-guest"):
        complete(given, None)


@pytest.mark.parametrize(
    ("xml", "alias"),
    [
        ("<disk type='file'><target dev='vdc' bus='virtio'/></disk>", "virtio-disk2"),
        ("<disk type='file'><target dev='hdc' bus='ide'/></disk>", "ide0-1-0"),
        ("<disk type='file'><target dev='sdb' bus='sata'/></disk>", "sata0-0-1"),
        ("<disk type='file'><target dev='sdh' bus='scsi'/></disk>", "scsi1-0-0-0"),
        (
            "<disk type='file'><target dev='sdh' bus='scsi'/><address type='drive' controller='0' target='3' unit='9'/>"
            "</disk>",
            "scsi0-0-3-9",
        ),
        ("<disk type='file'><target dev='fda' bus='fdc'/></disk>", "fdc0-0"),
        ("<disk type='file'><target dev='sda' bus='usb'/></disk>", "usb-disk0"),
        ("<controller type='pci' index='0' model='pcie-root'/>", "pcie.0"),
        ("<controller type='pci' index='3' model='pcie-root-port'/>", "pci.3"),
        ("<controller type='usb' index='0'/>", "usb"),
        ("<controller type='usb' index='1'/>", "usb1"),
        ("<controller type='virtio-serial' index='0'/>", "virtio-serial0"),
        ("<interface type='user'/>", "net1"),
        ("<memballoon model='virtio'/>", "balloon0"),
        ("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "rng0"),
        ("<memory model='dimm'><target><size>1048576</size></target></memory>", "dimm0"),
        ("<input type='mouse' bus='usb'/>", "input0"),
        ("<watchdog model='i6300esb'/>", "watchdog0"),
        ("<nvram/>", "nvram"),
    ],
)
def test_aliases_are_libvirts(xml: str, alias: str) -> None:
    assert new_alias(parse_device(xml), ["net0"]) == alias


def test_aliases_are_unique_and_a_users_own_stay() -> None:
    given = domain()
    given.devices.disks[0].alias = "ua-root"
    given.devices.interfaces.append(parse_device("<interface type='user'/>"))  # type: ignore[arg-type]
    assign_aliases(given)
    assert [device.alias for device in given.devices.every()] == ["ua-root", "scsi0-0-0-0", "net0", "net1"]
