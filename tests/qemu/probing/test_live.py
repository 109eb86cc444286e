"""What the installed QEMU shows, and what its domains may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.qemu.machines import EMULATOR
from virtbus.cpu import CpuData, CpuTable, decode
from virtbus.cpu.registers import Signature
from virtbus_qemu.probing.ask import interrogate
from virtbus_qemu.probing.digest import Digest
from virtbus_qemu.probing.guests import guest_of
from virtbus_qemu.probing.offer import Offering, Site
from virtbus_qemu.probing.ownmodels import table_of
from virtbus_qemu.probing.probe import digest_of
from virtbus_qemu.probing.replies import Session


@pytest.fixture(scope="module")
async def sessions() -> list[Session]:
    if EMULATOR is None:
        pytest.skip("QEMU is not installed (Debian: apt install qemu-system-x86)")
    return await interrogate(Path(EMULATOR))


@pytest.fixture(scope="module")
async def digest(sessions: list[Session]) -> Digest:
    return digest_of(sessions, emulator=str(EMULATOR))


@pytest.fixture(scope="module")
async def table(sessions: list[Session]) -> CpuTable:
    return table_of(sessions[-1])


async def test_a_live_binary_shows_its_flags(digest: Digest) -> None:
    assert digest.head.arch == "x86_64"
    known = {"tcg", "virtio-net", "pcie-root-port", "blockdev.nbd.tls-hostname", "rotation-rate", "machine-vmport-opt"}
    assert known <= digest.flags
    assert not digest.has("s390-sclp")
    assert not digest.has("hvf")


async def test_models_and_machines_are_listed_per_accelerator(digest: Digest) -> None:
    assert digest.accelerators[-1].name == "tcg"
    for accelerator in digest.accelerators:
        assert accelerator.machines[0].alias == "pc"
        assert "none" not in {machine.name for machine in accelerator.machines}
        assert "qemu64" in {cpu.name for cpu in accelerator.cpus}
        assert accelerator.host is not None
        assert accelerator.host.migratability


async def test_the_digest_can_be_read_again(digest: Digest) -> None:
    written = digest.format()
    assert Digest.parse(written).format() == written


async def test_the_binary_runs_one_kind_of_guest(digest: Digest) -> None:
    guest = guest_of(digest)
    assert guest.arch.wordsize == 64
    assert guest.arch.domains[0].type == "qemu"
    [q35] = [machine for machine in guest.arch.machines if machine.name == "q35"]
    assert q35.canonical is not None
    assert q35.canonical.startswith("pc-q35-")


async def test_the_binarys_own_models_describe_themselves(table: CpuTable) -> None:
    for name in ("Skylake-Server", "EPYC-Rome", "Nehalem"):
        model = table.model(name)
        [match] = model.signatures
        data = CpuData(model.bits, model.vendor, Signature(match.family, match.model, 1).pack())
        found = decode(table, data, preferred=name)
        assert (found.model, found.require, found.disable) == (name, [], [])
    assert {"pclmuldq", "lahf_lm", "sse4.1"} <= set(
        table.names(table.model("Nehalem").bits | table.model("Westmere").bits)
    )
    assert table.model("Skylake-Server-v1").canonical == "Skylake-Server"
    assert not table.features["invtsc"].migratable


async def test_the_host_is_described_by_the_binarys_own_models(digest: Digest, table: CpuTable) -> None:
    document = etree.fromstring(Offering(digest, Site(firmware=[], cpus=table), "qemu").document().format())
    assert document.xpath("string(cpu/mode[@name='host-model']/@supported)") == "yes"
    custom = document.xpath("cpu/mode[@name='custom']/model/text()")
    assert "Nehalem" in custom
    assert document.findtext("cpu/mode[@name='host-model']/model") in custom


async def test_a_domain_is_offered_what_the_binary_has(digest: Digest) -> None:
    offering = Offering(digest, Site(firmware=[], cpus=CpuTable()), "qemu", "q35")
    document = etree.fromstring(offering.document().format())
    assert document.findtext("domain") == "qemu"
    assert document.findtext("machine", "").startswith("pc-q35-")
    buses = document.xpath("devices/disk/enum[@name='bus']/value/text()")
    assert "virtio" in buses
    assert "ide" not in buses
    assert document.xpath("string(cpu/mode[@name='host-passthrough']/@supported)") == "no"
    assert document.xpath("string(cpu/mode[@name='maximum']/@supported)") == "yes"
