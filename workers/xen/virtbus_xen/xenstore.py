"""A client of the xenstore's wire protocol (Xen: docs/misc/xenstore.txt, xen/include/public/io/xs_wire.h).

A message is a header of four little-endian numbers (type, request, transaction, length) and so many bytes; texts end
in a zero byte. One connection asks and is answered in turn; what is watched comes over one of its own, so that no
answer waits for an event.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Sequence
from enum import IntEnum

from virtbus.errors import HypervisorError, HypervisorSilent, NotFound, Unavailable
from virtbus_xen.dom0 import Dom0, Reader, Writer

SOCKET = "/run/xenstored/socket"
ANSWER_SECONDS = 10.0
PAYLOAD = 4096
"""The most bytes that a message carries."""

_HEADER = struct.Struct("<IIII")


class Op(IntEnum):
    """Types of messages."""

    DIRECTORY = 1
    READ = 2
    WATCH = 4
    WRITE = 11
    RM = 13
    WATCH_EVENT = 15
    ERROR = 16


class XenStore:
    """The xenstore of a host. A connection that broke is made anew at the next question."""

    def __init__(self, dom0: Dom0, socket: str = SOCKET) -> None:
        self._dom0, self._socket = dom0, socket
        self._turn = asyncio.Lock()
        self._pipe: tuple[Reader, Writer] | None = None
        self._number = 0

    async def read(self, path: str) -> str | None:
        """The value of a node; None where there is no such node."""
        try:
            return (await self._ask(Op.READ, path.encode() + b"\0")).decode(errors="replace")
        except NotFound:
            return None

    async def list(self, path: str) -> list[str]:
        """The names of the nodes below a node; none where there is no such node."""
        try:
            content = await self._ask(Op.DIRECTORY, path.encode() + b"\0")
        except NotFound:
            return []
        return content.decode(errors="replace").split("\0")[:-1]

    async def write(self, path: str, value: str) -> None:
        """Set the value of a node, making it and those above it."""
        await self._ask(Op.WRITE, path.encode() + b"\0" + value.encode())

    async def remove(self, path: str) -> None:
        """Remove a node and all below it; it may be gone already."""
        try:
            await self._ask(Op.RM, path.encode() + b"\0")
        except NotFound:
            return

    async def watch(self, paths: Sequence[str], ready: asyncio.Event) -> AsyncGenerator[str, None]:
        """The paths that change, at or below those that are watched (or the special @introduceDomain and
        @releaseDomain), until the connection ends.

        :param ready: set as soon as nothing that happens is missed any more.
        :raises Unavailable: the connection ended.
        """
        reader, writer = await self._dom0.connect(self._socket)
        try:
            for number, path in enumerate(paths):
                token = f"{number}".encode()
                writer.write(_message(Op.WATCH, number, path.encode() + b"\0" + token + b"\0"))
            waiting = len(paths)
            while True:
                kind, _, content = await _receive(reader)
                if kind == Op.WATCH:
                    waiting -= 1
                    if not waiting:
                        ready.set()
                elif kind == Op.WATCH_EVENT:
                    yield content.split(b"\0")[0].decode(errors="replace")
                elif kind == Op.ERROR:
                    raise _refused(content, "WATCH")
        finally:
            writer.close()

    async def close(self) -> None:
        """End the connection."""
        if self._pipe is not None:
            self._pipe[1].close()
            self._pipe = None

    async def _ask(self, op: Op, content: bytes) -> bytes:
        async with self._turn:
            pipe = self._pipe or await self._dom0.connect(self._socket)
            # Whoever is cut off here leaves a connection behind on which the answer is still to come.
            self._pipe = None
            try:
                self._number += 1
                pipe[1].write(_message(op, self._number, content))
                async with asyncio.timeout(ANSWER_SECONDS):
                    kind, number, answer = await _receive(pipe[0])
            except TimeoutError as error:
                pipe[1].close()
                raise HypervisorSilent(f"the xenstore did not answer within {ANSWER_SECONDS:.0f} s") from error
            except BaseException:
                pipe[1].close()
                raise
            if number != self._number:
                pipe[1].close()
                raise HypervisorError("the xenstore answered another question")
            self._pipe = pipe
        if kind == Op.ERROR:
            raise _refused(answer, op.name)
        return answer


def _message(op: Op, number: int, content: bytes) -> bytes:
    return _HEADER.pack(op, number, 0, len(content)) + content


async def _receive(reader: Reader) -> tuple[int, int, bytes]:
    try:
        kind, number, _, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        return kind, number, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise Unavailable("the connection to the xenstore ended", hint="the worker connects anew by itself") from error


def _refused(answer: bytes, what: str) -> HypervisorError | NotFound:
    word = answer.rstrip(b"\0").decode(errors="replace")
    if word == "ENOENT":
        return NotFound("the xenstore has no such node")
    return HypervisorError(f"the xenstore refused {what}: {word}", evidence={"answer": word})
