"""What a processor's registers mean in terms of the table."""

from __future__ import annotations

import pytest

from virtbus.cpu import CpuRegisters, CpuTable
from virtbus.cpu.registers import Signature
from virtbus.errors import ConfigUnsupported, XmlError

INTEL = "<cpuid eax_in='0x00' ebx='0x756e6547' edx='0x49656e69' ecx='0x6c65746e'/>"


def test_registers_become_vendor_signature_and_features(table: CpuTable) -> None:
    registers = CpuRegisters.parse(
        f"<cpudata arch='x86'>{INTEL}"
        "<cpuid eax_in='0x01' eax='0x000306c3' ecx='0x00000201' edx='0xffffffff'/>"
        "<msr index='0x10a' eax='0x1' edx='0x0'/></cpudata>"
    )
    data = table.data(registers)
    assert data.vendor == "Intel"
    assert Signature.unpack(data.signature or 0) == (6, 60, 3)
    assert table.names(data.bits) == ["pni", "ssse3", "vme", "rdctl-no"]


@pytest.mark.parametrize("signature", [Signature(6, 60, 3), Signature(23, 49, 0), Signature(15, 6, 1)])
def test_a_signature_survives_packing(signature: Signature) -> None:
    assert Signature.unpack(signature.pack()) == signature


def test_a_version_is_another_name_of_its_model(table: CpuTable) -> None:
    assert table.models["plain-v1"].canonical == "plain"
    assert table.models["plain-v1"].bits == table.models["plain"].bits
    assert table.models["plain"].canonical is None


def test_features_that_came_later_or_left_are_not_meant(table: CpuTable) -> None:
    lake = table.model("Lake")
    assert table.names(lake.bits) == ["pni", "ssse3"]
    assert lake.added == {"rdctl-no"}
    assert lake.removed == {"vme"}


def test_a_model_matches_its_steppings_only(table: CpuTable) -> None:
    lake = table.model("Lake")
    assert lake.accepts(Signature(6, 60, 2))
    assert lake.accepts(Signature(6, 60, 5))
    assert not lake.accepts(Signature(6, 60, 3))
    assert table.model("Rome").accepts(Signature(23, 49, 9))


def test_what_is_unknown_is_refused(table: CpuTable) -> None:
    with pytest.raises(ConfigUnsupported, match="Unknown CPU feature warp"):
        table.bits(["warp"])
    with pytest.raises(ConfigUnsupported, match="Unknown CPU model Nowhere"):
        table.model("Nowhere")
    with pytest.raises(XmlError):
        CpuRegisters.parse("<cpudata><cpuid eax_in='nought'/></cpudata>")
