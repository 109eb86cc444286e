"""Starting, stopping and pausing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from pydantic import BaseModel

from virtbus.driver import Lifecycle, Target
from virtbus.errors import Overtaken, Unavailable
from virtbus.operations.domain import CreateDomain, DestroyDomain, DomainStatus, StartDomain
from virtbus.state import DomainState
from virtbus.worker.handlers.case import Case, Handler
from virtbus.worker.handlers.definition import read
from virtbus.worker.size import recorded
from virtbus.worker.work import JobWork

Verb = Callable[[Lifecycle, Target, JobWork], Awaitable[None]]


async def start(case: Case) -> DomainStatus:
    """Start a defined domain."""
    operation = cast(StartDomain, case.operation)
    driver = case.facet(Lifecycle)
    if _was_done(case):
        return case.status()
    case.require_domain()
    if case.desk.record.state.active and case.work.begun is None:
        raise case.wrong_state("the domain is already running", "nothing needs to be done")
    target = await case.desk.target()
    if target.persistent is None:
        raise case.wrong_state("the domain has no persistent definition", "define it first")
    await driver.start(target, target.persistent, case.work, paused=operation.paused)
    await case.desk.recorded()
    return case.status()


async def create(case: Case) -> DomainStatus:
    """Start a transient domain."""
    operation = cast(CreateDomain, case.operation)
    driver = case.facet(Lifecycle)
    domain = read(operation.xml, case)
    if _was_done(case):
        return case.status()
    if case.work.begun is None:
        if case.desk.exists and case.desk.record.state.active:
            raise case.wrong_state("the domain is already running", "nothing needs to be done")
        case.claim_name(domain.name)
    definition = case.driver.complete(domain, None)
    if not case.desk.exists:
        # The record comes first, without an event, so that what is observed has a place; it vanishes with the domain.
        fields = {"name": definition.name, "persistent": False, "deleted": False, "state": DomainState.SHUTOFF}
        await case.desk.change(lambda _: fields | recorded(definition), persistent=None)
    try:
        await driver.start(await case.desk.target(), definition, case.work, paused=operation.paused)
        await case.desk.recorded()
    finally:
        with suppress(Unavailable):
            await case.desk.recorded()
        if not case.desk.record.state.active and not case.desk.record.persistent:
            await case.desk.change(lambda _: {"deleted": True})
        case.names.release(case.desk.record.uuid)
    return case.status()


def _was_done(case: Case) -> bool:
    """Whether an earlier attempt started it, and that run has ended since: it is not started a second time."""
    record = case.desk.record
    begun = case.work.begun
    return begun is not None and not record.state.active and begun.get("run") != record.incarnation


async def destroy(case: Case) -> DomainStatus:
    """End a domain at once, whatever else is being done to it."""
    operation = cast(DestroyDomain, case.operation)
    driver = case.facet(Lifecycle)
    incarnation = case.desk.record.incarnation
    if case.work.begun is not None and (case.work.begun.get("run") != incarnation or not case.desk.record.state.active):
        # The run that it was to end has ended, and a transient domain with it.
        return case.status()
    case.require_domain()
    if not case.desk.record.state.active and case.lane.running is not case.work:
        reason = Overtaken(f"{operation.name} went past it", hint="start the domain again if it should run")
        if await case.lane.stopped(reason) and not case.desk.record.state.active:
            return case.status()
    case.require_active()
    await driver.destroy(await case.desk.target(), case.work)
    await case.desk.recorded()
    return case.status()


def _verb(call: Verb, *, needs: frozenset[DomainState], already: str, done: frozenset[DomainState] = frozenset()
          ) -> Handler:  # fmt: skip
    """A handler that has a driver do one thing to an active domain.

    :param needs: the states in which it can be done.
    :param done: the states that show, on a repeated attempt, that it was done.
    """

    async def handler(case: Case) -> BaseModel:
        driver = case.facet(Lifecycle)
        record = case.desk.record
        begun = case.work.begun
        if begun is not None and (
            record.state in done or not record.state.active or begun.get("run") != record.incarnation
        ):
            # It was done, and a transient domain may be gone by it.
            return case.status()
        case.require_active()
        if record.state not in needs:
            raise case.wrong_state(already, f"the domain is {record.state} ({record.reason})")
        await call(driver, await case.desk.target(), case.work)
        await case.desk.recorded()
        return case.status()

    return handler


_ACTIVE = frozenset(state for state in DomainState if state.active)
_RUNNING = frozenset({DomainState.RUNNING, DomainState.BLOCKED})

HANDLERS: dict[str, Handler] = {
    "domain.start": start,
    "domain.create": create,
    "domain.destroy": destroy,
    "domain.shutdown": _verb(
        lambda driver, target, work: driver.shutdown(target, work),
        needs=_ACTIVE,
        already="the domain cannot be shut down",
    ),
    "domain.reboot": _verb(
        lambda driver, target, work: driver.reboot(target, work),
        needs=_ACTIVE,
        already="the domain cannot be rebooted",
    ),
    "domain.reset": _verb(
        lambda driver, target, work: driver.reset(target, work),
        needs=_ACTIVE,
        already="the domain cannot be reset",
    ),
    "domain.suspend": _verb(
        lambda driver, target, work: driver.suspend(target, work),
        needs=_RUNNING,
        already="the domain is not running",
        done=frozenset({DomainState.PAUSED}),
    ),
    "domain.resume": _verb(
        lambda driver, target, work: driver.resume(target, work),
        needs=frozenset({DomainState.PAUSED, DomainState.PMSUSPENDED}),
        already="the domain is not paused",
        done=_RUNNING,
    ),
}
