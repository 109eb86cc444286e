"""Operations that put a running domain into a file and take it out again."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from virtbus.operations.declaration import DomainOperation, Kind
from virtbus.operations.domain import DomainStatus

HostPath = Annotated[str, StringConstraints(min_length=2, max_length=4096, pattern=r"^/[^\x00]*[^/\x00]$")]
"""An absolute path of the host."""


class SaveDomain(DomainOperation[DomainStatus]):
    """Write a running domain's memory to a file of the host and stop it."""

    name = "domain.save"
    kind = Kind.JOB
    facet = "Saving"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/save"
    wire = "domain_save"
    verb = "save"
    timeout = 600.0

    file: HostPath


class RestoreDomain(DomainOperation[DomainStatus]):
    """Let a domain run on from a file that it was saved to."""

    name = "domain.restore"
    kind = Kind.JOB
    facet = "Saving"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/restore"
    wire = "domain_restore"
    verb = "restore"
    timeout = 600.0

    file: HostPath
    paused: bool = False
    """Leave its virtual CPUs stopped."""
