"""Which processor can run what, and what several have in common."""

from __future__ import annotations

import pytest

from virtbus.cpu import Comparison, CpuDefinition, CpuTable, HostCpu, PowerTable, baseline, compare
from virtbus.domain.cpu import Cpu, CpuFallback
from virtbus.errors import ConfigUnsupported

HOST = CpuDefinition.of_host(
    HostCpu.parse("<cpu><arch>x86_64</arch><model>Lake</model><vendor>Intel</vendor><feature name='invtsc'/></cpu>")
)


def guest(inside: str, attributes: str = "match='exact'") -> CpuDefinition:
    return CpuDefinition.of_guest(Cpu.parse(f"<cpu {attributes}>{inside}</cpu>"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (guest("<model>plain</model>"), Comparison.SUPERSET),
        (guest("<model>Lake</model><feature policy='require' name='invtsc'/>"), Comparison.IDENTICAL),
        (guest("<model>Lake</model><feature policy='optional' name='invtsc'/>"), Comparison.IDENTICAL),
        (guest("<model>Rome</model>"), Comparison.INCOMPATIBLE),
        (guest("<model>Rome</model><feature policy='force' name='rtm'/>"), Comparison.SUPERSET),
        (guest("<model>plain</model><feature policy='forbid' name='invtsc'/>"), Comparison.INCOMPATIBLE),
        (guest("<model>plain</model>", "match='strict'"), Comparison.INCOMPATIBLE),
        (guest("<model>plain</model><vendor>AMD</vendor>"), Comparison.INCOMPATIBLE),
    ],
)
def test_a_host_is_compared_with_what_is_wanted(table: CpuTable, wanted: CpuDefinition, expected: Comparison) -> None:
    assert compare(table, HOST, wanted) is expected


def host(model: str, vendor: str | None = None, *features: str) -> CpuDefinition:
    names = "".join(f"<feature name='{name}'/>" for name in features)
    said = f"<vendor>{vendor}</vendor>" if vendor else ""
    return CpuDefinition.of_host(HostCpu.parse(f"<cpu><arch>x86_64</arch><model>{model}</model>{said}{names}</cpu>"))


def test_the_baseline_is_what_all_have(table: CpuTable) -> None:
    found = baseline(table, [host("Lake", "Intel", "invtsc"), host("Lake", "Intel", "invtsc", "vme")])
    assert found.model is not None
    assert (found.model.name, found.model.fallback) == ("Lake", CpuFallback.FORBID)
    assert [feature.name for feature in found.features] == ["invtsc", "vme"]
    assert found.vendor == "Intel"


def test_the_baseline_names_no_vendor_that_nobody_named(table: CpuTable) -> None:
    assert baseline(table, [host("plain"), host("plain")]).vendor is None


def test_different_vendors_have_no_baseline(table: CpuTable) -> None:
    with pytest.raises(ConfigUnsupported, match="CPU vendors do not match"):
        baseline(table, [host("Lake", "Intel"), host("Rome", "AMD")])
    with pytest.raises(ConfigUnsupported, match="differs from vendor"):
        baseline(table, [host("Lake", "AMD")])


def test_power_models_are_the_same_or_incompatible(power: PowerTable) -> None:
    assert power.compare(host("POWER8", "IBM"), host("POWER8")) is Comparison.IDENTICAL
    assert power.compare(host("POWER8", "IBM"), host("POWER9")) is Comparison.INCOMPATIBLE
    assert power.compare(host("POWER8"), host("POWER8", "IBM")) is Comparison.INCOMPATIBLE
    found = power.baseline([host("POWER8"), host("POWER8_v1.0")])
    assert found.model is not None
    assert found.model.name == "POWER8"
    with pytest.raises(ConfigUnsupported, match="incompatible"):
        power.baseline([host("POWER8"), host("POWER9")])
