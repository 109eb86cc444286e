"""What devices get for every hypervisor: places, controllers, ports, models; and what is said that means nothing."""

from __future__ import annotations

import pytest

from virtbus.domain import Disk, Domain, DriveAddress, Form, complete, disk_number, parse_device
from virtbus.domain.defaults import forget_nodes


def completed(*devices: str, kind: str = "kvm") -> Domain:
    """A small domain with these devices."""
    domain = Domain.parse(
        f"<domain type='{kind}'><name>a</name><memory>1</memory><devices>{''.join(devices)}</devices></domain>"
    )
    complete(domain)
    return domain


def test_a_name_says_where_a_drive_sits_and_which_controllers_that_takes() -> None:
    domain = completed("<disk><source file='/a'/><target dev='sdi' bus='scsi'/></disk>")
    assert domain.devices.disks[0].address == DriveAddress(controller=1, unit=1)
    assert [(each.type.value, each.index) for each in domain.devices.controllers] == [("scsi", 0), ("scsi", 1)]


def test_a_virtio_serial_port_takes_only_its_own_controller() -> None:
    channel = (
        "<channel type='pty'><target type='virtio' name='a'/><address type='virtio-serial' controller='2'/></channel>"
    )
    assert [each.index for each in completed(channel).devices.controllers] == [2]


def test_smartcards_get_slots_and_host_devices_free_units() -> None:
    domain = completed(
        "<smartcard mode='host'/><smartcard mode='host'/>",
        "<disk><source file='/a'/><target dev='sda' bus='scsi'/></disk>",
        "<hostdev type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"
        "</hostdev>",
    )
    assert [getattr(card.address, "slot", None) for card in domain.devices.smartcards] == [0, 1]
    assert domain.devices.hostdevs[0].address == DriveAddress(unit=1)


@pytest.mark.parametrize(("protocol", "port"), [("nbd", 10809), ("iscsi", 3260), ("rbd", None)])
def test_a_server_is_asked_at_its_protocols_port(protocol: str, port: int | None) -> None:
    source = f"<source protocol='{protocol}' name='a'><host name='h'/></source>"
    disk = completed(f"<disk type='network'>{source}<target dev='vda'/></disk>").devices.disks[0]
    assert disk.source is not None
    assert disk.source.hosts[0].port == port


@pytest.mark.parametrize(("kind", "engine"), [("kvm", "qemu"), ("xen", None)])
def test_only_qemu_decrypts_by_itself(kind: str, engine: str | None) -> None:
    secret = "<encryption format='luks'><secret type='passphrase' usage='u'/></encryption>"
    disk = completed(f"<disk><source file='/a'>{secret}</source><target dev='vda'/></disk>", kind=kind).devices.disks[0]
    assert disk.source is not None
    assert disk.source.encryption is not None
    assert disk.source.encryption.engine == engine


def test_a_mirror_of_older_notes_is_completed() -> None:
    disk = completed(
        "<disk><source file='/a'/><mirror file='/b' ready='yes'/><target dev='vda'/></disk>"
    ).devices.disks[0]
    assert disk.mirror is not None
    assert "type='file' file='/b' format='raw' job='copy' ready='yes'" in disk.mirror.format()


def test_an_empty_network_drive_is_a_file_drive() -> None:
    disk = completed("<disk type='network' device='cdrom'><target dev='hdc'/></disk>").devices.disks[0]
    assert disk.type == "file"


def test_a_definition_has_no_numbers_of_images() -> None:
    chain = "<backingStore type='file' index='2'><format type='raw'/><source file='/b'/></backingStore>"
    domain = completed(f"<disk><source file='/a' index='1'/>{chain}<target dev='vda'/></disk>")
    forget_nodes(domain)
    assert "index" not in domain.devices.disks[0].format()


def test_a_name_that_counts_beyond_31_bits_is_no_disk() -> None:
    assert disk_number("sdaa") == 26
    assert disk_number("hdaxxxxxxxxxx") == -1


def test_a_relabelling_without_a_label_is_no_part_of_a_definition() -> None:
    disk = parse_device(
        "<disk><source file='/a'><seclabel model='dac' labelskip='yes'/></source><target dev='vda'/></disk>"
    )
    assert isinstance(disk, Disk)
    assert "seclabel" in disk.format()
    assert "seclabel" not in disk.format(Form.INACTIVE)


FILLED: dict[str, tuple[str, str, str]] = {
    "the first unit of an iscsi target": (
        "<disk type='network'><source protocol='iscsi' name='iqn'><host name='h'/></source><target dev='vda'/></disk>",
        "name='iqn'",
        "name='iqn/0'",
    ),
    "no snapshots of another program's disk": (
        "<disk type='vhostuser'><source type='unix' path='/s'/><target dev='vda'/></disk>",
        "<disk type='vhostuser' device='disk'>",
        "<disk type='vhostuser' device='disk' snapshot='no'>",
    ),
    "snapshots of what is not written": (
        "<disk device='cdrom' snapshot='no'><target dev='hda'/></disk>",
        " snapshot='no'",
        "<disk type='file' device='cdrom'>",
    ),
    "a closed tray": ("<disk device='cdrom'><target dev='hda' tray='closed'/></disk>", " tray", "<target dev='hda'"),
    "a default": (
        "<disk><driver name='qemu' cache='default'/><source file='/a'/><target dev='vda'/></disk>",
        " cache",
        "<driver name='qemu'/>",
    ),
    "where random numbers come from": (
        "<rng model='virtio'><backend model='random'/></rng>",
        "<backend model='random'/>",
        "<backend model='random'>/dev/random</backend>",
    ),
    "a card's name in capitals": (
        "<interface type='user'><model type='VirtIO'/></interface>",
        "VirtIO",
        "<model type='virtio'/>",
    ),
    "how a vsock speaks": ("<vsock><cid auto='yes'/></vsock>", "<vsock>", "<vsock model='virtio'>"),
    "a screen for nobody": (
        "<graphics type='spice' autoport='no'/>",
        " autoport",
        "<graphics type='spice'>\n      <listen type='none'/>",
    ),
    "a free port of rdp": ("<graphics type='rdp' autoport='yes'/>", "port='-1'", " port='0' "),
    "a second primary card": (
        "<video><model type='vga'/></video><video><model type='qxl' primary='no'/></video>",
        " primary='no'",
        "<model type='vga' primary='yes'/>",
    ),
}


@pytest.mark.parametrize("what", FILLED)
def test_what_is_left_open_is_filled_in_and_what_means_nothing_is_left_out(what: str) -> None:
    device, before, after = FILLED[what]
    written = completed(device).format()
    assert before not in written
    assert after in written


def test_limits_that_limit_nothing_are_none() -> None:
    domain = Domain.parse(
        "<domain type='kvm'><name>a</name><memory>1</memory>"
        "<memtune><hard_limit>9007199254740991</hard_limit></memtune>"
        "<numatune><memory placement='auto' nodeset='0'/></numatune>"
        "<os><type>hvm</type><bootmenu enable='no' timeout='3'/></os>"
        "<cpu><numa><cell id='1' cpus='1' memory='1'/><cell id='0' cpus='0' memory='1'/></numa></cpu></domain>"
    )
    complete(domain)
    written = domain.format()
    assert "memtune" not in written
    assert "<bootmenu enable='no'/>" in written
    assert "<vcpu placement='auto'>" in written
    assert "<memory mode='strict' placement='auto'/>" in written
    assert written.index("cell id='0'") < written.index("cell id='1'")
