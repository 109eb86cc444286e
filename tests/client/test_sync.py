"""The synchronous face: the same names, blocking."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.client.gateway import HELD, TOKEN, FakeGateway
from virtbus.client import Client as AsyncClient
from virtbus.client.sync import Client
from virtbus.errors import Cancelled, NoDomain
from virtbus.eventkinds import EventKind
from virtbus.operations.domain import DefineDomain, StartDomain
from virtbus.records import Event, JobRecord


@pytest.fixture
def blocking(gateway: FakeGateway) -> Iterator[Client]:
    with Client(gateway.url, TOKEN) as client:
        yield client


def test_it_runs_lists_and_finds(gateway: FakeGateway, blocking: Client) -> None:
    gateway.lagging = True
    made = blocking.run(DefineDomain(host="alpha", xml="<domain><name>web1</name></domain>"))
    assert [domain.name for domain in blocking.domains(limit=1)] == ["web1"]
    assert blocking.domain("web1").uuid == blocking.domain(made.uuid).uuid == made.uuid
    assert [host.record.name for host in blocking.hosts()] == [blocking.host("alpha").record.name] == ["alpha"]
    assert blocking.revision == gateway.revision
    with pytest.raises(NoDomain):
        blocking.domain(uuid4())


def test_a_job_is_submitted_watched_and_cancelled(gateway: FakeGateway, blocking: Client) -> None:
    gateway.outcomes["domain.start"] = HELD
    job = blocking.submit(StartDomain(host="alpha", domain=gateway.add_domain("web1")))
    assert blocking.job(job.id).record == job.refresh() == next(blocking.jobs())
    assert job.cancel().id == job.id
    seen: list[JobRecord] = []
    with pytest.raises(Cancelled):
        job.wait(timeout=5, progress=seen.append)
    assert len(seen) == 1


def test_events_are_iterated(gateway: FakeGateway, blocking: Client) -> None:
    for generation in (1, 2, 3):
        gateway.add_event(Event(kind=EventKind.REBOOT, host="alpha", family="qemu", generation=generation))
    gateway.break_after.append(1)
    with blocking.events(replay=True) as stream:
        assert [next(stream).generation for _ in range(3)] == [1, 2, 3]
        assert stream.cursor == "3"


def test_closing_ends_its_thread(gateway: FakeGateway) -> None:
    client = Client(gateway.url, TOKEN)
    client.hosts()
    client.close()
    assert "virtbus-client" not in {thread.name for thread in threading.enumerate()}


def test_it_has_the_async_clients_names() -> None:
    only_async = {"read", "fetch"}  # What the async client is made of; `run` reaches all of it.
    names = {name for name, _ in inspect.getmembers(AsyncClient) if not name.startswith("_")} - only_async
    assert names == {name for name, _ in inspect.getmembers(Client) if not name.startswith("_")} - {"revision", "url"}
