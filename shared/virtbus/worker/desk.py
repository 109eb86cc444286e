"""A domain's desk: the only place where its record is written, so that record and events are one write.

Observations are taken in order and written together; what they bring about is published from the outbox behind the
write, in order, and whoever waits for a removal is told when it is settled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from virtbus.bus.connection import Bus
from virtbus.domain import Domain
from virtbus.driver import Target
from virtbus.errors import Unavailable
from virtbus.observations import Defined, Observation
from virtbus.records import DomainRecord, Event, PendingRemoval, now
from virtbus.worker.definitions import Definition, Definitions
from virtbus.worker.transitions import Draft, meaning

PUBLISHED = Counter("virtbus_events_published_total", "Events published on the bus", ["kind"])

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine in the host's task group."""
WRITE_LIMIT = 1.0
"""Seconds that a write is let go on after its waiter was cut short."""
QUIET = 1.0
"""Seconds after the last event before the emptied outbox is written."""
TOLD_KEPT = 8
"""How many events of recent jobs the record remembers."""
KEEP: Any = object()
"""Stands for a definition that a write leaves as it is."""


@dataclass(frozen=True)
class Post:
    """What every desk of a host shares."""

    bus: Bus
    host: str
    family: str
    epoch: int
    definitions: Definitions
    spawn: Spawn
    check: Callable[[], None]
    """Raises if this process may not act on the host any more."""
    settled: Callable[[Desk, PendingRemoval], Coroutine[Any, Any, None]]
    """Ends the jobs that waited for a removal."""
    cause: Callable[[UUID], str | None]
    """The job that is running on a domain, for observations that do not say their cause."""


class Desk:
    """One domain's record, and what is on its way into it."""

    def __init__(self, post: Post, record: DomainRecord, revision: int) -> None:
        self._post = post
        self.record = record
        self.revision = revision
        """0 until the record is first written."""
        self._told: deque[tuple[Observation, bool]] = deque()
        self._pumping = False
        self._heard = 0
        """How many observations were told."""
        self._kept = 0
        """How many of them are in the record."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        """Who waits until so many are in the record."""
        self._lock = asyncio.Lock()
        self._publishing = False
        self._published = 0
        """The generation of the last event that was published."""
        self._settling: set[str] = set()
        self._failure: BaseException | None = None

    @property
    def key(self) -> str:
        return f"{self.record.host}.{self.record.uuid}"

    @property
    def exists(self) -> bool:
        """Whether there is such a domain now: defined or active."""
        return self.revision > 0 and not self.record.deleted

    async def definition(self) -> Definition:
        return await self._post.definitions.get(self.record.uuid)

    async def target(self) -> Target:
        """The domain as drivers are handed it."""
        record = self.record
        definition = await self.definition()
        return Target(
            host=record.host,
            uuid=record.uuid,
            name=record.name,
            state=record.state,
            reason=record.reason,
            id=record.id,
            incarnation=record.incarnation,
            persistent=definition.persistent if record.persistent else None,
            live=definition.live if record.state.active else None,
        )

    def tell(self, observation: Observation, *, reconciled: bool = False) -> None:
        """Take an observation; it is recorded in its turn."""
        self._told.append((observation, reconciled))
        self._heard += 1
        if not self._pumping:
            self._pumping = True
            self._post.spawn(self._pump())

    async def recorded(self) -> None:
        """Wait until everything that was told so far is in the record; what is told meanwhile is not waited for.

        :raises Unavailable: it could not be written; the host will be taken anew and looked at again.
        """
        if self._kept < self._heard and self._failure is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append((self._heard, waiter))
            await waiter
        if self._failure is not None:
            raise Unavailable("what happened could not be recorded yet", host=self.record.host,
                              domain=self.record.uuid) from self._failure  # fmt: skip

    async def _pump(self) -> None:
        try:
            while self._told:
                async with self._lock:
                    batch = list(self._told)
                    self._told.clear()
                    await uninterrupted(self._record(batch))
                    self._kept += len(batch)
                self._release()
        except BaseException as error:
            self._failure = error
            self._release()
            raise
        finally:
            self._pumping = False

    def _release(self) -> None:
        """Let those go on who waited for what is in the record now; after a failure all, to be told of it."""
        while self._waiting and (self._waiting[0][0] <= self._kept or self._failure is not None):
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def _record(self, batch: list[tuple[Observation, bool]]) -> None:
        """Write what a batch of observations means as one change."""
        record = self.record
        events: list[Event] = []
        live: Any = KEEP
        persistent: Any = KEEP
        changed = False
        for observation, reconciled in batch:
            if isinstance(observation, Defined) and await self._is_kept(observation.persistent):
                continue
            change = meaning(record, observation)
            position = observation.position
            if position is not None and position > record.position and record.state.active:
                record = record.model_copy(update={"position": position})
            if change is None:
                continue
            changed = True
            cause = observation.cause or self._post.cause(record.uuid)
            record = record.model_copy(update=change.fields)
            if position is not None and not change.ended:
                record = record.model_copy(update={"position": position})
            for draft in change.events:
                if position is None and cause is not None and not reconciled:
                    told = f"{cause}/{draft.kind}/{draft.subject}"
                    if told in record.told:
                        continue
                    record = record.model_copy(update={"told": [*record.told[1 - TOLD_KEPT :], told]})
                event = self._event(record, draft, observation, cause, reconciled)
                events.append(event)
                record = record.model_copy(update={"generation": event.generation})
            live = None if change.ended else live if change.live is None else change.live
            persistent = None if change.undefined else persistent if change.persistent is None else change.persistent
        if changed:
            await self._write(record, events, live=live, persistent=persistent)

    async def _is_kept(self, persistent: Domain) -> bool:
        """Whether the record has this definition already."""
        return self.exists and self.record.persistent and (await self.definition()).persistent == persistent

    def _event(
        self, record: DomainRecord, draft: Draft, observation: Observation, cause: str | None, reconciled: bool
    ) -> Event:
        return Event(
            kind=draft.kind,
            host=record.host,
            family=record.family,
            project=record.project,
            domain=record.uuid,
            name=record.name,
            time=observation.at,
            generation=record.generation + 1,
            cause=draft.cause or cause,
            reconciled=reconciled,
            subject=draft.subject,
            detail=draft.detail,
        )

    async def change(
        self,
        fields: Callable[[DomainRecord], dict[str, Any]],
        drafts: tuple[Draft, ...] = (),
        *,
        cause: str | None = None,
        persistent: Domain | None = KEEP,
    ) -> None:
        """Change what was asked: the definition, autostart, labels, or the marks of removals.

        :param fields: what changes, from the record as it is when its turn comes.
        """
        async with self._lock:
            record = self.record.model_copy(update=fields(self.record))
            events = []
            for draft in drafts:
                event = self._event(record, draft, Observation(domain=record.uuid, cause=cause), cause, False)
                events.append(event)
                record = record.model_copy(update={"generation": event.generation})
            await uninterrupted(self._write(record, events, persistent=persistent))

    async def _write(self, record: DomainRecord, events: list[Event], *, persistent: Any = KEEP, live: Any = KEEP
                     ) -> None:  # fmt: skip
        """Definition first, then the record, whose write commits both and carries the events."""
        self._post.check()
        writing: Coroutine[Any, Any, Any] | None = None
        updates: dict[str, Any] = {
            "outbox": [*self._unpublished(), *events],
            "epoch": self._post.epoch,
            "changed": now(),
        }
        if persistent is not KEEP or live is not KEEP:
            before = await self.definition()
            updates["definition"] = max(record.generation, self.record.definition + 1)
            writing = self._post.definitions.write(
                record.uuid,
                updates["definition"],
                persistent=before.persistent if persistent is KEEP else persistent,
                live=before.live if live is KEEP else live,
            )
            if persistent is not KEEP:
                await writing
                writing = None
        record = record.model_copy(update=updates)
        committing = self._post.bus.domains.update(self.key, record, self.revision)
        if writing is None:
            self.revision = await committing
        else:
            # What is live can be asked of the hypervisor again, so these two need not wait for each other.
            _, self.revision = await asyncio.gather(writing, committing)
        self.record = record
        if not self._publishing and self._unpublished():
            self._publishing = True
            self._post.spawn(self._publish())
        self.settle_left()

    def _unpublished(self) -> list[Event]:
        return [event for event in self.record.outbox if event.generation > self._published]

    async def _publish(self) -> None:
        """Publish what is in the outbox, in order; when it has been quiet for a while, write that it is empty."""
        while True:
            while left := self._unpublished():
                await self._post.bus.events.publish(left[0])
                PUBLISHED.labels(left[0].kind).inc()
                self._published = left[0].generation
            self._publishing = False
            await asyncio.sleep(QUIET)
            if self._publishing:
                return
            if not self._unpublished():
                break
            self._publishing = True
        async with self._lock:
            if self.record.outbox and not self._unpublished():
                await self._write(self.record, [])

    async def publish_left(self) -> None:
        """After taking the host: publish what a predecessor left in the outbox and may not have published."""
        if not self.record.outbox:
            return
        self._published = await self._post.bus.events.last_generation(self.record.host, self.record.uuid)
        while left := self._unpublished():
            await self._post.bus.events.publish(left[0])
            self._published = left[0].generation

    async def _settle(self, mark: PendingRemoval) -> None:
        """A removal is settled: end the jobs that waited for it, then forget the mark."""
        await self._post.settled(self, mark)
        async with self._lock:
            left = [other for other in self.record.pending if other.alias != mark.alias]
            await self._write(self.record.model_copy(update={"pending": left}), [])
        self._settling.discard(mark.alias)

    def settle_left(self) -> None:
        """End the jobs of every removal that is settled, also of those that a predecessor left."""
        for mark in self.record.pending:
            if mark.outcome is not None and mark.alias not in self._settling:
                self._settling.add(mark.alias)
                self._post.spawn(self._settle(mark))


async def uninterrupted(writing: Coroutine[Any, Any, None]) -> None:
    """Await a write to its end also where the waiting is cut short: half a write would be worse than a late one."""
    task = asyncio.ensure_future(writing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=WRITE_LIMIT)
        task.cancel()
        raise
