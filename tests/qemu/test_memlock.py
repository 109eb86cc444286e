"""How much memory a domain's process may lock."""

from __future__ import annotations

import pytest

from virtbus.domain import Domain
from virtbus.domain.defaults import complete
from virtbus_qemu.memlock import UNLIMITED, limit_of

GIB = 1024**3

CARD = """<hostdev mode='subsystem' type='pci' managed='yes'>
  <source><address domain='0' bus='{0}' slot='0' function='0'/></source>
</hostdev>"""
NVME = """<disk type='nvme' device='disk'>
  <source type='pci' managed='yes' namespace='1'><address domain='0' bus='{0}' slot='0' function='0'/></source>
  <target dev='vd{0:c}' bus='virtio'/>
</disk>"""
BRIDGE = "<controller type='pci' index='{0}' model='pci-root'/>"
IOMMU = "<iommu model='intel'/>"
VDPA = "<interface type='vdpa'><source dev='/dev/vhost-vdpa-{0}'/></interface>"


def _domain(devices: str = "", *, more: str = "", arch: str = "x86_64", kind: str = "kvm") -> Domain:
    domain = Domain.parse(
        f"""<domain type='{kind}'><name>g</name><memory unit='GiB'>2</memory>{more}
        <os><type arch='{arch}' machine='{"pseries" if arch == "ppc64" else "q35"}'>hvm</type></os>
        <devices>{devices}</devices></domain>"""
    )
    complete(domain)
    return domain


@pytest.mark.parametrize(
    ("devices", "more", "size"),
    [
        ("", "", 0),
        ("", "<memoryBacking><locked/></memoryBacking>", UNLIMITED),
        (
            "",
            "<memtune><hard_limit unit='GiB'>5</hard_limit></memtune><memoryBacking><locked/></memoryBacking>",
            5 * GIB,
        ),
        (CARD.format(1), "", 3 * GIB),
        (CARD.format(1) + CARD.format(2), "", 3 * GIB),
        (CARD.format(1) + CARD.format(2) + IOMMU, "", 5 * GIB),
        (NVME.format(97) + NVME.format(98), "", 5 * GIB),
        (VDPA.format(0) + VDPA.format(1) + CARD.format(1), "", 7 * GIB),
    ],
)
def test_memory_is_pinned_for_each_device_that_maps_it_for_itself(devices: str, more: str, size: int) -> None:
    assert limit_of(_domain(devices, more=more)) == size


@pytest.mark.parametrize(
    ("devices", "kind", "mib"),
    [
        (BRIDGE.format(0), "qemu", 0),
        (BRIDGE.format(0), "kvm", 16 + 4 + 8),
        (BRIDGE.format(0) + CARD.format(1), "kvm", 16 + 4 + 8 + 2048 + 4 + 8),
        (BRIDGE.format(0) + BRIDGE.format(1) + CARD.format(1), "kvm", 16 + 8 + 8 + 4096),
    ],
)
def test_a_power_guest_pays_for_its_tables(devices: str, kind: str, mib: int) -> None:
    assert limit_of(_domain(devices, arch="ppc64", kind=kind)) == mib * 1024**2
