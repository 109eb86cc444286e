"""Copies and moves that the hypervisor makes by itself."""

from __future__ import annotations

from typing import cast

from virtbus.driver import Copying
from virtbus.errors import InvalidArgument
from virtbus.operations.copying import Clone, CloneDomain, RelocateDomain
from virtbus.operations.declaration import Empty
from virtbus.worker.handlers.case import Case, Handler


async def clone(case: Case) -> Clone:
    """Copy a domain under another name."""
    operation = cast(CloneDomain, case.operation)
    driver = case.facet(Copying)
    case.require_domain()
    if case.work.begun is None:
        case.claim_name(operation.copy_name)
    try:
        made = await driver.clone(await case.desk.target(), operation.copy_name, case.work)
    finally:
        case.names.release(case.desk.record.uuid)
    await case.desk.recorded()
    return made


async def relocate(case: Case) -> Empty:
    """Move a domain to another host or pool."""
    operation = cast(RelocateDomain, case.operation)
    driver = case.facet(Copying)
    if operation.destination is None and operation.pool is None:
        raise InvalidArgument(
            "neither a host nor a pool is named that the domain shall go to",
            host=case.desk.record.host, domain=case.desk.record.uuid,
        )  # fmt: skip
    if case.work.begun is not None and not case.desk.exists:
        return Empty()
    case.require_domain()
    await driver.relocate(await case.desk.target(), operation.destination, operation.pool, case.work)
    await case.desk.recorded()
    return Empty()


HANDLERS: dict[str, Handler] = {"domain.clone": clone, "domain.relocate": relocate}
