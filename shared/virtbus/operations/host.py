"""Operations on hosts."""

from __future__ import annotations

from pydantic import BaseModel

from virtbus.operations.declaration import HostOperation, Kind, Operation
from virtbus.records import HostRecord


class HostSummary(BaseModel):
    """A host with what is known of its worker now."""

    record: HostRecord
    served: bool
    """Whether a worker with a living session owns it."""
    last_seen: str | None = None
    """RFC 3339: the last renewal of the owner's session."""
    domains: int = 0
    running: int = 0


class HostList(BaseModel):
    """The fleet's hosts, by name."""

    hosts: list[HostSummary]


class HostCapabilities(BaseModel):
    """What the host's hypervisor can do, as libvirt's <capabilities> and <domainCapabilities>."""

    content: str
    digest: str = ""


class ListHosts(Operation[HostList]):
    """List the hosts of the fleet."""

    name = "host.list"
    kind = Kind.RECORD
    permission = "host:read"
    http = "GET /v1/hosts"
    verb = "hosts"


class GetHost(HostOperation[HostSummary]):
    """Show a host: its family, hypervisor, owner, facets and operations."""

    name = "host.get"
    kind = Kind.RECORD
    permission = "host:read"
    http = "GET /v1/hosts/{host}"
    verb = "hostinfo"


class GetCapabilities(HostOperation[HostCapabilities]):
    """Show what a host's hypervisor can do, as libvirt's capabilities XML."""

    name = "host.capabilities"
    kind = Kind.QUERY
    permission = "host:read"
    http = "GET /v1/hosts/{host}/capabilities"
    media = "application/xml"
    wire = "connect_get_capabilities"
    verb = "capabilities"
    timeout = 10.0
