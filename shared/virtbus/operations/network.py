"""What network cards of domains are connected to."""

from __future__ import annotations

from pydantic import BaseModel

from virtbus.operations.declaration import HostOperation, Kind


class NetworkSummary(BaseModel):
    """A network of a host: a port group, a virtual switch, a bridge."""

    name: str
    """What a domain's <source network='...'> names."""
    type: str
    """Such as bridge, nat, isolated."""
    bridge: str = ""
    """The switch that it is part of."""
    vlan: int | None = None
    active: bool = True


class NetworkList(BaseModel):
    """A host's networks, by name."""

    networks: list[NetworkSummary]


class ListNetworks(HostOperation[NetworkList]):
    """List the networks of a host."""

    name = "network.list"
    kind = Kind.QUERY
    facet = "Networks"
    permission = "network:read"
    http = "GET /v1/hosts/{host}/networks"
    wire = "connect_list_all_networks"
    verb = "net-list"
    timeout = 20.0
