"""Names and numbers of the Hyper-V WMI provider (root\\virtualization\\v2), as Microsoft documents them."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from virtbus.state import DomainState

SYSTEM = "Msvm_ComputerSystem"
SETTINGS = "Msvm_VirtualSystemSettingData"
RESOURCE = "Msvm_ResourceAllocationSettingData"
STORAGE = "Msvm_StorageAllocationSettingData"
PROCESSOR = "Msvm_ProcessorSettingData"
MEMORY = "Msvm_MemorySettingData"
SYNTHETIC_CARD = "Msvm_SyntheticEthernetPortSettingData"
EMULATED_CARD = "Msvm_EmulatedEthernetPortSettingData"
CONNECTION = "Msvm_EthernetPortAllocationSettingData"
SERIAL = "Msvm_SerialPortSettingData"
SWITCH = "Msvm_VirtualEthernetSwitch"
DISK_DRIVE = "Msvm_DiskDrive"
JOB = "Msvm_ConcreteJob"
MANAGEMENT = "Msvm_VirtualSystemManagementService"
SNAPSHOTS = "Msvm_VirtualSystemSnapshotService"
SHUTDOWN = "Msvm_ShutdownComponent"
KEYBOARD = "Msvm_Keyboard"

COMPONENTS = (RESOURCE, STORAGE, PROCESSOR, MEMORY, SYNTHETIC_CARD, EMULATED_CARD, CONNECTION, SERIAL)
"""The classes of settings that a machine is read from."""

REALIZED = "Microsoft:Hyper-V:System:Realized"
SNAPSHOT = "Microsoft:Hyper-V:Snapshot:Realized"
SECOND_GENERATION = "Microsoft:Hyper-V:SubType:2"


class Resource(IntEnum):
    """ResourceType of a setting."""

    OTHER = 1
    IDE = 5
    SCSI = 6
    CARD = 10
    DISKETTE = 14
    DVD = 16
    DISK = 17
    SERIAL = 21
    MEDIUM = 31
    CONNECTION = 33


class SubType(StrEnum):
    """ResourceSubType of a setting."""

    SCSI = "Microsoft:Hyper-V:Synthetic SCSI Controller"
    DISK = "Microsoft:Hyper-V:Synthetic Disk Drive"
    DVD = "Microsoft:Hyper-V:Synthetic DVD Drive"
    PHYSICAL = "Microsoft:Hyper-V:Physical Disk Drive"
    HARD_DISK = "Microsoft:Hyper-V:Virtual Hard Disk"
    OPTICAL = "Microsoft:Hyper-V:Virtual CD/DVD Disk"
    DISKETTE = "Microsoft:Hyper-V:Virtual Floppy Disk"
    CARD = "Microsoft:Hyper-V:Synthetic Ethernet Port"
    LEGACY_CARD = "Microsoft:Hyper-V:Emulated Ethernet Port"
    CONNECTION = "Microsoft:Hyper-V:Ethernet Connection"


class Requested(IntEnum):
    """RequestedState of RequestStateChange, as hosts since 2012 take it."""

    RUNNING = 2
    OFF = 3
    SAVED = 6
    PAUSED = 9
    RESET = 11


class Power(StrEnum):
    """Where a machine stands."""

    OFF = "off"
    SAVED = "saved"
    RUNNING = "running"
    PAUSED = "paused"
    STARTING = "starting"
    """On the way to running, from off or saved: not there yet."""

    @property
    def active(self) -> bool:
        return self in (Power.RUNNING, Power.PAUSED)


POWER: dict[int, Power] = {
    2: Power.RUNNING, 3: Power.OFF, 4: Power.RUNNING, 6: Power.SAVED, 9: Power.PAUSED, 10: Power.STARTING,
    32768: Power.PAUSED, 32769: Power.SAVED, 32770: Power.STARTING, 32771: Power.RUNNING, 32773: Power.RUNNING,
    32774: Power.RUNNING, 32776: Power.RUNNING, 32777: Power.PAUSED, 32779: Power.SAVED, 32780: Power.RUNNING,
}  # fmt: skip
"""EnabledState, in the numbers of hosts since 2012 and in the older ones (32768 and up); a machine on its way
elsewhere is still where it was."""
UNKNOWN_POWER = frozenset({0, 1, 5, 7, 8})
"""EnabledState while the host does not know."""

STATES: dict[Power, DomainState] = {
    Power.OFF: DomainState.SHUTOFF,
    Power.SAVED: DomainState.SHUTOFF,
    Power.RUNNING: DomainState.RUNNING,
    Power.PAUSED: DomainState.PAUSED,
    Power.STARTING: DomainState.SHUTOFF,
}

HEALTHY = 5
"""HealthState of a machine without trouble."""


class Code(IntEnum):
    """ReturnValue of methods."""

    DONE = 0
    STARTED = 4096
    FAILED = 32768
    DENIED = 32769
    NOT_SUPPORTED = 32770
    UNKNOWN = 32771
    TIMEOUT = 32772
    INVALID_PARAMETER = 32773
    IN_USE = 32774
    INVALID_STATE = 32775
    WRONG_TYPE = 32776
    NOT_AVAILABLE = 32777
    OUT_OF_MEMORY = 32778
    NO_FILE = 32779


class JobState(IntEnum):
    """JobState of Msvm_ConcreteJob."""

    NEW = 2
    STARTING = 3
    RUNNING = 4
    SUSPENDED = 5
    SHUTTING_DOWN = 6
    COMPLETED = 7
    TERMINATED = 8
    KILLED = 9
    EXCEPTION = 10

    @property
    def ended(self) -> bool:
        return self >= JobState.COMPLETED


REMOVING = 32
"""JobType of the removal of resources."""

SUMMARY = {"name": 0, "element": 1, "created": 2, "processors": 4, "state": 100, "load": 101, "memory": 103,
           "uptime": 105, "health": 109}  # fmt: skip
"""RequestedInformation of GetSummaryInformation."""
