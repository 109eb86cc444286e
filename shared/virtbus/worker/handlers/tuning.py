"""A domain's size, live and in its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from virtbus.domain import Domain
from virtbus.driver import Tuning
from virtbus.errors import InvalidArgument
from virtbus.operations.tuning import SetMemory, SetVcpus, Size
from virtbus.worker.handlers.affect import affected
from virtbus.worker.handlers.case import Case, Handler
from virtbus.worker.handlers.persistent import committed, persistent
from virtbus.worker.size import most_memory, most_vcpus
from virtbus.worker.size import set_memory as put_memory
from virtbus.worker.size import set_vcpus as put_vcpus


async def set_vcpus(case: Case) -> Size:
    """Set the number of virtual CPUs."""
    operation = cast(SetVcpus, case.operation)
    config, live = affected(case, operation.affect)
    for domain in await _definitions(case, config, live):
        if operation.count > most_vcpus(domain):
            raise InvalidArgument(
                f"{operation.count} virtual CPUs are more than the domain's maximum of {most_vcpus(domain)}",
                host=case.desk.record.host, domain=case.desk.record.uuid,
                hint="redefine the domain with a larger <vcpu>",
            )  # fmt: skip
    driver = case.facet(Tuning) if live else None
    changed = await _changed(case, config, lambda domain: put_vcpus(domain, operation.count))
    async with committed(case, changed):
        if driver is not None:
            await driver.set_vcpus(await case.desk.target(), operation.count, case.work)
    await case.desk.recorded()
    return Size(vcpus=operation.count, memory=case.desk.record.memory)


async def set_memory(case: Case) -> Size:
    """Set the memory that the guest may use."""
    operation = cast(SetMemory, case.operation)
    config, live = affected(case, operation.affect)
    for domain in await _definitions(case, config, live):
        if operation.size > most_memory(domain):
            raise InvalidArgument(
                f"{operation.size} KiB are more than the domain's maximum of {most_memory(domain)} KiB",
                host=case.desk.record.host, domain=case.desk.record.uuid,
                hint="redefine the domain with a larger <memory>, or attach a memory device",
            )  # fmt: skip
    driver = case.facet(Tuning) if live else None
    changed = await _changed(case, config, lambda domain: put_memory(domain, operation.size))
    async with committed(case, changed):
        if driver is not None:
            await driver.set_memory(await case.desk.target(), operation.size, case.work)
    await case.desk.recorded()
    return Size(vcpus=case.desk.record.vcpus, memory=operation.size)


async def _changed(case: Case, config: bool, change: Callable[[Domain], None]) -> Domain | None:
    """The definition as it shall be; None where it stays, or an earlier attempt has written it."""
    if not config or case.repeated:
        return None
    changed = (await persistent(case)).copy()
    change(changed)
    return changed


async def _definitions(case: Case, config: bool, live: bool) -> list[Domain]:
    definition = await case.desk.definition()
    chosen = [definition.persistent if config else None, definition.live if live else None]
    return [domain for domain in chosen if domain is not None]


HANDLERS: dict[str, Handler] = {"domain.set-vcpus": set_vcpus, "domain.set-memory": set_memory}
