"""What a domain's journal says, event by event, with what must be remembered from one to the next.

It is the same whether QEMU is running or ended while nobody watched.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from virtbus.domain import Device, Domain, Form, find, remove
from virtbus.domain.memory import CurrentMemory
from virtbus.errors import NoDevice
from virtbus.eventkinds import EventKind
from virtbus.observations import (
    DeviceRemoved,
    LiveChanged,
    Observation,
    RemovalRefused,
    Resumed,
    Stopped,
    Suspended,
)
from virtbus_qemu.event import MICROSECONDS, QmpEvent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.journal import Journal
from virtbus_qemu.nodenumbers import highest_node
from virtbus_qemu.translation import course, notice, when

#: ACPI _OST (ACPI 6.4, 6.3.5): the guest's answer to an eject request of a memory device.
OST_EJECT = 3
OST_REFUSED = frozenset({1, 2, 3, 129, 130, 131})
_RESET_COMPLETES = 2 * MICROSECONDS
"""Removals told within this time after a reset were completed by it: QEMU tells RESET, then DEVICE_DELETED."""


class Witness:
    """A domain's runtime folder, and what its journal has told so far."""

    def __init__(self, folder: DomainFolder, live: Domain) -> None:
        self.folder = folder
        self.live = live
        self.journal = Journal(folder.journal)
        self.shutdown_job: str | None = None
        """The job that asked the guest to power off."""
        self.reboot_job: str | None = None
        """The job that asked the guest to reboot: its power-off is answered by a reset."""
        self.destroyed_by: str | None = None
        """The job that ended the domain by force."""
        self.outdated = False
        """Whether the folder's definition is to be written anew."""
        self.nodes = 0
        """The highest number that a block node of this run has had: none is given twice."""
        self.powered_off: str | None = None
        """Who ended the guest's run: the detail of libvirt's shutdown event."""
        self.panicked = False
        self._why_paused = ("paused", "user")
        self._reset_at = 0

    @property
    def uuid(self) -> UUID:
        return self.folder.uuid

    def rewrite(self) -> None:
        """Write the live definition to the folder, so that an adoption finds it."""
        self.outdated = False
        self.folder.write_definition(self.live.format(Form.STATUS, secure=True))

    def recall(self) -> None:
        """Take from the folder what an earlier worker noted there."""
        state = self.folder.read_state()
        self.reboot_job = state.get("reboot")
        self.shutdown_job = state.get("shutdown")
        self.destroyed_by = state.get("destroyed")
        self.nodes = max(int(state.get("nodes", 0)), highest_node(self.live))

    def number(self, count: int) -> None:
        """Remember the highest node number that has been given."""
        if count > self.nodes:
            self.nodes = count
            self.note()

    def note(self) -> None:
        """Note in the folder what a later worker must know."""
        state: dict[str, Any] = {
            "reboot": self.reboot_job, "shutdown": self.shutdown_job, "destroyed": self.destroyed_by,
            "nodes": self.nodes,
        }  # fmt: skip
        self.folder.write_state({key: value for key, value in state.items() if value is not None})

    async def tear_down(self, device: Device) -> None:
        """Free what served a device; nothing, where QEMU is gone with all it had."""

    async def meaning(self, event: QmpEvent) -> list[Observation]:
        """What an event of the journal says; a device that is gone is torn down before that is said."""
        place: dict[str, Any] = {"domain": self.uuid, "at": when(event), "position": event.position}
        match event.name:
            case "STOP":
                return self._stopped_cpus(place)
            case "RESUME":
                self._why_paused = ("paused", "user")
                return [Resumed(**place)]
            case "DEVICE_DELETED":
                return await self._deleted(event, place)
            case "DEVICE_UNPLUG_GUEST_ERROR" | "MEM_UNPLUG_ERROR":
                alias = str(event.data.get("device", ""))
                return [RemovalRefused(**place, alias=alias, reason=str(event.data.get("msg", "")))]
            case "ACPI_DEVICE_OST":
                return self._memory_answer(event, place)
            case "BALLOON_CHANGE":
                return self._ballooned(int(event.data["actual"]) // 1024, place)
        self._remember(event)
        if event.name == "SHUTDOWN" and self.reboot_job is not None:
            # The guest powers off because it was asked to reboot: that is told by the reset which follows.
            return []
        told = course(event, self.uuid) or notice(event, self.uuid)
        return [] if told is None else [told]

    def _remember(self, event: QmpEvent) -> None:
        """What explains a later event."""
        if event.name == "BLOCK_IO_ERROR" and event.data.get("action") == "stop":
            self._why_paused = ("ioerror", "ioerror")
        elif event.name == "WATCHDOG" and event.data.get("action") == "pause":
            self._why_paused = ("watchdog", "watchdog")
        elif event.name == "GUEST_PANICKED":
            self.panicked = True
        elif event.name == "SHUTDOWN":
            self.powered_off = "guest" if event.data.get("guest") else "host"
        elif event.name == "RESET":
            self.powered_off = None
            self.panicked = False
            self._reset_at = event.time

    def _stopped_cpus(self, place: dict[str, Any]) -> list[Observation]:
        if self.powered_off is not None or self.panicked:
            # QEMU stops the CPUs of a guest that has ended; that is told as its end.
            return []
        detail, reason = self._why_paused
        return [Suspended(**place, detail=detail, reason=reason)]

    async def _deleted(self, event: QmpEvent, place: dict[str, Any]) -> list[Observation]:
        # For virtio devices the event comes twice; only the second names the device.
        alias = event.data.get("device")
        if not alias:
            return []
        by = "reset" if 0 <= event.time - self._reset_at < _RESET_COMPLETES else "guest"
        removed = await self.removed(str(alias), by, place)
        return [] if removed is None else [removed]

    async def removed(self, alias: str, by: str, place: dict[str, Any]) -> DeviceRemoved | None:
        """A device is gone from the guest: tear down what served it, and only then say so."""
        try:
            device = find(self.live, alias)
        except NoDevice:
            return None
        await self.tear_down(device)
        live = self.live.copy()
        remove(live, find(live, alias))
        self.live = live
        self.outdated = True
        return DeviceRemoved(**place, alias=alias, live=live, by=by)

    def _memory_answer(self, event: QmpEvent, place: dict[str, Any]) -> list[Observation]:
        told = event.data.get("info", {})
        alias = told.get("device")
        if told.get("source") != OST_EJECT or told.get("status") not in OST_REFUSED or not alias:
            return []
        reason = f"the guest answered with ACPI status {told['status']}"
        return [RemovalRefused(**place, alias=str(alias), reason=reason)]

    def _ballooned(self, kib: int, place: dict[str, Any]) -> list[Observation]:
        live = self.live.copy()
        live.current_memory = CurrentMemory(kib=kib)
        self.live = live
        self.outdated = True
        return [LiveChanged(**place, live=live, kind=EventKind.BALLOON_CHANGE, detail={"actual": kib})]

    def ending(self) -> Stopped:
        """How the domain's run ended, from what was told before."""
        if self.destroyed_by is not None:
            return Stopped(domain=self.uuid, detail="destroyed", cause=self.destroyed_by)
        if self.panicked:
            return Stopped(domain=self.uuid, detail="crashed")
        if self.powered_off is not None:
            return Stopped(domain=self.uuid, detail="shutdown", cause=self.shutdown_job)
        # libvirt's words for a monitor that closed without a SHUTDOWN event.
        return Stopped(domain=self.uuid, detail="failed", reason="crashed")
