"""Reads over HTTP: answered from the record, or by the host's worker."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.gateway.conftest import HOST, RUNNING, Scene, settle
from virtbus.records import PendingRemoval


async def test_hosts_are_shown_with_what_is_known_of_their_workers(scene: Scene) -> None:
    await scene.host()
    await scene.host("lab-2")
    await scene.session()
    await settle(scene, await scene.domain(**RUNNING))
    client = scene.client("viewer")
    async with asyncio.timeout(5):
        while not (await client.get(f"/v1/hosts/{HOST}")).json()["served"]:
            pass
    hosts = (await client.get("/v1/hosts")).json()["hosts"]
    assert [(host["record"]["name"], host["served"]) for host in hosts] == [(HOST, True), ("lab-2", False)]
    assert (hosts[0]["domains"], hosts[0]["running"]) == (1, 1)
    assert hosts[0]["last_seen"].endswith("Z")
    assert hosts[1]["last_seen"] is None


async def test_a_domain_is_shown_by_both_addresses(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(pending=[PendingRemoval(alias="ua-root", job=str(uuid4()))])
    client = scene.client("viewer")
    full = await client.get(f"/v1/hosts/{HOST}/domains/{domain.uuid}")
    short = await client.get(f"/v1/domains/{domain.uuid}")
    assert full.status_code == short.status_code == 200
    assert full.json() == short.json()
    assert full.json()["pending"][0]["alias"] == "ua-root"


async def test_the_shorthand_of_a_uuid_on_two_hosts_tells_the_candidates(scene: Scene) -> None:
    uuid = uuid4()
    for host in (HOST, "lab-2"):
        await scene.host(host)
        await settle(scene, await scene.domain(host=host, uuid=uuid))
    answer = await scene.client().get(f"/v1/domains/{uuid}")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:virtbus:error:Ambiguous"
    assert answer.json()["evidence"]["candidates"] == [
        f"/v1/hosts/{host}/domains/{uuid}" for host in (HOST, "lab-2")
    ]


async def test_a_tombstone_is_no_domain(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(deleted=True)
    for address in (f"/v1/hosts/{HOST}/domains/{domain.uuid}", f"/v1/domains/{domain.uuid}"):
        answer = await scene.client().get(address)
        assert answer.status_code == 404
        assert answer.json()["code_name"] == "VIR_ERR_NO_DOMAIN"
        assert str(domain.uuid) in answer.json()["detail"]


async def test_xml_is_live_or_persistent_and_has_no_passwords(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(**RUNNING)
    key = f"{HOST}.{domain.uuid}"
    stored = await scene.bus.definitions.get(key)
    assert stored is not None
    assert stored.record.persistent is not None
    devices = "<devices><graphics type='vnc' passwd='sesame'/>"
    definition = stored.record.model_copy(
        update={
            "live": stored.record.persistent.replace("<devices>", devices),
            "persistent": stored.record.persistent.replace("65536", "32768"),
        }
    )
    await scene.bus.definitions.put(key, definition)
    client = scene.client("viewer")
    address = f"/v1/domains/{domain.uuid}/xml"
    by_default = await client.get(address)
    assert by_default.headers["content-type"].startswith("application/xml")
    assert "<graphics type='vnc'" in by_default.text
    assert "sesame" not in by_default.text
    assert ">65536<" in (await client.get(address, params={"live": "true"})).text
    assert ">32768<" in (await client.get(address, params={"live": "false"})).text
    devices_shown = (await client.get(f"/v1/domains/{domain.uuid}/devices")).text
    assert "graphics" in devices_shown
    assert "sesame" not in devices_shown


async def test_a_domain_that_is_off_has_no_live_xml(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain()
    answer = await scene.client().get(f"/v1/domains/{domain.uuid}/xml", params={"live": "true"})
    assert answer.status_code == 409
    assert answer.json()["code_name"] == "VIR_ERR_OPERATION_INVALID"


async def test_devices_have_aliases_and_pending_marks(scene: Scene) -> None:
    await scene.host()
    mark = PendingRemoval(alias="ua-root", job=str(uuid4()))
    domain = await scene.domain(**RUNNING, pending=[mark])
    client = scene.client("viewer")
    address = f"/v1/domains/{domain.uuid}/devices"
    devices = (await client.get(address)).json()["devices"]
    assert [(one["kind"], one["alias"], one["pending"]) for one in devices] == [("disk", "ua-root", True)]
    assert devices[0]["model"]["target"]["dev"] == "vda"
    none = await client.get(address, params={"device_kind": "interface"})
    assert none.json()["devices"] == []


async def test_a_query_is_answered_by_the_worker(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(**RUNNING)
    asked: list[dict[str, Any]] = []

    async def shoot(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {"content": b"\x89PNG\r\n"}

    async with asyncio.TaskGroup() as group:
        answers = {"domain.screenshot": shoot}
        service = await scene.bus.queries.serve(HOST, answers, lambda work: group.create_task(work))
        answer = await scene.client().get(f"/v1/domains/{domain.uuid}/screenshot", params={"screen": "1"})
        await service.stop()
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == b"\x89PNG\r\n"
    assert asked == [{"screen": 1, "domain": str(domain.uuid)}]


async def test_a_query_that_nobody_answers_is_unavailable(scene: Scene) -> None:
    await scene.host()
    domain = await scene.domain(**RUNNING)
    answer = await scene.client().get(f"/v1/domains/{domain.uuid}/stats")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert HOST in answer.json()["detail"]
    assert str(domain.uuid) in answer.json()["detail"]


async def test_health_is_open_and_says_what_is_ready(scene: Scene) -> None:
    client = scene.client(token="nobody")
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"] == {"bus": True, "inventory": True, "serving": True}
    assert isinstance(ready.json()["findings"], list)
