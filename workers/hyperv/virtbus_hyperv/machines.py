"""Machines as they are on the host: read from WMI, one of them or all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from virtbus.errors import HypervisorError
from virtbus_hyperv.classes import (
    COMPONENTS,
    HEALTHY,
    POWER,
    REALIZED,
    SECOND_GENERATION,
    SETTINGS,
    SWITCH,
    SYSTEM,
    UNKNOWN_POWER,
    Power,
)
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.wsman.client import WsMan
from virtbus_hyperv.wsman.instance import Instance
from virtbus_hyperv.wsman.reference import Reference

SYSTEMS = f"SELECT * FROM {SYSTEM}"
"""All machines, and the host itself, which is of the same class."""

_GUID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass
class Machine:
    """One machine, as WMI has it."""

    system: Instance
    settings: Instance
    components: list[Instance] = field(default_factory=list)

    @property
    def guid(self) -> str:
        """Hyper-V's own name of it."""
        return self.system.text("Name")

    @property
    def uuid(self) -> UUID:
        """What its firmware shows the guest, which a definition can choose."""
        return uuid_of(self.settings, self.guid)

    @property
    def name(self) -> str:
        return self.system.text("ElementName")

    @property
    def power(self) -> Power:
        return power_of(self.system)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it: not so after its process has died, or where a disk is full."""
        return self.system.number("HealthState", HEALTHY) == HEALTHY

    @property
    def process(self) -> int:
        """The process that runs it: differs in each run, and is the domain's id."""
        return self.system.number("ProcessID")

    @property
    def incarnation(self) -> str:
        """What names one run: a reset does not end it."""
        return f"{self.guid}:{self.process}"

    @property
    def uptime(self) -> float:
        """Seconds since it was turned on or reset."""
        return self.system.number("OnTimeInMilliseconds") / 1000

    @property
    def second_generation(self) -> bool:
        return self.settings.text("VirtualSystemSubType") == SECOND_GENERATION

    @property
    def notes(self) -> Notes:
        return Notes.read(self.settings.texts("Notes"))

    @property
    def reference(self) -> Reference:
        """Of its Msvm_ComputerSystem."""
        return system_reference(self.guid)

    @property
    def settings_reference(self) -> Reference:
        return Reference(SETTINGS, (("InstanceID", self.settings.text("InstanceID")),))

    def of(self, kind: str) -> list[Instance]:
        """Its settings of a class."""
        return [component for component in self.components if component.kind == kind]


def system_reference(guid: str) -> Reference:
    """The reference to a machine."""
    return Reference(SYSTEM, (("CreationClassName", SYSTEM), ("Name", guid)))


def uuid_of(settings: Instance, guid: str) -> UUID:
    """The UUID in a machine's firmware; Hyper-V's own name where there is none."""
    text = settings.text("BIOSGUID").strip("{}") or guid
    try:
        return UUID(text)
    except ValueError:
        raise HypervisorError("a machine's UUID makes no sense", evidence={"answer": text}) from None


def power_of(system: Instance) -> Power:
    """Where a machine stands.

    :raises HypervisorError: the host does not know at the moment.
    """
    state = system.number("EnabledState")
    if state in UNKNOWN_POWER or state not in POWER:
        raise HypervisorError("the host does not say in which state the machine is", evidence={"answer": state})
    return POWER[state]


class Machines:
    """The machines of a host."""

    def __init__(self, client: WsMan) -> None:
        self._client = client

    async def all(self, timeout: float) -> list[Machine]:
        """Every machine, by a query for each class of settings; a machine that changes meanwhile may be half seen."""
        systems = await self.systems(timeout)
        query = f"SELECT * FROM {SETTINGS} WHERE VirtualSystemType = '{REALIZED}'"
        by_id = {each.text("VirtualSystemIdentifier").lower(): each for each in await self.query(query, timeout)}
        found = {
            by_id[system.text("Name").lower()].text("InstanceID"): Machine(system, by_id[system.text("Name").lower()])
            for system in systems
            if system.text("Name").lower() in by_id
        }
        if found:
            for kind in COMPONENTS:
                _sort_in(found, await self.query(f"SELECT * FROM {kind}", timeout))
        return list(found.values())

    async def one(self, guid: str, timeout: float) -> Machine | None:
        """A machine by Hyper-V's own name; None where it is not there."""
        systems = await self.query(f"SELECT * FROM {SYSTEM} WHERE Name = '{guid}'", timeout)
        if not systems:
            return None
        owner = system_reference(guid).object_path()
        states = await self._associated(owner, "Msvm_SettingsDefineState", timeout)
        settings = next((each for each in states if each.text("VirtualSystemType") == REALIZED), None)
        if settings is None:
            return None
        path = Reference(SETTINGS, (("InstanceID", settings.text("InstanceID")),)).object_path()
        return Machine(
            systems[0], settings, await self._associated(path, "Msvm_VirtualSystemSettingDataComponent", timeout)
        )

    async def systems(self, timeout: float) -> list[Instance]:
        """How all machines are now, without their settings. Only machines are named by a GUID; captions differ in
        every language's Windows."""
        return [each for each in await self.query(SYSTEMS, timeout) if _GUID.fullmatch(each.text("Name"))]

    async def system(self, guid: str, timeout: float) -> Instance | None:
        """How a machine is now, without its settings; None where it is not there."""
        found = await self.query(f"SELECT * FROM {SYSTEM} WHERE Name = '{guid}'", timeout)
        return found[0] if found else None

    async def _associated(self, path: str, association: str, timeout: float) -> list[Instance]:
        return await self.query(f"ASSOCIATORS OF {{{path}}} WHERE AssocClass = {association}", timeout)

    async def query(self, query: str, timeout: float) -> list[Instance]:
        """What a query finds in the namespace of Hyper-V."""
        return await self._client.enumerate(query, timeout)

    async def guid_of(self, uuid: UUID, timeout: float) -> str | None:
        """Hyper-V's own name of the machine with that UUID; None where there is none."""
        query = (
            f"SELECT * FROM {SETTINGS} WHERE BIOSGUID = '{{{str(uuid).upper()}}}' AND VirtualSystemType = '{REALIZED}'"
        )
        found = await self.query(query, timeout)
        return found[0].text("VirtualSystemIdentifier") if found else None

    async def switches(self, timeout: float) -> dict[str, str]:
        """The names of the virtual switches, by Hyper-V's own names of them."""
        found = await self.query(f"SELECT * FROM {SWITCH}", timeout)
        return {each.text("Name").lower(): each.text("ElementName") for each in found}


def _sort_in(machines: dict[str, Machine], components: Iterable[Instance]) -> None:
    """Settings belong to the machine whose own setting's InstanceID theirs begins with; templates belong to none."""
    for component in components:
        owner = machines.get(component.text("InstanceID").partition("\\")[0])
        if owner is not None:
            owner.components.append(component)
