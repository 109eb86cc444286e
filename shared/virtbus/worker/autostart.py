"""Starting what is to be started, once per boot of the host."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5

from virtbus.operations.domain import StartDomain
from virtbus.records import DomainRecord, JobRecord

PRINCIPAL = "virtbus:autostart"
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:virtbus:autostart")


def autostart_jobs(host: str, boot: str, records: Iterable[DomainRecord]) -> list[JobRecord]:
    """A start job for each domain that is to run; the same boot gives the same jobs, so none is done twice."""
    return [
        JobRecord(
            id=str(uuid5(_NAMESPACE, f"{host}/{boot}/{record.uuid}")),
            operation=StartDomain.name,
            version=StartDomain.version,
            host=host,
            domain=record.uuid,
            project=record.project,
            arguments={"paused": False},
            principal=PRINCIPAL,
            digest=boot,
            timeout=StartDomain.timeout,
        )
        for record in records
        if record.autostart and record.persistent and not record.deleted and not record.state.active
    ]
