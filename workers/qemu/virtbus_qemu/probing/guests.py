"""What kinds of guests a QEMU binary runs, for the host's capabilities."""

from __future__ import annotations

from virtbus.capabilities import Guest, GuestArch, GuestFeatures
from virtbus.capabilities.document import GuestDomain, GuestMachine, Toggle
from virtbus_qemu.probing.digest import Digest, MachineType

#: Architectures with words of 32 bits; all others have 64.
_SHORT = frozenset({"armv6l", "armv7l", "i686", "m68k", "mips", "mipsel", "ppc", "riscv32", "sh4", "sparc", "xtensa"})
#: The architectures of PCs.
PC = frozenset({"i686", "x86_64"})
_ACPI = PC | {"aarch64", "loongarch64"}


def guest_of(digest: Digest, *, machines: bool = True) -> Guest:
    """The kind of guest that a binary runs.

    :param machines: whether the machine types are listed.
    """
    arch = digest.head.arch
    fast = [each.name for each in digest.accelerators if each.name != "tcg"]
    return Guest(
        os_type="hvm",
        arch=GuestArch(
            name=arch,
            wordsize=32 if arch in _SHORT else 64,
            emulator=digest.head.emulator,
            machines=_machines(digest) if machines else [],
            domains=[GuestDomain(type=name) for name in ["qemu", *fast]],
        ),
        features=GuestFeatures(
            acpi=Toggle(default=True, toggle=True) if arch in _ACPI else None,
            apic=Toggle(default=True, toggle=False) if arch in PC else None,
            pae=arch == "i686",
            nonpae=arch == "i686",
            cpuselection=True,
            deviceboot=True,
            disksnapshot=Toggle(default=True, toggle=False),
            external_snapshot=True,
        ),
    )


def _machines(digest: Digest) -> list[GuestMachine]:
    known = digest.accelerators[-1].machines
    aliases = [_machine(machine, machine.alias, machine.name) for machine in known if machine.alias]
    return aliases + [_machine(machine, machine.name, None) for machine in known]


def _machine(machine: MachineType, name: str, canonical: str | None) -> GuestMachine:
    return GuestMachine(name=name, canonical=canonical, max_cpus=machine.max_cpus, deprecated=machine.deprecated)
