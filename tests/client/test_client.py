"""The async client against a fake gateway over real HTTP."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.client.gateway import BUSY, HELD, LOST_AFTER, LOST_BEFORE, PNG, TOKEN, FakeGateway
from virtbus.client import Client, Job, StillRunning, Unreachable
from virtbus.errors import (
    Ambiguous,
    Cancelled,
    Expired,
    InternalError,
    InvalidArgument,
    KeyReused,
    NoDomain,
    NoHost,
    NoJob,
    RemovalRejected,
    Unauthenticated,
    Unavailable,
    WrongState,
)
from virtbus.operations import OPERATIONS, Kind
from virtbus.operations.console import SendKeys, TakeScreenshot
from virtbus.operations.device import AttachDevice, DetachDevice, ListDevices, UpdateDevice
from virtbus.operations.domain import (
    DefineDomain,
    DomainStatus,
    GetDomain,
    GetDomainXml,
    SetAutostart,
    SetLabels,
    StartDomain,
    UndefineDomain,
)
from virtbus.operations.fields import Affect
from virtbus.operations.qemu import MonitorCommand
from virtbus.operations.statistics import GetDomainStatistics, GetHostStatistics, Group
from virtbus.records import JobRecord, JobState

XML = "<domain><name>naïve</name></domain>"


async def test_a_job_is_waited_for_and_gives_its_result(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    status = await client.run(StartDomain(host="alpha", domain=uuid, paused=True))
    assert (status.name, status.state) == ("web1", "running")
    assert gateway.performed == [StartDomain(host="alpha", domain=uuid, paused=True)]
    assert len(gateway.requests) == 1, "one round trip is enough for a job that ends while it is held"


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER, BUSY])
async def test_a_retry_keeps_its_key_and_is_done_once(gateway: FakeGateway, client: Client, fault: str) -> None:
    uuid = gateway.add_domain("web1")
    gateway.faults.extend([fault, fault])
    await client.run(StartDomain(host="alpha", domain=uuid))
    keys = [headers["idempotency-key"] for headers in gateway.sent("POST", "/start")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(gateway.performed) == 1


async def test_every_call_is_a_request_of_its_own(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    await client.run(StartDomain(host="alpha", domain=uuid))
    await client.run(StartDomain(host="alpha", domain=uuid))
    assert len(gateway.jobs) == 2


async def test_a_given_key_repeats_an_earlier_request(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    first = await client.submit(StartDomain(host="alpha", domain=uuid), idempotency_key="k1")
    again = await client.submit(StartDomain(host="alpha", domain=uuid), idempotency_key="k1")
    assert first.id == again.id
    with pytest.raises(KeyReused):
        await client.submit(StartDomain(host="alpha", domain=uuid, paused=True), idempotency_key="k1")


async def test_waiting_survives_a_gateway_that_breaks(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    gateway.outcomes["domain.start"] = HELD
    job = await client.submit(StartDomain(host="alpha", domain=uuid))
    gateway.faults.extend([LOST_BEFORE, BUSY])
    gateway.end(
        job.id, state=JobState.SUCCEEDED, result={"uuid": uuid, "name": "web1", "state": "running", "reason": "x"}
    )
    assert (await job.wait()).uuid == uuid
    assert not gateway.faults


async def test_waiting_for_a_job_outlasts_the_clients_patience(gateway: FakeGateway) -> None:
    gateway.outcomes["domain.start"] = HELD
    async with Client(gateway.url, TOKEN, patience=0.01) as client:
        job = await client.submit(StartDomain(host="alpha", domain=gateway.add_domain("web1")))
        await job.cancel()
        gateway.faults.extend([BUSY, LOST_BEFORE, BUSY])
        with pytest.raises(Cancelled):
            await Job(client, job.record.model_copy(update={"state": JobState.RUNNING}), DomainStatus).wait()


async def test_what_may_have_been_accepted_can_be_asked_again(gateway: FakeGateway) -> None:
    start = StartDomain(host="alpha", domain=gateway.add_domain("web1"))
    async with Client(gateway.url, TOKEN, patience=0.01) as client:
        gateway.faults.append(LOST_AFTER)
        gateway.faults.extend([LOST_BEFORE] * 20)
        with pytest.raises(Unreachable) as caught:
            await client.run(start)
        gateway.faults.clear()
        await client.run(start, idempotency_key=caught.value.evidence["idempotency_key"])
    assert len(gateway.performed) == 1


async def test_a_failed_job_raises_its_typed_error(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    gateway.outcomes["device.detach"] = RemovalRejected(
        "the guest keeps it", hint="unmount it", evidence={"alias": "d"}
    )
    with pytest.raises(RemovalRejected) as caught:
        await client.run(DetachDevice(host="alpha", domain=uuid, alias="d"))
    error = caught.value
    assert (error.host, error.domain, error.hint) == ("alpha", str(uuid), "unmount it")
    assert error.evidence == {"alias": "d", "job": next(iter(gateway.jobs))}


@pytest.mark.parametrize(
    ("state", "error"), [(JobState.CANCELLED, Cancelled), (JobState.EXPIRED, Expired), (JobState.FAILED, InternalError)]
)
async def test_an_end_without_an_error_is_still_typed(
    gateway: FakeGateway, client: Client, state: JobState, error: type[Exception]
) -> None:
    gateway.outcomes["domain.start"] = HELD
    job = await client.submit(StartDomain(host="alpha", domain=gateway.add_domain("web1")))
    gateway.end(job.id, state=state)
    with pytest.raises(error):
        await job.wait()


async def test_the_jobs_time_limit_is_sent_and_the_wait_is_bounded(gateway: FakeGateway, client: Client) -> None:
    gateway.outcomes["domain.start"] = HELD
    job = await client.submit(StartDomain(host="alpha", domain=gateway.add_domain("web1")), timeout=7.5)
    assert job.record.timeout == 7.5
    with pytest.raises(StillRunning) as caught:
        await job.wait(timeout=0.05)
    assert caught.value.job_id == job.id


async def test_progress_is_told_and_a_cancel_ends_the_wait(gateway: FakeGateway, client: Client) -> None:
    gateway.outcomes["domain.start"] = HELD
    job = await client.submit(StartDomain(host="alpha", domain=gateway.add_domain("web1")))
    seen: list[JobRecord] = []
    await job.cancel()
    with pytest.raises(Cancelled):
        await job.wait(progress=seen.append)
    assert [record.state for record in seen] == [JobState.CANCELLED]


async def test_a_job_of_somebody_else_is_found_by_its_id(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    mine = await client.submit(StartDomain(host="alpha", domain=uuid))
    found = await client.job(mine.id)
    assert (await found.wait()).name == "web1"
    assert [job.id async for job in client.jobs(state="succeeded")] == [mine.id]
    with pytest.raises(NoJob):
        await client.job(str(uuid4()))


async def test_define_then_list_always_shows(gateway: FakeGateway, client: Client) -> None:
    gateway.lagging = True
    assert [domain async for domain in client.domains()] == []
    await client.run(DefineDomain(host="alpha", xml=XML))
    assert [domain.name async for domain in client.domains()] == ["naïve"]
    assert client.revision == gateway.revision


async def test_lists_go_over_all_pages(gateway: FakeGateway, client: Client) -> None:
    uuids = {gateway.add_domain(f"d{number}") for number in range(7)}
    assert {domain.uuid async for domain in client.domains(limit=3)} == uuids
    assert len(gateway.sent("GET", "/v1/domains")) == 3


async def test_a_domain_is_found_by_name_uuid_and_host(gateway: FakeGateway, client: Client) -> None:
    gateway.hosts["beta"] = gateway.hosts["alpha"].model_copy(update={"name": "beta"})
    twin, web = uuid4(), gateway.add_domain("web1")
    for host in ("alpha", "beta"):
        gateway.add_domain("twin", host, twin)
    odd = gateway.add_domain(str(uuid4()))
    for reference in ("web1", str(web), web, "alpha/web1", f"alpha/{web}"):
        assert (await client.domain(reference)).uuid == web
    assert (await client.domain("beta/twin")).host == "beta"
    assert (await client.domain(gateway.domains["alpha", odd]["name"])).uuid == odd, "a name may look like a UUID"
    for reference in ("twin", str(twin)):
        with pytest.raises(Ambiguous) as caught:
            await client.domain(reference)
        assert caught.value.evidence["candidates"] == [f"/v1/hosts/{host}/domains/{twin}" for host in ("alpha", "beta")]
    for missing, error in (("nobody", NoDomain), (uuid4(), NoDomain), ("alpha/nobody", NoDomain), ("x/web1", NoHost)):
        with pytest.raises(error):
            await client.domain(missing)


async def test_answers_that_are_not_json_are_the_content(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("naïve")
    assert (await client.run(TakeScreenshot(host="alpha", domain=uuid))).content == PNG
    assert (await client.run(GetDomainXml(host="alpha", domain=uuid, live=False))).content.startswith("<domain>")


async def test_arguments_arrive_as_they_were_given(gateway: FakeGateway, client: Client) -> None:
    uuid = gateway.add_domain("web1")
    place = {"host": "alpha", "domain": uuid}
    given = [
        AttachDevice(**place, xml="<disk>ü</disk>", affect=Affect.BOTH),
        UpdateDevice(**place, alias="a", xml="<?xml version='1.0' encoding='latin-1'?><disk>ü</disk>"),
        DetachDevice(**place, alias="ua-1", affect=Affect.CONFIG),
        UndefineDomain(**place, nvram=True),
        SetAutostart(**place, enabled=False),
        SetLabels(**place, labels={"tier": "web & more"}),
        SendKeys(**place, keys=["KEY_A", "KEY_B"]),
        MonitorCommand(**place, command="query-block", arguments={"a": None, "b": [1, {"c": True}]}),
    ]
    for operation in given:
        await client.run(operation)
    assert gateway.performed == given
    read: list[object] = []
    for name in ("device.list", "domain.stats", "host.stats"):
        answer = {"uuid": str(uuid), "name": "", "devices": [], "domains": []}
        gateway.answers[name] = lambda operation, answer=answer: read.append(operation) or answer
    asked = [
        ListDevices(**place, live=True, device_kind="disk"),
        GetDomainStatistics(**place, group=[Group.BLOCK, Group.CPU_TOTAL]),
        GetHostStatistics(host="alpha", group=[Group.STATE], patience=0.5),
    ]
    for question in asked:
        await client.run(question)
    assert read == asked


async def test_refusals_are_typed(gateway: FakeGateway) -> None:
    async with Client(gateway.url, "wrong") as client:
        with pytest.raises(Unauthenticated, match="virtbus token create"):
            await client.hosts()


async def test_a_refusal_is_not_tried_again(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(NoDomain) as caught:
        await client.run(GetDomain(host="alpha", domain=uuid4()))
    assert caught.value.message == "no such domain", "the place is said once"
    assert len(gateway.requests) == 1


async def test_a_job_refused_by_state_is_not_tried_again(gateway: FakeGateway, client: Client) -> None:
    gateway.outcomes["domain.start"] = WrongState("it runs already")
    with pytest.raises(WrongState, match="it runs already"):
        await client.run(StartDomain(host="alpha", domain=gateway.add_domain("web1")))
    assert len(gateway.requests) == 1


async def test_a_busy_gateway_is_given_up_at_the_deadline(gateway: FakeGateway, client: Client) -> None:
    gateway.faults.extend([BUSY] * 100)
    with pytest.raises(Unavailable, match="worker is out of reach"):
        await client.run(GetDomain(host="alpha", domain=UUID(int=1)), timeout=0.3)
    assert len(gateway.requests) > 1


async def test_a_gateway_that_is_not_there_is_unreachable(gateway: FakeGateway) -> None:
    gateway.stop()
    async with Client(gateway.url, TOKEN, patience=0.1) as client:
        with pytest.raises(Unreachable) as caught:
            await client.hosts()
    assert caught.value.evidence["url"] == gateway.url


async def test_an_answer_of_something_else_is_said_so(gateway: FakeGateway, client: Client) -> None:
    gateway.answers["host.list"] = lambda operation: {"nodes": []}
    with pytest.raises(InternalError, match="HostList"):
        await client.hosts()


async def test_what_is_no_job_cannot_be_submitted(client: Client) -> None:
    with pytest.raises(InvalidArgument):
        await client.submit(GetDomain(host="alpha", domain=UUID(int=1)))


@pytest.mark.parametrize("url", ["ftp://host", "gateway:80", "http://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Client(url, TOKEN)


def test_the_fake_gateway_speaks_every_declared_read() -> None:
    reads = [name for name, operation in OPERATIONS.items() if operation.kind is not Kind.JOB]
    assert all(hasattr(FakeGateway, name.replace(".", "_").replace("-", "_")) for name in reads)
