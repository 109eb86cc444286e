"""How headers name images: written, read, and read from others' hands."""

from __future__ import annotations

import pytest

from virtbus.domain.storage import ImageFormat, StorageSource, StorageType
from virtbus.errors import HypervisorError
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.block.reference import read, string

SOURCES = [
    ("file", "<source file='/a b'/>", "/a b"),
    ("dir", "<source dir='/d'/>", "fat:/d"),
    ("network", "<source protocol='nbd' name='e'><host name='h' port='1'/></source>", "nbd://h:1/e"),
    (
        "network",
        "<source protocol='nbd' name='e'><host transport='unix' socket='/s'/></source>",
        "nbd+unix:///e?socket=/s",
    ),
    (
        "network",
        "<source protocol='iscsi' name='iqn.1:x/2'><host name='h' port='3260'/></source>",
        "iscsi://h:3260/iqn.1%3Ax/2",
    ),
    (
        "network",
        "<source protocol='gluster' name='v/i'><host name='h' port='1' transport='rdma'/></source>",
        "gluster+rdma://h:1/v/i",
    ),
    (
        "network",
        "<source protocol='gluster' name='v/i'><host name='h' port='1'/><host transport='unix' socket='/s'/></source>",
        'json:{"file":{"driver":"gluster","volume":"v","path":"i","server":[{"type":"inet","host":"h","port":"1"},'
        '{"type":"unix","path":"/s"}]}}',
    ),
    (
        "network",
        "<source protocol='https' name='i'><host name='h' port='443'/><ssl verify='no'/><readahead size='9'/></source>",
        'json:{"file":{"driver":"https","url":"https://h:443/i","sslverify":false,"readahead":9}}',
    ),
    (
        "network",
        "<source protocol='rbd' name='p/i'><host name='h' port='1'/><snapshot name='s'/></source>",
        'json:{"file":{"driver":"rbd","pool":"p","image":"i","snapshot":"s","server":[{"host":"h","port":"1"}]}}',
    ),
    (
        "network",
        "<source protocol='nfs' name='/e'><host name='h'/><identity user='+1' group='+2'/></source>",
        'json:{"file":{"driver":"nfs","server":{"host":"h","type":"inet"},"path":"/e","user":1,"group":2}}',
    ),
    (
        "nvme",
        "<source type='pci' namespace='1'><address domain='0x0000' bus='0x01' slot='0x02' function='0x3'/></source>",
        'json:{"file":{"driver":"nvme","device":"0000:01:02.3","namespace":1}}',
    ),
    (
        "file",
        "<source file='/a'><slices><slice type='storage' offset='1' size='2'/></slices></source>",
        'json:{"file":{"driver":"raw","offset":1,"size":2,"file":{"driver":"file","filename":"/a"}}}',
    ),
]


@pytest.mark.parametrize(("kind", "xml", "name"), SOURCES)
def test_a_name_is_written_and_read(kind: str, xml: str, name: str) -> None:
    source = StorageSource.parse(xml.encode())
    assert string(Image(StorageType(kind), ImageFormat.RAW, source, 0)) == name
    again_kind, again = read(name)
    assert (again_kind, again.format(secure=True)) == (StorageType(kind), source.format(secure=True))


@pytest.mark.parametrize(
    ("name", "xml"),
    [
        ('json:{"driver":"qcow2","file.driver":"file","file.filename":"/a"}', "<source file='/a'/>"),
        (
            'json:{"driver":"nbd","host":"h","port":"1","export":"e"}',
            "<source protocol='nbd' name='e'><host name='h' port='1'/></source>",
        ),
        (
            'json:{"driver":"gluster","volume":"v","path":"/i","server.0.type":"inet","server.0.host":"h"}',
            "<source protocol='gluster' name='v/i'><host name='h' port='24007'/></source>",
        ),
        (
            'json:{"driver":"iscsi","portal":"[::1]","target":"t"}',
            "<source protocol='iscsi' name='t/0'><host name='::1' port='3260'/></source>",
        ),
        ("http://h/i?q=1", "<source protocol='http' name='i' query='q=1'><host name='h' port='80'/></source>"),
    ],
)
def test_other_spellings_are_read(name: str, xml: str) -> None:
    _, source = read(name)
    assert source.format(secure=True) == StorageSource.parse(xml.encode()).format(secure=True)


@pytest.mark.parametrize(
    "name", ["json:{", "json:[]", 'json:{"driver":"quorum"}', 'json:{"driver":"nbd"}', 'json:{"driver":"file"}']
)
def test_what_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(HypervisorError, match="not known"):
        read(name)
