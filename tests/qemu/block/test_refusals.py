"""Disks that QEMU cannot have, in libvirt's words."""

from __future__ import annotations

import pytest

from tests.qemu.block.disks import told
from virtbus.errors import VirtbusError


def disk(
    driver: str = "", *, of: str = "<source file='/a'/>", rest: str = "", bus: str = "virtio", what: str = ""
) -> str:
    return f"<disk {what}><driver name='qemu' {driver}/>{of}<target dev='vda' bus='{bus}'/>{rest}</disk>"


def network(protocol: str, inner: str, hosts: str = "<host name='h'/>") -> str:
    return disk(
        "type='raw'", what="type='network'", of=f"<source protocol='{protocol}' name='n'>{hosts}{inner}</source>"
    )


SECRET = "<secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>"

REFUSED = [
    (disk("io='native'"), "native I/O needs either no disk cache or directsync cache mode"),
    (disk("copy_on_read='on'", rest="<readonly/>"), "copy_on_read is not compatible with read-only disk 'vda'"),
    (disk("iothread='3'"), "Disk iothread '3' not defined in iothreadid"),
    (disk("iothread='1'", bus="usb"), "IOThreads not available for bus usb target vda"),
    (disk("type='iso'"), "storage format 'iso' is not directly supported by QEMU, use 'raw' instead"),
    (disk("type='raw' discard_no_unref='on'"), "'discard_no_unref' option is available only with qcow2 format"),
    (disk(rest="<serial>a;b</serial>"), "driver serial 'a;b' contains unsafe characters"),
    (disk(bus="sata", rest="<readonly/>"), "readonly sata disks are not supported"),
    (disk(what="device='cdrom'", of="", bus="usb"), "'usb' disk must not be empty"),
    (disk(rest="<throttlefilters><throttlefilter group='g'/></throttlefilters>"), "throttle group 'g' is not defined"),
    (
        disk(rest="<iotune><total_bytes_sec>1</total_bytes_sec>"
             "<total_bytes_sec_max_length>2</total_bytes_sec_max_length></iotune>"),
        "value 'total_bytes_sec_max_length' cannot be set if 'total_bytes_sec_max' is not set",
    ),
    (network("iscsi", "", hosts=""), "iSCSI protocol accepts only one host"),
    (network("nbd", "<ssl verify='no'/>"), "ssl verification is supported only with HTTPS/FTPS protocol"),
    (network("ftp", "<cookies><cookie name='a'>b</cookie></cookies>"), "http cookies are supported only with HTTP"),
    (network("ssh", "<identity username='u' keyfile='/k'/>"), "SSH key authentication requires nbdkit"),
    (
        network("nbd", f"<encryption format='luks' engine='librbd'>{SECRET}</encryption>"),
        "librbd encryption is supported only with RBD backed disks",
    ),
    (
        disk("type='qcow2'", of=f"<source file='/a'><encryption format='qcow'>{SECRET}</encryption></source>"),
        "old qcow2 encryption is not supported",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("xml", "words"), REFUSED, ids=[words[:40] for _, words in REFUSED])
def test_what_cannot_be_is_refused(xml: str, words: str) -> None:
    with pytest.raises(VirtbusError) as caught:
        told(xml)
    assert words in caught.value.wording
    assert str(caught.value.evidence["path"]).startswith("/domain/devices/disk")
