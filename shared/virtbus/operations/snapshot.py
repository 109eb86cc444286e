"""Operations on a domain's snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from virtbus.operations.declaration import DomainOperation, Empty, Kind

SnapshotName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\x00-\x1f]+$")]
"""A snapshot's name: unique among those of its domain."""


class SnapshotSummary(BaseModel):
    """One snapshot of a domain."""

    name: str
    description: str = ""
    parent: str | None = None
    """The snapshot that the domain stood on when this one was made."""
    current: bool = False
    """Whether the domain stands on it now."""
    memory: bool = False
    """Whether it holds the guest's memory, so that reverting to it leaves a running domain."""
    created: datetime | None = None


class SnapshotList(BaseModel):
    """A domain's snapshots, parents before children."""

    snapshots: list[SnapshotSummary]


class ListSnapshots(DomainOperation[SnapshotList]):
    """List a domain's snapshots."""

    name = "snapshot.list"
    kind = Kind.QUERY
    facet = "Snapshots"
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/domains/{domain}/snapshots"
    wire = "domain_list_all_snapshots"
    verb = "snapshot-list"
    timeout = 10.0


class CreateSnapshot(DomainOperation[SnapshotSummary]):
    """Take a snapshot of a domain: of its disks, and of its memory too where the hypervisor can."""

    name = "snapshot.create"
    kind = Kind.JOB
    facet = "Snapshots"
    permission = "domain:snapshot"
    http = "POST /v1/hosts/{host}/domains/{domain}/snapshots"
    wire = "domain_snapshot_create_xml"
    verb = "snapshot-create-as"
    timeout = 600.0

    snapshot: SnapshotName | None = None
    """Its name; one is made from the time where none is given."""
    description: str = ""
    disks_only: bool = False
    """Leave out the guest's memory."""


class RevertSnapshot(DomainOperation[Empty]):
    """Take a domain back to a snapshot. What has happened to its disks since then is lost."""

    name = "snapshot.revert"
    kind = Kind.JOB
    facet = "Snapshots"
    permission = "domain:snapshot"
    http = "POST /v1/hosts/{host}/domains/{domain}/snapshots/{snapshot}/revert"
    wire = "domain_revert_to_snapshot"
    verb = "snapshot-revert"
    timeout = 600.0

    snapshot: SnapshotName


class DeleteSnapshot(DomainOperation[Empty]):
    """Delete a snapshot; the domain stays as it is."""

    name = "snapshot.delete"
    kind = Kind.JOB
    facet = "Snapshots"
    permission = "domain:snapshot"
    http = "DELETE /v1/hosts/{host}/domains/{domain}/snapshots/{snapshot}"
    wire = "domain_snapshot_delete"
    verb = "snapshot-delete"
    timeout = 600.0

    snapshot: SnapshotName
    children: bool = False
    """Delete those that were made after it too."""
