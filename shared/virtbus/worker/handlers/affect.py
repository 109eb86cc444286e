"""Which definition a change is for (virDomainModificationImpact), by libvirt's rules."""

from __future__ import annotations

from virtbus.operations.fields import Affect
from virtbus.worker.handlers.case import Case


def affected(case: Case, affect: Affect) -> tuple[bool, bool]:
    """Whether the persistent and whether the live definition are meant.

    :raises NoDomain, WrongState: the domain has no such definition.
    """
    case.require_domain()
    record = case.desk.record
    active = record.state.active
    if affect is Affect.CURRENT:
        return (False, True) if active else (True, False)
    config, live = affect in (Affect.CONFIG, Affect.BOTH), affect in (Affect.LIVE, Affect.BOTH)
    if live and not active:
        raise case.wrong_state("the domain is not running", "start it, or change only its persistent definition")
    if config and not record.persistent:
        raise case.wrong_state("a transient domain has no persistent definition", "change only the live one")
    return config, live
