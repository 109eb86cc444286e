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
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.bench.domains import uuid_of
from virtbus.client import Client
from virtbus.operations.declaration import Operation
from virtbus.operations.domain import DefineDomain, DestroyDomain, UndefineDomain

HOST = "bench"
READY_LIMIT = 90.0
URI = "qemu:///system"


class Stack:
    """A running Virtbus and a client of it."""

    def __init__(self, folder: Path, ready: dict[str, Any], client: Client) -> None:
        self.folder = folder
        self.ready = ready
        self.client = client

    @property
    def token(self) -> str:
        return Path(self.ready["token_file"]).read_text().strip()

    def where(self, name: str) -> dict[str, Any]:
        """The address of a domain, as operations take it."""
        return {"host": HOST, "domain": uuid_of(name)}

    async def ms(self, operation: Operation[Any]) -> float:
        """How long an operation takes until its result is here, in ms."""
        began = time.perf_counter()
        await self.client.run(operation)
        return (time.perf_counter() - began) * 1000

    async def define(self, xml: str) -> None:
        """Define a domain."""
        await self.client.run(DefineDomain(host=HOST, xml=xml))

    async def undefine(self, name: str) -> None:
        """Undefine a domain."""
        await self.client.run(UndefineDomain(**self.where(name)))

    async def destroy(self, name: str) -> float:
        """Destroy a domain; the time until its process is gone as well, in ms."""
        pid = self.pid(uuid_of(name))
        began = time.perf_counter()
        await self.client.run(DestroyDomain(**self.where(name)))
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.0005)
        return (time.perf_counter() - began) * 1000

    def runtime(self, domain: UUID) -> Path:
        """A domain's runtime folder."""
        return self.folder / "run" / HOST / str(domain)

    def pid(self, domain: UUID) -> int:
        """The QEMU of a domain."""
        told = json.loads((self.runtime(domain) / "process.json").read_text())
        return int(told.get("pid") or told["identity"]["pid"])

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
        async with Client(told["http"], Path(told["token_file"]).read_text().strip()) as client:
            yield Stack(folder, told, client)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        _end_domains(folder)


def _end_domains(folder: Path) -> None:
    """Domains outlive Virtbus; those of the benchmark are not left behind."""
    for note in folder.glob("run/*/*/process.json"):
        told = json.loads(note.read_text())
        pid = int(told.get("pid") or told["identity"]["pid"])
        with contextlib.suppress(OSError):
            if str(note.parent).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
