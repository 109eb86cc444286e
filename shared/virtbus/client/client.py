"""The async client: one method runs every declared operation; the others are shorter ways to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, ValidationError

from virtbus.client import config
from virtbus.client.events import EventStream, event_stream
from virtbus.client.job import GRACE, HOLD, STEP, Job, OnProgress, OtherResult
from virtbus.client.reference import find_domain
from virtbus.client.request import Request, request_of
from virtbus.client.transport import Transport
from virtbus.errors import InternalError, InvalidArgument, Unavailable
from virtbus.eventkinds import EventKind
from virtbus.operations import OPERATIONS, Kind, Operation
from virtbus.operations.domain import DomainSummary, ListDomains
from virtbus.operations.host import GetHost, HostSummary, ListHosts
from virtbus.operations.job import GetJob, ListJobs
from virtbus.records import JobRecord

ResultT = TypeVar("ResultT", bound=BaseModel)


class Client:
    """A client of one gateway, to be used in one event loop; close it, or use it as a context manager.

    It remembers the highest revision that its jobs left and asks lists for at least that, so a list always shows
    what this client has just done.

    :param url: the gateway; without it, from the environment, file or this machine's own Virtbus (client.config).
    :param token: the bearer token; likewise.
    :param patience: seconds that a gateway out of reach is tried again before the first answer; None: until the
        deadline of each request, and for ever for events.
    :raises InvalidArgument: no gateway is configured, or the URL is none.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, patience: float | None = None) -> None:
        try:
            found = config.load(url, token)
        except config.NotConfigured as error:
            raise InvalidArgument(str(error)) from error
        self.url = found.url
        self.revision = 0
        self._transport = Transport(found.url, found.token, patience=patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; jobs go on."""
        await self._transport.close()

    async def run(
        self,
        operation: Operation[ResultT],
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        progress: OnProgress | None = None,
    ) -> ResultT:
        """Do what an operation declares and return its result, for a change at its end.

        :param timeout: seconds: the job's time limit, or a read's; None: the operation's own.
        :param idempotency_key: to repeat a request of an earlier process; without it every call is a request of its
            own, whose retries share a key.
        :param progress: called with the job's record as it advances.
        :raises StillRunning: the job has not ended in time, and goes on.
        :raises VirtbusError: the typed error of the refusal or of the job.
        """
        if operation.kind is not Kind.JOB:
            return await self.read(operation, timeout=timeout)
        hold = STEP if progress else HOLD
        job = await self.submit(operation, timeout=timeout, idempotency_key=idempotency_key, hold=hold)
        return await job.wait(progress=progress)

    async def submit(
        self,
        operation: Operation[ResultT],
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        hold: float = 0.0,
    ) -> Job[ResultT]:
        """Have a change accepted; the job that comes back may be waited for, or left.

        Connections that break and answers of 503 are tried again under the same Idempotency-Key.

        :param hold: seconds that the gateway may keep the answer back, in case the job ends meanwhile.
        :raises Unavailable: no answer, or none but 503; whether it was accepted may not be known, but the same key
            asks safely again (`evidence["idempotency_key"]`).
        :raises VirtbusError: it was refused.
        """
        if operation.kind is not Kind.JOB:
            raise InvalidArgument(f"{operation.name} is no job")
        limit = operation.timeout if timeout is None else timeout
        hold = min(hold, limit)
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        if hold:
            headers["Prefer"] = f"wait={hold:g}"
        query = {} if timeout is None else {"timeout": f"{timeout:g}"}
        deadline = time.monotonic() + limit + GRACE
        request = request_of(operation).having(query=query, headers=headers)
        try:
            record = await self.fetch(JobRecord, request, deadline=deadline, wait=hold)
        except Unavailable as error:
            error.evidence.setdefault("idempotency_key", headers["Idempotency-Key"])
            raise
        return Job(self, record, cast(type[ResultT], operation.result), deadline=deadline)

    async def read(
        self,
        operation: Operation[ResultT],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        wait: float | None = None,
    ) -> ResultT:
        """Ask for what needs no job.

        :param timeout: seconds for everything; None: the operation's own.
        :param deadline: the same on `time.monotonic`; it holds whatever the client's patience is.
        :param wait: seconds that the gateway may take for one answer.
        """
        limit = operation.timeout if timeout is None else timeout
        asked = self._caught_up(operation)
        request = request_of(asked)
        if operation.kind is Kind.QUERY and timeout is not None:
            request = request.having(query={"timeout": f"{max(timeout, 1.0):g}"})
        if wait is None:
            wait = limit if operation.kind is Kind.QUERY else 0.0
        result = cast(type[ResultT], operation.result)
        end = deadline if deadline is not None else time.monotonic() + limit
        return await self.fetch(
            result, request, deadline=end, wait=wait, media=operation.media, persistent=deadline is not None
        )

    async def fetch(
        self,
        model: type[ResultT],
        request: Request,
        *,
        deadline: float | None = None,
        wait: float = 0.0,
        media: str | None = None,
        persistent: bool = False,
    ) -> ResultT:
        """The model in the answer to a request; with `media`, its `content` is the whole answer.

        :param deadline: on `time.monotonic`; None: a minute from now.
        :param persistent: try again until the deadline, whatever the client's patience is.

        :raises InternalError: the answer is not what this version knows.
        """
        end = time.monotonic() + 60.0 if deadline is None else deadline
        answer = await self._transport.send(request, deadline=end, wait=wait, persistent=persistent)
        try:
            found = _content(model, answer) if media else model.model_validate_json(answer.content)
        except ValidationError as error:
            raise InternalError(
                f"{request.method} {request.path} was answered with something else than {model.__name__}",
                hint=f"is there a Virtbus gateway of this version at {self.url}?",
                evidence={"answer": answer.text[:500]},
            ) from error
        if isinstance(found, JobRecord):
            self.revision = max(self.revision, found.revision)
        return found

    async def hosts(self) -> list[HostSummary]:
        """The fleet's hosts, by name."""
        return (await self.run(ListHosts())).hosts

    async def host(self, name: str) -> HostSummary:
        """A host.

        :raises NoHost: it is not in the fleet.
        """
        return await self.run(GetHost(host=name))

    async def domains(self, **filters: Any) -> AsyncIterator[DomainSummary]:
        """Domains in the order of (host, uuid), over all pages; `filters` are those of ListDomains: host, state, name,
        label, project, limit (of a page).
        """
        cursor = None
        while True:
            page = await self.run(ListDomains.model_validate(filters | ({"cursor": cursor} if cursor else {})))
            for domain in page.domains:
                yield domain
            cursor = page.cursor
            if cursor is None:
                return

    async def domain(self, reference: str | UUID) -> DomainSummary:
        """The domain that NAME, UUID, HOST/NAME or HOST/UUID means.

        :raises NoDomain: there is none.
        :raises Ambiguous: several hosts have one.
        """
        return await find_domain(self, reference)

    async def jobs(self, **filters: Any) -> AsyncIterator[JobRecord]:
        """Jobs, the newest first, over all pages; `filters` are those of ListJobs: host, domain, state, limit."""
        cursor = None
        while True:
            page = await self.run(ListJobs.model_validate(filters | ({"cursor": cursor} if cursor else {})))
            for job in page.jobs:
                yield job
            cursor = page.cursor
            if cursor is None:
                return

    async def job(self, job_id: str) -> Job[Any]:
        """A handle on a job that anybody submitted.

        :raises NoJob: it is not known, or not kept any more.
        """
        record = await self.run(GetJob(job=job_id))
        known = OPERATIONS.get(record.operation)
        return Job(self, record, known.result if known else OtherResult)

    def events(
        self,
        cursor: str | None = None,
        *,
        host: str | None = None,
        domain: UUID | str | None = None,
        kinds: Sequence[EventKind | str] = (),
        project: str | None = None,
        replay: bool = False,
    ) -> EventStream:
        """Events from a cursor, or from now on (with `replay`, from the oldest kept); it resumes by itself.

        :param domain: a UUID.
        :param kinds: only these.
        """
        return event_stream(
            self._transport, cursor=cursor, host=host, domain=None if domain is None else str(domain), kinds=kinds,
            project=project, replay=replay,
        )  # fmt: skip

    def _caught_up(self, operation: Operation[ResultT]) -> Operation[ResultT]:
        """A list is asked to show at least what this client's jobs left."""
        if isinstance(operation, ListDomains) and operation.min_revision < self.revision:
            return cast(Operation[ResultT], operation.model_copy(update={"min_revision": self.revision}))
        return operation


def _content(model: type[ResultT], answer: httpx.Response) -> ResultT:
    annotation = model.model_fields["content"].annotation
    return model.model_validate({"content": answer.content if annotation is bytes else answer.text})
