"""Operations on jobs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from virtbus.names import HostName, JobId
from virtbus.operations.declaration import Kind, Operation
from virtbus.records import JobRecord, JobState


class JobList(BaseModel):
    """A page of jobs, the newest first."""

    jobs: list[JobRecord]
    cursor: str | None = None


class ListJobs(Operation[JobList]):
    """List jobs, the newest first."""

    name = "job.list"
    kind = Kind.RECORD
    permission = "job:read"
    http = "GET /v1/jobs"

    host: HostName | None = None
    domain: UUID | None = None
    state: JobState | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class GetJob(Operation[JobRecord]):
    """Show a job; with `wait`, when it has ended or after that many seconds."""

    name = "job.get"
    kind = Kind.RECORD
    permission = "job:read"
    http = "GET /v1/jobs/{job}"

    job: JobId
    wait: Annotated[float, Field(ge=0, le=300)] = 0


class CancelJob(Operation[JobRecord]):
    """Ask for a job to be cancelled. What a guest was asked to do cannot be taken back; only the job ends."""

    name = "job.cancel"
    kind = Kind.GATEWAY
    permission = "job:cancel"
    http = "POST /v1/jobs/{job}/cancel"

    job: JobId
