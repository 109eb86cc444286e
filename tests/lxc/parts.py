"""A driver of real containers as the runtime runs it, and what the tests look at behind its back."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from tests.guests.containers import AWAKE, make_root
from tests.simulated.parts import Attempt
from virtbus.domain import Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.observations import Observation, Observed, Started, Stopped
from virtbus.operations.process import Completed
from virtbus.state import DomainState
from virtbus_lxc.driver import LxcDriver

SECONDS = 20.0
Seen = TypeVar("Seen", bound=Observation)

XML = """<domain type='lxc'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type>exe</type>{os}</os>
  {more}
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/><alias name='ua-files'/></filesystem>
    {devices}
    <console type='file'><source path='{root}.console'/></console>
  </devices>
</domain>
"""


class Worker:
    """A driver, connected, with its inventory taken, watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[Observation] = []
        self.definitions: dict[UUID, Domain] = {}
        settings = HostSettings(
            name="c1", uri="lxc:///", run=folder / "run", state=folder / "state",
            options={"lxcpath": str(folder / "found")},
        )  # fmt: skip
        self.driver = LxcDriver(settings, self.seen.append)
        self.inventory: list[Observed] = []
        self._watching: asyncio.Task[None] | None = None

    async def start(self, known: Mapping[UUID, Known] | None = None) -> Worker:
        await self.driver.connect()
        self._watching = asyncio.create_task(self.driver.watch())
        self.inventory = await self.driver.inventory(known or {})
        return self

    async def stop(self) -> None:
        """As a worker that is killed: containers run on."""
        assert self._watching is not None
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self.driver.close()

    async def clear(self) -> None:
        """End every container."""
        for uuid in list(self.driver.host.containers):
            await self.driver.destroy(self.target(uuid), Attempt())

    def root(self, name: str, init: str = AWAKE) -> Path:
        """A container's root."""
        return make_root(self.folder / "roots" / name, init)

    def definition(
        self, name: str = "vm", *, os: str = "", more: str = "", devices: str = "", root: Path | None = None
    ) -> Domain:
        """A definition that is complete."""
        where = root or self.root(name)
        xml = XML.format(name=name, uuid=uuid4(), os=os, more=more, devices=devices, root=where)
        made = self.driver.complete(Domain.parse(xml), None)
        assert made.uuid is not None
        self.definitions[made.uuid] = made
        return made

    async def boot(self, definition: Domain, *, ready: bool = True) -> Target:
        """Start it, and wait until its first process says that it is ready."""
        assert definition.uuid is not None
        self.definitions[definition.uuid] = definition
        await self.driver.start(self.target(definition.uuid), definition, Attempt(), paused=False)
        source = definition.devices.filesystems[0].source
        assert source is not None
        console = Path(f"{source.dir}.console")
        async with asyncio.timeout(SECONDS):
            while ready and not (console.exists() and b"GUEST-READY" in console.read_bytes()):
                await asyncio.sleep(0.01)
        return self.target(definition.uuid)

    def target(self, uuid: UUID) -> Target:
        """The domain as the record would have it."""
        container = self.driver.host.containers.get(uuid)
        live = None if container is None else container.live
        definition = self.definitions.get(uuid)
        name = (live or definition or Domain.parse("<domain type='lxc'><name>x</name><devices/></domain>")).name
        state = DomainState.SHUTOFF if live is None else DomainState.RUNNING
        return Target(host="c1", uuid=uuid, name=name, state=state, live=live, persistent=definition)

    async def run(self, target: Target, *command: str) -> Completed:
        """Run a program in a container."""
        return await self.driver.run_process(target, command, {}, "", Attempt())

    async def wait(self, kind: type[Seen]) -> Seen:
        """The first observation of a kind, when it comes."""
        async with asyncio.timeout(SECONDS):
            while not (found := [one for one in self.seen if isinstance(one, kind)]):
                await asyncio.sleep(0.01)
        return found[0]

    def kinds(self) -> list[str]:
        """The names of what was observed."""
        return [type(one).__name__ for one in self.seen]

    def known(self) -> dict[UUID, Known]:
        """What the record would hand to the next worker's inventory."""
        found = {one.domain: Known(incarnation=one.incarnation, position=0) for one in self.inventory}
        for one in self.seen:
            if isinstance(one, Started):
                found[one.domain] = Known(incarnation=one.incarnation, position=0)
            elif isinstance(one, Stopped):
                found.pop(one.domain, None)
        return found


def lxc(*words: str) -> str:
    """Run an lxc-* command without Virtbus."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(words, check=True, timeout=SECONDS, capture_output=True, text=True, env=environment)
    return done.stdout
