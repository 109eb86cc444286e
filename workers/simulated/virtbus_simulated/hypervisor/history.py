"""A domain's history: its last events with their positions, kept whether a client is there or not."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any


class History:
    """The last events of one domain. Positions are numbers of the host, so they grow across a domain's lives."""

    __slots__ = ("_events", "_limit", "floor", "head")

    def __init__(self, limit: int, floor: int) -> None:
        self._limit = limit
        self._events: deque[dict[str, Any]] = deque()
        self.floor = floor
        """The position up to which events may have been dropped."""
        self.head = floor
        """The position of the last event."""

    def append(self, position: int, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The event, now the last one; `previous` lets a reader see that it missed one."""
        event = {
            "event": kind,
            "position": position,
            "previous": self.head,
            "time": datetime.now(UTC).isoformat(),
        } | fields
        if len(self._events) == self._limit:
            self.floor = self._events.popleft()["position"]
        self._events.append(event)
        self.head = position
        return event

    def since(self, position: int) -> tuple[list[dict[str, Any]], bool]:
        """The events after a position, and whether they are all."""
        later = [event for event in self._events if event["position"] > position]
        return later, position >= self.floor
