"""What a QEMU binary can do, asked from the binary itself over QMP, and kept until the binary changes.

capabilities = await probe(Path("/usr/bin/qemu-system-x86_64"), cache=state / "capabilities")
capabilities.has("virtio-blk.iommu_platform")           # libvirt's capability flags
capabilities.machine("q35").name                        # pc-q35-7.2
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from virtbus.cpu import CpuDefinition, CpuTable
from virtbus.domain.domain import DomainType
from virtbus.errors import ConfigUnsupported, HypervisorError, VirtbusError
from virtbus_qemu.probing.ask import interrogate
from virtbus_qemu.probing.descriptors import Descriptor, installed
from virtbus_qemu.probing.digest import Accelerator, Digest, Flag, GuestModel, MachineType
from virtbus_qemu.probing.ownmodels import read, table_of, written
from virtbus_qemu.probing.probe import digest_of

#: Raised when what is probed changes, so that an older cache is not taken for it.
FORMAT = 5

_KVM = Path("/dev/kvm")

#: The accelerator of each type of domain.
ACCELERATORS = {DomainType.KVM: "kvm", DomainType.QEMU: "tcg", DomainType.HVF: "hvf"}


@dataclass(frozen=True)
class Processors:
    """What is known of processors beyond QEMU's own words."""

    table: CpuTable
    """The models by which a host's processor is named."""
    host: CpuDefinition | None = None
    """The host's processor as guests may have it; None for what the accelerator says of it."""


@dataclass(frozen=True)
class Capabilities:
    """What one QEMU binary can do on this host."""

    digest: Digest
    firmware: tuple[Descriptor, ...] = ()
    """The host's firmware, most preferred first."""
    fingerprint: str = ""
    """Of binary, host and format; a cache with another one is stale."""
    processors: Processors | None = None

    @cached_property
    def flags(self) -> frozenset[str]:
        """libvirt's names of what the binary has."""
        return self.digest.flags

    def has(self, flag: str) -> bool:
        """Whether the binary has what a capability flag says."""
        return flag in self.flags

    def changed(self, added: Iterable[str], removed: Iterable[str]) -> Capabilities:
        """The same with other flags: as a domain pretends, for tests of what it does then."""
        gone = set(removed)
        kept = [flag for flag in self.digest.head.flags if flag.name not in gone]
        head = self.digest.head.copy()
        head.flags = [*kept, *(Flag(name=name) for name in added if not self.has(name))]
        return replace(self, digest=replace(self.digest, head=head))

    @property
    def emulator(self) -> str:
        """The binary's path."""
        return self.digest.head.emulator

    @property
    def arch(self) -> str:
        """The architecture of its guests, in libvirt's words."""
        return self.digest.head.arch

    @property
    def version(self) -> tuple[int, int, int]:
        """Of QEMU."""
        number = self.digest.head.version
        return number // 1_000_000, number // 1000 % 1000, number % 1000

    @property
    def version_text(self) -> str:
        """Such as 7.2.22."""
        return ".".join(map(str, self.version))

    @property
    def package(self) -> str:
        """What the distribution calls this build."""
        return self.digest.head.package or ""

    @property
    def kvm_usable(self) -> bool:
        """A virtual machine can be started with KVM. Whether a kernel boots in it is not known by that: some hosts
        have an incomplete KVM."""
        return self.digest.accelerator("kvm") is not None

    def accelerator(self, name: str | None = None) -> Accelerator:
        """What an accelerator (kvm, hvf, tcg) offers; the fastest one for None.

        :raise ConfigUnsupported: the host does not have it.
        """
        if name is None:
            return self.digest.accelerators[0]
        found = self.digest.accelerator(name)
        if found is None:
            raise ConfigUnsupported(f"QEMU {self.version_text} cannot use {name} here")
        return found

    @property
    def machines(self) -> Sequence[MachineType]:
        """The machine types, as the fastest accelerator has them."""
        return self.accelerator().machines

    @property
    def cpus(self) -> Sequence[GuestModel]:
        """The processor models, as the fastest accelerator provides them."""
        return self.accelerator().cpus

    def find_machine(self, name: str | None) -> MachineType | None:
        """The machine type of a name or alias, the default one for None; None where there is none."""
        if name is None:
            preferred = next((each for each in self.machines if each.default), None)
            return preferred or next(iter(self.machines), None)
        return next((each for each in self.machines if name in (each.name, each.alias)), None)

    def machine(self, name: str | None) -> MachineType:
        """As `find_machine`.

        :raise ConfigUnsupported: there is none; `evidence["candidates"]` lists what there is.
        """
        found = self.find_machine(name)
        if found is None:
            raise ConfigUnsupported(
                f"QEMU {self.version_text} has no machine type {name}",
                hint="virtbus capabilities lists what it has",
                evidence={"candidates": sorted(machine.name for machine in self.machines)},
            )
        return found

    def default_cpu(self, machine: MachineType) -> str | None:
        """The processor model that a machine has unless told otherwise, such as qemu64."""
        return next((cpu.name for cpu in self.cpus if cpu.typename == machine.default_cpu), None)

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
            "flags": len(self.flags),
            "firmware": [image.code.filename for image in self.firmware],
        }


async def probe(emulator: Path, *, cache: Path | None = None, launcher: Sequence[str] = ()) -> Capabilities:
    """The capabilities of a QEMU binary, from the cache where the binary and the host are still the same.

    :param cache: a folder; None asks the binary anew.
    :param launcher: what the binary is started through.
    :raise HypervisorError: the binary cannot be executed or does not answer sensibly; `evidence["log"]` says why.
    """
    fingerprint = _fingerprint(emulator)
    kept = None if cache is None else _Kept(cache / f"{fingerprint}.xml", cache / f"{fingerprint}.cpus.json")
    found = None if kept is None else kept.read()
    if found is None:
        sessions = await interrogate(emulator, launcher)
        found = digest_of(sessions, emulator=str(emulator)), table_of(sessions[-1])
        if kept is not None:
            kept.write(*found)
    digest, table = found
    processors = Processors(table) if table.models else None
    return Capabilities(digest, tuple(installed()), fingerprint, processors)


@dataclass(frozen=True)
class _Kept:
    """The cache's two files of one binary."""

    digest: Path
    table: Path

    def read(self) -> tuple[Digest, CpuTable] | None:
        try:
            return Digest.parse(self.digest.read_bytes()), read(self.table.read_text())
        except FileNotFoundError:
            return None
        except (VirtbusError, OSError, ValueError, KeyError):
            self.digest.unlink(missing_ok=True)
            return None

    def write(self, digest: Digest, table: CpuTable) -> None:
        self.digest.parent.mkdir(parents=True, exist_ok=True)
        # The digest comes last: where it is, both are.
        for file, text in ((self.table, written(table)), (self.digest, digest.format())):
            part = file.with_suffix(f".{os.getpid()}")
            part.write_text(text)
            part.replace(file)


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
