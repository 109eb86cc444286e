"""A running domain into a file of its host, and out of it."""

from __future__ import annotations

from typing import cast

from virtbus.driver import Saving
from virtbus.operations.domain import DomainStatus
from virtbus.operations.saving import RestoreDomain, SaveDomain
from virtbus.worker.handlers.case import Case, Handler


async def save(case: Case) -> DomainStatus:
    """Write a running domain to a file and end it."""
    operation = cast(SaveDomain, case.operation)
    driver = case.facet(Saving)
    begun = case.work.begun
    if begun is not None and (not case.desk.record.state.active or begun.get("run") != case.desk.record.incarnation):
        return case.status()
    case.require_active()
    await driver.save(await case.desk.target(), operation.file, case.work)
    await case.desk.recorded()
    return case.status()


async def restore(case: Case) -> DomainStatus:
    """Let a domain run on from a file."""
    operation = cast(RestoreDomain, case.operation)
    driver = case.facet(Saving)
    case.require_domain()
    if case.desk.record.state.active:
        if case.work.begun is not None:
            return case.status()
        raise case.wrong_state("the domain is already running", "destroy it first, or restore another domain")
    target = await case.desk.target()
    if target.persistent is None:
        raise case.wrong_state("the domain has no persistent definition", "define it first")
    await driver.restore(target, target.persistent, operation.file, case.work, paused=operation.paused)
    await case.desk.recorded()
    return case.status()


HANDLERS: dict[str, Handler] = {"domain.save": save, "domain.restore": restore}
