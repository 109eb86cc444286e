"""A gateway on loopback over a real bus, and a worker that does what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.conftest import Broker, bus_settings
from virtbus.bus.connection import Bus
from virtbus.operations import OPERATIONS
from virtbus.records import (
    DefinitionRecord,
    DomainRecord,
    HostRecord,
    JobRecord,
    JobState,
    Owner,
    SessionRecord,
    now,
)
from virtbus.state import DomainState
from virtbus_gateway.auth import Role, create_token
from virtbus_gateway.main import serve
from virtbus_gateway.settings import GatewaySettings

HOST = "lab-1"

DOMAIN_XML = """<domain type='test'>
  <name>{name}</name>
  {uuid}
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/images/{name}.img'/>
      <target dev='vda' bus='virtio'/>
      <alias name='ua-root'/>
    </disk>
  </devices>
</domain>
"""
DISK_XML = """<disk type='file' device='disk'>
  <source file='/images/extra.img'/><target dev='vdb' bus='virtio'/><alias name='ua-extra'/>
</disk>"""


def domain_xml(name: str = "web", uuid: UUID | None = None) -> str:
    return DOMAIN_XML.format(name=name, uuid="" if uuid is None else f"<uuid>{uuid}</uuid>")


@dataclass
class Scene:
    """A gateway with what a test needs around it."""

    bus: Bus
    url: str
    tokens: dict[str, str]
    token_file: Path
    stop: asyncio.Event
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, role: str = "admin", token: str | None = None) -> httpx.AsyncClient:
        """A client with the token of a role."""
        bearer = {"Authorization": f"Bearer {token or self.tokens[role]}"}
        client = httpx.AsyncClient(base_url=self.url, headers=bearer, timeout=20)
        self.clients.append(client)
        return client

    async def host(self, name: str = HOST, operations: list[str] | None = None) -> HostRecord:
        """Put a host into the record; it has a session only if `session` is called."""
        record = HostRecord(
            name=name,
            family="test",
            uri="test:///default",
            version="test 1",
            owner=Owner(session=f"session-{name}", epoch=1),
            operations=dict.fromkeys(OPERATIONS if operations is None else operations, 1),
            facets=["Lifecycle"],
        )
        await self.bus.hosts.put(name, record)
        return record

    async def session(self, host: str = HOST) -> None:
        """Let the host's owner live for a while."""
        record = SessionRecord(id=f"session-{host}", machine="m", pid=1, family="test", hosts=[host])
        await self.bus.sessions.new(record).begin()

    async def domain(
        self, name: str = "web", host: str = HOST, uuid: UUID | None = None, **fields: Any
    ) -> DomainRecord:
        """Put a domain and its definition into the record."""
        record = DomainRecord(host=host, uuid=uuid or uuid4(), name=name, family="test", **fields)
        key = f"{host}.{record.uuid}"
        xml = domain_xml(name, record.uuid)
        live = xml if record.state.active else None
        definition = DefinitionRecord(host=host, uuid=record.uuid, persistent=xml, live=live)
        await self.bus.definitions.put(key, definition)
        await self.bus.domains.put(key, record)
        return record

    @asynccontextmanager
    async def worker(
        self, carry_out: Callable[[JobRecord], Awaitable[JobRecord]], host: str = HOST
    ) -> AsyncIterator[list[str]]:
        """Take the host's jobs and end them as `carry_out` says; yields the ids in the order of arrival."""
        seen: list[str] = []
        await self.bus.queue.open(host)

        async def work() -> None:
            async for delivery in self.bus.queue.deliveries(host):
                seen.append(delivery.job)
                key = f"{host}.{delivery.job}"
                stored = await self.bus.jobs.get(key)
                assert stored is not None
                await self.bus.jobs.update(key, await carry_out(stored.record), stored.revision)
                await self.bus.queue.done(delivery)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(work())
            yield seen
            task.cancel()


async def succeed(job: JobRecord) -> JobRecord:
    """End a job well."""
    return job.model_copy(update={"state": JobState.SUCCEEDED, "result": {"done": True}, "ended": now()})


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A gateway that serves; yields its URL and the event that stops it."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve(settings, started=url.set_result, stop=stop))
        await asyncio.wait({task, url}, return_when=asyncio.FIRST_COMPLETED)
        if url.done():
            yield url.result(), stop
        stop.set()


@pytest.fixture
async def scene(broker: Broker, prefix: str, bus: Bus, tmp_path: Path) -> AsyncIterator[Scene]:
    """A gateway over an empty record."""
    token_file = tmp_path / "tokens.json"
    tokens = {role.value: create_token(token_file, role.value, role) for role in Role}
    settings = GatewaySettings(
        http="127.0.0.1:0", token_file=token_file, bus=bus_settings(broker, prefix), metrics_deadline=1.0
    )
    async with running(settings) as (url, stop):
        scene = Scene(bus, url, tokens, token_file, stop)
        try:
            yield scene
        finally:
            with suppress(RuntimeError):
                for client in scene.clients:
                    await client.aclose()


async def settle(scene: Scene, domain: DomainRecord) -> None:
    """Wait until the gateway's lists show a domain's present record."""
    stored = await scene.bus.domains.get(f"{domain.host}.{domain.uuid}")
    assert stored is not None
    answer = await scene.client().get("/v1/domains", params={"min_revision": stored.revision})
    assert answer.json()["revision"] >= stored.revision


RUNNING = {"state": DomainState.RUNNING, "reason": "booted", "id": 1}
