"""Bad input and bad times: each request gets a clear error with libvirt's code, and nothing is changed by it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from uuid import UUID

import pytest

from tests.badinput.rows import ROWS, Row, on
from tests.badinput.scene import HOST, OFF, RUNNING, Answer, Scene, full_disk, no_worker


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
async def test_it_is_refused_and_nothing_is_changed(scene: Scene, small_disk: list[Path], row: Row) -> None:
    if row.trouble is full_disk and not small_disk:
        pytest.skip("no file system may be mounted here")
    before = await scene.snapshot()
    async with contextlib.AsyncExitStack() as stack:
        if row.trouble is not None:
            await stack.enter_async_context(row.trouble(scene))
        answer = Answer.of(await row.send(scene))
    assert (answer.status, answer.code, answer.kind, answer.accepted) == (
        row.status, f"VIR_ERR_{row.code}", row.kind, row.accepted,
    ), answer  # fmt: skip
    assert answer.host == row.host, answer
    if row.domain is not None:
        assert answer.domain in names(row.domain), answer
    for word in row.says:
        assert word in answer.text, answer
    assert answer.hint or not row.hint, answer
    after = await scene.snapshot()
    for snapshot in (before, after) if row.asks_guest else ():
        # A time limit ends the job, not what the guest was asked.
        snapshot["record kvm/running"].pop("pending")
        snapshot["folders"].pop(f"{RUNNING}/state.json", None)
    assert after == before


def names(domain: UUID) -> tuple[str, ...]:
    """How an error may name a domain: by its UUID, or by its name where that is all that is known."""
    known = {OFF: "off", RUNNING: "running"}
    return (str(domain), known.get(domain, "paused" if str(domain).startswith("b") else "new"))


async def test_a_job_whose_time_passed_before_a_worker_came_is_not_done(scene: Scene) -> None:
    before = await scene.snapshot()
    async with no_worker(scene):
        accepted = await scene.request("POST", on(OFF, "start"), params={"timeout": "1"}, headers={"Prefer": "wait=0"})
        assert accepted.status_code == 202
        waited = await scene.http.get(f"/v1/jobs/{accepted.json()['id']}", params={"wait": "1.5"})
        assert waited.json()["state"] == "accepted"
    answer = Answer.of(await scene.http.get(f"/v1/jobs/{accepted.json()['id']}", params={"wait": "20"}))
    assert (answer.status, answer.code, answer.kind) == (504, "VIR_ERR_OPERATION_TIMEOUT", "Expired")
    assert (answer.host, answer.domain) == (HOST, str(OFF))
    assert answer.hint
    assert await scene.snapshot() == before


async def test_a_second_request_with_the_same_key_and_another_body_is_refused(scene: Scene) -> None:
    key = {"Idempotency-Key": "the-same"}
    first = await scene.request("PUT", on(OFF, "labels"), headers=key, json={"labels": {"a": "b"}})
    assert first.json()["state"] == "succeeded"
    before = await scene.snapshot()
    for path, labels in ((on(OFF, "labels"), {"a": "c"}), (on(RUNNING, "labels"), {"a": "b"})):
        answer = Answer.of(await scene.request("PUT", path, headers=key, json={"labels": labels}))
        assert (answer.status, answer.code, answer.kind) == (422, "VIR_ERR_INVALID_ARG", "KeyReused")
        assert (answer.host, answer.accepted) == (HOST, False)
        assert "Idempotency-Key" in answer.text
        assert answer.hint
    assert await scene.snapshot() == before


async def test_nothing_refused_was_left_behind_in_the_jobs(scene: Scene) -> None:
    """Every job has ended: what was refused before the 202 made none."""
    listed = await scene.http.get("/v1/jobs", params={"host": HOST, "limit": "1000"})
    assert {job["state"] for job in listed.json()["jobs"]} <= {"succeeded", "failed", "expired"}
    documents = await scene.http.get("/v1/domains", params={"host": HOST})
    assert sorted(domain["name"] for domain in documents.json()["domains"]) == ["off", "paused", "running"]
