"""The virtual processor's features, and the guest's NUMA nodes."""

from __future__ import annotations

import re

from virtbus.domain import Domain
from virtbus.domain.cpu import Cpu, CpuFeature, CpuFeaturePolicy, CpuMode, Distances, Numa, NumaCell, Sibling
from virtbus.errors import InvalidArgument
from virtbus_xen.config.booting import VIRTUALIZATION
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import KIB, is_full
from virtbus_xen.config.syntax import Settings, Value

LOCAL_DISTANCE, REMOTE_DISTANCE = 10, 20
"""How far a node is from itself and from others, where nothing is said (ACPI SLIT)."""

FEATURES = {
    "cx16": "cmpxchg16", "cid": "cntxid", "ds_cpl": "dscpl", "pclmuldq": "pclmulqdq", "pni": "sse3", "ht": "htt",
    "pn": "psn", "clflush": "clfsh", "sep": "sysenter", "cx8": "cmpxchg8", "nodeid_msr": "nodeid",
    "cr8legacy": "altmovcr8", "lahf_lm": "lahfsahf", "cmp_legacy": "cmplegacy", "fxsr_opt": "ffxsr",
    "pdpe1gb": "page1gb",
}  # fmt: skip
"""Features that Xen calls otherwise than libvirt (xl.cfg(5), cpuid)."""

_LIBVIRTS = {theirs: ours for ours, theirs in FEATURES.items()}

_POLICIES = {
    "1": CpuFeaturePolicy.FORCE,
    "0": CpuFeaturePolicy.FORBID,
    "x": CpuFeaturePolicy.OPTIONAL,
    "k": CpuFeaturePolicy.OPTIONAL,
    "s": CpuFeaturePolicy.OPTIONAL,
}
_LETTERS = {
    CpuFeaturePolicy.FORCE: "1",
    CpuFeaturePolicy.REQUIRE: "1",
    CpuFeaturePolicy.OPTIONAL: "x",
    CpuFeaturePolicy.DISABLE: "0",
    CpuFeaturePolicy.FORBID: "0",
}


def read_features(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if dialect is Dialect.XM or not is_full(domain):
        return
    nested = settings.number("nestedhvm")
    if nested is not None:
        domain.cpu = Cpu(mode=CpuMode.HOST_PASSTHROUGH)
        if not nested:
            domain.cpu.features.append(CpuFeature(policy=CpuFeaturePolicy.DISABLE, name="vmx"))
    spoken = settings.get("cpuid")
    if not isinstance(spoken, str):
        return
    first, *rest = spoken.split(",")
    if first != "host":
        # The older form, registers bit by bit, has no counterpart in a domain.
        return
    domain.cpu = domain.cpu or Cpu(mode=CpuMode.HOST_PASSTHROUGH)
    for word in rest:
        name, _, value = word.partition("=")
        if value not in _POLICIES:
            raise InvalidArgument(f"Invalid libxl cpuid value: {value:.40}")
        domain.cpu.features.append(CpuFeature(policy=_POLICIES[value], name=_LIBVIRTS.get(name, name)))


def write_features(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    cpu = domain.cpu
    if dialect is Dialect.XM or cpu is None or cpu.mode is not CpuMode.HOST_PASSTHROUGH:
        return
    words = [
        f"{FEATURES.get(each.name, each.name)}={_LETTERS[each.policy or CpuFeaturePolicy.REQUIRE]}"
        for each in cpu.features
        if each.name not in VIRTUALIZATION
    ]
    if words:
        settings["cpuid"] = ",".join(["host", *words])


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    nodes = settings.get("vnuma")
    if dialect is Dialect.XM or not isinstance(nodes, list) or not nodes:
        return
    domain.cpu = domain.cpu or Cpu()
    domain.cpu.numa = Numa(cells=[_read_cell(number, node) for number, node in enumerate(nodes)])
    assert domain.memory is not None
    total = sum(cell.memory for cell in domain.cpu.numa.cells)
    domain.memory.kib = max(domain.memory.kib, total)
    if domain.vcpu is not None:
        most = sum(len(numbers(cell.cpus or "")) for cell in domain.cpu.numa.cells)
        domain.vcpu.count = max(domain.vcpu.count, most)


def _read_cell(number: int, node: Value) -> NumaCell:
    words = dict(_pair(word) for word in node) if isinstance(node, list) else {}
    if words.get("pnode", str(number)) != str(number):
        raise InvalidArgument(f"vnuma vnode {number} contains invalid pnode value '{words['pnode']}'")
    if not words.get("size", "").isdigit() or "vcpus" not in words:
        raise InvalidArgument(f"vnuma vnode {number} is missing its size or vcpus")
    cell = NumaCell(id=number, cpus=words["vcpus"], memory=int(words["size"]) * KIB)
    if "vdistances" in words:
        values = [int(text) for text in words["vdistances"].split(",")]
        cell.distances = Distances(siblings=[Sibling(id=other, value=value) for other, value in enumerate(values)])
    return cell


def _pair(word: Value) -> tuple[str, str]:
    name, found, value = str(word).partition("=")
    if not found:
        raise InvalidArgument(f"vnuma vnode invalid format '{word!s:.80}'")
    return name.strip(), value.strip()


def numbers(ranges: str) -> list[int]:
    """The numbers of a list such as 0-2,5."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", ranges):
        found += range(int(first), int(last or first) + 1)
    return found


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if dialect is Dialect.XM or domain.cpu is None or domain.cpu.numa is None:
        return
    cells = domain.cpu.numa.cells
    nodes: list[Value] = []
    for number, cell in enumerate(cells):
        distances = ",".join(str(each) for each in distances_of(cells, number))
        size = f"size={-(-cell.memory // KIB)}"
        nodes.append([f"pnode={number}", size, f"vcpus={cell.cpus or ''}", f"vdistances={distances}"])
    if nodes:
        settings["vnuma"] = nodes


def distances_of(cells: list[NumaCell], number: int) -> list[int]:
    """How far every node is from this one: as it says, as the other says of it, else the usual."""
    said = {(at, each.id): each.value for at, cell in enumerate(cells) if cell.distances is not None
            for each in cell.distances.siblings}  # fmt: skip
    return [
        said.get((number, other))
        or said.get((other, number))
        or (LOCAL_DISTANCE if other == number else REMOTE_DISTANCE)
        for other in range(len(cells))
    ]
