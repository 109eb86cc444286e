"""Changes over HTTP: accepted as jobs, waited for, repeated, cancelled."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from tests.gateway.conftest import DISK_XML, HOST, RUNNING, Scene, domain_xml, succeed
from virtbus.names import new_job_id
from virtbus.records import JobRecord, JobState, now


def start_of(uuid: UUID, host: str = HOST) -> str:
    return f"/v1/hosts/{host}/domains/{uuid}/start"


async def test_a_change_is_accepted_as_a_job_and_shown_at_its_address(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client("operator")
    answer = await client.post(start_of(domain.uuid), json={"paused": True})
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    job = JobRecord.model_validate(answer.json())
    assert (job.operation, job.host, job.domain, job.state) == ("domain.start", HOST, domain.uuid, JobState.ACCEPTED)
    assert job.principal == "operator"
    assert job.timeout == 120
    shown = await client.get(answer.headers["location"])
    assert shown.json()["id"] == job.id
    stored = await scene.bus.jobs.get(f"{HOST}.{job.id}")
    assert stored is not None
    assert stored.record.arguments == {"paused": True}


async def test_arguments_are_not_shown_since_they_may_hold_secrets(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(**RUNNING)
    client = scene.client()
    secret = "<graphics type='vnc' passwd='sesame'/>"
    answer = await client.post(
        f"/v1/hosts/{HOST}/domains/{domain.uuid}/devices", content=secret, headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code == 202
    shown = await client.get(answer.headers["location"])
    listed = await client.get("/v1/jobs")
    assert answer.json()["id"] in listed.text
    assert "sesame" not in answer.text + shown.text + listed.text


async def test_prefer_wait_answers_with_the_ended_job(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    async with scene.worker(succeed):
        answer = await scene.client().post(start_of(domain.uuid), headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.json()["state"] == "succeeded"
    assert answer.json()["result"] == {"done": True}


async def test_prefer_wait_that_runs_out_answers_202(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    answer = await scene.client().post(start_of(domain.uuid), headers={"Prefer": "wait=0.05"})
    assert answer.status_code == 202
    assert answer.json()["state"] == "accepted"


async def test_a_failed_job_is_a_good_answer_with_the_error_inside(scene: Scene) -> None:
    from virtbus.errors import WrongState

    await scene.host()
    domain = await scene.domain()

    async def fail(job: JobRecord) -> JobRecord:
        error = WrongState("it runs already", host=HOST, domain=domain.uuid).reply()
        return job.model_copy(update={"state": JobState.FAILED, "error": error, "ended": now()})

    async with scene.worker(fail):
        answer = await scene.client().post(start_of(domain.uuid), headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "failed"
    assert answer.json()["error"]["code_name"] == "VIR_ERR_OPERATION_INVALID"


async def test_a_repeat_with_the_same_key_gives_the_same_job_and_runs_once(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    again = {"Idempotency-Key": "once", "Prefer": "wait=10"}
    async with scene.worker(succeed) as seen:
        first = await client.post(start_of(domain.uuid), headers=again)
        second = await client.post(start_of(domain.uuid), headers=again)
    assert first.json()["id"] == second.json()["id"] == new_job_id("admin", "once")
    assert second.json()["state"] == "succeeded"
    assert len(seen) == 1


async def test_the_same_key_with_another_request_is_refused(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    key = {"Idempotency-Key": "twice"}
    await client.post(start_of(domain.uuid), headers=key)
    other = await client.post(start_of(domain.uuid), headers=key, json={"paused": True})
    assert other.status_code == 422
    assert other.json()["type"] == "urn:virtbus:error:KeyReused"


async def test_the_same_key_on_another_host_is_refused(scene: Scene) -> None:
    await scene.host()
    await scene.host("lab-2")
    uuid = uuid4()
    await scene.domain(uuid=uuid)
    await scene.domain(uuid=uuid, host="lab-2")
    client = scene.client()
    key = {"Idempotency-Key": "twice", "Prefer": "wait=10"}
    async with scene.worker(succeed):
        await client.post(start_of(uuid), headers=key)
    other = await client.post(start_of(uuid, "lab-2"), headers=key)
    assert other.status_code == 422


async def test_the_repeat_of_an_undefine_gets_its_job_although_the_domain_is_gone(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    key = {"Idempotency-Key": "gone", "Prefer": "wait=10"}

    async def undefine(job: JobRecord) -> JobRecord:
        await scene.bus.domains.put(f"{HOST}.{domain.uuid}", domain.model_copy(update={"deleted": True}))
        return await succeed(job)

    async with scene.worker(undefine):
        first = await client.delete(f"/v1/domains/{domain.uuid}", headers=key)
        second = await client.delete(f"/v1/domains/{domain.uuid}", headers=key)
    assert first.json()["state"] == "succeeded"
    assert second.status_code == 200
    assert second.json()["id"] == first.json()["id"]
    fresh = await client.delete(f"/v1/domains/{domain.uuid}")
    assert fresh.status_code == 404


async def test_define_takes_the_uuid_from_the_document(scene: Scene) -> None:
    await scene.host()
    uuid = uuid4()
    answer = await scene.client().post(
        f"/v1/hosts/{HOST}/domains", content=domain_xml(uuid=uuid), headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code == 202
    assert answer.json()["domain"] == str(uuid)


async def test_define_without_uuid_makes_one_from_the_job_and_writes_it_into_the_document(scene: Scene) -> None:
    await scene.host()
    client = scene.client()
    answers = [
        await client.post(
            f"/v1/hosts/{HOST}/domains",
            content=domain_xml(),
            headers={"Content-Type": "application/xml", "Idempotency-Key": "made"},
        )
        for _ in range(2)
    ]
    jobs = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert jobs[0]["domain"] == jobs[1]["domain"]
    stored = await scene.bus.jobs.get(f"{HOST}.{jobs[0]['id']}")
    assert stored is not None
    assert stored.record.arguments is not None
    assert f"<uuid>{jobs[0]['domain']}</uuid>" in stored.record.arguments["xml"]


async def test_a_document_comes_as_json_of_the_same_model_too(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(**RUNNING)
    client = scene.client()
    shown = await client.get(f"/v1/domains/{domain.uuid}/xml", headers={"Accept": "application/json"})
    assert shown.json()["name"] == "web"
    defined = await client.post(f"/v1/hosts/{HOST}/domains", json={"document": shown.json()})
    assert defined.status_code == 202, defined.text
    assert defined.json()["domain"] == str(domain.uuid)
    device = (await client.get(f"/v1/domains/{domain.uuid}/devices")).json()["devices"][0]
    attached = await client.post(
        f"/v1/domains/{domain.uuid}/devices", json={"document": {"kind": device["kind"], **device["model"]}}
    )
    assert attached.status_code == 202, attached.text


async def test_a_time_limit_is_taken_from_query_or_preference(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    by_query = await client.post(start_of(domain.uuid), params={"timeout": "7"})
    by_header = await client.post(start_of(domain.uuid), headers={"Prefer": "timeout=8"})
    assert [by_query.json()["timeout"], by_header.json()["timeout"]] == [7, 8]


async def test_the_callers_trace_goes_with_the_job(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = await scene.client().post(start_of(domain.uuid), headers={"traceparent": trace})
    assert answer.json()["traceparent"] == trace


async def test_cancel_is_written_to_the_record_and_told_to_the_worker(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    told: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    async def hear(arguments: dict[str, object]) -> dict[str, object]:
        told.set_result(arguments)
        return {}

    async with asyncio.TaskGroup() as group:
        service = await scene.bus.queries.serve(HOST, {"job.cancel": hear}, lambda work: group.create_task(work))
        client = scene.client()
        job = (await client.post(start_of(domain.uuid))).json()["id"]
        answer = await client.post(f"/v1/jobs/{job}/cancel")
        assert await told == {"job": job, "principal": "admin"}
        await service.stop()
    assert answer.status_code == 202
    stored = await scene.bus.jobs.get(f"{HOST}.{job}")
    assert stored is not None
    assert stored.record.cancel_requested == "admin"


async def test_a_job_that_has_ended_cannot_be_cancelled(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    async with scene.worker(succeed):
        job = (await client.post(start_of(domain.uuid), headers={"Prefer": "wait=10"})).json()["id"]
    answer = await client.post(f"/v1/jobs/{job}/cancel")
    assert answer.status_code == 409
    assert answer.json()["evidence"]["state"] == "succeeded"


async def test_a_waiting_reader_sees_the_end_of_a_job(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    job = (await client.post(start_of(domain.uuid))).json()["id"]
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(client.get(f"/v1/jobs/{job}", params={"wait": 10}))
        async with scene.worker(succeed):
            assert (await waiting).json()["state"] == "succeeded"


async def test_jobs_are_listed_newest_first_in_pages(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client()
    async with scene.worker(succeed):
        made = [
            (await client.post(start_of(domain.uuid), headers={"Prefer": "wait=10"})).json()["id"] for _ in range(5)
        ]
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2, "state": "succeeded"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/jobs", params=params)).json()
        found += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == made[::-1]


async def test_every_accepted_change_is_in_the_audit_once(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    client = scene.client("operator")
    for _ in range(2):
        await client.post(
            f"/v1/hosts/{HOST}/domains/{domain.uuid}/devices",
            content=DISK_XML,
            headers={"Content-Type": "application/xml", "Idempotency-Key": "k"},
        )
    state = await scene.bus.link.api(f"STREAM.INFO.{scene.bus.subjects.stream('audit')}")
    assert state["state"]["messages"] == 1
