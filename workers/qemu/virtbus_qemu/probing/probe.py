"""From QEMU's answers to the digest of what it can do.

The first session ran with the host's accelerator, the second, if there is one, with TCG: processors and machines
differ between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from virtbus_qemu.probing.digest import (
    Accelerator,
    Blocker,
    CpuProperty,
    Deprecated,
    Digest,
    Enlightenment,
    Flag,
    Gic,
    GuestModel,
    Head,
    HostModel,
    HyperV,
    MachineType,
    Section,
    Sections,
    SectionSize,
    Sev,
    Sgx,
)
from virtbus_qemu.probing.evidence import Answers
from virtbus_qemu.probing.flags import flags_of
from virtbus_qemu.probing.replies import Session

#: QEMU's name of an architecture to libvirt's, where they differ.
ARCHITECTURES = {"arm": "armv7l", "i386": "i686", "or1k": "or32"}

#: The families whose newest machine is listed first, unless QEMU has another default: ARM and RISC-V boards are many,
#: and only `virt` is meant for guests.
_FIRST = {"armv7l": "virt", "aarch64": "virt", "riscv32": "virt", "riscv64": "virt", "loongarch64": "virt"}

#: The processor that stands for all that an accelerator can give.
_FULLEST = {"tcg": "max"}

#: How far a model is expanded: what a static expansion names means the same for ever; ARM has no static models.
_EXPANSION = {"aarch64": "full", "armv7l": "full"}

#: QEMU's name of a processor model to libvirt's, where they differ.
_POWER = {f"power{generation}": f"POWER{generation}" for generation in range(6, 12)}
_MODELS = {"ppc64": _POWER, "ppc64le": _POWER}

#: Hyper-V's interfaces in libvirt's order, with the processor property that shows each.
_HYPERV = {
    "relaxed": "hv-relaxed",
    "vapic": "hv-vapic",
    "spinlocks": "hv-spinlocks",
    "vpindex": "hv-vpindex",
    "runtime": "hv-runtime",
    "synic": "hv-synic",
    "stimer": "hv-stimer",
    "reset": "hv-reset",
    "vendor_id": "hv-vendor-id",
    "frequencies": "hv-frequencies",
    "reenlightenment": "hv-reenlightenment",
    "tlbflush": "hv-tlbflush",
    "ipi": "hv-ipi",
    "evmcs": "hv-evmcs",
    "avic": "hv-avic",
    "emsr_bitmap": "hv-emsr-bitmap",
    "xmm_input": "hv-xmm-input",
}


def digest_of(
    sessions: Sequence[Session],
    *,
    emulator: str,
    hvf: bool = False,
    microcode: int = 0,
    cpu0: str | None = None,
) -> Digest:
    """What a binary can do, by its answers.

    :param emulator: the binary's path.
    :param hvf: the host has macOS's hypervisor framework, which QEMU has no question for.
    :param microcode: the revision of the host's microcode: with another one the processors may differ.
    :raise HypervisorError: QEMU refused what every QEMU must answer.
    """
    first = sessions[0]
    kvm = (first.ask("query-kvm") or {}).get("enabled", False)
    names = tuple(name for name, present in (("hvf", hvf), ("kvm", kvm and not hvf)) if present)
    answers = Answers(first, names)
    version = first.need("query-version")
    arch = ARCHITECTURES.get(answers.arch, answers.arch)
    digest = Digest(
        Head(
            emulator=emulator,
            flags=[Flag(name=name) for name in flags_of(answers)],
            version=_version(version["qemu"]),
            microcode=microcode if names else 0,
            package=version["package"],
            arch=arch,
        )
    )
    for name, session in zip((*names, "tcg"), sessions, strict=False):
        digest.accelerators.append(_accelerator(session, name, arch, digest.flags))
    _add_platform(digest, first)
    return digest


def _version(parts: Mapping[str, int]) -> int:
    return parts["major"] * 1_000_000 + parts["minor"] * 1_000 + parts["micro"]


def _accelerator(session: Session, name: str, arch: str, flags: frozenset[str]) -> Accelerator:
    return Accelerator(
        name=name,
        host=_host(session, name, arch, flags),
        cpus=[_cpu(entry, name, arch) for entry in session.ask("query-cpu-definitions") or ()],
        machines=_machines(session, name, arch),
    )


def _cpu(entry: Mapping[str, Any], accelerator: str, arch: str) -> GuestModel:
    missing = entry.get("unavailable-features")
    return GuestModel(
        type=accelerator,
        name=_MODELS.get(arch, {}).get(entry["name"], entry["name"]),
        typename=entry.get("typename") or None,
        usable=None if missing is None else not missing,
        deprecated=True if entry.get("deprecated") else None,
        blockers=[Blocker(name=name) for name in missing or ()],
    )


def _machines(session: Session, accelerator: str, arch: str) -> list[MachineType]:
    entries = [entry for entry in session.need("query-machines") if entry["name"] != "none"]
    wanted = _FIRST.get(arch)
    first = next((entry for entry in entries if wanted and wanted in (entry["name"], entry.get("alias"))), None)
    if first is None:
        first = next((entry for entry in entries if entry.get("is-default")), None)
    if first is not None:
        entries.remove(first)
        entries.insert(0, first)
    return [_machine(entry, accelerator) for entry in entries]


def _machine(entry: Mapping[str, Any], accelerator: str) -> MachineType:
    acpi = entry.get("acpi")
    return MachineType(
        type=accelerator,
        name=entry["name"],
        alias=entry.get("alias"),
        hotplug_cpus=True if entry.get("hotpluggable-cpus") else None,
        max_cpus=entry["cpu-max"],
        default=True if entry.get("is-default") else None,
        default_cpu=entry.get("default-cpu-type"),
        numa_mem=True if entry.get("numa-mem-supported") else None,
        default_ram_id=entry.get("default-ram-id"),
        deprecated=True if entry.get("deprecated") else None,
        acpi=acpi,
    )


def _host(session: Session, accelerator: str, arch: str, flags: frozenset[str]) -> HostModel | None:
    """The fullest processor that a guest can have, with every property that says how."""
    kind = _EXPANSION.get(arch, "static")
    name = _FULLEST.get(accelerator, "host")
    expanded = session.ask("query-cpu-model-expansion", type=kind, model={"name": name})
    if expanded is None:
        return None
    migratability = "cpu.migratable" in flags
    everything: Mapping[str, Any] = {}
    if migratability:
        asked = {"name": name, "props": {"migratable": False}}
        everything = (session.ask("query-cpu-model-expansion", type=kind, model=asked) or expanded)["model"]["props"]
    properties = expanded["model"].get("props", {})
    deprecated: list[str] = []
    if "query-cpu-model-expansion.deprecated-props" in flags:
        full = session.ask("query-cpu-model-expansion", type="full", model={"name": name}) or expanded
        deprecated = full.get("deprecated-props", [])
    return HostModel(
        type=accelerator,
        model=expanded["model"]["name"],
        migratability=migratability,
        properties=[
            _property(key, value, everything.get(key) if migratability else None) for key, value in properties.items()
        ],
        deprecated=Deprecated(properties=[CpuProperty(name=each) for each in deprecated]) if deprecated else None,
    )


def _property(name: str, value: Any, everything: Any) -> CpuProperty:
    """A property; `everything` is its value where the guest need not be able to move."""
    if not isinstance(value, bool):
        kind = "string" if isinstance(value, str) else "number"
        return CpuProperty(name=name, type=kind, value=str(value))
    given = value or everything is True
    migratable = value if given and everything is not None else None
    return CpuProperty(name=name, type="boolean", value="true" if given else "false", migratable=migratable)


def _add_platform(digest: Digest, session: Session) -> None:
    gics = session.ask("query-gic-capabilities") or ()
    digest.gics = [Gic(version=gic["version"], kernel=gic["kernel"], emulated=gic["emulated"]) for gic in gics]
    sev = session.ask("query-sev-capabilities")
    if sev is not None:
        digest.sev = Sev(
            cbitpos=sev["cbitpos"],
            reduced_phys_bits=sev["reduced-phys-bits"],
            pdh=sev["pdh"],
            cert_chain=sev["cert-chain"],
            cpu0_id=sev.get("cpu0-id"),
        )
    sgx = session.ask("query-sgx-capabilities")
    if sgx is not None:
        digest.sgx = _sgx(sgx)
    model = {"name": "host", "props": {"hv-passthrough": True, "migratable": False}}
    host = session.ask("query-cpu-model-expansion", type="full", model=model)
    if host is not None:
        caps = [Enlightenment(name=name) for name in _enlightenments(host["model"]["props"])]
        digest.hyperv = HyperV(supported=True, caps=caps) if caps else None


def _sgx(sgx: Mapping[str, Any]) -> Sgx:
    sections = [Section(node=each["node"], size=each["size"] // 1024, unit="KiB") for each in sgx.get("sections", ())]
    size = sgx.get("section-size") or sum(each["size"] for each in sgx.get("sections", ()))
    return Sgx(
        supported=True,
        flc=sgx["flc"],
        sgx1=sgx["sgx1"],
        sgx2=sgx["sgx2"],
        section_size=SectionSize(unit="KiB", value=size // 1024),
        sections=Sections(sections=sections) if sections else None,
    )


def _enlightenments(properties: Mapping[str, Any]) -> Iterator[str]:
    for name, key in _HYPERV.items():
        value = properties.get(key)
        # A number is a limit, a text an identity: where Hyper-V's interfaces are, both are there.
        if value is not None and value is not False:
            yield name
