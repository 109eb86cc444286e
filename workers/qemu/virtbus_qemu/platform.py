"""The boards that QEMU imitates: what each has built in, what its root bus is, where its devices sit by default.

platform = platform_of(domain)
platform.board is Board.Q35; platform.root is PciModel.PCIE_ROOT; platform.root_bus == "pcie.0"
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from virtbus.domain.controller import PciModel
from virtbus.domain.domain import Domain


class Board(StrEnum):
    """A family of machine types."""

    Q35 = "q35"
    I440FX = "i440fx"
    ISAPC = "isapc"
    MICROVM = "microvm"
    S390_CCW = "s390-ccw"
    PSERIES = "pseries"
    POWERNV = "powernv"
    MAC = "mac"
    PPCE500 = "ppce500"
    ARM_VIRT = "arm-virt"
    VERSATILE = "versatile"
    REALVIEW = "realview"
    VEXPRESS = "vexpress"
    RISCV_VIRT = "riscv-virt"
    LOONGARCH_VIRT = "loongarch-virt"
    MALTA = "malta"
    SUN4U = "sun4u"
    SUN4M = "sun4m"
    OTHER = "other"


X86 = frozenset({"x86_64", "i686"})
ARM = frozenset({"aarch64", "armv7l", "armv6l"})
RISCV = frozenset({"riscv64", "riscv32"})
PPC = frozenset({"ppc64", "ppc64le", "ppc"})
S390 = frozenset({"s390x", "s390"})

#: The beginnings of machine types' names (one that ends with = is a whole name), by architecture.
_BOARDS: tuple[tuple[frozenset[str], Board, tuple[str, ...]], ...] = (
    (X86, Board.Q35, ("q35=", "pc-q35")),
    (X86, Board.I440FX, ("pc=", "pc-0.", "pc-1.", "pc-i440", "rhel")),
    (X86, Board.ISAPC, ("isapc=",)),
    (X86, Board.MICROVM, ("microvm=",)),
    (S390, Board.S390_CCW, ("s390-ccw",)),
    (PPC, Board.PSERIES, ("pseries=", "pseries-")),
    (PPC, Board.POWERNV, ("powernv",)),
    (PPC, Board.MAC, ("mac99=", "g3beige=")),
    (PPC, Board.PPCE500, ("ppce500=",)),
    (ARM, Board.ARM_VIRT, ("virt=", "virt-")),
    (ARM, Board.VERSATILE, ("versatilepb=",)),
    (ARM, Board.REALVIEW, ("realview-",)),
    (ARM, Board.VEXPRESS, ("vexpress-",)),
    (RISCV, Board.RISCV_VIRT, ("virt=", "virt-")),
    (frozenset({"loongarch64"}), Board.LOONGARCH_VIRT, ("virt=", "virt-")),
    (frozenset({"mips", "mipsel", "mips64", "mips64el"}), Board.MALTA, ("malta=",)),
    (frozenset({"sparc64"}), Board.SUN4U, ("sun4u=",)),
    (frozenset({"sparc"}), Board.SUN4M, ("SS-",)),
)

_NUMBERED_BUSES = X86 | PPC | S390
"""Architectures whose PCI buses have numbers although they are no PCI Express."""

_EXPRESS = frozenset({Board.Q35, Board.ARM_VIRT, Board.RISCV_VIRT, Board.LOONGARCH_VIRT})


@dataclass(frozen=True)
class Platform:
    """One machine type of one architecture."""

    arch: str
    machine: str
    board: Board

    @property
    def express(self) -> bool:
        """Whether its root bus is PCI Express."""
        return self.board in _EXPRESS

    @property
    def root(self) -> PciModel:
        """The controller that stands for its root bus."""
        return PciModel.PCIE_ROOT if self.express else PciModel.PCI_ROOT

    @property
    def root_bus(self) -> str:
        """QEMU's name of the root bus, which is its controller's alias too."""
        if self.express:
            return "pcie.0"
        return "pci.0" if self.arch in _NUMBERED_BUSES else "pci"

    @property
    def has_pci(self) -> bool:
        """Whether libvirt gives its devices PCI addresses."""
        embedded = self.is_arm or self.arch in RISCV or self.arch == "loongarch64"
        return not embedded or self.is_virt or self.board is Board.VERSATILE

    @property
    def is_x86(self) -> bool:
        """Whether its guests are PCs."""
        return self.arch in X86

    @property
    def is_s390(self) -> bool:
        """Whether its devices sit on channels (CCW)."""
        return self.arch in S390

    @property
    def is_power64(self) -> bool:
        """Whether its processor is a POWER of 64 bits."""
        return self.arch in ("ppc64", "ppc64le")

    @property
    def is_arm(self) -> bool:
        """Whether its processor is an ARM, of 32 or 64 bits."""
        return self.arch in ARM

    @property
    def is_virt(self) -> bool:
        """Whether it is one of the boards that exist only as virtual machines, named `virt`."""
        return self.board in (Board.ARM_VIRT, Board.RISCV_VIRT, Board.LOONGARCH_VIRT)


def platform_of(domain: Domain) -> Platform:
    """The platform of a domain; of one without architecture or machine type, Board.OTHER."""
    kind = domain.os.type if domain.os else None
    arch, machine = (kind.arch or "x86_64", kind.machine or "") if kind else ("x86_64", "")
    for architectures, board, names in _BOARDS:
        if arch in architectures and any(f"{machine}=".startswith(name) for name in names):
            return Platform(arch, machine, board)
    return Platform(arch, machine, Board.OTHER)
