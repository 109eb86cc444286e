"""`virtbus xml diff`: what two documents differ in, wherever it stands in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.domain.test_golden import VOCABULARY, read
from virtbus.domain import Domain
from virtbus.xml import Form
from virtbus.xmltool.command import main
from virtbus.xmltool.difference import Change, Difference, differences

DISK = "<disk type='file' device='disk'><source file='/{0}'/><target dev='{0}' bus='virtio'/>{1}</disk>"
CARD = "<interface type='user'><mac address='52:54:00:00:00:0{0}'/>{1}</interface>"
PLACE = "<address type='pci' domain='0x0000' bus='0x01' slot='0x{:02x}' function='0x0'/>"


def domain(devices: str = "", head: str = "", more: str = "") -> Domain:
    return Domain.parse(f"<domain type='kvm'{more}><name>a</name>{head}<devices>{devices}</devices></domain>")


def told(ours: Domain, theirs: Domain, form: Form = Form.LIVE) -> list[str]:
    return [str(each) for each in differences(ours, theirs, form)]


def in_short(ours: Domain, theirs: Domain) -> list[tuple[str, str]]:
    return [(each.change, each.path) for each in differences(ours, theirs)]


@pytest.mark.parametrize("path", VOCABULARY, ids=lambda path: path.stem)
def test_a_document_does_not_differ_from_itself(path: Path) -> None:
    assert differences(read(path), read(path)) == []


@pytest.mark.parametrize("path", VOCABULARY, ids=lambda path: path.stem)
def test_whatever_is_taken_out_is_told(path: Path) -> None:
    whole = read(path)
    blank = whole.plan().fresh()
    for name, value in vars(whole).items():
        if value == blank[name] or name in whole.plan().required or name == whole.chosen_by:
            continue
        less = whole.copy()
        setattr(less, name, blank[name])
        if less.format(secure=True) == whole.format(secure=True):
            continue
        assert differences(whole, less), name
        assert differences(less, whole), name


def test_the_layout_and_the_order_of_elements_mean_nothing() -> None:
    ours = domain(DISK.format("vda", "") + CARD.format(1, ""), "<vcpu>2</vcpu><memory unit='MiB'>1</memory>")
    theirs = domain(CARD.format(1, "") + DISK.format("vda", ""), "<memory>1024</memory>\n\n<vcpu>2</vcpu>")
    assert differences(ours, theirs) == []


def test_a_value_is_told_with_its_unit() -> None:
    ours, theirs = domain(head="<memory unit='MiB'>1</memory>"), domain(head="<memory unit='MiB'>2</memory>")
    assert told(ours, theirs) == ["~ /domain/memory: 1024 KiB -> 2048 KiB"]


def test_disks_are_matched_by_target() -> None:
    ours = domain(DISK.format("vda", "") + DISK.format("vdb", ""))
    theirs = domain(DISK.format("vdb", "<readonly/>") + DISK.format("vdc", ""))
    assert in_short(ours, theirs) == [
        ("added", "/domain/devices/disk[target/@dev='vdb']/readonly"),
        ("removed", "/domain/devices/disk[target/@dev='vda']"),
        ("added", "/domain/devices/disk[target/@dev='vdc']"),
    ]


def test_devices_with_an_alias_are_matched_by_it() -> None:
    ours = domain(DISK.format("vda", "<alias name='ua-root'/>"))
    theirs = domain(DISK.format("vdb", "<alias name='ua-root'/>"))
    assert told(ours, theirs) == [
        "~ /domain/devices/disk[target/@dev='vda']/source/@file: /vda -> /vdb",
        "~ /domain/devices/disk[target/@dev='vda']/target/@dev: vda -> vdb",
    ]


def test_cards_are_matched_by_mac_address_and_by_place_in_the_machine() -> None:
    ours = domain(CARD.format(1, PLACE.format(1)) + CARD.format(2, PLACE.format(2)))
    swapped = domain(CARD.format(2, PLACE.format(2)) + CARD.format(1, PLACE.format(1)))
    assert differences(ours, swapped) == []
    other = domain(CARD.format(1, PLACE.format(1)) + CARD.format(3, PLACE.format(2)))
    assert told(ours, other) == [
        "~ /domain/devices/interface[mac/@address='52:54:00:00:00:02']/mac/@address:"
        " 52:54:00:00:00:02 -> 52:54:00:00:00:03"
    ]


def test_devices_that_are_alike_are_counted() -> None:
    rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    assert in_short(domain(rng), domain(rng * 3)) == [
        ("added", "/domain/devices/rng[2]"),
        ("added", "/domain/devices/rng[3]"),
    ]


def test_devices_known_by_nothing_are_compared_in_their_places() -> None:
    ours, theirs = domain("<sound model='ich6'/>"), domain("<sound model='ich9'/>")
    assert told(ours, theirs) == ["~ /domain/devices/sound/@model: ich6 -> ich9"]


def test_the_order_of_cards_without_an_address_means_something() -> None:
    ours, theirs = (domain("".join(CARD.format(n, "") for n in order)) for order in ((1, 2), (2, 1)))
    assert [each.change for each in differences(ours, theirs)] == [Change.MOVED, Change.MOVED]


def test_the_order_of_disks_means_nothing_and_that_of_boot_devices_does() -> None:
    disks = [DISK.format("vda", ""), DISK.format("vdb", "")]
    assert differences(domain("".join(disks)), domain("".join(reversed(disks)))) == []
    boots = ["<boot dev='hd'/>", "<boot dev='network'/>"]
    ours, theirs = (domain(head=f"<os><type>hvm</type>{''.join(order)}</os>") for order in (boots, boots[::-1]))
    assert told(ours, theirs) == [
        "> /domain/os/boot[1]/@dev: moved from place 1 to 2",
        "> /domain/os/boot[2]/@dev: moved from place 2 to 1",
    ]
    other = domain(head=f"<os><type>hvm</type>{boots[0]}<boot dev='cdrom'/></os>")
    assert told(ours, other) == ["~ /domain/os/boot[2]/@dev: network -> cdrom"]


def test_features_and_timers_are_matched_by_name() -> None:
    cpu = "<cpu mode='host-model'>{}</cpu>"
    feature = "<feature policy='{1}' name='{0}'/>"
    ours = domain(head=cpu.format(feature.format("vmx", "require") + feature.format("avx", "require")))
    theirs = domain(head=cpu.format(feature.format("avx", "disable") + feature.format("vmx", "require")))
    assert told(ours, theirs) == ["~ /domain/cpu/feature[@name='avx']/@policy: require -> disable"]


def test_another_kind_of_source_is_told_field_by_field() -> None:
    ours = domain("<disk type='file' device='disk'><source file='/a'/><target dev='vda'/></disk>")
    theirs = domain("<disk type='block' device='disk'><source dev='/dev/b'/><target dev='vda'/></disk>")
    assert ("changed", "/domain/devices/disk[target/@dev='vda']/@type") in in_short(ours, theirs)
    assert {"/dev/b", "/a"} <= {value for each in differences(ours, theirs) for value in (each.before, each.after)}


def test_metadata_of_others_is_compared_as_a_whole() -> None:
    ours, theirs = (domain(head=f"<metadata><x xmlns='urn:x'>{n}</x></metadata>") for n in (1, 2))
    assert [(each.change, each.path) for each in differences(ours, theirs)] == [
        ("removed", "/domain/metadata"), ("added", "/domain/metadata"),
    ]  # fmt: skip


def test_secrets_differ_without_being_shown() -> None:
    ours, theirs = (domain(f"<graphics type='vnc' passwd='{word}'/>") for word in ("hush", "quiet"))
    (difference,) = differences(ours, theirs)
    assert difference == Difference(
        Change.CHANGED, "/domain/devices/graphics[@type='vnc']/@passwd", "(secret)", "(secret)"
    )
    assert "hush" not in str(differences(ours, domain()))


def test_what_only_a_running_domain_has_can_be_left_out() -> None:
    ours = domain(DISK.format("vda", "<alias name='virtio-disk0'/>"), more=" id='1'")
    theirs = domain(DISK.format("vda", ""))
    assert len(differences(ours, theirs)) == 2
    assert differences(ours, theirs, Form.INACTIVE) == []


def test_the_command_tells_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs, bad, other = (tmp_path / name for name in ("a.xml", "b.xml", "c.xml", "d.xml"))
    ours.write_text(domain(head="<vcpu>1</vcpu>").format(Form.LIVE))
    theirs.write_text(domain(head="<vcpu>2</vcpu>", more=" id='7'").format(Form.LIVE))
    bad.write_text("<domain>")
    other.write_text("<cpu/>")
    assert main(["diff", str(ours), str(ours)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["diff", str(ours), str(theirs)]) == 1
    assert capsys.readouterr().out == "+ /domain/@id: 7\n~ /domain/vcpu: 1 -> 2\n"
    assert main(["diff", "--json", "--inactive", str(ours), str(theirs)]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"change": "changed", "path": "/domain/vcpu", "before": "1", "after": "2"}
    ]
    for trouble in (bad, other, tmp_path / "nothing.xml"):
        assert main(["diff", str(ours), str(trouble)]) == 2
        assert capsys.readouterr().err.startswith("error: ")
