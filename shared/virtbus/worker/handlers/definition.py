"""The persistent definition: what was asked of a domain, kept by the runtime."""

from __future__ import annotations

from typing import Any, cast

from virtbus.domain import Domain, check, complete
from virtbus.errors import XmlError
from virtbus.operations.declaration import Empty
from virtbus.operations.domain import DefineDomain, DomainStatus, SetAutostart, SetLabels, UndefineDomain
from virtbus.state import DomainState
from virtbus.worker.handlers.case import Case, Handler
from virtbus.worker.size import recorded
from virtbus.worker.transitions import lifecycle


def read(xml: str, case: Case) -> Domain:
    """A document as a domain of this desk.

    :raises XmlError: it is not one, or it has another UUID than the one it was accepted for.
    """
    domain = Domain.parse(xml)
    if domain.uuid is None:
        domain.uuid = case.desk.record.uuid
    if domain.uuid != case.desk.record.uuid:
        raise XmlError(
            f"the document's uuid {domain.uuid} is not {case.desk.record.uuid}, for which it was accepted",
            host=case.desk.record.host,
            domain=case.desk.record.uuid,
        )
    complete(domain, renew=True)
    check(domain)
    return domain


async def define(case: Case) -> DomainStatus:
    """Define a domain, or redefine it; an active one runs on unchanged."""
    if case.repeated:
        return case.status()
    domain = read(cast(DefineDomain, case.operation).xml, case)
    existed = case.desk.exists
    case.claim_name(domain.name)
    try:
        if existed and domain.name != case.desk.record.name and case.desk.record.state.active:
            raise case.wrong_state("an active domain cannot be renamed", "shut it down first")
        previous = (await case.desk.definition()).persistent if existed else None
        definition = case.driver.complete(domain, previous)
        case.work.check()
        await case.work.before_effect()
        definition = await case.driver.define(definition, previous, case.work)
        fields: dict[str, Any] = {
            "name": definition.name,
            "persistent": True,
            "deleted": False,
            "labels": definition.labels,
            "last_job": case.work.job,
        }
        if not existed:
            fields |= {"state": DomainState.SHUTOFF, "reason": "unknown", "autostart": False, "pending": []}
        if not case.desk.record.state.active:
            fields |= recorded(definition)
        await case.desk.change(
            lambda _: fields,
            (lifecycle("defined", "updated" if existed and case.desk.record.persistent else "added"),),
            cause=case.work.job,
            persistent=definition,
        )
    finally:
        case.names.release(case.desk.record.uuid)
    return case.status()


async def undefine(case: Case) -> Empty:
    """Forget a domain's definition; an active domain becomes transient."""
    operation = cast(UndefineDomain, case.operation)
    if case.repeated:
        return Empty()
    case.require_domain()
    if not case.desk.record.persistent:
        raise case.wrong_state("a transient domain cannot be undefined", "destroy it, and it is gone")
    definition = (await case.desk.definition()).persistent
    await case.work.before_effect()
    if definition is not None:
        await case.driver.undefined(definition, case.work, nvram=operation.nvram, keep_nvram=operation.keep_nvram)
    await case.desk.change(
        lambda record: {
            "persistent": False,
            "autostart": False,
            "deleted": not record.state.active,
            "last_job": case.work.job,
        },
        (lifecycle("undefined", "removed"),),
        cause=case.work.job,
        persistent=None,
    )
    case.names.release(case.desk.record.uuid)
    return Empty()


async def autostart(case: Case) -> Empty:
    """Remember whether the domain is started at its host's boot."""
    case.require_domain()
    if not case.desk.record.persistent:
        raise case.wrong_state("a transient domain cannot be started at boot", "define it first")
    enabled = cast(SetAutostart, case.operation).enabled
    await case.work.before_effect()
    await case.desk.change(lambda _: {"autostart": enabled, "last_job": case.work.job})
    return Empty()


async def labels(case: Case) -> Empty:
    """Replace the labels in the definition's metadata."""
    if case.repeated:
        return Empty()
    case.require_domain()
    wanted = cast(SetLabels, case.operation).labels
    definition = (await case.desk.definition()).persistent
    if definition is None:
        raise case.wrong_state("a transient domain has no definition to label", "define it first")
    changed = definition.copy()
    changed.set_labels(wanted)
    await case.work.before_effect()
    changed = await case.driver.define(changed, definition, case.work)
    await case.desk.change(lambda _: {"labels": wanted, "last_job": case.work.job}, persistent=changed)
    return Empty()


HANDLERS: dict[str, Handler] = {
    "domain.define": define,
    "domain.undefine": undefine,
    "domain.autostart": autostart,
    "domain.labels": labels,
}
