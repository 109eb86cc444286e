"""A virtual machine of the fake: its system, its settings, and its resources as Hyper-V lays them out."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.hyperv.fake.soap import Ref

OFF, RUNNING, SAVED, PAUSED, STARTING = 3, 2, 6, 9, 10
PROCESSOR = "b637f346-6a0e-4dec-af52-bd70cb80a21d"
MEMORY = "4764334d-e001-4176-82ee-5594ec9b530e"
IDE = ("83f8638b-8dca-4152-9eda-2ca8b33039b4", "83f8638b-8dca-4152-9eda-2ca8b33039b5")
RASD = "Msvm_ResourceAllocationSettingData"


def cim_time() -> str:
    """Now, in CIM's form."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f") + "+000"


@dataclass
class Thing:
    """An instance: its class and its properties."""

    kind: str
    values: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.values["InstanceID"])


@dataclass
class Machine:
    """A virtual machine."""

    guid: str
    name: str
    host: str
    generation: int = 1
    state: int = OFF
    pid: int | None = None
    health: int = 5
    hung: bool = False
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)
    snapshots: dict[str, Thing] = field(default_factory=dict)
    """By InstanceID."""
    stored: dict[str, tuple[dict[str, Thing], int]] = field(default_factory=dict)
    """Of each snapshot: what the machine had, and in which state it was."""
    stands_on: str | None = None
    typed: list[str] = field(default_factory=list)
    unplugging: dict[str, Any] = field(default_factory=dict)
    """Removals that a guest has not answered: what is to be called when it does."""
    waiting: list[Any] = field(default_factory=list)
    """What is to be called with jobs that a hung machine does not do, when it ends."""
    _ran: float = 0.0
    _since: float | None = None
    changed: str = field(default_factory=cim_time)
    configured: str = field(default_factory=cim_time)

    @property
    def deaf(self) -> bool:
        return self.name.endswith(".deaf-guest")

    @property
    def active(self) -> bool:
        return self.state not in (OFF, SAVED)

    @property
    def settings_id(self) -> str:
        return f"Microsoft:{self.guid}"

    def uptime(self) -> int:
        """Milliseconds since it was turned on or reset; a pause does not count."""
        return int((self._ran + (0 if self._since is None else time.monotonic() - self._since)) * 1000)

    def enter(self, state: int, *, reset: bool = False) -> None:
        """Come to a state."""
        if reset or state in (OFF, SAVED):
            self._ran, self._since = 0.0, None
        elif self._since is not None:
            self._ran, self._since = self._ran + time.monotonic() - self._since, None
        if state == RUNNING:
            self._since = time.monotonic()
        self.state, self.changed = state, cim_time()
        if state in (OFF, SAVED):
            self.pid, self.hung = None, False
            while self.waiting:
                self.waiting.pop()()
        if reset or state in (OFF, SAVED):
            for finish in list(self.unplugging.values()):
                finish()

    def reconfigured(self) -> None:
        """Its configuration file was written."""
        self.configured = cim_time()

    # ---- what WMI shows ----

    def system(self) -> Thing:
        return Thing("Msvm_ComputerSystem", {
            "Caption": "Virtual Machine", "Description": "Microsoft Virtual Computer System",
            "CreationClassName": "Msvm_ComputerSystem", "Name": self.guid, "ElementName": self.name,
            "EnabledState": self.state, "RequestedState": 12, "HealthState": self.health,
            "OperationalStatus": [2] if self.health == 5 else [3, 32768],
            "OnTimeInMilliseconds": self.uptime(), "ProcessID": self.pid,
            "TimeOfLastStateChange": self.changed, "TimeOfLastConfigurationChange": self.configured,
        })  # fmt: skip

    def realized(self) -> Thing:
        parent = None if self.stands_on is None else self.path("Msvm_VirtualSystemSettingData", self.stands_on)
        return Thing("Msvm_VirtualSystemSettingData", self.settings | {
            "InstanceID": self.settings_id, "ElementName": self.name, "VirtualSystemIdentifier": self.guid,
            "VirtualSystemType": "Microsoft:Hyper-V:System:Realized", "Notes": self.notes or None, "Parent": parent,
            "VirtualSystemSubType": f"Microsoft:Hyper-V:SubType:{self.generation}",
        })  # fmt: skip

    def helpers(self) -> list[Thing]:
        """What an active machine has besides."""
        if not self.active:
            return []
        shared = {"SystemName": self.guid, "SystemCreationClassName": "Msvm_ComputerSystem"}
        keyboard = shared | {"CreationClassName": "Msvm_Keyboard", "DeviceID": f"Microsoft:{self.guid}\\kbd"}
        shutdown = shared | {
            "CreationClassName": "Msvm_ShutdownComponent", "DeviceID": f"Microsoft:{self.guid}\\down",
            "EnabledState": 2, "OperationalStatus": [2],
        }  # fmt: skip
        return [Thing("Msvm_Keyboard", keyboard), Thing("Msvm_ShutdownComponent", shutdown)]

    def path(self, kind: str, instance: str) -> str:
        escaped = instance.replace("\\", "\\\\")
        return f'\\\\{self.host}\\root\\virtualization\\v2:{kind}.InstanceID="{escaped}"'

    # ---- its resources ----

    def add(self, thing: Thing) -> Thing:
        self.things[thing.id] = thing
        return thing

    def furnish(self) -> None:
        """What every new machine has."""
        vs = self.settings_id
        self.add(Thing("Msvm_ProcessorSettingData", {
            "InstanceID": f"{vs}\\{PROCESSOR}\\0", "ElementName": "Processor", "ResourceType": 3,
            "ResourceSubType": "Microsoft:Hyper-V:Processor", "VirtualQuantity": 1, "Limit": 100000, "Reservation": 0,
            "Weight": 100,
        }))  # fmt: skip
        self.add(Thing("Msvm_MemorySettingData", {
            "InstanceID": f"{vs}\\{MEMORY}", "ElementName": "Memory", "ResourceType": 4,
            "ResourceSubType": "Microsoft:Hyper-V:Memory", "VirtualQuantity": 1024, "Reservation": 512,
            "Limit": 1048576, "DynamicMemoryEnabled": False,
        }))  # fmt: skip
        display = {"InstanceID": f"{vs}\\video\\0", "ResourceType": 24, "ElementName": "Display Controller",
                   "ResourceSubType": "Microsoft:Hyper-V:Synthetic Display Controller"}  # fmt: skip
        self.add(Thing("Msvm_SyntheticDisplayControllerSettingData", display))
        if self.generation == 1:
            self._furnish_first_generation(vs)

    def _furnish_first_generation(self, vs: str) -> None:
        for number, guid in enumerate(IDE):
            self.add(Thing(RASD, {
                "InstanceID": f"{vs}\\{guid}\\{number}", "ElementName": f"IDE Controller {number}", "ResourceType": 5,
                "ResourceSubType": "Microsoft:Hyper-V:Emulated IDE Controller", "Address": str(number),
            }))  # fmt: skip
        controller = self.add(Thing(RASD, {
            "InstanceID": f"{vs}\\8f0d2762-0b00-4e04-af4f-19010527cb93\\0", "ElementName": "Diskette Controller",
            "ResourceType": 1, "ResourceSubType": "Microsoft:Hyper-V:Virtual Diskette Controller", "Address": "0",
        }))  # fmt: skip
        self.add(Thing(RASD, {
            "InstanceID": f"{vs}\\8f0d2762-0b00-4e04-af4f-19010527cb93\\0\\0\\D", "ElementName": "Diskette Drive",
            "ResourceType": 14, "ResourceSubType": "Microsoft:Hyper-V:Synthetic Diskette Drive",
            "Parent": self.path(RASD, controller.id), "AddressOnParent": "0",
        }))  # fmt: skip
        for number in range(2):
            self.add(Thing("Msvm_SerialPortSettingData", {
                "InstanceID": f"{vs}\\8e3a359f-559a-4b6a-98a9-1690a6100ed7\\{number}", "ResourceType": 21,
                "ElementName": f"COM {number + 1}", "ResourceSubType": "Microsoft:Hyper-V:Serial Port",
                "Connection": [""],
            }))  # fmt: skip

    def new_id(self) -> str:
        return f"{self.settings_id}\\{uuid.uuid4()}"

    def parent_of(self, path: str | None) -> Thing | None:
        """The resource that a path names."""
        if not path:
            return None
        instance = path.partition('InstanceID="')[2].rstrip('"').replace("\\\\", "\\")
        return self.things.get(instance)

    def children(self, thing: Thing) -> list[Thing]:
        return [each for each in self.things.values() if self.parent_of(each.values.get("Parent")) is thing]


def ref_of(thing: Thing) -> Ref:
    """The reference to an instance."""
    keys = KEYS.get(thing.kind, ("InstanceID",))
    namespace = "root/cimv2" if thing.kind.startswith("Win32_") else "root/virtualization/v2"
    return Ref(thing.kind, {name: str(thing.values[name]) for name in keys}, namespace)


_DEVICE = ("CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName")
KEYS: dict[str, tuple[str, ...]] = {
    "Msvm_ComputerSystem": ("CreationClassName", "Name"),
    "Msvm_Keyboard": _DEVICE,
    "Msvm_ShutdownComponent": _DEVICE,
    "Msvm_DiskDrive": _DEVICE,
    "Msvm_VirtualEthernetSwitch": ("CreationClassName", "Name"),
    "Msvm_VirtualSystemManagementService": ("CreationClassName", "Name", "SystemCreationClassName", "SystemName"),
    "Msvm_VirtualSystemSnapshotService": ("CreationClassName", "Name", "SystemCreationClassName", "SystemName"),
    "Win32_OperatingSystem": ("Name",),
    "Win32_ComputerSystem": ("Name",),
    "Win32_ComputerSystemProduct": ("UUID",),
}
"""The keys of classes whose key is not InstanceID."""
