"""The block graphs of disks: which nodes there are, and what each is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.qemu.block.disks import SETTINGS, domain_of, newer, older, told, words_of
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_qemu.settings import Descriptors

FILE = "<disk><driver name='qemu' {driver}/><source file='/a'>{source}</source>{rest}<target dev='vda'/></disk>"


def disk(driver: str = "type='raw'", source: str = "", rest: str = "") -> str:
    return FILE.format(driver=driver, source=source, rest=rest)


def network(protocol: str, inner: str = "<host name='h'/>", name: str = "name='n'", rest: str = "") -> str:
    return (
        f"<disk type='network'><driver name='qemu' type='raw'/><source protocol='{protocol}' {name}>{inner}</source>"
        f"<target dev='vda'/>{rest}</disk>"
    )


def names(nodes: list[dict[str, Any]]) -> list[str]:
    return [each["node-name"] for each in nodes]


def test_a_raw_image_is_its_storage() -> None:
    assert told(disk()) == [{"driver": "file", "filename": "/a", "node-name": "libvirt-1-storage", "read-only": False}]


def test_an_older_qemu_has_a_format_node_over_raw_images() -> None:
    words = words_of(domain_of(disk()), older())
    assert any('"node-name":"libvirt-1-format","read-only":false,"driver":"raw"' in word for word in words)


def test_a_chain_is_made_from_its_end() -> None:
    below = "<backingStore type='file'><format type='raw'/><source file='/b'/><backingStore/></backingStore>"
    nodes = told(disk("type='qcow2'", rest=below))
    assert names(nodes) == ["libvirt-2-storage", "libvirt-1-storage", "libvirt-1-format"]
    assert nodes[0]["read-only"] is True
    assert nodes[2]["backing"] == "libvirt-2-storage"


def test_a_chain_that_is_known_to_end_is_not_looked_for_by_qemu() -> None:
    assert told(disk("type='qcow2'", rest="<backingStore/>"))[-1]["backing"] is None
    assert "backing" not in told(disk("type='qcow2'"))[-1]


def test_the_guest_uses_the_top_of_the_graph() -> None:
    group = (
        "<throttlegroups><throttlegroup><total_bytes_sec>1</total_bytes_sec><group_name>g</group_name>"
        "</throttlegroup></throttlegroups>"
    )
    limited = disk(
        "type='qcow2' copy_on_read='on'", rest="<throttlefilters><throttlefilter group='g'/></throttlefilters>"
    )
    nodes = told(limited, inner=group)
    assert names(nodes)[2:] == ["libvirt-CoR-vda", "libvirt-2-filter"]
    assert [each["file"] for each in nodes[1:]] == ["libvirt-1-storage", "libvirt-1-format", "libvirt-CoR-vda"]
    drives = [each for each in told(limited, inner=group, option="-device") if "drive" in each]
    assert [each["drive"] for each in drives] == ["libvirt-2-filter"]


def test_a_part_of_a_file_is_a_node_of_its_own() -> None:
    part = "<slices><slice type='storage' offset='512' size='1024'/></slices>"
    storage, part_of_it = told(disk(source=part))
    assert storage["auto-read-only"] is True
    assert part_of_it == {
        "driver": "raw",
        "node-name": "libvirt-1-slice-sto",
        "offset": 512,
        "size": 1024,
        "file": "libvirt-1-storage",
        "read-only": False,
    }


@pytest.mark.parametrize(
    ("driver", "told_so"),
    [
        ("type='raw' cache='none' io='native'", {"aio": "native", "cache": {"direct": True, "no-flush": False}}),
        ("type='raw' cache='unsafe'", {"cache": {"direct": False, "no-flush": True}}),
        ("type='raw' discard='unmap' detect_zeroes='unmap'", {"discard": "unmap", "detect-zeroes": "unmap"}),
        ("type='raw' detect_zeroes='unmap'", {"detect-zeroes": "on"}),
    ],
)
def test_how_an_image_is_opened(driver: str, told_so: dict[str, Any]) -> None:
    (node,) = told(disk(driver))
    assert {name: node.get(name) for name in told_so} == told_so


@pytest.mark.parametrize(
    ("xml", "storage"),
    [
        (
            network("nbd", "<host transport='unix' socket='/s'/><reconnect delay='3'/>"),
            {"driver": "nbd", "server": {"type": "unix", "path": "/s"}, "export": "n", "reconnect-delay": 3},
        ),
        (network("nbd", name=""), {"driver": "nbd", "server": {"type": "inet", "host": "h", "port": "10809"}}),
        (
            network("https", "<host name='::1' port='8'/><ssl verify='no'/><timeout seconds='5'/>"),
            {"driver": "https", "url": "https://[::1]:8/n", "sslverify": False, "timeout": 5},
        ),
        (
            network("iscsi", "<host name='::1'/><initiator><iqn name='i'/></initiator>", "name='t/2'"),
            {
                "driver": "iscsi",
                "portal": "[::1]:3260",
                "target": "t",
                "lun": 2,
                "transport": "tcp",
                "initiator-name": "i",
            },
        ),
        (
            network("rbd", "<host name='h'/><snapshot name='s'/><config file='/c'/>", "name='p/i'"),
            {
                "driver": "rbd",
                "pool": "p",
                "image": "i",
                "snapshot": "s",
                "conf": "/c",
                "server": [{"host": "h", "port": "0"}],
            },
        ),
        (
            network("nfs", "<host name='h'/><identity user='+7' group='8'/>", "name='/e/i'"),
            {"driver": "nfs", "server": {"host": "h", "type": "inet"}, "path": "/e/i", "user": 7, "group": 8},
        ),
        (network("ssh", name="name='/i'"), {"driver": "ssh", "path": "/i", "server": {"host": "h", "port": "22"}}),
        (
            "<disk type='block' device='cdrom'><source dev='/dev/sr0'/><target dev='sda' bus='sata'/></disk>",
            {"driver": "host_cdrom", "filename": "/dev/sr0"},
        ),
        (
            "<disk type='dir'><source dir='/d'/><target dev='vda'/><readonly/></disk>",
            {"driver": "vvfat", "dir": "/d", "floppy": False, "rw": False},
        ),
    ],
)
def test_where_an_image_lies(xml: str, storage: dict[str, Any]) -> None:
    first = told(xml)[0]
    assert {name: first[name] for name in first if name in storage} == storage
    assert set(first) - set(storage) <= {"node-name", "read-only", "auto-read-only", "discard"}


SECRET = "<secret type='{}' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>"


def test_secrets_come_before_the_nodes_that_need_them() -> None:
    sealed = f"<encryption format='luks'>{SECRET.format('passphrase')}</encryption>"
    asked = f"<auth username='u'>{SECRET.format('iscsi')}</auth>"
    words = words_of(domain_of(network("iscsi", f"<host name='h'/>{asked}{sealed}")))
    ids = ["libvirt-1-storage-auth-secret0", "libvirt-1-format-encryption-secret0"]
    places = [next(n for n, word in enumerate(words) if f'"id":"{each}"' in word) for each in ids]
    nodes = [n for n, word in enumerate(words) if '"node-name"' in word]
    assert places == sorted(places)
    assert max(places) < min(nodes)


def test_an_encrypted_connection_has_its_credentials() -> None:
    (node,) = told(network("nbd").replace("protocol='nbd'", "protocol='nbd' tls='yes'"))
    objects = told(network("nbd").replace("protocol='nbd'", "protocol='nbd' tls='yes'"), option="-object")
    assert [each["qom-type"] for each in objects if each["id"] == node["tls-creds"]] == ["tls-creds-x509"]


def test_descriptors_take_the_place_of_paths() -> None:
    groups = Descriptors(groups={"one": (20,), "two": (30, 31)}, writable_groups=frozenset({"one"}))
    settings = replace(SETTINGS, descriptors=groups)
    xml = [
        "<disk><source file='/a' fdgroup='two'/><target dev='vda'/></disk>",
        "<disk device='cdrom'><source file='/b' fdgroup='one'/><target dev='sda' bus='sata'/></disk>",
    ]
    words = words_of(domain_of(*xml), newer(), settings)
    sets = [value for name, value in pairwise(words) if name == "-add-fd"]
    assert sets == [
        "set=1,fd=30,opaque=libvirt-2-storage0",
        "set=1,fd=31,opaque=libvirt-2-storage1",
        "set=0,fd=20,opaque=libvirt-1-storage0",
    ]
    nodes = told(*xml, settings=settings)
    assert [each["filename"] for each in nodes if "filename" in each] == ["/dev/fdset/1", "/dev/fdset/0"]
    # A drive that must not be written to has a node that does not, over a descriptor that could.
    assert [each["read-only"] for each in nodes[1:]] == [False, True]


def test_sets_of_descriptors_have_a_number_each() -> None:
    settings = replace(SETTINGS, descriptors=Descriptors(groups={"one": (20,)}, vdpa_net=40))
    words = words_of(
        domain_of(
            "<disk><source file='/a' fdgroup='one'/><target dev='vda'/></disk>",
            "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>",
        ),
        newer(),
        settings,
    )
    sets = [value for name, value in pairwise(words) if name == "-add-fd"]
    assert sets == ["set=0,fd=20,opaque=libvirt-1-storage0", "set=1,fd=40,opaque=net0-vdpa"]


def test_descriptors_that_nobody_passed_are_missed() -> None:
    with pytest.raises(InvalidArgument, match="group 'g' was not associated"):
        told("<disk><source file='/a' fdgroup='g'/><target dev='vda'/></disk>")


def test_nbdkit_reaches_what_it_has_a_plugin_for() -> None:
    settings = replace(SETTINGS, nbdkit=frozenset({"plugin-curl"}))
    (node,) = told(network("http"), settings=settings)
    assert node["server"] == {"type": "unix", "path": "/run/virtbus/d/nbdkit-libvirt-1-storage.socket"}
    (node,) = told(network("nbd"), settings=settings)
    assert node["server"]["type"] == "inet"


def test_a_volume_of_an_unknown_pool_is_refused() -> None:
    with pytest.raises(ConfigUnsupported, match="pool 'p' is not known"):
        told("<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>")


def test_empty_drives_are_counted() -> None:
    nodes = told(disk(), "<disk device='cdrom'><target dev='sda' bus='sata'/></disk>")
    assert names(nodes) == ["libvirt-2-storage"]
