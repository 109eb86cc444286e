"""Each role may say and hear what it needs, and nothing else; held against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from tests import conftest
from tests.conftest import Broker
from virtbus.bus.bucket import Synced
from virtbus.bus.connection import Bus
from virtbus.bus.events import FROM_THE_BEGINNING
from virtbus.bus.link import Link
from virtbus.bus.rights import (
    BusUser,
    authorization,
    gateway_rights,
    public_key,
    reader_rights,
    setup_rights,
    worker_rights,
    write_seed,
)
from virtbus.bus.settings import BusSettings
from virtbus.bus.subjects import Subjects
from virtbus.errors import Unavailable
from virtbus.eventkinds import EventKind
from virtbus.records import DomainRecord, Event, JobRecord, SessionRecord

DOMAIN = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")


class Guarded:
    """A broker with a user for each role."""

    def __init__(self, broker: Broker, keys: Path) -> None:
        self.broker = broker
        self.keys = keys

    def settings(self, user: str) -> BusSettings:
        return BusSettings(
            servers=[self.broker.url], nkey_seed=self.keys / f"{user}.nk", events_max_bytes=32 * 1024**2, patience=1
        )

    async def bus(self, user: str, role: str = "gateway") -> Bus:
        return await Bus.connect(self.settings(user), role=role, name=user)


@pytest.fixture
async def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Guarded]:
    subjects = Subjects()
    rights = {
        "setup": setup_rights(),
        "gateway": gateway_rights(subjects, "gateway"),
        "worker_h": worker_rights(subjects, "worker_h", ["h"]),
        "reader": reader_rights(subjects, "reader"),
    }
    users = []
    for name, granted in rights.items():
        write_seed(tmp_path / f"{name}.nk")
        users.append(BusUser(name, public_key(tmp_path / f"{name}.nk"), granted))
    original = conftest.write_configuration
    monkeypatch.setattr(
        conftest, "write_configuration",
        lambda folder, **words: original(folder, authorization=authorization(users), **words),
    )  # fmt: skip
    real = conftest.wait_ready
    monkeypatch.setattr(
        conftest, "wait_ready",
        lambda settings, timeout: real(settings.model_copy(update={"nkey_seed": tmp_path / "setup.nk"}), timeout),
    )  # fmt: skip
    broker = Broker(tmp_path / "nats")
    broker.folder.mkdir()
    await broker.start()
    guarded = Guarded(broker, tmp_path)
    await (await guarded.bus("setup")).close()
    yield guarded
    await broker.stop()


def record(host: str) -> DomainRecord:
    return DomainRecord(host=host, uuid=DOMAIN, name="d")


async def test_a_gateway_and_a_worker_can_do_all_of_their_work(guarded: Guarded) -> None:
    gateway, worker = await guarded.bus("gateway"), await guarded.bus("worker_h", "worker")
    job = JobRecord(id=str(DOMAIN), operation="domain.start", host="h", domain=DOMAIN)
    async with asyncio.timeout(20):
        await worker.domains.create(f"h.{DOMAIN}", record("h"))
        assert [stored.key for stored in await worker.domains.everything("h.>", reader="worker_h")] == [f"h.{DOMAIN}"]
        async for change in gateway.domains.watch():
            if isinstance(change, Synced):
                break
        await gateway.queue.accept(job)
        assert await worker.queue.open("h") == 1
        async for delivery in worker.queue.deliveries("h"):
            await worker.queue.done(delivery)
            break
        await worker.events.publish(Event(kind=EventKind.REBOOT, host="h", family="f", domain=DOMAIN, generation=3))
        assert await worker.events.last_generation("h", DOMAIN) == 3
        async for _, event in gateway.events.follow(FROM_THE_BEGINNING):
            assert event.generation == 3
            break
        session = worker.sessions.new(
            SessionRecord(id="worker_h.x", machine="m", pid=1, family="f", hosts=["h"], version="0")
        )
        await session.begin()
        # Workers of remote hypervisors see each other, and share the hosts out.
        async for seen, _ in worker.sessions.renewals():
            assert seen.id == "worker_h.x"
            break
    denied = [*gateway.link.denied, *worker.link.denied]
    await gateway.close()
    await worker.close()
    assert denied == []


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("worker_h", f"$KV.virtbus_domains.other.{DOMAIN}"),
        ("worker_h", f"virtbus.v1.event.other.{DOMAIN}.reboot"),
        ("worker_h", f"virtbus.v1.job.other.{DOMAIN}"),
        ("worker_h", "virtbus.v1.session.worker_other.x"),
        ("gateway", f"$KV.virtbus_domains.h.{DOMAIN}"),
        ("gateway", f"virtbus.v1.event.h.{DOMAIN}.reboot"),
        ("reader", f"virtbus.v1.event.h.{DOMAIN}.reboot"),
        ("reader", f"virtbus.v1.job.h.{DOMAIN}"),
        ("setup", f"virtbus.v1.job.h.{DOMAIN}"),
    ],
)
async def test_a_role_may_not_write_what_is_not_its_own(guarded: Guarded, user: str, subject: str) -> None:
    link = await Link.open(guarded.settings(user), name=user)
    with pytest.raises(Unavailable):
        await link.write(subject, b"", patience=0.5)
    denied = list(link.denied)
    await link.close()
    assert any(subject.lower() in text.lower() for text in denied)


async def test_a_reader_of_events_reads_nothing_else(guarded: Guarded) -> None:
    link = await Link.open(guarded.settings("reader"), name="reader")
    with pytest.raises(Unavailable):
        await link.api("STREAM.MSG.GET.KV_virtbus_definitions", {"last_by_subj": ">"}, timeout=0.5)
    await link.close()
