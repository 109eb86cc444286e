"""The world that bad input must leave as it is: three domains on real QEMU, and everything that is known of them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.stack import Stack
from virtbus.client import Client
from virtbus.operations.device import AttachDevice
from virtbus.operations.domain import DefineDomain, StartDomain
from virtbus.operations.qemu import MonitorCommand
from virtbus_gateway.auth import Role

HOST = "kvm"
OTHER = "sim"
SECONDS = 40.0
OFF, PAUSED, RUNNING = (UUID(f"{digit * 8}-0000-4000-8000-000000000000") for digit in "abc")
"""The domains, by their state."""
NAMES = {OFF: "off", PAUSED: "paused", RUNNING: "running"}
MIB = 1 << 20

XML = """<domain type='qemu'{namespace}>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <devices>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    {ports}
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/>
      <alias name='ua-root'/>
    </disk>
    <video><model type='vga'/></video>
    {more}
  </devices>
  {tail}
</domain>
"""
DISK = "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{image}'/>" \
    "<target dev='{target}' bus='virtio'/><alias name='{alias}'/></disk>"  # fmt: skip


def prepare(folder: Path) -> None:
    """The images, and the emulator's name, which a row may point elsewhere."""
    halt = b"\xfa\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
    for name in ("off", "paused", "running", "data", "new"):
        (folder / f"{name}.img").write_bytes(halt.ljust(MIB, b"\0"))
    (folder / "none.qcow2").write_bytes(b"no qcow2 at all".ljust(MIB, b"\0"))
    emulator = shutil.which("qemu-system-x86_64")
    assert emulator is not None
    (folder / "qemu").symlink_to(emulator)


@dataclass
class Answer:
    """What became of a request: refused at once, or accepted as a job that failed."""

    status: int
    """HTTP's, or that of the job's error."""
    kind: str
    code: str
    host: str | None
    domain: str | None
    text: str
    hint: str | None
    accepted: bool

    @classmethod
    def of(cls, answer: httpx.Response) -> Answer:
        said = answer.json()
        if answer.is_error:
            assert answer.headers["content-type"] == "application/problem+json"
            assert said["status"] == answer.status_code
            kind, text = said["type"].rpartition(":")[2], said["detail"]
        else:
            said = said["error"]
            assert said, f"it was not refused: {answer.text}"
            kind, text = said["kind"], said["message"]
        where = (said.get("host"), said.get("domain"))
        return cls(said["status"], kind, said["code_name"], *where, text, said.get("hint"), not answer.is_error)


@dataclass
class Scene:
    """The stack, and ways to ask it badly."""

    stack: Stack
    client: Client
    http: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.stack.folder

    def xml(self, name: str = "new", uuid: UUID | str = "", *, image: str = "new.img", more: str = "", tail: str = "",
            namespace: str = "") -> str:  # fmt: skip
        """A domain's document."""
        return XML.format(
            name=name, uuid=uuid or "d" * 8 + "-0000-4000-8000-000000000000", image=self.folder / image, more=more,
            tail=tail, namespace=namespace, ports="<controller type='pci' model='pcie-root-port'/>" * 10,
        )  # fmt: skip

    def disk(self, target: str = "vdb", image: str = "data.img", *, alias: str = "ua-new", layout: str = "raw") -> str:
        """A disk's document."""
        return DISK.format(target=target, image=self.folder / image, alias=alias, format=layout)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request that waits for its job's end."""
        headers = {"Prefer": "wait=30"} | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def send(self, method: str, path: str, *, xml: str | bytes | None = None, **options: Any) -> httpx.Response:
        """The same, with a document."""
        if xml is not None:
            options |= {"content": xml, "headers": {"Content-Type": "application/xml"}}
        return await self.request(method, path, **options)

    async def populate(self) -> None:
        """Make the domains; the running one has a disk more, whose removal its guest would never answer."""
        for uuid, name in NAMES.items():
            await self.client.run(DefineDomain(host=HOST, xml=self.xml(name, uuid, image=f"{name}.img")))
        for uuid in (PAUSED, RUNNING):
            await self.client.run(StartDomain(host=HOST, domain=uuid, paused=uuid == PAUSED))
        await self.client.run(AttachDevice(host=HOST, domain=RUNNING, xml=self.disk()))

    # ---- what must stay as it is ----

    async def snapshot(self) -> dict[str, Any]:
        """Records, definitions, runtime folders and what QEMU has, of every domain."""
        bus = self.stack.bus
        found: dict[str, Any] = {}
        for stored in await bus.domains.everything(">"):
            if not stored.record.deleted:
                record = stored.record.model_dump(mode="json", exclude={"outbox", "epoch", "changed", "position"})
                found[f"record {record['host']}/{record['name']}"] = record
        for stored in await bus.definitions.everything(">"):
            if stored.record.persistent or stored.record.live:
                found[f"definition {stored.record.uuid}"] = (stored.record.persistent, stored.record.live)
        found["folders"] = folders(self.stack.run(HOST))
        for uuid in (PAUSED, RUNNING):
            for command in ({"command": "qom-list", "arguments": {"path": "/machine/peripheral"}},
                            {"command": "query-named-block-nodes"}):  # fmt: skip
                reply = await self.client.run(MonitorCommand(host=HOST, domain=uuid, **command))
                found[f"{command['command']} {NAMES[uuid]}"] = sorted(map(_named, reply.reply))
        return found


def _named(entry: dict[str, Any]) -> str:
    """A device or a block node, as far as it must not change."""
    return json.dumps({name: entry.get(name) for name in ("name", "type", "node-name", "file", "ro")})


def folders(run: Path) -> dict[str, str]:
    """The files of the host's runtime folder, with the text of those that say what a domain is."""
    told = ("domain.xml", "process.json", "state.json")
    return {
        str(path.relative_to(run)): path.read_text() if path.name in told else ""
        for path in sorted(run.rglob("*"))
        if path.parent != run or path.is_dir()
    }


# ---- troubles ----


@asynccontextmanager
async def emulator(scene: Scene, script: str | None) -> AsyncIterator[None]:
    """Put a script in the emulator's place, or nothing."""
    link = scene.folder / "qemu"
    target = os.readlink(link)
    link.unlink()
    if script is not None:
        link.write_text(script)
        link.chmod(0o755)
    try:
        yield
    finally:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


@asynccontextmanager
async def full_disk(scene: Scene) -> AsyncIterator[None]:
    """Fill the file system of the host's runtime folder to the last byte."""
    filler = scene.stack.run(HOST) / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


@asynccontextmanager
async def no_bus(scene: Scene) -> AsyncIterator[None]:
    """Kill nats-server; afterwards it is there again, and the host served."""
    await scene.stack.broker.kill()
    try:
        yield
    finally:
        await scene.stack.broker.start()
        await served(scene)


@asynccontextmanager
async def no_worker(scene: Scene) -> AsyncIterator[None]:
    """Kill the host's worker, and start one afterwards."""
    await scene.stack.workers[HOST].kill()
    try:
        yield
    finally:
        await scene.stack.workers[HOST].start()
        await served(scene)


async def served(scene: Scene) -> None:
    """Wait until the host's worker answers."""
    async with asyncio.timeout(SECONDS):
        while (await scene.http.get(f"/v1/hosts/{HOST}/stats")).is_error:
            await asyncio.sleep(0.1)


def token(scene: Scene, role: Role) -> dict[str, str]:
    """The header of a role."""
    return {"Authorization": f"Bearer {scene.stack.tokens[role]}"}
