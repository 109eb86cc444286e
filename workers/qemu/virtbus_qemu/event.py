"""A QMP event, as the monitor and the journal both give it.

QEMU sends the same message, with the same timestamp, to every QMP monitor: the socket that a worker listens on and
the journal file of the domain (`virtbus_qemu.journal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class QmpEvent:
    """Something that QEMU told of itself (QEMU QMP reference, "event")."""

    name: str
    """QEMU's name, such as DEVICE_DELETED."""
    time: int
    """When QEMU emitted it, in microseconds since the epoch."""
    data: Mapping[str, Any] = field(default_factory=dict)
    position: int | None = None
    """Where the journal goes on after this event, in bytes; None when it came over a socket."""

    @classmethod
    def parse(cls, message: Mapping[str, Any], position: int | None = None) -> QmpEvent:
        """The event in a QMP message that has an `event` member.

        :raise KeyError: when it has none.
        """
        stamp = message.get("timestamp", {})
        time = int(stamp.get("seconds", 0)) * MICROSECONDS + int(stamp.get("microseconds", 0))
        return cls(message["event"], time, message.get("data", {}), position)
