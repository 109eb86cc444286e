"""Operations that change a domain's size."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from virtbus.operations.declaration import DomainOperation, Kind
from virtbus.operations.fields import Affect, Kibibytes


class Size(BaseModel):
    """A domain's size after a change."""

    vcpus: int
    memory: int
    """KiB."""


class SetVcpus(DomainOperation[Size]):
    """Set the number of virtual CPUs, up to the domain's maximum."""

    name = "domain.set-vcpus"
    kind = Kind.JOB
    facet = "Tuning"
    permission = "domain:tune"
    http = "POST /v1/hosts/{host}/domains/{domain}/vcpus"
    wire = "domain_set_vcpus_flags"
    verb = "setvcpus"

    count: Annotated[int, Field(ge=1, le=4096)]
    affect: Affect = Affect.CURRENT


class SetMemory(DomainOperation[Size]):
    """Set the memory that the guest may use (by its balloon while it runs), up to the domain's maximum."""

    name = "domain.set-memory"
    kind = Kind.JOB
    facet = "Tuning"
    permission = "domain:tune"
    http = "POST /v1/hosts/{host}/domains/{domain}/memory"
    wire = "domain_set_memory_flags"
    verb = "setmem"

    size: Kibibytes
    """KiB."""
    affect: Affect = Affect.CURRENT
