"""What these tests share: a hypervisor process, one attempt at a job, and a driver with what it observed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from virtbus.domain import Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.errors import Cancelled, Expired
from virtbus.observations import Observation, Observed, Started
from virtbus.state import DomainState
from virtbus_simulated.client import Client
from virtbus_simulated.driver import SimulatedDriver

TEST_UUID = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
URI = "simulated:///default?unplug_ms=5&shutdown_ms=5&reboot_ms=5&slow_ms=600"
SECONDS = 10.0

Seen = TypeVar("Seen", bound=Observation)
Outcome = TypeVar("Outcome")

XML = """<domain type='test'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>1048576</memory>
  <vcpu current='2'>4</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/simulated/a.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <source file='/simulated/a.iso'/>
      <target dev='sda' bus='scsi'/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>
"""

DISK = """<disk type='file' device='disk'>
  <source file='/simulated/b.img'/>
  <target dev='{target}' bus='virtio'/>
</disk>
"""


class Process:
    """A hypervisor in a process of its own."""

    def __init__(self, folder: Path, uri: str = URI) -> None:
        self.host = "h1"
        """The host that the test at hand uses."""
        self.socket = folder / "h.sock"
        self.log = folder / "effects.jsonl"
        self._ready = folder / "ready.json"
        self._command = [
            sys.executable, "-m", "virtbus_simulated", "--socket", str(self.socket), "--uri", uri,
            "--log", str(self.log), "--ready-file", str(self._ready),
        ]  # fmt: skip
        self.boot()

    def boot(self) -> None:
        """Start the process; a second time it is the next boot of its hosts."""
        self._ready.unlink(missing_ok=True)
        self._child = subprocess.Popen(self._command)
        until(self._ready.exists)
        self.ready = json.loads(self._ready.read_text())
        self.pid = self._child.pid

    def effects(self, domain: UUID | None = None) -> list[tuple[str, str]]:
        """Effect and subject of each line of the log that is of the host (and of the domain)."""
        return [
            (line["effect"], line["subject"])
            for line in self.lines()
            if line["host"] == self.host and (domain is None or line["domain"] == str(domain))
        ]

    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """Stop it; returns its exit code."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGCONT)
            self._child.terminate()
        return self._child.wait(SECONDS)

    async def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """Ask over a connection of its own, which does not open the host."""
        client = await Client.connect(self.socket, self.host, timeout=SECONDS)
        try:
            return await client.ask(request, timeout=SECONDS, **arguments)
        finally:
            await client.close()

    async def control(self, domain: UUID | None, **what: Any) -> None:
        """Choose failures, or let a guest do something."""
        await self.ask("control", domain=None if domain is None else str(domain), **what)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does; there is no event to wait for."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


class Attempt:
    """One attempt at a job, as the runtime makes it."""

    def __init__(
        self,
        *,
        job: str | None = None,
        attempt: int = 1,
        begun: Mapping[str, Any] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self.job = job or str(uuid4())
        self.attempt = attempt
        self.begun = begun
        self.cancelled = asyncio.Event()
        self.marks: list[dict[str, Any]] = []
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("it was asked for")
        if not self.remaining():
            raise Expired("the job's time is over")

    async def before_effect(self, **mark: Any) -> None:
        self._check()
        self.marks.append(mark)

    async def until(self, awaited: Coroutine[Any, Any, Outcome]) -> Outcome:
        task = asyncio.ensure_future(awaited)
        signal = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({task, signal}, timeout=self.remaining(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            self._check()
            raise Expired("the job's time is over")
        finally:
            task.cancel()
            signal.cancel()
            await asyncio.gather(task, signal, return_exceptions=True)

    async def progress(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        assert phase

    def again(self) -> Attempt:
        """The next attempt, with what this one noted."""
        begun: dict[str, Any] = {"run": None} | dict(self.begun or {})
        for mark in self.marks:
            begun |= json.loads(json.dumps(mark))
        return Attempt(job=self.job, attempt=self.attempt + 1, begun=begun, seconds=self._seconds)


class Worker:
    """A driver as the runtime runs it: connected, with its inventory taken, being watched."""

    def __init__(self, settings: HostSettings, known: Mapping[UUID, Known]) -> None:
        self.seen: list[Observation] = []
        self.driver = SimulatedDriver(settings, self._observe)
        self._known = known
        self.inventory: list[Observed] = []
        self.watching: asyncio.Task[None] | None = None

    async def start(self) -> Worker:
        self.facts = await self.driver.connect()
        self.inventory = await self.driver.inventory(self._known)
        self.watching = asyncio.create_task(self.driver.watch())
        return self

    def _observe(self, observation: Observation) -> None:
        self.seen.append(observation)

    async def wait(self, kind: type[Seen], count: int = 1) -> Seen:
        """The first observation of a kind (or a later one), when it comes."""
        async with asyncio.timeout(SECONDS):
            while len(found := [one for one in self.seen if isinstance(one, kind)]) < count:
                await asyncio.sleep(0.002)
        return found[count - 1]

    def kinds(self, domain: UUID) -> list[str]:
        """The names of what was observed of a domain."""
        return [type(one).__name__ for one in self.seen if one.domain == domain]

    def target(self, uuid: UUID, name: str = "vm") -> Target:
        """The domain as the record would have it after what was observed."""
        live: Domain | None = next((one.live for one in self.inventory if one.domain == uuid), None)
        for one in self.seen:
            if one.domain == uuid:
                live = getattr(one, "live", live)
                if type(one).__name__ == "Stopped":
                    live = None
        state = DomainState.SHUTOFF if live is None else DomainState.RUNNING
        return Target(host=self.driver.settings.name, uuid=uuid, name=name, state=state, live=live)

    async def boot(self, name: str = "vm", *, paused: bool = False) -> Target:
        """Start a new domain."""
        definition = self.driver.complete(Domain.parse(XML.format(name=name, uuid=uuid4())), None)
        assert definition.uuid is not None
        await self.driver.start(self.target(definition.uuid, name), definition, Attempt(), paused=paused)
        return self.target(definition.uuid, name)

    def known(self) -> dict[UUID, Known]:
        """What the record would hand to the next worker's inventory."""
        found: dict[UUID, Known] = {
            one.domain: Known(incarnation=one.incarnation, position=one.position or 0) for one in self.inventory
        }
        for seen in self.seen:
            if type(seen).__name__ == "Stopped":
                found.pop(seen.domain, None)
            elif seen.position is not None:
                before = found.get(seen.domain)
                incarnation = seen.incarnation if isinstance(seen, Started) else before and before.incarnation
                found[seen.domain] = Known(incarnation=incarnation, position=seen.position)
        return found

    async def stop(self) -> None:
        await self.driver.close()
        if self.watching is not None:
            await asyncio.wait([self.watching], timeout=SECONDS)


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
