"""What a host's hypervisor could give to domains, and how processors compare with it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from virtbus.operations.declaration import HostOperation, Kind
from virtbus.operations.fields import Document


class OfferDocument(BaseModel):
    """A document of libvirt's."""

    content: str


class CpuComparison(BaseModel):
    """How a processor stands to what the host can give to guests."""

    result: str
    """`incompatible`, `identical` (the host gives just that) or `superset` (the host gives more)."""


class GetDomainCapabilities(HostOperation[OfferDocument]):
    """Show what a domain may ask for on a host, as libvirt's domainCapabilities XML."""

    name = "host.domain-capabilities"
    kind = Kind.QUERY
    facet = "Offers"
    permission = "host:read"
    http = "GET /v1/hosts/{host}/domain-capabilities"
    media = "application/xml"
    wire = "connect_get_domain_capabilities"
    verb = "domcapabilities"
    timeout = 10.0

    machine: Annotated[str | None, StringConstraints(max_length=128)] = None
    """The machine type; unset: the usual one."""
    virttype: Annotated[str | None, StringConstraints(max_length=32)] = None
    """The domain's type (kvm, qemu); unset: the fastest that the host has."""


class CompareCpu(HostOperation[CpuComparison]):
    """Say whether a host could run guests with a processor (libvirt's <cpu> of a guest or of a host)."""

    name = "host.compare-cpu"
    kind = Kind.QUERY
    facet = "Offers"
    permission = "host:read"
    http = "POST /v1/hosts/{host}/cpu/compare"
    body = "xml"
    wire = "connect_compare_hypervisor_cpu"
    verb = "hypervisor-cpu-compare"
    timeout = 10.0

    xml: Document


class BaselineCpu(HostOperation[OfferDocument]):
    """Find the richest processor that several (libvirt's <cpu> of hosts or guests) have in common."""

    name = "host.baseline-cpu"
    kind = Kind.QUERY
    facet = "Offers"
    permission = "host:read"
    http = "POST /v1/hosts/{host}/cpu/baseline"
    media = "application/xml"
    wire = "connect_baseline_hypervisor_cpu"
    timeout = 10.0

    cpus: Annotated[list[Document], Field(min_length=1, max_length=256)]
    expand: bool = False
    """List every feature by name."""
    migratable: bool = False
    """Leave out features with which a guest cannot move to another host."""
