"""What QEMU's events mean (QEMU QMP reference), as observations; one table.

Events that need more than words (a device to tear down, a domain to end) are handled by virtbus_qemu.machine; this
table has those that only tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from virtbus.eventkinds import EventKind
from virtbus.observations import Crashed, Noticed, Observation, PoweredOff, Rebooted, Resumed, Slept
from virtbus_qemu.event import MICROSECONDS, QmpEvent

Told = Callable[[Mapping[str, Any]], tuple[EventKind, str, dict[str, Any]]]

_WATCHDOG = {"none": "none", "pause": "pause", "reset": "reset", "poweroff": "poweroff", "shutdown": "shutdown",
             "debug": "debug", "inject-nmi": "injectnmi"}  # fmt: skip
_IO_ACTION = {"ignore": "none", "stop": "pause", "report": "report"}
_BLOCK_JOB = {"BLOCK_JOB_COMPLETED": "completed", "BLOCK_JOB_CANCELLED": "canceled", "BLOCK_JOB_READY": "ready",
              "BLOCK_JOB_ERROR": "failed"}  # fmt: skip
_BLOCK_JOB_TYPE = {"stream": "pull", "mirror": "copy", "commit": "commit", "backup": "backup"}


def when(event: QmpEvent) -> datetime:
    """When QEMU emitted it."""
    return datetime.fromtimestamp(event.time / MICROSECONDS, UTC)


def _io_error(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    alias = str(data.get("qom-path", "")).removeprefix("/machine/peripheral/").partition("/")[0]
    detail = {
        "alias": alias,
        "action": _IO_ACTION.get(str(data.get("action")), "none"),
        "reason": "enospc" if data.get("nospace") else str(data.get("reason", "")),
        "operation": str(data.get("operation", "")),
    }
    return EventKind.IO_ERROR, alias, detail


def _watchdog(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    return EventKind.WATCHDOG, "", {"action": _WATCHDOG.get(str(data.get("action")), "none")}


def _rtc(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    return EventKind.RTC_CHANGE, "", {"utcoffset": int(data.get("offset", 0))}


def _tray(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    alias = str(data.get("id", "")).removeprefix("/machine/peripheral/")
    return EventKind.TRAY_CHANGE, alias, {"alias": alias, "reason": "open" if data.get("tray-open") else "close"}


def _memory_device(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    alias = str(data.get("id", ""))
    return EventKind.MEMORY_DEVICE_SIZE_CHANGE, alias, {"alias": alias, "size": int(data.get("size", 0)) // 1024}


def _port(data: Mapping[str, Any]) -> tuple[EventKind, str, dict[str, Any]]:
    alias = str(data.get("id", ""))
    state = "connected" if data.get("open") else "disconnected"
    return EventKind.AGENT_LIFECYCLE, alias, {"alias": alias, "state": state, "reason": "channel"}


NOTICES: dict[str, Told] = {
    "BLOCK_IO_ERROR": _io_error,
    "WATCHDOG": _watchdog,
    "RTC_CHANGE": _rtc,
    "DEVICE_TRAY_MOVED": _tray,
    "MEMORY_DEVICE_SIZE_CHANGE": _memory_device,
    "VSERPORT_CHANGE": _port,
    "SUSPEND_DISK": lambda _: (EventKind.PMSUSPEND_DISK, "", {}),
}
"""Events that are worth telling and change nothing in the record."""


def notice(event: QmpEvent, domain: UUID) -> Observation | None:
    """What an event tells, where that is all there is to it."""
    if event.name in _BLOCK_JOB:
        disk = str(event.data.get("device", ""))
        kind = _BLOCK_JOB_TYPE.get(str(event.data.get("type")), "unknown")
        detail = {"disk": disk, "type": kind, "status": _BLOCK_JOB[event.name]}
        return _noticed(event, domain, (EventKind.BLOCK_JOB, disk, detail))
    told = NOTICES.get(event.name)
    return None if told is None else _noticed(event, domain, told(event.data))


def _noticed(event: QmpEvent, domain: UUID, told: tuple[EventKind, str, dict[str, Any]]) -> Observation:
    kind, subject, detail = told
    return Noticed(domain=domain, at=when(event), position=event.position, kind=kind, subject=subject, detail=detail)


def course(event: QmpEvent, domain: UUID) -> Observation | None:
    """What an event says of the domain's course: reset, asleep, awake, panicked, powered off."""
    place: dict[str, Any] = {"domain": domain, "at": when(event), "position": event.position}
    match event.name:
        case "RESET":
            return Rebooted(**place)
        case "SUSPEND":
            return Slept(**place)
        case "WAKEUP":
            return Resumed(**place, reason="wakeup")
        case "GUEST_PANICKED":
            return Crashed(**place)
        case "GUEST_CRASHLOADED":
            return Crashed(**place, detail="crashloaded")
        case "SHUTDOWN":
            return PoweredOff(**place, detail="guest" if event.data.get("guest") else "host")
        case _:
            return None
