"""What a Hyper-V machine can have, in Hyper-V's own terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from uuid import UUID


class Bus(StrEnum):
    """Where drives sit."""

    IDE = "ide"
    SCSI = "scsi"
    FLOPPY = "fdc"


class Kind(StrEnum):
    """What a drive is."""

    DISK = "disk"
    DVD = "cdrom"
    FLOPPY = "floppy"


class BootSource(IntEnum):
    """Where a machine of generation 1 starts from (Msvm_VirtualSystemSettingData.BootOrder)."""

    FLOPPY = 0
    DVD = 1
    DISK = 2
    NETWORK = 3


UNITS = {Bus.IDE: 2, Bus.SCSI: 64, Bus.FLOPPY: 1}
"""How many drives a controller (of IDE: a channel) has."""
CONTROLLERS = {Bus.IDE: 2, Bus.SCSI: 4, Bus.FLOPPY: 1}
PORTS = 2
"""Serial ports of a machine of generation 1."""


@dataclass(kw_only=True)
class Part:
    """Something that has an alias."""

    alias: str | None = None
    """The user's own; others are made from the place."""
    id: str = ""
    """InstanceID of its setting; empty for what is only asked for."""

    @property
    def key(self) -> str:
        """What it is known by, in the machine and in its notes."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Controller(Part):
    """A SCSI controller. IDE and floppy controllers are a fixed part of generation 1."""

    index: int

    @property
    def key(self) -> str:
        return f"scsi:{self.index}"


@dataclass(kw_only=True)
class Drive(Part):
    """A drive, with what lies in it."""

    bus: Bus
    controller: int
    """Of IDE: the channel."""
    unit: int
    kind: Kind
    file: str | None = None
    physical: int | None = None
    """The number of a disk of the host that is handed through."""
    iops: int = 0
    """At most so many operations of 8 KiB a second; 0: any number."""
    name: str = ""
    """The target's name, where it does not follow from the place."""
    medium_id: str = ""
    """InstanceID of the setting of what lies in it."""

    @property
    def place(self) -> tuple[Bus, int, int]:
        return self.bus, self.controller, self.unit

    @property
    def key(self) -> str:
        return f"{self.bus}:{self.controller}:{self.unit}"


@dataclass(kw_only=True)
class Card(Part):
    """A network card."""

    mac: str
    """Such as 00:15:5d:01:02:03."""
    synthetic: bool = True
    switch: str | None = None
    """The name of the virtual switch; None: the cable ends nowhere."""
    up: bool = True
    network: bool = False
    """Whether the definition calls the switch a network, not a bridge."""
    connection_id: str = ""

    @property
    def key(self) -> str:
        return f"nic:{self.mac}"


@dataclass(kw_only=True)
class Port(Part):
    """A serial port, whose other end is a named pipe of the host."""

    number: int
    pipe: str

    @property
    def key(self) -> str:
        return f"port:{self.number}"


@dataclass(kw_only=True)
class Hardware:
    """All of a machine that is its definition."""

    name: str
    uuid: UUID
    description: str | None = None
    generation: int = 1
    secure_boot: bool = True
    boots: list[BootSource] = field(default_factory=list)
    """What was asked for; the rest follows in the usual order."""
    processors: int = 1
    memory: int = 1024
    """MiB at most."""
    startup: int = 1024
    """MiB that it has at its start; where it is less, memory is dynamic."""
    controllers: list[Controller] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)

    @property
    def dynamic(self) -> bool:
        return self.startup < self.memory

    def parts(self) -> Iterator[Part]:
        """Everything that can have an alias."""
        yield from self.controllers
        yield from self.drives
        yield from self.cards
        yield from self.ports


def live_alias(part: Part) -> str:
    """The alias of a part in a running domain: the user's own, else one made of the place that does not change while
    other parts come and go."""
    if part.alias:
        return part.alias
    if isinstance(part, Drive):
        middle = {Bus.SCSI: f"{part.controller}-0-0-", Bus.IDE: f"0-{part.controller}-", Bus.FLOPPY: "0-"}[part.bus]
        return f"{part.bus}{middle}{part.unit}"
    if isinstance(part, Card):
        return "net" + part.mac.replace(":", "")[-6:]
    return part.key.replace(":", "").replace("port", "serial")
