"""Processors: naming a CPUID, comparing, baselines, and what a running guest got."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from tests.conformance.refusal import Refused
from virtbus.cpu import (
    CpuDefinition,
    CpuRegisters,
    CpuTable,
    Decoded,
    HostCpu,
    PowerTable,
    adjust,
    baseline,
    compare,
    complete_cpu,
    decode,
    expand,
    observe,
    translate,
)
from virtbus.cpu.registers import Signature
from virtbus.domain.cpu import Cpu
from virtbus.errors import VirtbusError
from virtbus_qemu.probing.hostmodel import cpu_data
from virtbus_qemu.probing.replies import documents

FAMILIES = frozenset({"cpu"})

#: The lists of models that libvirt's test program knows by name.
MODELS = {
    "haswell": ("SandyBridge", "Haswell"),
    "model486": ("486",),
    "models": ("qemu64", "core2duo", "Nehalem"),
    "nomodel": ("nomodel",),
    "ppc_models": ("POWER6", "POWER7", "POWER8"),
}

Case = Mapping[str, Any]


def run(case: Case, root: Path) -> dict[str, str]:
    """The output of one case."""
    texts = [(root / path).read_text() for path in case["input"]]
    answer = _KINDS.get(case["kind"])
    if answer is None:
        # The test program knows the host models of a CPUIDBaseline by itself; the case does not say them.
        raise Refused(f"a case of the kind {case['kind']} does not say its input")
    try:
        text = answer(case, root, texts)
    except VirtbusError as error:
        raise Refused(str(error)) from error
    return dict.fromkeys(case["expected"], text) | {"answer": text}


def _table(root: Path) -> CpuTable:
    return CpuTable.load(_map(root))


def _map(root: Path) -> Path:
    return root / "cpu_map"


def _definition(text: str) -> CpuDefinition:
    """A host's processor names its architecture, a guest's does not."""
    if etree.fromstring(text.encode()).find("arch") is not None:
        return CpuDefinition.of_host(HostCpu.parse(text))
    return CpuDefinition.of_guest(Cpu.parse(text))


def _compare(case: Case, root: Path, texts: Sequence[str]) -> str:
    host, wanted = map(_definition, texts)
    if case["arch"] == "ppc64":
        result = PowerTable.load(_map(root)).compare(host, wanted)
    else:
        result = compare(_table(root), host, wanted)
    return f"VIR_CPU_COMPARE_{result.name}"


def _baseline(case: Case, root: Path, texts: Sequence[str]) -> str:
    documents = etree.fromstring(texts[0].encode()).iterchildren("cpu")
    cpus = [_definition(etree.tostring(node, encoding="unicode")) for node in documents]
    variant = case["case"].rpartition(":")[2]
    if case["arch"] == "ppc64":
        return PowerTable.load(_map(root)).baseline(cpus).format()
    table = _table(root)
    result = baseline(table, cpus, migratable=variant == "migratable")
    return (expand(table, result) if variant == "expanded" else result).format()


def _guest(case: Case, root: Path, texts: Sequence[str]) -> str:
    table = _table(root)
    host = _definition(texts[0])
    named = MODELS.get(case["options"]["models"])
    models = dict.fromkeys(named, ()) if named else None
    return adjust(table, translate(table, complete_cpu(Cpu.parse(texts[1])), models), host).format()


def _update(case: Case, root: Path, texts: Sequence[str]) -> str:
    return complete_cpu(adjust(_table(root), Cpu.parse(texts[1]), _definition(texts[0]))).format()


def _decoded(root: Path, text: str, host: bool) -> Decoded:
    table = _table(root)
    return decode(table, table.data(CpuRegisters.parse(text)), host=host)


def _host_cpuid(case: Case, root: Path, texts: Sequence[str]) -> str:
    return _decoded(root, texts[0], True).host().format()


def _guest_cpuid(case: Case, root: Path, texts: Sequence[str]) -> str:
    return _decoded(root, texts[0], False).guest().format()


def _signature(number: int) -> str:
    family, model, stepping = Signature.unpack(number)
    return (
        f"{number:06x}\nfamily:   {family:3d} (0x{family:02x})\nmodel:    {model:3d} (0x{model:02x})\n"
        f"stepping: {stepping:3d} (0x{stepping:02x})\n"
    )


def _cpuid_signature(case: Case, root: Path, texts: Sequence[str]) -> str:
    return _signature(CpuRegisters.parse(texts[0]).signature or 0)


def _json_signature(case: Case, root: Path, texts: Sequence[str]) -> str:
    expansion = documents(texts[0])[0]
    return _signature(cpu_data(_table(root), expansion["return"]["model"]["props"]).signature or 0)


def _json(case: Case, root: Path, texts: Sequence[str]) -> str:
    table = _table(root)
    expansion, *rest = documents(texts[0])
    models = None
    if rest:
        models = {
            cpu["name"]: [table.aliases.get(name, name) for name in cpu.get("unavailable-features", ())]
            for cpu in rest[0]["return"]
        }
    data = cpu_data(table, expansion["return"]["model"]["props"])
    return decode(table, data, models=models).guest().format()


def _update_live(case: Case, root: Path, texts: Sequence[str]) -> str:
    table = _table(root)
    enabled, disabled = (table.data(CpuRegisters.parse(text)).bits for text in texts[1:3])
    return observe(table, Cpu.parse(texts[0]), enabled, disabled).format()


def _validate(case: Case, root: Path, texts: Sequence[str]) -> str:
    known = _arm_features(root)
    for feature in Cpu.parse(texts[0]).features:
        if feature.name not in known:
            raise Refused(f"unknown CPU feature: {feature.name}")
    return ""


def _arm_features(root: Path) -> set[str]:
    return set(CpuTable.load(_map(root), "arm").features)


_KINDS: dict[str, Callable[[Case, Path, Sequence[str]], str]] = {
    "Compare": _compare,
    "Baseline": _baseline,
    "GuestCPU": _guest,
    "Update": _update,
    "HostCPUID": _host_cpuid,
    "GuestCPUID": _guest_cpuid,
    "CPUIDSignature": _cpuid_signature,
    "JSONCPUID": _json,
    "JSONSignature": _json_signature,
    "UpdateLive": _update_live,
    "ValidateFeatures": _validate,
}
