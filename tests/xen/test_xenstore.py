"""The xenstore's wire protocol, against a store that answers as xenstored does."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from virtbus.errors import HypervisorError, Unavailable
from virtbus_xen.dom0 import Dom0, Done, LocalDom0, Reader, Writer
from virtbus_xen.xenstore import Op, XenStore

HEADER = struct.Struct("<IIII")


class Store(Dom0):
    """A fake of xenstored: nodes in a dictionary, behind a real socket."""

    def __init__(self, path: Path) -> None:
        self.path, self.nodes = path, {"/a": "1", "/a/b": "2"}
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None: ...

    async def run(self, argv: Sequence[str], *, timeout: float, text: str = "") -> Done:
        raise NotImplementedError

    async def connect(self, path: str) -> tuple[Reader, Writer]:
        return await LocalDom0().connect(str(self.path))

    async def close(self) -> None: ...

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while len(head := await reader.read(HEADER.size)) == HEADER.size:
            kind, number, _, length = HEADER.unpack(head)
            path, _, value = (await reader.readexactly(length)).decode().partition("\0")
            answer, said = self.answer(Op(kind), path, value)
            writer.write(HEADER.pack(answer, number, 0, len(said)) + said)

    def answer(self, op: Op, path: str, value: str) -> tuple[Op, bytes]:
        if op is Op.WRITE:
            self.nodes[path] = value
            return op, b"OK\0"
        if op is Op.WATCH:
            return op, b"OK\0"
        if path == "/forbidden":
            return Op.ERROR, b"EACCES\0"
        if path not in self.nodes:
            return Op.ERROR, b"ENOENT\0"
        if op is Op.DIRECTORY:
            names = [name.removeprefix(f"{path}/") for name in self.nodes if name.startswith(f"{path}/")]
            return op, b"".join(name.encode() + b"\0" for name in names)
        return op, self.nodes[path].encode()


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[Store]:
    store = Store(path)
    server = await asyncio.start_unix_server(store.serve, str(path))
    try:
        yield store
    finally:
        for writer in store.writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def test_nodes_are_written_read_and_listed(tmp_path: Path) -> None:
    async with served(tmp_path / "s") as store:
        client = XenStore(store)
        await client.write("/a/c", "3")
        assert (await client.read("/a/c"), await client.list("/a")) == ("3", ["b", "c"])
        await client.close()


async def test_a_node_that_is_not_there_is_no_error_and_a_refusal_is_one(tmp_path: Path) -> None:
    async with served(tmp_path / "s") as store:
        client = XenStore(store)
        assert (await client.read("/x"), await client.list("/x")) == (None, [])
        with pytest.raises(HypervisorError, match="EACCES"):
            await client.read("/forbidden")
        assert await client.read("/a") == "1"
        await client.close()


async def test_changes_come_by_their_paths_until_the_connection_ends(tmp_path: Path) -> None:
    async with served(tmp_path / "s") as store:
        ready = asyncio.Event()
        async with aclosing(XenStore(store).watch(["/a", "@releaseDomain"], ready)) as events:
            first = asyncio.ensure_future(anext(events))
            await ready.wait()
            said = b"@releaseDomain\x001\0"
            store.writers[0].write(HEADER.pack(Op.WATCH_EVENT, 0, 0, len(said)) + said)
            assert await first == "@releaseDomain"
            store.writers[0].close()
            with pytest.raises(Unavailable):
                await anext(events)
