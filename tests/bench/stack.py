"""Our side: a whole Virtbus in single-machine mode, asked through HTTP with the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.bench.domains import uuid_of
from tests.bench.side import Name, pss
from virtbus.client import Client
from virtbus.operations.declaration import Operation
from virtbus.operations.device import AttachDevice, DetachDevice
from virtbus.operations.domain import (
    DefineDomain,
    DestroyDomain,
    ResumeDomain,
    StartDomain,
    SuspendDomain,
    UndefineDomain,
)
from virtbus.operations.statistics import DomainStatistics, GetHostStatistics

HOST = "bench"
URI = "qemu:///system"
READY_LIMIT = 90.0


class Stack:
    """A running Virtbus and a client of it."""

    key: Name = "ours"

    def __init__(self, folder: Path, url: str, token: str, client: Client) -> None:
        self.folder = folder
        self.url = url
        self.token = token
        self.client = client
        self._aliases: dict[str, str] = {}

    def where(self, name: str) -> dict[str, Any]:
        """The address of a domain, as operations take it."""
        return {"host": HOST, "domain": uuid_of(name)}

    def another(self) -> Client:
        """A client with connections of its own."""
        return Client(self.url, self.token)

    async def ms(self, operation: Operation[Any]) -> float:
        """How long an operation takes until its result is here."""
        began = time.perf_counter()
        await self.client.run(operation)
        return (time.perf_counter() - began) * 1000

    async def define(self, xml: str) -> None:
        """See Side."""
        await self.client.run(DefineDomain(host=HOST, xml=xml))

    async def undefine(self, name: str) -> None:
        """See Side."""
        await self.client.run(UndefineDomain(**self.where(name)))

    async def start(self, name: str) -> float:
        """See Side."""
        return await self.ms(StartDomain(**self.where(name)))

    async def resume(self, name: str) -> float:
        """See Side."""
        return await self.ms(ResumeDomain(**self.where(name)))

    async def destroy(self, name: str) -> float:
        """See Side."""
        pid = self.pid(name)
        began = time.perf_counter()
        await self.client.run(DestroyDomain(**self.where(name)))
        while os.path.exists(f"/proc/{pid}"):
            await asyncio.sleep(0.0005)
        return (time.perf_counter() - began) * 1000

    async def suspend(self, name: str) -> float:
        """How long pausing a domain takes."""
        return await self.ms(SuspendDomain(**self.where(name)))

    async def end(self, name: str) -> float:
        """How long destroying a domain takes that has no QEMU."""
        return await self.ms(DestroyDomain(**self.where(name)))

    async def attach(self, name: str, xml: str) -> float:
        """See Side."""
        began = time.perf_counter()
        attached = await self.client.run(AttachDevice(**self.where(name), xml=xml))
        took = (time.perf_counter() - began) * 1000
        self._aliases[name] = str(attached.alias)
        return took

    async def detach(self, name: str, xml: str) -> float:
        """See Side."""
        began = time.perf_counter()
        gone = await self.client.run(DetachDevice(**self.where(name), alias=self._aliases[name]))
        took = (time.perf_counter() - began) * 1000
        if gone.outcome != "removed":
            raise RuntimeError(f"the detach ended as {gone.outcome}")
        return took

    async def crowd_start(self, names: list[str], callers: int) -> float:
        """See Side."""
        return await self._crowd([StartDomain(**self.where(name), paused=True) for name in names], callers)

    async def crowd_destroy(self, names: list[str], callers: int) -> float:
        """See Side."""
        return await self._crowd([DestroyDomain(**self.where(name)) for name in names], callers)

    async def _crowd(self, operations: list[Operation[Any]], callers: int) -> float:
        left = list(reversed(operations))

        async def caller(client: Client) -> None:
            while left:
                await client.run(left.pop())

        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(self.another()) for _ in range(callers)]
            for client in clients:
                await client.hosts()
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(caller(client))
            return (time.perf_counter() - began) * 1000

    async def statistics(self) -> tuple[float, dict[str, set[str]]]:
        """See Side."""
        took, found = await self.survey()
        return took, {domain.name: set(domain.stats) for domain in found}

    async def survey(self) -> tuple[float, list[DomainStatistics]]:
        """The statistics of all active domains, and how long they took in ms."""
        began = time.perf_counter()
        found = await self.client.run(GetHostStatistics(host=HOST))
        return (time.perf_counter() - began) * 1000, found.domains

    def memory(self) -> dict[str, float]:
        """See Side."""
        return {name: pss(pid) for name, pid in self.pids().items()}

    def runtime(self, name: str) -> Path:
        """A domain's runtime folder."""
        return self.folder / "run" / HOST / str(uuid_of(name))

    def pid(self, name: str) -> int:
        """The QEMU of a domain."""
        return int(json.loads((self.runtime(name) / "process.json").read_text())["pid"])

    def pids(self) -> dict[str, int]:
        """Our processes by name."""
        return dict(json.loads((self.folder / "ready.json").read_text())["pids"])


@contextlib.asynccontextmanager
async def running(folder: Path, uri: str = URI) -> AsyncIterator[Stack]:
    """Virtbus for as long as this lasts; its domains are ended with it."""
    ready = folder / "bench-ready.json"
    folder.mkdir(parents=True, exist_ok=True)
    words = ["up", "--state-dir", str(folder), "--http", "127.0.0.1:0", "--ready-file", str(ready)]
    with (folder / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "virtbus", *words, "--host", f"{HOST}={uri}", stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(READY_LIMIT):
            while not ready.exists():
                if process.returncode is not None:
                    raise RuntimeError(f"virtbus up ended: {(folder / 'up.log').read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        told = json.loads(ready.read_text())
        token = Path(told["token_file"]).read_text().strip()
        async with Client(told["http"], token) as client:
            yield Stack(folder, told["http"], token, client)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        _end_domains(folder)


def _end_domains(folder: Path) -> None:
    """Domains outlive Virtbus; those of the benchmark are not left behind."""
    for note in folder.glob("run/*/*/process.json"):
        pid = int(json.loads(note.read_text())["pid"])
        with contextlib.suppress(OSError):
            if str(note.parent).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
