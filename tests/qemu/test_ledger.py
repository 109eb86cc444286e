"""What of a watched domain was read, and what was not."""

from __future__ import annotations

import pytest

from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.ledger import peek, read_through, refuse_unread, unread, watch

TEXT = """<domain type='kvm'><name>a</name><memory>1024</memory><vcpu placement='static'>2</vcpu>
<cpu mode='custom'><model>qemu64</model><topology sockets='1' cores='2' threads='1'/></cpu><devices>
<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><source file='/b'/><target dev='vdb' bus='virtio'/></disk></devices></domain>"""


def domain() -> Domain:
    return watch(Domain.parse(TEXT))


def test_what_was_not_read_is_named_by_its_path() -> None:
    watched = domain()
    assert unread(watched, "/domain") == ["/domain"]
    assert watched.name == "a"
    assert [str(watched.type), watched.memory and watched.memory.kib, watched.vcpu and watched.vcpu.count] != []
    assert watched.devices.disks[1].target.dev == "vdb"
    left = unread(watched, "/domain")
    assert "/domain/name" not in left
    assert "/domain/vcpu/@placement" in left
    assert "/domain/cpu" in left
    assert "/domain/devices/disk[1]" in left
    assert "/domain/devices/disk[2]/target/@bus" in left
    assert "/domain/devices/disk[2]/target/@dev" not in left
    with pytest.raises(ConfigUnsupported) as refused:
        refuse_unread(watched, "/domain", "a")
    assert refused.value.evidence["paths"] == left


def test_all_that_is_read_is_not_refused() -> None:
    watched = domain()
    read_through(watched)
    refuse_unread(watched, "/domain", "a")
    assert unread(watched, "/domain") == []


def test_it_reads_as_the_domain_itself() -> None:
    watched, plain = domain(), Domain.parse(TEXT)
    assert watched == plain
    assert watched.cpu == plain.cpu
    assert isinstance(watched, Domain)
    assert not watched.devices.is_blank()


def test_a_look_is_no_reading() -> None:
    watched = domain()
    assert peek(watched, "name") == "a"
    assert peek(None, "name") is None
    assert unread(watched, "/domain") == ["/domain"]


def test_what_is_read_of_a_copy_is_read_and_its_changes_are_its_own() -> None:
    watched = domain()
    assert watched.cpu is not None
    copy = watched.cpu.copy()
    assert copy.topology is not None
    copy.topology.cores = 8
    assert copy.topology.cores == 8
    assert copy.mode is watched.cpu.mode
    assert watched.cpu.topology is not None
    left = unread(watched, "/domain")
    assert "/domain/cpu/model" in left
    assert "/domain/cpu/topology" in left
    assert watched.cpu.topology.cores == 2
    assert copy.topology.threads == 1
    assert "/domain/cpu/topology/@threads" not in unread(watched, "/domain")
