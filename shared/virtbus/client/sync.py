"""The same client for programs without an event loop: one thread of its own runs the async client.

    with Client() as client:
        for domain in client.domains(state="running"):
            print(domain.host, domain.name)

Every call blocks until its result or its deadline.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel

from virtbus.client.client import Client as AsyncClient
from virtbus.client.events import EventStream as AsyncEventStream
from virtbus.client.job import Job as AsyncJob
from virtbus.client.job import OnProgress
from virtbus.eventkinds import EventKind
from virtbus.operations import Operation
from virtbus.operations.domain import DomainSummary
from virtbus.operations.host import HostSummary
from virtbus.records import Event, JobRecord

AnyT = TypeVar("AnyT")
ResultT = TypeVar("ResultT", bound=BaseModel)

_STOP = 10.0
"""Seconds for the thread to end."""


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtbus-client", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, AnyT]) -> AnyT:
        """Run it there and wait here; an interrupt here cancels it there."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP)
        self._loop.close()


class Job(Generic[ResultT]):
    """A job that was accepted."""

    def __init__(self, loop: _Loop, job: AsyncJob[ResultT]) -> None:
        self._loop, self._job = loop, job

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def record(self) -> JobRecord:
        return self._job.record

    def wait(self, *, timeout: float | None = None, progress: OnProgress | None = None) -> ResultT:
        """As the async one; `progress` is called in the client's thread."""
        return self._loop.call(self._job.wait(timeout=timeout, progress=progress))

    def refresh(self, wait: float = 0.0) -> JobRecord:
        return self._loop.call(self._job.refresh(wait))

    def cancel(self) -> JobRecord:
        return self._loop.call(self._job.cancel())

    def outcome(self) -> ResultT:
        return self._job.outcome()


class EventStream:
    """Events as an iterator that resumes by itself."""

    def __init__(self, loop: _Loop, stream: AsyncEventStream) -> None:
        self._loop, self._stream = loop, stream

    @property
    def cursor(self) -> str | None:
        return self._stream.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            return self._loop.call(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._loop.call(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Client:
    """As `virtbus.client.Client`, name for name; close it, or use it as a context manager."""

    def __init__(self, url: str | None = None, token: str | None = None, *, patience: float | None = None) -> None:
        self._client = AsyncClient(url, token, patience=patience)
        self._loop = _Loop()

    @property
    def url(self) -> str:
        return self._client.url

    @property
    def revision(self) -> int:
        return self._client.revision

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread; jobs go on."""
        try:
            self._loop.call(self._client.close())
        finally:
            self._loop.close()

    def run(
        self,
        operation: Operation[ResultT],
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        progress: OnProgress | None = None,
    ) -> ResultT:
        return self._loop.call(
            self._client.run(operation, timeout=timeout, idempotency_key=idempotency_key, progress=progress)
        )

    def submit(
        self, operation: Operation[ResultT], *, timeout: float | None = None, idempotency_key: str | None = None
    ) -> Job[ResultT]:
        submitted = self._client.submit(operation, timeout=timeout, idempotency_key=idempotency_key)
        return Job(self._loop, self._loop.call(submitted))

    def hosts(self) -> list[HostSummary]:
        return self._loop.call(self._client.hosts())

    def host(self, name: str) -> HostSummary:
        return self._loop.call(self._client.host(name))

    def domains(self, **filters: Any) -> Iterator[DomainSummary]:
        return self._iterate(self._client.domains(**filters))

    def domain(self, reference: str | UUID) -> DomainSummary:
        return self._loop.call(self._client.domain(reference))

    def jobs(self, **filters: Any) -> Iterator[JobRecord]:
        return self._iterate(self._client.jobs(**filters))

    def job(self, job_id: str) -> Job[Any]:
        return Job(self._loop, self._loop.call(self._client.job(job_id)))

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
        stream = self._client.events(cursor, host=host, domain=domain, kinds=kinds, project=project, replay=replay)
        return EventStream(self._loop, stream)

    def _iterate(self, items: AsyncIterator[AnyT]) -> Iterator[AnyT]:
        async def step() -> AnyT:
            return await anext(items)

        while True:
            try:
                yield self._loop.call(step())
            except StopAsyncIteration:
                return
