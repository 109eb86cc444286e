"""A guest's processor made exact."""

from __future__ import annotations

import pytest

from virtbus.cpu import CpuDefinition, CpuTable, HostCpu, adjust, complete_cpu, expand, observe, translate
from virtbus.domain.cpu import Cpu
from virtbus.errors import ConfigUnsupported


def features(cpu: Cpu) -> dict[str, str]:
    return {feature.name: str(feature.policy) for feature in cpu.features}


HOST = CpuDefinition.of_host(
    HostCpu.parse("<cpu><arch>x86_64</arch><model>Lake</model><feature name='vme'/><feature name='invtsc'/></cpu>")
)


def test_optional_features_are_settled_by_the_host(table: CpuTable) -> None:
    asked = Cpu.parse(
        "<cpu match='exact'><model>plain</model>"
        "<feature policy='optional' name='vme'/><feature policy='optional' name='rtm'/></cpu>"
    )
    assert features(adjust(table, asked, HOST)) == {"vme": "require", "rtm": "disable"}


def test_host_model_becomes_the_hosts_without_what_cannot_move(table: CpuTable) -> None:
    found = adjust(table, Cpu.parse("<cpu mode='host-model'/>"), HOST)
    assert found.model is not None
    assert found.model.name == "Lake"
    assert features(found) == {"vme": "require"}


def test_the_least_is_the_hosts_model_with_what_was_ruled_out(table: CpuTable) -> None:
    asked = Cpu.parse("<cpu match='minimum'><model>plain</model><feature policy='disable' name='vme'/></cpu>")
    found = adjust(table, asked, HOST)
    assert found.model is not None
    assert (found.model.name, str(found.match)) == ("Lake", "exact")
    assert features(found) == {"vme": "disable"}


def test_a_model_is_translated_into_those_of_the_hypervisor(table: CpuTable) -> None:
    asked = Cpu.parse("<cpu match='exact'><model>Lake</model><feature policy='disable' name='vme'/></cpu>")
    found = translate(table, asked, {"plain": ()})
    assert found.model is not None
    assert found.model.name == "plain"
    assert features(found) == {"ssse3": "require", "vme": "disable"}
    forbidden = Cpu.parse("<cpu match='exact'><model fallback='forbid'>Lake</model></cpu>")
    with pytest.raises(ConfigUnsupported, match="not supported by hypervisor"):
        translate(table, forbidden, {"plain": ()})


def test_a_running_guest_names_only_what_differs_from_its_model(table: CpuTable) -> None:
    asked = Cpu.parse("<cpu match='exact'><model>Lake</model><feature policy='require' name='invtsc'/></cpu>")
    found = observe(table, asked, table.bits(["pni", "hle"]), table.bits(["ssse3", "invtsc"]))
    assert features(found) == {"hle": "require", "ssse3": "disable", "vme": "disable"}


def test_expanding_names_every_feature_once(table: CpuTable) -> None:
    asked = Cpu.parse("<cpu match='exact'><model>Lake</model><feature policy='disable' name='pni'/></cpu>")
    assert features(expand(table, asked)) == {"ssse3": "require", "pni": "disable"}


def test_what_goes_without_saying_is_said() -> None:
    found = complete_cpu(Cpu.parse("<cpu><model>plain</model><topology sockets='1' cores='2' threads='1'/></cpu>"))
    assert str(found.mode) == "custom"
    assert str(found.match) == "exact"
    assert found.model is not None
    assert str(found.model.fallback) == "allow"
    assert found.topology is not None
    assert (found.topology.dies, found.topology.clusters) == (1, 1)
