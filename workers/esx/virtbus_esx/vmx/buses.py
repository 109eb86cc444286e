"""Where the drives of a VMware machine sit: per bus its controllers, units and the names of its drives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase

from virtbus.domain import DiskBus, DriveAddress


@dataclass(frozen=True)
class Bus:
    """One kind of bus."""

    bus: DiskBus
    prefix: str
    """Of the drives' names."""
    controllers: int
    buses: int
    """Of one controller."""
    units: int
    """Of one bus."""
    own: int | None = None
    """The unit that belongs to the controller itself."""
    counted: int = 0
    """How many names a bus takes, where it is not one for each unit."""

    def name(self, controller: int, bus: int, unit: int) -> str:
        """The name of the drive at a place."""
        number = unit - 1 if self.own is not None and unit > self.own else unit
        return self.prefix + letters((controller * self.buses + bus) * (self.counted or self.units) + number)

    def places(self, controller: int) -> Iterator[tuple[str, DriveAddress, str]]:
        """Every place of a controller: how a .vmx calls it, its address, and the drive's name."""
        for bus in range(self.buses):
            for unit in range(self.units):
                if unit == self.own:
                    continue
                address = DriveAddress(controller=controller, bus=bus, target=0, unit=unit)
                yield self.key(address), address, self.name(controller, bus, unit)

    def key(self, address: DriveAddress) -> str:
        """What a .vmx calls a place."""
        first = address.bus if self.buses > 1 else address.controller
        if self.bus is DiskBus.FDC:
            return f"floppy{address.unit}"
        return f"{self.bus.value}{first}:{address.unit}"


def letters(number: int) -> str:
    """0 is a, 25 is z, 26 is aa."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = ascii_lowercase[rest] + text
    return text


SCSI = Bus(DiskBus.SCSI, "sd", controllers=4, buses=1, units=65, own=7, counted=15)
"""64 drives fit on a paravirtual controller, 15 on the others, and names are counted as if on all."""
SATA = Bus(DiskBus.SATA, "sd", controllers=4, buses=1, units=30)
IDE = Bus(DiskBus.IDE, "hd", controllers=1, buses=2, units=2)
FLOPPY = Bus(DiskBus.FDC, "fd", controllers=1, buses=1, units=2)

BUSES = {each.bus: each for each in (SCSI, SATA, IDE, FLOPPY)}
