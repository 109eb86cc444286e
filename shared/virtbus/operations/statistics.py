"""Operations that measure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from virtbus.operations.declaration import DomainOperation, HostOperation, Kind


class Group(StrEnum):
    """A group of statistics (virDomainStatsTypes)."""

    STATE = "state"
    CPU_TOTAL = "cpu-total"
    BALLOON = "balloon"
    VCPU = "vcpu"
    INTERFACE = "interface"
    BLOCK = "block"
    PERF = "perf"
    IOTHREAD = "iothread"
    MEMORY = "memory"
    DIRTYRATE = "dirtyrate"
    VM = "vm"


class DomainStatistics(BaseModel):
    """A domain's figures under the names of libvirt's virConnectGetAllDomainStats, such as `block.0.rd.bytes`."""

    uuid: UUID
    name: str
    timed_out: bool = False
    """The domain's hypervisor process did not answer in time; `stats` has only what is known without it."""
    stats: dict[str, Any] = {}


class HostStatistics(BaseModel):
    """The figures of many domains of one host."""

    domains: list[DomainStatistics]


class GetDomainStatistics(DomainOperation[DomainStatistics]):
    """Measure a domain: processor, memory, disks, interfaces."""

    name = "domain.stats"
    kind = Kind.QUERY
    facet = "Statistics"
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/domains/{domain}/stats"
    wire = "domain_get_stats"
    verb = "domstats"
    timeout = 5.0

    group: list[Group] = []
    """Which groups; none means all."""


class GetHostStatistics(HostOperation[HostStatistics]):
    """Measure all active domains of a host at once; one that does not answer delays none of the others."""

    name = "host.stats"
    kind = Kind.QUERY
    facet = "Statistics"
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/stats"
    wire = "connect_get_all_domain_stats"
    timeout = 10.0

    group: list[Group] = []
    patience: float = 2.0
    """Seconds that each domain is given to answer."""
