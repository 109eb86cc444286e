"""What a QEMU binary can do, asked from the binary itself over QMP, and kept until the binary changes.

capabilities = await probe(Path("/usr/bin/qemu-system-x86_64"), cache=state / "capabilities")
capabilities.has("virtio-blk-pci", "iommu_platform")
capabilities.machine("q35").name                        # pc-q35-7.2
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from virtbus.errors import ConfigUnsupported, HypervisorError, HypervisorGone
from virtbus_qemu.firmware import Firmware, found
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.monitor import Monitor
from virtbus_qemu.process import Process

#: Raised when what is probed changes, so that an older cache is not taken for it.
FORMAT = 1

PROBE_SECONDS = 20.0

_KVM = Path("/dev/kvm")

#: Device types whose properties decide what goes on a command line.
_PROPERTIES_OF = (
    "virtio-blk-pci",
    "virtio-net-pci",
    "virtio-scsi-pci",
    "virtio-serial-pci",
    "virtio-balloon-pci",
    "virtio-rng-pci",
    "virtio-gpu-pci",
    "virtio-vga",
    "vhost-vsock-pci",
    "scsi-hd",
    "scsi-cd",
    "ide-hd",
    "ide-cd",
    "usb-storage",
    "pcie-root-port",
    "VGA",
    "qxl-vga",
    "pc-dimm",
)

#: Enumerations of the QMP schema: command, then the names of members down to the one that selects a variant.
_ENUMERATIONS = {
    "block_drivers": ("blockdev-add", "driver"),
    "network_backends": ("netdev_add", "type"),
    "object_types": ("object-add", "qom-type"),
    "character_backends": ("chardev-add", "backend", "type"),
}


class Machine(BaseModel):
    """A machine type."""

    model_config = ConfigDict(frozen=True)

    name: str
    alias: str | None = None
    default: bool = False
    vcpus: int
    """How many virtual CPUs it can have."""
    default_cpu: str | None = None
    """The CPU model it has unless told otherwise, such as qemu64."""
    deprecated: bool = False


class CpuModel(BaseModel):
    """A named CPU model."""

    model_config = ConfigDict(frozen=True)

    name: str
    usable: bool | None = None
    """Whether this host's accelerator can provide it; None where QEMU does not know."""
    missing: tuple[str, ...] = ()
    """Features that the host lacks for it."""


class Capabilities(BaseModel):
    """What one QEMU binary can do on this host."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    fingerprint: str
    """Of binary, host and format; a cache with another one is stale."""
    emulator: str
    arch: str
    version: tuple[int, int, int]
    package: str
    kvm_present: bool
    kvm_usable: bool
    """A virtual machine can be started with KVM. Whether a kernel boots in it is not known by that: some hosts have
    an incomplete KVM."""
    machines: tuple[Machine, ...]
    cpus: tuple[CpuModel, ...]
    """As the best accelerator provides them (KVM where it is usable)."""
    commands: frozenset[str]
    device_types: frozenset[str]
    properties: Mapping[str, frozenset[str]]
    block_drivers: frozenset[str]
    network_backends: frozenset[str]
    object_types: frozenset[str]
    character_backends: frozenset[str]
    firmware: tuple[Firmware, ...] = ()

    def has(self, device: str, member: str | None = None) -> bool:
        """Whether there is such a device type, and it has such a member (property).

        :raise KeyError: the properties of that type are not among those probed.
        """
        if device not in self.device_types:
            return False
        return member is None or member in self.properties[device]

    def machine(self, name: str | None) -> Machine:
        """The machine type of a name or alias; the default one for None.

        :raise ConfigUnsupported: there is none; `evidence["candidates"]` lists what there is.
        """
        for machine in self.machines:
            if machine.default if name is None else name in (machine.name, machine.alias):
                return machine
        raise ConfigUnsupported(
            f"QEMU {self.version_text} has no machine type {name}",
            hint="virtbus capabilities lists what it has",
            evidence={"candidates": sorted(machine.name for machine in self.machines)},
        )

    @property
    def version_text(self) -> str:
        """Such as 7.2.22."""
        return ".".join(map(str, self.version))

    def summary(self) -> dict[str, Any]:
        """For people: a few figures of each kind."""
        return {
            "emulator": self.emulator,
            "arch": self.arch,
            "version": self.version_text,
            "package": self.package,
            "kvm": self.kvm_usable,
            "machines": {machine.alias: machine.name for machine in self.machines if machine.alias},
            "cpu_models": sorted(cpu.name for cpu in self.cpus if cpu.usable is not False),
            "device_types": len(self.device_types),
            "firmware": [image.code for image in self.firmware],
        }


async def probe(emulator: Path, *, cache: Path | None = None) -> Capabilities:
    """The capabilities of a QEMU binary, from the cache where the binary and the host are still the same.

    :param cache: a folder; None asks the binary anew.
    :raise HypervisorError: the binary cannot be executed or does not answer sensibly; `evidence["log"]` says why.
    """
    fingerprint = _fingerprint(emulator)
    file = cache / f"{fingerprint}.json" if cache else None
    if file is not None and file.exists():
        try:
            kept = Capabilities.model_validate_json(file.read_bytes())
            return kept.model_copy(update={"firmware": found()})
        except (ValidationError, OSError):
            file.unlink(missing_ok=True)
    capabilities = await _ask(emulator, fingerprint)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(capabilities.model_dump_json())
        part.replace(file)
    return capabilities


def _fingerprint(emulator: Path) -> str:
    try:
        status = emulator.stat()
    except OSError as error:
        raise HypervisorError(
            f"there is no emulator {emulator}: {error.strerror}",
            hint="install QEMU (Debian: apt install qemu-system-x86), or name another <emulator>",
        ) from error
    kvm = os.access(_KVM, os.R_OK | os.W_OK)
    parts = (FORMAT, str(emulator), status.st_size, status.st_mtime_ns, status.st_ino, kvm, os.uname().release)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


async def _ask(emulator: Path, fingerprint: str) -> Capabilities:
    with tempfile.TemporaryDirectory(prefix="virtbus-") as scratch:
        folder = DomainFolder(Path(scratch) / "probe", uuid4())
        folder.create()
        with folder.listen() as listener:
            process = Process.spawn(_arguments(emulator), log=folder.log, descriptors={3: listener.fileno()})
        try:
            monitor = await Monitor.connect(folder.monitor, timeout=PROBE_SECONDS)
            try:
                return await _collect(monitor, emulator, fingerprint)
            finally:
                await monitor.close()
        except HypervisorGone as error:
            error.evidence["log"] = folder.last_words()
            raise
        finally:
            await process.kill(timeout=PROBE_SECONDS)
            process.close()


def _arguments(emulator: Path) -> list[str]:
    accelerators = ["-accel", "kvm"] if os.access(_KVM, os.R_OK | os.W_OK) else []
    return [
        *(str(emulator), "-S", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "none"),
        *(*accelerators, "-accel", "tcg"),
        *("-chardev", "socket,id=charmonitor,fd=3,server=on,wait=off"),
        *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
    ]


async def _collect(monitor: Monitor, emulator: Path, fingerprint: str) -> Capabilities:
    async def ask(command: str, **arguments: Any) -> Any:
        return await monitor.execute(command, arguments or None, timeout=PROBE_SECONDS)

    version = await ask("query-version")
    kvm = await ask("query-kvm")
    types = frozenset(entry["name"] for entry in await ask("qom-list-types", implements="device", abstract=False))
    properties = {
        name: frozenset(entry["name"] for entry in await ask("device-list-properties", typename=name))
        for name in _PROPERTIES_OF
        if name in types
    }
    return Capabilities(
        fingerprint=fingerprint,
        emulator=str(emulator),
        arch=(await ask("query-target"))["arch"],
        version=tuple(version["qemu"][part] for part in ("major", "minor", "micro")),
        package=version["package"],
        kvm_present=kvm["present"],
        kvm_usable=kvm["enabled"],
        machines=tuple(_machine(entry) for entry in await ask("query-machines") if entry["name"] != "none"),
        cpus=tuple(_cpu(entry) for entry in await ask("query-cpu-definitions")),
        commands=frozenset(entry["name"] for entry in await ask("query-commands")),
        device_types=types,
        properties=properties,
        firmware=found(),
        **_variants(await ask("query-qmp-schema")),
    )


def _machine(entry: Mapping[str, Any]) -> Machine:
    cpu = entry.get("default-cpu-type")
    return Machine(
        name=entry["name"],
        alias=entry.get("alias"),
        default=entry.get("is-default", False),
        vcpus=entry["cpu-max"],
        # A QOM type is named after model and architecture, such as qemu64-x86_64-cpu.
        default_cpu=cpu and cpu.rsplit("-", 2)[0],
        deprecated=entry.get("deprecated", False),
    )


def _cpu(entry: Mapping[str, Any]) -> CpuModel:
    missing = entry.get("unavailable-features")
    return CpuModel(name=entry["name"], usable=None if missing is None else not missing, missing=tuple(missing or ()))


def _variants(schema: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """What the enumerations contain (QEMU: docs/devel/qapi-code-gen, "Client JSON Protocol introspection")."""
    entities = {entity["name"]: entity for entity in schema}

    def values(path: tuple[str, ...]) -> frozenset[str]:
        entity = entities[entities[path[0]]["arg-type"]]
        for name in path[1:]:
            member = next(member for member in entity["members"] if member["name"] == name)
            entity = entities[member["type"]]
        return frozenset(entity["values"])

    return {kind: values(path) for kind, path in _ENUMERATIONS.items()}
