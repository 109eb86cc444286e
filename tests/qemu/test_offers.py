"""What the installed QEMU offers: documents that libvirt's readers know, and processors compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from virtbus.cpu import CpuTable
from virtbus.errors import ConfigUnsupported, XmlError
from virtbus_qemu.capabilities import Capabilities, probe
from virtbus_qemu.hostcapabilities import host_capabilities
from virtbus_qemu.offers import QemuOffers
from virtbus_qemu.probing.ownmodels import read, written


class Offers(QemuOffers):
    """The facet alone."""

    def __init__(self, capabilities: Capabilities) -> None:
        host: Any = type("Host", (), {"capabilities": capabilities})()
        self.host = host


@pytest.fixture
async def offers(emulator: Path) -> Offers:
    return Offers(await probe(emulator))


def table(offers: Offers) -> CpuTable:
    assert offers.host.capabilities.processors is not None
    return offers.host.capabilities.processors.table


async def test_a_domain_sees_what_it_may_ask_for(offers: Offers) -> None:
    document = etree.fromstring(await offers.domain_capabilities("q35", "qemu"))
    assert document.findtext("domain") == "qemu"
    assert document.findtext("machine", "").startswith("pc-q35-")
    assert "Nehalem" in document.xpath("cpu/mode[@name='custom']/model/text()")
    with pytest.raises(ConfigUnsupported, match="no machine type nosuch"):
        await offers.domain_capabilities("nosuch", None)
    with pytest.raises(ConfigUnsupported):
        await offers.domain_capabilities(None, "xen")


async def test_processors_are_compared_with_what_guests_get(offers: Offers) -> None:
    assert await offers.compare_cpu("<cpu><model>486</model></cpu>") == "superset"
    # What a domain of mode host-model gets is no more than the host has.
    [mode] = etree.fromstring(await offers.domain_capabilities(None, None)).xpath("cpu/mode[@name='host-model']")
    mode.tag = "cpu"
    mode.attrib.clear()
    assert await offers.compare_cpu(etree.tostring(mode, encoding="unicode")) in ("identical", "superset")
    everything = "".join(f"<feature policy='require' name='{name}'/>" for name in table(offers).features)
    assert await offers.compare_cpu(f"<cpu><model>Nehalem</model>{everything}</cpu>") == "incompatible"
    with pytest.raises(XmlError):
        await offers.compare_cpu("<nothing/>")


async def test_a_baseline_is_what_both_have(offers: Offers) -> None:
    both = [f"<cpu><arch>x86_64</arch><model>{name}</model></cpu>" for name in ("Nehalem", "Skylake-Server")]
    found = etree.fromstring(await offers.baseline_cpu(both, expanded=False, migratable=True))
    model = found.findtext("model")
    assert model is not None
    names = table(offers).names
    assert set(names(table(offers).model(model).bits)) <= set(names(table(offers).model("Skylake-Server").bits))
    expanded = etree.fromstring(await offers.baseline_cpu(both, expanded=True, migratable=False))
    assert len(expanded.findall("feature")) > len(found.findall("feature"))


async def test_the_hosts_document_names_processor_topology_and_guests(offers: Offers) -> None:
    document = etree.fromstring(host_capabilities(offers.host.capabilities, "0" * 31 + "1"))
    assert document.findtext("host/uuid") == "00000000-0000-0000-0000-000000000001"
    assert document.findtext("host/cpu/model") in table(offers).models
    assert int(document.find("host/cpu/topology").get("cores")) >= 1
    assert document.findtext("guest/arch/emulator") == offers.host.capabilities.emulator
    assert document.xpath("guest/arch/machine[text()='q35']/@canonical")


async def test_the_table_of_processors_outlives_the_worker(offers: Offers, emulator: Path, tmp_path: Path) -> None:
    first, again = await probe(emulator, cache=tmp_path), await probe(emulator, cache=tmp_path)
    assert first.processors is not None
    assert again.processors is not None
    assert again.processors.table == first.processors.table == read(written(first.processors.table))
