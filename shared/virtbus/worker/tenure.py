"""One ownership of a host: reconcile, then carry out jobs, answer queries and record what is observed, until it ends.

Whatever goes wrong beyond one job ends the tenure, and the host is taken anew: there is one path back to order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from virtbus.bus.bucket import Synced
from virtbus.bus.connection import Bus
from virtbus.bus.ownership import Ownership
from virtbus.bus.queue import Delivery
from virtbus.bus.sessions import Session
from virtbus.domain import Domain
from virtbus.driver import Driver, HostFacts, HostSettings, Known
from virtbus.errors import Cancelled, Unavailable, XmlError
from virtbus.eventkinds import EventKind
from virtbus.observations import Observation, Observed
from virtbus.operations import OPERATIONS
from virtbus.records import DomainRecord, Event, JobRecord, JobState
from virtbus.worker.autostart import autostart_jobs
from virtbus.worker.definitions import Definitions
from virtbus.worker.desk import Desk, Post
from virtbus.worker.executor import Executor
from virtbus.worker.lane import Lane
from virtbus.worker.queries import answers
from virtbus.worker.reconcile import definition_differences, differences
from virtbus.worker.removal import Waiters

log = logging.getLogger(__name__)

CONNECT_LIMIT = 30.0
"""Seconds that a driver is given to reach its hypervisor and to take the inventory."""
SWEEP_EVERY = 5.0
"""Seconds after which an accepted job that has not come is published again."""
RECONCILE_EVERY = 300.0
"""Seconds between comparisons while nothing seems wrong."""


@dataclass(frozen=True)
class HostPlan:
    """A host that a worker is to serve."""

    settings: HostSettings
    driver: type[Driver]
    take_over: bool = False
    """Take the name over from another machine."""


class HostLost(Unavailable):
    """This process may not act on the host any more."""


class Tenure:
    """One ownership of a host, from taking it to losing it."""

    def __init__(self, bus: Bus, session: Session, plan: HostPlan, *, fenced: bool) -> None:
        self.bus = bus
        self.session = session
        self.host = plan.settings.name
        self.fenced = fenced
        self.driver = plan.driver(plan.settings, self._observe)
        self.waiters = Waiters()
        self.desks: dict[UUID, Desk] = {}
        self.lanes: dict[UUID | None, Lane] = {}
        self._claims: dict[UUID, str] = {}
        self._in_hand: dict[str, Delivery] = {}
        self._early: list[Observation] | None = []
        self._group: asyncio.TaskGroup | None = None
        self.executor: Executor
        self._post: Post

    # ---- what desks, lanes and handlers are given ----

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the host is owned; its failure ends the tenure."""
        assert self._group is not None
        try:
            self._group.create_task(work)
        except RuntimeError:
            # The tenure is ending: the next one finds what this would have told.
            work.close()

    def check(self) -> None:
        """:raises HostLost: this process may not act any more."""
        if not self.session.valid:
            raise HostLost("the session is about to run out: another worker may act", host=self.host)

    def claim(self, name: str, domain: UUID) -> UUID | None:
        """See handlers.case.Names."""
        for other, desk in self.desks.items():
            if other != domain and desk.exists and desk.record.name == name:
                return other
        for other, claimed in self._claims.items():
            if other != domain and claimed == name:
                return other
        self._claims[domain] = name
        return None

    def release(self, domain: UUID) -> None:
        """See handlers.case.Names."""
        self._claims.pop(domain, None)

    def desk(self, domain: UUID) -> Desk:
        """The desk of a domain; a new one has no record yet."""
        desk = self.desks.get(domain)
        if desk is None:
            record = DomainRecord(
                host=self.host, uuid=domain, name="", family=self.driver.family, persistent=False, deleted=True
            )
            desk = self.desks[domain] = Desk(self._post, record, 0)
        return desk

    def _observe(self, observation: Observation) -> None:
        if self._early is not None:
            self._early.append(observation)
        else:
            self.desk(observation.domain).tell(observation)

    def _cause(self, domain: UUID) -> str | None:
        lane = self.lanes.get(domain)
        return None if lane is None else lane.cause

    # ---- the course of a tenure ----

    async def serve(self, ownership: Ownership, facts: HostFacts, ready: Callable[[], None]) -> None:
        """Reconcile, then carry out jobs until the host is lost or the task is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._prepare(ownership)
            await self._load()
            group.create_task(self._watch())
            await self._reconcile()
            await self.bus.queue.open(self.host)
            service = await self.bus.queries.serve(self.host, answers(self, facts), self._start_answer)
            try:
                await self._tell_host("taken", ownership.epoch)
                group.create_task(self._autostart(ownership, facts))
                group.create_task(self._compare_now_and_then())
                group.create_task(self._sweep())
                ready()
                await self._deliver()
            finally:
                with contextlib.suppress(Exception):
                    await service.stop()

    def _prepare(self, ownership: Ownership) -> None:
        definitions = Definitions(self.bus.definitions, self.host)
        self.executor = Executor(
            bus=self.bus, driver=self.driver, names=self, waiters=self.waiters, spawn=self.spawn, check=self.check,
            skew=self.session.skew,
        )  # fmt: skip
        self._post = Post(
            bus=self.bus, host=self.host, family=self.driver.family, epoch=ownership.epoch, definitions=definitions,
            spawn=self.spawn, check=self.check, settled=self.executor.settle, cause=self._cause,
        )  # fmt: skip

    async def _load(self) -> None:
        reader = self.bus.subjects.consumer(self.host)
        for stored in await self.bus.domains.everything(f"{self.host}.>", reader=reader):
            desk = Desk(self._post, stored.record, stored.revision)
            self.desks[stored.record.uuid] = desk
            await desk.publish_left()
            await self._drop_uncommitted(desk)

    async def _drop_uncommitted(self, desk: Desk) -> None:
        """A definition that is ahead of its record was never committed: the job that wrote it comes again."""
        if desk.record.deleted:
            return
        definition = await desk.definition()
        if definition.record.generation > desk.record.definition:
            await self._post.definitions.restore(desk.record.uuid, desk.record.definition)

    async def _watch(self) -> None:
        await self.driver.watch()
        raise Unavailable("the hypervisor cannot be watched any more", host=self.host)

    async def _inventory(self) -> dict[UUID, Observed]:
        known = {
            uuid: Known(
                incarnation=desk.record.incarnation,
                position=desk.record.position,
                active=desk.exists and desk.record.state.active,
                pending=tuple(mark.alias for mark in desk.record.pending),
            )
            for uuid, desk in self.desks.items()
        }
        async with asyncio.timeout(CONNECT_LIMIT):
            return {found.domain: found for found in await self.driver.inventory(known)}

    async def _reconcile(self) -> None:
        inventory = await self._inventory()
        for found in inventory.values():
            await self._adopt(found)
        for uuid, desk in list(self.desks.items()):
            await self._compare(desk, inventory.get(uuid))
        early, self._early = self._early or [], None
        for observation in early:
            self._observe(observation)
        for desk in list(self.desks.values()):
            await desk.recorded()
            if desk.exists and not desk.record.persistent and not desk.record.state.active:
                # What was left of a transient domain whose start never came true.
                await desk.change(lambda _: {"deleted": True})
            desk.settle_left()
            await self.executor.resume_waiting(desk)

    async def _adopt(self, found: Observed) -> None:
        """A domain that the record does not know gets one."""
        if not found.state.active and found.persistent is None:
            return
        desk = self.desk(found.domain)
        if desk.exists:
            return
        persistent = found.persistent
        await desk.change(
            lambda _: {"name": found.name, "persistent": persistent is not None, "deleted": False, "pending": []},
            persistent=persistent,
        )

    async def _compare(self, desk: Desk, found: Observed | None) -> None:
        if not desk.exists:
            return
        if found is not None:
            for missed in found.missed:
                desk.tell(missed, reconciled=True)
            await desk.recorded()
        stored = await self._stored_live(desk)
        for observation in differences(desk.record, stored, found):
            desk.tell(observation, reconciled=True)
        if self.driver.keeps_definitions:
            for observation in definition_differences(desk.record, found):
                desk.tell(observation, reconciled=True)
        await desk.recorded()

    async def _stored_live(self, desk: Desk) -> Domain | None:
        """The live definition as it was recorded; None where there is none, or it makes no sense any more."""
        if not desk.record.state.active:
            return None
        try:
            definition = await desk.definition()
            # One behind its record was not written any more: what was live then is not known.
            return None if definition.record.generation < desk.record.definition else definition.live
        except XmlError as error:
            log.error("%s", error.at(self.host, desk.record.uuid))
            return None

    async def _deliver(self) -> None:
        """Hand every job to its domain's lane, for ever."""
        async for delivery in self.bus.queue.deliveries(self.host):
            if not self.session.valid:
                # This process was frozen, and has taken what is its successor's.
                await self.bus.queue.give_back(delivery)
                self.check()
            self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        """Hand a job to its domain's lane; one that is in hand already has only got another message."""
        known = self._in_hand.get(delivery.job)
        if known is not None:
            known.entry = delivery.entry
            return
        self._in_hand[delivery.job] = delivery
        lane = self.lanes.get(delivery.domain)
        if lane is None:
            lane = self.lanes[delivery.domain] = Lane(self._carry_out, self.spawn)
        declared = OPERATIONS.get(delivery.operation)
        lane.take(delivery, overtakes=declared is not None and declared.overtakes)

    async def _sweep(self) -> None:
        """Watch the host's job records: publish again what was accepted and has no message, since its publisher died
        in between; and give up what somebody asked to be cancelled."""
        loop = asyncio.get_running_loop()
        accepted: dict[str, tuple[JobRecord, float]] = {}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish_again(accepted))
            async for change in self.bus.jobs.watch(f"{self.host}.>", reader=self.bus.subjects.consumer(self.host)):
                if isinstance(change, Synced) or change.record is None:
                    continue
                job = change.record
                if job.state is JobState.ACCEPTED and not job.attempts:
                    accepted[job.id] = (job, loop.time())
                else:
                    accepted.pop(job.id, None)
                if job.cancel_requested and not job.state.ended:
                    self.cancel(job.id, job.cancel_requested)

    async def _publish_again(self, accepted: dict[str, tuple[JobRecord, float]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            for job, since in list(accepted.values()):
                if loop.time() - since > SWEEP_EVERY and job.id not in self._in_hand:
                    await self.bus.queue.republish(job)
                    accepted[job.id] = (job, loop.time())

    async def _carry_out(self, lane: Lane, delivery: Delivery, overtaking: bool) -> None:
        desk = None if delivery.domain is None else self.desk(delivery.domain)
        try:
            await self.executor.run(desk, lane, delivery, overtaking)
        finally:
            self._in_hand.pop(delivery.job, None)
        if desk is not None and not desk.exists and desk.revision == 0 and not self._has_work(desk.record.uuid):
            self.desks.pop(desk.record.uuid, None)

    @property
    def idle(self) -> bool:
        """Whether no job is in hand."""
        return not self._in_hand

    def _has_work(self, domain: UUID) -> bool:
        """Whether a job of the domain is in hand: it may be about to write the domain's first record."""
        return any(delivery.domain == domain for delivery in self._in_hand.values())

    def _start_answer(self, answer: Awaitable[None]) -> None:
        async def run() -> None:
            await answer

        self.spawn(run())

    async def _tell_host(self, event: str, epoch: int) -> None:
        detail = {"event": event, "session": self.session.record.id, "epoch": epoch}
        told = Event(
            kind=EventKind.HOST, host=self.host, family=self.driver.family, subject=f"{event}:{epoch}", detail=detail
        )
        await self.bus.events.publish(told)

    async def _autostart(self, ownership: Ownership, facts: HostFacts) -> None:
        """Once per boot of the host: start what is to be started, then remember the boot."""
        if ownership.record.boot == facts.boot:
            return
        for job in autostart_jobs(self.host, facts.boot, [desk.record for desk in self.desks.values()]):
            await self.bus.queue.accept(job)
        record = ownership.record.model_copy(update={"boot": facts.boot})
        await self.bus.hosts.update(self.host, record, ownership.revision)

    async def _compare_now_and_then(self) -> None:
        """What no observation told is found by looking; domains that are being worked on are left for the next time."""
        while True:
            await asyncio.sleep(RECONCILE_EVERY)
            before = {uuid: desk.revision for uuid, desk in self.desks.items()}
            inventory = await self._inventory()
            for found in inventory.values():
                lane = self.lanes.get(found.domain)
                if found.domain not in before and (lane is None or lane.idle):
                    await self._adopt(found)
            for uuid, desk in list(self.desks.items()):
                lane = self.lanes.get(uuid)
                if desk.revision == before.get(uuid) and (lane is None or lane.idle):
                    await self._compare(desk, inventory.get(uuid))

    def cancel(self, job: str, principal: str) -> bool:
        """Have a running or waiting job give up; says whether it is in hand here."""
        for lane in self.lanes.values():
            if lane.running is not None and lane.running.job == job:
                lane.running.give_up(Cancelled(f"cancelled by {principal}"))
                return True
        waiting = self.waiters.jobs.get(job)
        if waiting is not None:
            waiting.give_up(Cancelled(f"cancelled by {principal}"))
        return waiting is not None
