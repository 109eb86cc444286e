"""Who may act on a host: its record names the owning session, changed by compare-and-set."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from virtbus.bus.bucket import Bucket, Stale, Stored
from virtbus.bus.codec import DecodeError
from virtbus.bus.sessions import Sessions
from virtbus.errors import HostTaken
from virtbus.records import HostRecord, Owner, now

log = logging.getLogger(__name__)


NOBODY = "nobody.0"
"""The session of a host that its owner has let go of: never a living one."""


@dataclass(frozen=True)
class Ownership:
    """A host taken: its record as it was written, and the epoch that record writes carry."""

    record: HostRecord
    revision: int
    epoch: int
    previous: HostRecord | None
    """The record before, which knows the boot last served."""


async def take(
    hosts: Bucket[HostRecord],
    sessions: Sessions,
    wanted: HostRecord,
    session: str,
    *,
    fenced: bool,
    force: bool = False,
) -> Ownership | None:
    """Take a host, if nobody else may act on it.

    :param wanted: the host's record as this worker would write it.
    :param fenced: this process holds the lock of the host's machine, so a predecessor there cannot act any more.
    :param force: take the name over from another machine.
    :returns: None while another living session owns it: try again later.
    :raises HostTaken: the name belongs to another machine, on which the same disks would run twice.
    """
    try:
        stored = await hosts.get(wanted.name)
    except DecodeError as error:
        # Nobody can be told from it: it is replaced.
        log.error("the record of host %s cannot be read and is written anew: %s", wanted.name, error)
        stored = Stored(wanted.name, wanted, int(error.evidence["revision"]), now())
    if stored is not None:
        _refuse_other_machine(stored, wanted, force)
        owner = stored.record.owner
        if owner is not None and owner.session != session and not fenced and await sessions.alive(owner.session):
            return None
    previous = None if stored is None else stored.record
    epoch = 1 if previous is None or previous.owner is None else previous.owner.epoch + 1
    record = wanted.model_copy(update={"owner": Owner(session=session, epoch=epoch)})
    if previous is not None:
        record = record.model_copy(update={"boot": previous.boot, **(previous.model_extra or {})})
    try:
        revision = await hosts.update(wanted.name, record, 0 if stored is None else stored.revision)
    except Stale:
        return None
    return Ownership(record, revision, epoch, previous)


async def served_by_another(hosts: Bucket[HostRecord], sessions: Sessions, host: str, session: str) -> bool:
    """Whether another living session owns a host."""
    try:
        stored = await hosts.get(host)
    except DecodeError:
        return False
    owner = None if stored is None else stored.record.owner
    return owner is not None and owner.session not in (session, NOBODY) and await sessions.alive(owner.session)


async def hand_over(hosts: Bucket[HostRecord], host: str, session: str) -> None:
    """Let go of a host that this session owns, and does nothing on any more, so that another need not wait."""
    stored = await hosts.get(host)
    owner = None if stored is None else stored.record.owner
    if stored is None or owner is None or owner.session != session:
        return
    record = stored.record.model_copy(update={"owner": Owner(session=NOBODY, epoch=owner.epoch)})
    try:
        await hosts.update(host, record, stored.revision)
    except Stale:
        # Another worker has taken it meanwhile, which is what was wanted.
        return


def _refuse_other_machine(stored: Stored[HostRecord], wanted: HostRecord, force: bool) -> None:
    machine = stored.record.machine
    if machine and machine != wanted.machine and not force:
        raise HostTaken(
            f"the name belongs to another machine ({machine}; this one is {wanted.machine})",
            host=wanted.name,
            hint="give this host another name; or, if the other machine is gone for good, start with --take-over-host",
            evidence={"machine": machine, "this": wanted.machine},
        )
