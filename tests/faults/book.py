"""Where a run writes down what it asks and hears, and the one way in which its actors ask for jobs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.faults.history import Asked, Effect, Ended, History, Told, Wanted
from virtbus.client import Client
from virtbus.client.job import Job
from virtbus.errors import VirtbusError
from virtbus.operations.declaration import Operation
from virtbus.operations.job import GetJob
from virtbus.records import Event, JobRecord

LIMIT = 240.0
"""Seconds of a job's time limit: no fault lasts as long."""
REPEATED = 0.1
"""The share of requests that are sent once more with the same Idempotency-Key."""


class Book:
    """A run's history while it is written."""

    def __init__(self, client: Client, seed: int, patience: float) -> None:
        """:param patience: seconds for which the end of a job, or of the log, is waited for."""
        self.client = client
        self.history = History()
        self._patience = patience
        self.unanswered = 0
        """Requests that got no answer in all their time: never accepted as far as the client knows."""
        self.failed: list[str] = []
        """What went wrong with the run itself."""
        self._random = random.Random(seed)

    async def submit(
        self,
        operation: Operation[Any],
        *wants: Wanted,
        optional: bool = False,
        fails: str = "",
        domain: str | None = None,
        limit: float = LIMIT,
    ) -> Job[Any]:
        """Have a job accepted, and write down what it is to bring about.

        :param domain: where the operation does not name it.
        """
        key, submitted = str(uuid4()), time.time()
        job = await self.client.submit(operation, timeout=limit, idempotency_key=key)
        place = domain or str(getattr(operation, "domain", None) or "")
        host = str(getattr(operation, "host", ""))
        self.history.jobs.append(
            Asked(job.id, host, place, operation.name, submitted, time.time(), wants, optional, fails)
        )
        if self._random.random() < REPEATED:
            again = await self.client.submit(operation, timeout=limit, idempotency_key=key)
            if again.id != job.id:
                self.failed.append(f"a repeat of job {job.id} with its Idempotency-Key was accepted as {again.id}")
        return job

    async def run(self, operation: Operation[Any], *wants: Wanted, **how: Any) -> JobRecord:
        """Submit, and wait for the job's end; its failure is the checker's matter."""
        return await self.end(await self.submit(operation, *wants, **how))

    async def end(self, job: Job[Any]) -> JobRecord:
        """The record of a job that ended, or that did not in all the time it was given."""
        until = time.monotonic() + self._patience
        while not job.record.state.ended and time.monotonic() < until:
            await job.refresh(5.0, deadline=until)
        return job.record

    def effect(self, effect: Effect) -> None:
        self.history.effects.append(effect)

    async def follow(self) -> None:
        """Follow the events from the beginning, over every break, until cancelled."""
        async for event in self.client.events(replay=True):
            self.history.followed.append(told(event, heard=time.time()))

    async def read_log(self, complete: Callable[[list[Told]], bool], quiet: float) -> list[Told]:
        """The whole log from its beginning: until it is complete and nothing has come for a while."""
        log: list[Told] = []
        stream = self.client.events(replay=True)
        try:
            while True:
                try:
                    async with asyncio.timeout(quiet if complete(log) else max(quiet, self._patience / 4)):
                        log.append(told(await anext(stream)))
                except TimeoutError:
                    return log
        finally:
            await stream.aclose()

    async def read_ends(self) -> None:
        """The record of every job that was accepted."""
        ids = {job.job for job in self.history.jobs}
        async for record in self.client.jobs(limit=1000):
            if record.id in ids:
                self.history.ends[record.id] = ended(record)
        for left in ids - self.history.ends.keys():
            try:
                self.history.ends[left] = ended(await self.client.run(GetJob(job=left)))
            except VirtbusError as error:
                self.failed.append(f"the record of job {left} cannot be read: {error}")


def ended(record: JobRecord) -> Ended:
    """A job's record in the checker's words."""
    error = record.error
    return Ended(
        record.id, str(record.state), "" if error is None else error.kind, "" if error is None else error.message,
        float("inf") if record.ended is None else record.ended.timestamp(), record.attempts,
    )  # fmt: skip


def told(event: Event, heard: float = float("inf")) -> Told:
    """An event in the checker's words."""
    return Told(
        event.host, "" if event.domain is None else str(event.domain), event.generation, str(event.kind),
        event.subject, _detail(event), event.cause or "", event.time.timestamp(), heard,
    )  # fmt: skip


_DETAILS = {
    "lifecycle": "detail", "job": "state", "tray-change": "reason", "balloon-change": "actual", "host": "epoch",
}  # fmt: skip


def _detail(event: Event) -> str:
    if event.kind == "tunable":
        return str(next(iter(event.detail.values()), ""))
    return str(event.detail.get(_DETAILS.get(str(event.kind), ""), ""))


def stamp(text: str) -> float:
    """Seconds of an ISO date."""
    return datetime.fromisoformat(text).timestamp()
