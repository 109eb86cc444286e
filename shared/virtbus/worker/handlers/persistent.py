"""Changing the persistent definition: first, where both are meant, and taken back where the live change is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from virtbus.domain import Domain, check, complete
from virtbus.errors import NoDevice, Unavailable, VirtbusError
from virtbus.worker.handlers.case import Case
from virtbus.worker.size import recorded


async def persistent(case: Case) -> Domain:
    """The persistent definition; not to be changed in place.

    :raises NoDevice: the domain has none.
    """
    found = (await case.desk.definition()).persistent
    if found is None:
        raise NoDevice(
            "the domain has no persistent definition", host=case.desk.record.host, domain=case.desk.record.uuid
        )
    return found


async def commit(case: Case, changed: Domain) -> None:
    """Check a changed definition, complete it, and write it; what is refused changes nothing.

    :raises XmlDetail, ConfigUnsupported: it contradicts itself, or the hypervisor cannot do it.
    """
    complete(changed)
    check(changed)
    completed = case.driver.complete(changed, await persistent(case))
    await case.work.before_effect()
    await _write(case, completed)


@asynccontextmanager
async def committed(case: Case, changed: Domain | None) -> AsyncIterator[None]:
    """Write a changed definition before the live change is tried, and take it back if that is refused.

    :param changed: None where only the live definition is meant, or an earlier attempt has written it.
    """
    before = None if changed is None else await persistent(case)
    if changed is not None:
        await commit(case, changed)
    try:
        yield
    except Unavailable:
        # Not refused: whoever takes the job up finds it half done and goes on.
        raise
    except VirtbusError:
        if before is not None:
            # Also where the job's time is over: what was not done is not left half asked for.
            await _write(case, before)
        raise


async def _write(case: Case, definition: Domain) -> None:
    kept = await case.driver.define(definition, await persistent(case), case.work)
    size = {} if case.desk.record.state.active else recorded(kept)
    await case.desk.change(lambda _: size | {"last_job": case.work.job}, persistent=kept)
