"""Which model describes a processor."""

from __future__ import annotations

import pytest

from virtbus.cpu import CpuData, CpuTable, decode
from virtbus.cpu.registers import Signature
from virtbus.errors import ConfigUnsupported

LAKE = Signature(6, 60, 1).pack()


def data(table: CpuTable, *names: str, vendor: str | None = "Intel", signature: int | None = LAKE) -> CpuData:
    return CpuData(table.bits(names), vendor, signature)


def test_the_signature_decides_before_the_features(table: CpuTable) -> None:
    assert decode(table, data(table, "pni")).model == "Lake"
    assert decode(table, data(table, "pni", signature=0)).model == "plain"


def test_a_host_must_have_all_of_its_model(table: CpuTable) -> None:
    found = decode(table, data(table, "pni"), host=True)
    assert (found.model, found.disable) == ("plain-v1", [])


def test_differences_are_told_in_the_tables_order(table: CpuTable) -> None:
    found = decode(table, data(table, "invtsc", "vme", "pni"))
    assert (found.require, found.disable) == (["vme", "invtsc"], ["ssse3"])


def test_what_a_model_lost_is_disabled_by_name(table: CpuTable) -> None:
    assert decode(table, data(table, "pni", "ssse3")).disable == ["vme"]


def test_what_cannot_move_is_left_out_on_request(table: CpuTable) -> None:
    found = decode(table, data(table, "pni", "ssse3", "vme", "invtsc"), migratable=True)
    assert found.require == ["vme"]


def test_broken_transactional_memory_is_not_seen(table: CpuTable) -> None:
    found = decode(table, data(table, "pni", "ssse3", "vme", "hle", "rtm"))
    assert found.require == ["vme"]


def test_a_models_vendor_must_be_the_processors(table: CpuTable) -> None:
    found = decode(table, data(table, "pni", "ssse3", vendor="AMD", signature=Signature(23, 49, 0).pack()))
    assert (found.model, found.disable) == ("Rome", ["rtm"])


def test_only_the_hypervisors_models_are_taken_and_their_blockers_disabled(table: CpuTable) -> None:
    found = decode(table, data(table, "pni"), models={"plain": ["invtsc"]})
    assert (found.model, found.disable) == ("plain", ["invtsc"])
    with pytest.raises(ConfigUnsupported, match="Cannot find suitable CPU model"):
        decode(table, data(table, "pni"), models={"other": []})


def test_the_preferred_model_is_taken_where_possible(table: CpuTable) -> None:
    assert decode(table, data(table, "pni", "ssse3"), preferred="plain").model == "plain"
