"""The processor that is stored with a definition, and the one that a guest starts with."""

from __future__ import annotations

import pytest

from tests.qemu import invented
from virtbus.cpu import CpuDefinition, CpuTable
from virtbus.cpu.table import Feature, Model
from virtbus.domain import Domain
from virtbus.domain.cpu import Cpu, CpuFeaturePolicy
from virtbus.errors import ConfigUnsupported, CpuIncompatible
from virtbus_qemu import cpudefaults, machinedefaults
from virtbus_qemu.capabilities import Capabilities, Processors
from virtbus_qemu.guestcpu import settled
from virtbus_qemu.probing.digest import CpuProperty, HostModel
from virtbus_qemu.settings import QemuSettings


def table() -> CpuTable:
    features = {name: Feature(name, 1 << number, True) for number, name in enumerate(("sse", "avx", "old"))}
    models = {
        "qemu64": Model("qemu64", features["sse"].bits),
        "Skylake-Client": Model("Skylake-Client", features["sse"].bits, removed=frozenset({"old"})),
    }
    return CpuTable(features=features, models=models)


def known(host: CpuDefinition | None, *, kvm: bool = False) -> Capabilities:
    plain = invented.capabilities(kvm=kvm)
    return Capabilities(plain.digest, plain.firmware, plain.fingerprint, Processors(table(), host))


HOST = CpuDefinition(model="Skylake-Client", features={"avx": CpuFeaturePolicy.REQUIRE})


def domain(cpu: str, *, kind: str = "qemu", arch: str = "x86_64") -> Domain:
    return Domain.parse(
        f"<domain type='{kind}'><name>d</name><memory>1024</memory>"
        f"<os><type arch='{arch}' machine='q35'>hvm</type></os>{cpu}</domain>"
    )


def features(cpu: Cpu | None) -> dict[str, str]:
    assert cpu is not None
    return {each.name: str(each.policy) for each in cpu.features}


@pytest.mark.parametrize(
    ("kind", "cpu", "check", "mode"),
    [
        ("qemu", "", "none", "custom"),
        ("kvm", "", "none", "custom"),
        ("qemu", "<cpu><model>Skylake-Client</model></cpu>", "none", "custom"),
        ("kvm", "<cpu><model>Skylake-Client</model></cpu>", "partial", "custom"),
        ("kvm", "<cpu mode='host-model'/>", "partial", "host-model"),
        ("kvm", "<cpu mode='host-passthrough'/>", "none", "host-passthrough"),
    ],
)
def test_what_is_stored_says_how_strictly_it_is_compared(kind: str, cpu: str, check: str, mode: str) -> None:
    stored, capabilities = domain(cpu, kind=kind), invented.capabilities(kvm=True)
    machinedefaults.fill(stored, capabilities, QemuSettings())
    cpudefaults.fill(stored, capabilities)
    assert stored.cpu is not None
    assert (str(stored.cpu.check), str(stored.cpu.mode)) == (check, mode)
    if mode == "host-passthrough":
        assert stored.cpu.migratable is True


def test_vector_lengths_switch_vectors_on() -> None:
    stored = domain("<cpu mode='maximum'><feature policy='require' name='sve256'/></cpu>")
    cpudefaults.fill(stored, invented.capabilities())
    assert features(stored.cpu) == {"sve256": "require", "sve": "require"}


def test_vector_lengths_without_vectors_are_refused() -> None:
    wanted = "<feature policy='require' name='sve256'/><feature policy='disable' name='sve'/>"
    with pytest.raises(ConfigUnsupported, match="SVE disabled, but SVE vector lengths provided"):
        cpudefaults.fill(domain(f"<cpu mode='maximum'>{wanted}</cpu>"), invented.capabilities())


def test_the_hosts_model_gets_its_name() -> None:
    cpu = settled(domain("<cpu mode='host-model'><feature policy='disable' name='avx'/></cpu>"), known(HOST))
    assert cpu is not None
    assert cpu.model is not None
    assert cpu.model.name == "Skylake-Client"
    assert features(cpu) == {"avx": "disable", "old": "disable"}


def test_optional_features_follow_the_host() -> None:
    wanted = "<feature policy='optional' name='avx'/><feature policy='optional' name='old'/>"
    cpu = settled(domain(f"<cpu mode='custom'><model>qemu64</model>{wanted}</cpu>"), known(HOST))
    assert features(cpu) == {"avx": "require", "old": "disable"}


def test_what_a_model_once_had_is_switched_off_unless_asked_for() -> None:
    plain = "<cpu mode='custom'><model>Skylake-Client</model>{}</cpu>"
    assert features(settled(domain(plain.format("")), known(HOST))) == {"old": "disable"}
    asked = plain.format("<feature policy='require' name='old'/>")
    assert features(settled(domain(asked), known(HOST))) == {"old": "require"}


@pytest.mark.parametrize(("kind", "mode"), [("kvm", "host-passthrough"), ("qemu", "maximum")])
def test_without_a_table_the_host_is_taken_whole(kind: str, mode: str) -> None:
    cpu = settled(domain("<cpu mode='host-model'/>", kind=kind), invented.capabilities(kvm=True))
    assert cpu is not None
    assert (str(cpu.mode), cpu.migratable) == (mode, True)


def test_a_settled_processor_stays_as_it_is() -> None:
    started = domain("<cpu mode='host-model'/>")
    started.cpu = settled(started, known(HOST))
    again = settled(started, known(HOST))
    assert again is not None
    assert started.cpu is not None
    assert again.format() == started.cpu.format()


def test_a_model_that_qemu_lacks_is_refused() -> None:
    with pytest.raises(ConfigUnsupported, match="CPU model Opteron_G9 is not supported by hypervisor"):
        settled(domain("<cpu mode='custom'><model>Opteron_G9</model></cpu>"), invented.capabilities())


def test_a_mainframes_model_has_all_its_features_by_name() -> None:
    capabilities = invented.capabilities()
    capabilities.digest.accelerators[0].host = HostModel(
        type="tcg",
        model="gen16a-base",
        migratability=False,
        properties=[CpuProperty(name="vx", value="true"), CpuProperty(name="te", value="false")],
    )
    cpu = settled(domain("<cpu mode='host-model'/>", arch="s390x"), capabilities)
    assert cpu is not None
    assert cpu.model is not None
    assert cpu.model.name == "gen16a-base"
    assert features(cpu) == {"vx": "require", "te": "disable"}


def test_a_power_host_is_not_taken_for_a_newer_one() -> None:
    capabilities = known(CpuDefinition(model="POWER8"))
    older = domain("<cpu mode='host-model'><model>power7</model></cpu>", arch="ppc64")
    assert settled(older, capabilities) is not None
    newer = domain("<cpu mode='host-model'><model>power9</model></cpu>", arch="ppc64")
    with pytest.raises(CpuIncompatible):
        settled(newer, capabilities)
