"""Verbs on jobs."""

from __future__ import annotations

from itertools import islice

from virtbus.cli.failure import RUNNING
from virtbus.cli.progress import phase_of, spinner
from virtbus.cli.session import Session, build
from virtbus.cli.view import Table, View
from virtbus.operations.job import JobList, ListJobs
from virtbus.records import JobRecord


async def list_jobs(session: Session) -> View:
    """`job list`: as many pages as --limit takes."""
    wanted = session.arguments.limit
    fields = session.fields()
    if session.arguments.domain:
        domain = await session.client.domain(session.arguments.domain)
        fields |= {"host": domain.host, "domain": domain.uuid}
    build(ListJobs, fields)
    found: list[JobRecord] = []
    async for job in session.client.jobs(limit=min(max(wanted, 1), 1000), **fields):
        found.append(job)
        if len(found) >= wanted:
            break
    rows = [(job.id, job.operation, job.host, job.domain, _state(job), f"{job.accepted:%Y-%m-%d %H:%M:%S}")
            for job in islice(found, wanted)]  # fmt: skip
    headings = ("Id", "Operation", "Host", "Domain", "State", "Accepted (UTC)")
    return View(JobList(jobs=found).model_dump(mode="json", exclude={"cursor"}), table=Table(headings, rows))


async def wait(session: Session) -> View:
    """`job wait`: its failure is this command's failure; --no-wait only looks."""
    job = await session.client.job(session.arguments.job)
    session.job = job
    if session.arguments.no_wait and not job.record.state.ended:
        return View(job.record.model_dump(mode="json"), text=str(job.record.state), code=RUNNING)
    with spinner(job.record.operation, quiet=session.quiet) as progress:
        await job.wait(timeout=session.timeout, progress=progress)
    return View(job.record.model_dump(mode="json"), note=f"Job {job.id} ({job.record.operation}) {job.record.state}")


def _state(job: JobRecord) -> str:
    return str(job.state) if job.state.ended else phase_of(job)
