"""What a hypervisor keeps disks in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from virtbus.operations.declaration import HostOperation, Kind

PoolName = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class PoolSummary(BaseModel):
    """A storage pool: a datastore, a folder."""

    name: str
    type: str
    """libvirt's word for what it is made of (dir, vmfs, netfs, ...)."""
    active: bool
    capacity: int
    """Bytes."""
    available: int
    """Bytes that are free."""
    location: str = ""


class PoolList(BaseModel):
    """A host's storage pools, by name."""

    pools: list[PoolSummary]


class VolumeSummary(BaseModel):
    """A disk image in a pool."""

    name: str
    """Its path in the pool."""
    path: str
    """What a domain's <source> names."""
    format: str
    capacity: int | None = None
    """Bytes; None where the hypervisor does not tell."""
    allocation: int
    """Bytes that it takes."""


class VolumeList(BaseModel):
    """A pool's volumes, by name."""

    volumes: list[VolumeSummary]


class ListPools(HostOperation[PoolList]):
    """List a host's storage pools."""

    name = "storage.pools"
    kind = Kind.QUERY
    facet = "Storage"
    permission = "storage:read"
    http = "GET /v1/hosts/{host}/pools"
    wire = "connect_list_all_storage_pools"
    verb = "pool-list"
    timeout = 20.0


class ListVolumes(HostOperation[VolumeList]):
    """List the volumes of a storage pool."""

    name = "storage.volumes"
    kind = Kind.QUERY
    facet = "Storage"
    permission = "storage:read"
    http = "GET /v1/hosts/{host}/pools/{pool}/volumes"
    wire = "storage_pool_list_all_volumes"
    verb = "vol-list"
    timeout = 60.0

    pool: Annotated[PoolName, Field()]
