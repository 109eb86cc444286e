"""Server-sent events, as the WHATWG HTML standard defines the stream's format (9.2.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass
class Message:
    """One block of the stream; `data` is None where it only moves the cursor."""

    id: str | None = None
    event: str = "message"
    data: str | None = None


class Parser:
    """Bytes in, messages out; a block that is cut off by the stream's end is dropped, as the standard asks."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that this chunk completes."""
        pending = self._rest + chunk
        # A carriage return at the end may be half of a line's end.
        tail = b"\r" if pending.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(pending.removesuffix(tail) if tail else pending)
        self._rest = rest + tail
        messages = []
        for line in lines:
            if line:
                self._lines.append(line.decode(errors="replace"))
            elif self._lines:
                messages.append(_message(self._lines))
                self._lines = []
        return [message for message in messages if message.id is not None or message.data is not None]


def _message(lines: list[str]) -> Message:
    message = Message()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            message.data = value if message.data is None else f"{message.data}\n{value}"
        elif name == "id" and "\0" not in value:
            message.id = value
        elif name == "event":
            message.event = value
    return message
