"""xl.cfg both ways, by example: what a user would write, what comes of it, and what is refused."""

from __future__ import annotations

import json

import pytest

from virtbus.domain import Domain, InterfaceType, StorageType
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_xen import definition, libxl
from virtbus_xen.config import Dialect, read, write
from virtbus_xen.config.disks import split
from virtbus_xen.config.syntax import format_settings, parse_settings

PARAVIRTUAL = """# a guest
name = "web"
uuid = "5d2c1f0e-6a0b-4a56-9d3c-0d3f7a5b2c11"
type = "pv"
memory = 512
maxmem = 1024
vcpus = 2
maxvcpus = 4
kernel = "/boot/vmlinuz"
extra = "quiet"
root = "/dev/xvda1"
disk = [ "/dev/vg/web,raw,xvda,w,backendtype=phy", 'file.qcow2,qcow2,xvdb,r' ]
vif = [ "mac=00:16:3e:11:22:33,bridge=xenbr0.7,rate=1MB/s" ]
"""


def test_a_file_is_read_as_libvirt_reads_it() -> None:
    domain = read(PARAVIRTUAL)
    assert (domain.name, domain.memory.kib if domain.memory else 0) == ("web", 1 << 20)
    assert domain.vcpu is not None
    assert (domain.vcpu.current, domain.vcpu.count) == (2, 4)
    assert domain.os is not None
    assert domain.os.cmdline == "root=/dev/xvda1 quiet"
    first, second = domain.devices.disks
    assert (first.type, second.type, second.readonly) == (StorageType.BLOCK, StorageType.FILE, True)
    (card,) = domain.devices.interfaces
    assert (card.type, [tag.id for tag in card.vlan.tags] if card.vlan else None) == (InterfaceType.BRIDGE, [7])
    assert card.bandwidth is not None
    assert card.bandwidth.outbound is not None
    assert card.bandwidth.outbound.average == 1024


@pytest.mark.parametrize("dialect", Dialect)
def test_a_domain_comes_back_as_it_was_written(dialect: Dialect) -> None:
    text = PARAVIRTUAL.replace("'file.qcow2,qcow2,xvdb,r'", "")
    if dialect is Dialect.XM:
        text = text.replace('"/dev/vg/web,raw,xvda,w,backendtype=phy", ', '"phy:/dev/vg/web,xvda,w"')
    domain = read(text, dialect)
    again = read(write(domain, dialect), dialect)
    assert again.format() == domain.format()


def test_settings_come_back_whatever_quotes_they_have() -> None:
    settings = parse_settings(
        'a = 1\nb = "it\'s"\nc = \'say "x"\'\nd = """both \' and """\ne = [ \'x\', [ 2, ], ]; f = -3\n'
    )
    assert settings["e"] == ["x", [2]]
    assert settings["f"] == -3
    assert parse_settings(format_settings(settings)) == settings


@pytest.mark.parametrize(
    ("text", "line"), [("a 1", 1), ("a = ", 1), ("a = [ 1, 2", 1), ('a = 1\nb = "x', 2), ("a = 1 b = 2", 1), ("= 3", 1)]
)
def test_a_file_that_breaks_the_syntax_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidArgument, match=f"line {line}:"):
        parse_settings(text)


@pytest.mark.parametrize(
    "line",
    ['type = "plan9"', 'disk = [ "x,qcow3,xvda,w" ]', 'vif = [ "bridge" ]', 'pci = [ "1" ]', 'uuid = "x"', "name = 3",
     'vif = [ "rate=fast" ]', 'on_crash = "dance"', 'usbdev = [ "port=1" ]', 'channel = [ "connection=smoke" ]',
     'vnuma = [ [ "pnode=1", "size=1", "vcpus=0" ] ]', 'passthrough = "maybe"'],
)  # fmt: skip
def test_what_no_domain_can_be_is_refused(line: str) -> None:
    with pytest.raises(InvalidArgument):
        read(f'name = "x"\n{line}\n')


def test_the_target_of_a_disk_may_have_commas() -> None:
    assert split("format=raw, vdev=xvda, access=rw, target=/a,b,c")["target"] == "/a,b,c"


def test_what_xl_cannot_say_is_refused_when_it_is_defined() -> None:
    document = (
        "<domain type='xen'><name>x</name><memory>1024</memory><os><type>linux</type></os>"
        "<devices><interface type='user'/></devices></domain>"
    )
    with pytest.raises(ConfigUnsupported, match="Unsupported net type 'user'"):
        definition.complete(Domain.parse(document), None)


def test_libxls_json_has_what_xl_is_told() -> None:
    document = json.loads(libxl.text_of(read(PARAVIRTUAL)))
    assert document["c_info"] == {"type": "pv", "name": "web", "uuid": "5d2c1f0e-6a0b-4a56-9d3c-0d3f7a5b2c11"}
    assert document["b_info"]["avail_vcpus"] == [0, 1]
    assert [disk["vdev"] for disk in document["disks"]] == ["xvda", "xvdb"]
