"""Single-machine mode under test, with its processes as they are at the moment of a fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.stack import end_all
from virtbus.client import Client

READY_LIMIT = 90.0
STOP_LIMIT = 30.0


class Stack:
    """`virtbus up` with its folder; `supervisor` is the module that is run in its place, for broken variants."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, hosts: Mapping[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.hosts = hosts

    @property
    def ready_file(self) -> Path:
        return self.folder / "ready.json"

    def ready(self) -> dict[str, Any]:
        """What the ready file says now."""
        document: dict[str, Any] = json.loads(self.ready_file.read_text())
        return document

    def client(self) -> Client:
        """A client with the first token, that tries again as long as it takes."""
        ready = self.ready()
        return Client(ready["http"], Path(ready["token_file"]).read_text().strip())

    def run(self, host: str) -> Path:
        """The host's runtime folder."""
        return self.folder / "s" / "run" / host

    @property
    def targets(self) -> list[str]:
        """The processes that may be killed and frozen, by the ready file's names."""
        return ["nats-server", "gateway", *(f"worker_{host}" for host in self.hosts)]

    def pid(self, target: str) -> int | None:
        """A process of ours as it is now; the ready file may still name a dead one whose successor is not ready."""
        for pid in self._children():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                if _name(words) == target:
                    return pid
        return None

    def _children(self) -> list[int]:
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            # A thread may end while it is looked at.
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
        return found


def _name(words: Sequence[str]) -> str:
    if "nats-server" in words[0]:
        return "nats-server"
    if "--host" in words:
        return f"worker_{words[words.index('--host') + 1].partition('=')[0]}"
    return "gateway" if "gateway" in words else ""


@contextlib.asynccontextmanager
async def running(
    hosts: Mapping[str, str], supervisor: Sequence[str] = ("virtbus",), log_level: str = "INFO"
) -> AsyncIterator[Stack]:
    """A stack that is ready; all of it is gone afterwards, hypervisors and machines too.

    :param hosts: URIs by host.
    :param supervisor: the module, with words, that takes the words of `virtbus`.
    :raise RuntimeError: it did not come up; with the end of its log.
    """
    # The paths of unix sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="vbf"))
    words = [word for name, uri in hosts.items() for word in ("--host", f"{name}={uri}")]
    with (folder / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *supervisor, "up", "--state-dir", str(folder / "s"), "--http", "127.0.0.1:0",
            "--ready-file", str(folder / "ready.json"), *words, stdout=log, stderr=log,
            env=os.environ | {"VIRTBUS_LOG": log_level},
        )  # fmt: skip
    stack = Stack(folder, process, hosts)
    try:
        await _until_ready(stack)
        yield stack
    finally:
        await _stop(process)
        await end_all(folder)
        if "VIRTBUS_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


async def _until_ready(stack: Stack) -> None:
    until = time.monotonic() + READY_LIMIT
    while not stack.ready_file.exists():
        if stack.process.returncode is not None or time.monotonic() > until:
            raise RuntimeError(f"virtbus up is not ready: {(stack.folder / 'up.log').read_text()[-2000:]}")
        await asyncio.sleep(0.05)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_LIMIT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
