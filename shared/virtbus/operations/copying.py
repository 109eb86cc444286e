"""Operations that copy a domain, or move it between the hosts of one hypervisor manager."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from virtbus.names import HostName
from virtbus.operations.declaration import DomainOperation, Empty, Kind

DomainName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\x00-\x1f]+$")]


class Clone(BaseModel):
    """The copy of a domain."""

    uuid: UUID
    name: str


class CloneDomain(DomainOperation[Clone]):
    """Copy a domain with its disks, under another name; the copy is off."""

    name = "domain.clone"
    kind = Kind.JOB
    facet = "Copying"
    permission = "domain:define"
    http = "POST /v1/hosts/{host}/domains/{domain}/clone"
    verb = "clone"
    timeout = 3600.0

    copy_name: DomainName
    """The copy's name."""


class RelocateDomain(DomainOperation[Empty]):
    """Move a domain to another host or another datastore of the same hypervisor manager, running or not."""

    name = "domain.relocate"
    kind = Kind.JOB
    facet = "Copying"
    permission = "domain:define"
    http = "POST /v1/hosts/{host}/domains/{domain}/relocate"
    wire = "domain_migrate_perform3_params"
    verb = "relocate"
    timeout = 3600.0

    destination: HostName | None = None
    """The host that it goes to, by its name in the fleet; unset: it stays on its host."""
    pool: str | None = None
    """The storage pool that its disks go to; unset: they stay."""
