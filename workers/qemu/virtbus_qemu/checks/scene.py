"""What a check of QEMU's may look at besides the device itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from virtbus.domain.domain import Domain
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.platform import Platform, platform_of
from virtbus_qemu.probing.digest import MachineType
from virtbus_qemu.settings import QemuSettings


@dataclass(frozen=True)
class Scene:
    """A complete domain, and the QEMU that shall run it."""

    domain: Domain
    capabilities: Capabilities
    settings: QemuSettings

    def has(self, flag: str) -> bool:
        """Whether QEMU has what a capability flag says."""
        return self.capabilities.has(flag)

    @cached_property
    def platform(self) -> Platform:
        """The domain's board and architecture."""
        return platform_of(self.domain)

    @cached_property
    def machine(self) -> MachineType | None:
        """What QEMU says of the machine type."""
        return self.capabilities.find_machine(self.platform.machine) if self.platform.machine else None
