"""The serial console of the test guest, on a unix socket."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

BOOT_SECONDS = 60.0
COMMAND_SECONDS = 20.0

_LIMIT_BYTES = 1 << 20


class Console:
    """Talks to the guest's shell."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Console:
        """Connect to the socket; do it before the guest runs, what it printed before is lost."""
        return cls(*await asyncio.open_unix_connection(str(path), limit=_LIMIT_BYTES))

    async def ready(self) -> None:
        """Wait until the guest has booted."""
        await self._until(rb"GUEST-READY\r?\n", BOOT_SECONDS)

    async def run(self, command: str) -> str:
        """Run a line in the guest's shell and give what it printed.

        :raise RuntimeError: its exit status is not 0.
        """
        self._writer.write(command.encode() + b"\n")
        text = await self._until(rb"GUEST-RC (\d+)\r?\n", COMMAND_SECONDS)
        output, _, status = text.rpartition("GUEST-RC ")
        if int(status):
            raise RuntimeError(f"the guest's {command!r} failed with {status.strip()}: {output}")
        return output.replace("\r", "")

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _until(self, pattern: bytes, seconds: float) -> str:
        text = b""
        async with asyncio.timeout(seconds):
            while not re.search(pattern, text):
                text += await self._reader.readuntil(b"\n")
        return text.decode(errors="replace")
