"""The client against the real gateway over a real bus: what the fake gateway cannot vouch for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID, uuid4

import pytest

from tests.conftest import Broker, bus_settings
from tests.gateway.conftest import Scene, domain_xml, running, settle
from virtbus.client import Client
from virtbus.errors import Ambiguous, NoDomain, NoHost, Unauthenticated, WrongState
from virtbus.eventkinds import EventKind
from virtbus.operations.domain import DefineDomain, GetDomainXml, StartDomain
from virtbus.operations.job import GetJob
from virtbus.records import Event, JobRecord, JobState, now
from virtbus_gateway.settings import GatewaySettings


@pytest.fixture
async def real(scene: Scene) -> AsyncIterator[Client]:
    async with Client(scene.url, scene.tokens["admin"]) as client:
        yield client


async def started(job: JobRecord) -> JobRecord:
    result = {"uuid": str(job.domain), "name": "web", "state": "running", "reason": "booted", "id": 1}
    return job.model_copy(update={"state": JobState.SUCCEEDED, "result": result, "ended": now(), "revision": 1})


async def test_domains_are_listed_found_and_told_apart(scene: Scene, real: Client) -> None:
    for host in ("lab-1", "lab-2"):
        await scene.host(host)
    twin = uuid4()
    web = await scene.domain("web")
    last = [await scene.domain("twin", host, twin) for host in ("lab-1", "lab-2")][-1]
    await settle(scene, last)
    assert [host.record.name for host in await real.hosts()] == ["lab-1", "lab-2"]
    assert len([domain async for domain in real.domains(limit=1)]) == 3
    for reference in ("web", web.uuid, "lab-1/web", f"lab-1/{web.uuid}"):
        assert (await real.domain(reference)).uuid == web.uuid
    found = []
    for reference in ("twin", twin):
        with pytest.raises(Ambiguous) as caught:
            await real.domain(reference)
        found.append(caught.value.evidence["candidates"])
    assert found[0] == found[1]
    for missing, error in (("nobody", NoDomain), (uuid4(), NoDomain), ("nohost/web", NoHost)):
        with pytest.raises(error):
            await real.domain(missing)
    assert "<name>web</name>" in (await real.run(GetDomainXml(host="lab-1", domain=web.uuid))).content


async def test_jobs_are_run_repeated_and_fail_typed(scene: Scene, real: Client) -> None:
    await scene.host()
    await scene.session()
    web = await scene.domain("web")
    await settle(scene, web)
    async with scene.worker(started):
        status = await real.run(StartDomain(host="lab-1", domain=web.uuid), timeout=20, idempotency_key="k")
        again = await real.submit(StartDomain(host="lab-1", domain=web.uuid), timeout=20, idempotency_key="k")
        made = await real.submit(DefineDomain(host="lab-1", xml=domain_xml("new")), timeout=20)
        assert made.record.domain is not None
        assert (await made.refresh(10)).state.ended
    assert status.uuid == web.uuid
    assert again.record.state is JobState.SUCCEEDED
    assert (await real.run(GetJob(job=again.id))).id == again.id

    async def refused(job: JobRecord) -> JobRecord:
        error = WrongState("it runs already", host=job.host, domain=job.domain).reply()
        return job.model_copy(update={"state": JobState.FAILED, "error": error, "ended": now()})

    async with scene.worker(refused):
        with pytest.raises(WrongState, match="it runs already"):
            await real.run(StartDomain(host="lab-1", domain=web.uuid), timeout=20)


async def closed(url: str) -> None:
    """Wait until nobody listens there any more."""
    host, _, port = url.removeprefix("http://").partition(":")
    while True:
        try:
            # A listener that is just being closed resets what it has not accepted.
            with suppress(ConnectionResetError, BrokenPipeError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await writer.wait_closed()
        except ConnectionRefusedError:
            return


async def test_events_go_on_when_the_gateway_is_started_again(
    scene: Scene, real: Client, broker: Broker, prefix: str
) -> None:
    await scene.host()

    async def happen(number: int) -> None:
        await scene.bus.events.publish(
            Event(kind=EventKind.REBOOT, host="lab-1", family="test", domain=UUID(int=1), generation=number)
        )

    async with real.events(replay=True) as stream, asyncio.timeout(30):
        await happen(1)
        assert (await anext(stream)).generation == 1
        scene.stop.set()
        await closed(scene.url)
        await happen(2)
        again = GatewaySettings(
            http=scene.url.removeprefix("http://"), token_file=scene.token_file, bus=bus_settings(broker, prefix)
        )
        async with running(again):
            assert (await anext(stream)).generation == 2


async def test_a_wrong_token_is_unauthenticated(scene: Scene) -> None:
    async with Client(scene.url, "wrong") as client:
        with pytest.raises(Unauthenticated) as caught:
            await client.hosts()
    assert caught.value.hint
