"""Operations that only QEMU has (libvirt-qemu)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from virtbus.operations.declaration import DomainOperation, Kind


class MonitorReply(BaseModel):
    """What QEMU's monitor returned."""

    reply: Any = None


class MonitorCommand(DomainOperation[MonitorReply]):
    """Give QEMU's monitor a command; for experts, since Virtbus does not know what it changes."""

    name = "qemu.monitor-command"
    kind = Kind.JOB
    facet = "Monitor"
    permission = "qemu:monitor"
    http = "POST /v1/hosts/{host}/domains/{domain}/monitor"
    wire = "qemu_domain_monitor_command"
    verb = "qemu-monitor-command"

    command: str
    """A QMP command's name, or with `human` a line for the human monitor."""
    arguments: dict[str, Any] = {}
    human: bool = False
