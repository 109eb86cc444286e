"""What these tests share: a hypervisor process, one attempt at a job, and a driver with what it observed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from virtbus_simulated.client import Client
from virtbus_simulated.driver import SimulatedDriver

from virtbus.domain import Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.errors import Expired
from virtbus.observations import Observation, Observed, Started
from virtbus.state import DomainState

TEST_UUID = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
URI = "simulated:///default?unplug_ms=5&shutdown_ms=5&reboot_ms=5&slow_ms=300"
SECONDS = 10.0

Seen = TypeVar("Seen", bound=Observation)

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
        self.socket = folder / "h.sock"
        self.log = folder / "effects.jsonl"
        ready = folder / "ready.json"
        ready.unlink(missing_ok=True)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "virtbus_simulated", "--socket", str(self.socket), "--uri", uri,
             "--log", str(self.log), "--ready-file", str(ready)],
        )  # fmt: skip
        until(ready.exists)
        self.ready = json.loads(ready.read_text())
        self.pid = self._child.pid

    def effects(self, domain: UUID | None = None) -> list[tuple[str, str]]:
        """Effect and subject of each line of the log."""
        return [
            (line["effect"], line["subject"])
            for line in self.lines()
            if domain is None or line["domain"] == str(domain)
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

    async def client(self, host: str = "h1", *, uri: str | None = None) -> Client:
        """A connection that has opened the host."""
        client = await Client.connect(self.socket, host, timeout=SECONDS)
        await client.ask("open", timeout=SECONDS, uri=uri)
        return client

    async def control(self, domain: UUID | None, host: str = "h1", **what: Any) -> None:
        """Choose failures, or let a guest do something, over a connection of its own."""
        client = await Client.connect(self.socket, host, timeout=SECONDS)
        try:
            await client.ask("control", timeout=SECONDS, domain=None if domain is None else str(domain), **what)
        finally:
            await client.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does; there is no event to wait for."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@dataclass
class Attempt:
    """One attempt at a job, as the runtime would make it."""

    job: str = field(default_factory=lambda: str(uuid4()))
    attempt: int = 1
    begun: Mapping[str, Any] | None = None
    seconds: float = SECONDS
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    marks: list[dict[str, Any]] = field(default_factory=list)
    deadline: float = 0.0

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    def remaining(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    async def before_effect(self, **mark: Any) -> None:
        if not self.remaining():
            raise Expired("the job's time is over")
        self.marks.append(mark)
        if self.begun is None:
            self.begun = json.loads(json.dumps(mark))

    async def progress(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        assert phase

    def again(self) -> Attempt:
        """The next attempt, with what this one noted."""
        return Attempt(job=self.job, attempt=self.attempt + 1, begun=self.begun, seconds=self.seconds)


class Worker:
    """A driver as the runtime runs it: connected, with its inventory taken, being watched."""

    def __init__(self, settings: HostSettings, known: Mapping[UUID, Known]) -> None:
        self.seen: list[Observation] = []
        self._news = asyncio.Condition()
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
        return Target(host="h1", uuid=uuid, name=name, state=state, live=live)

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
