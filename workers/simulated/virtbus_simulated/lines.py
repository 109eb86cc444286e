"""Newline-delimited JSON on a unix socket: how the simulated hypervisor and its clients talk.

A request has an `id`, a `request` name and its arguments; the answer has the same `id` and either `result` or `error`
(`{"kind", "message"}`). Any number may be in flight, and answers come in any order. An event has `event` instead of an
id and comes between them.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import Any, cast

LONGEST = 64 * 1024 * 1024
"""Bytes of one message; an inventory of many domains is one message."""

BACKLOG = 256 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; beyond that it is cut off."""


class Lines(asyncio.Protocol, ABC):
    """One end of a connection; subclasses say what to do with a message and with the connection's end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._partial = bytearray()

    @abstractmethod
    def received(self, message: dict[str, Any]) -> None:
        """A whole message came; it must not block."""

    @abstractmethod
    def ended(self) -> None:
        """The connection is over, whoever ended it."""

    @property
    def open(self) -> bool:
        """Whether messages can be sent, as far as is known now."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; silently nothing after the end, of which `ended` tells."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        if self._transport.get_write_buffer_size() > BACKLOG:
            self._transport.abort()

    def cut(self) -> None:
        """End the connection at once; what was received and not yet handled is dropped."""
        self._partial.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the connection is there."""
        # uvloop's transports have its methods, but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes came."""
        self._partial += data
        if b"\n" not in data:
            if len(self._partial) > LONGEST:
                self.cut()
            return
        *lines, rest = bytes(self._partial).split(b"\n")
        self._partial = bytearray(rest)
        for line in lines:
            if not self.open:
                return
            try:
                message = json.loads(line)
            except ValueError:
                self.cut()
                return
            if not isinstance(message, dict):
                self.cut()
                return
            self.received(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the connection is over."""
        self._transport = None
        self.ended()
