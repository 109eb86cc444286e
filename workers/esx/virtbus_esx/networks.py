"""Port groups as networks."""

from __future__ import annotations

from virtbus.driver import Networks
from virtbus.operations.network import NetworkSummary
from virtbus_esx.host import HostPlace, networks, port_groups
from virtbus_esx.soap import Session


class EsxNetworks(Networks):
    """The facet; the driver brings the session."""

    session: Session
    place: HostPlace

    async def networks(self, timeout: float) -> list[NetworkSummary]:
        """See Networks. Standard port groups have a switch and a VLAN of the host, distributed ones a switch."""
        found = await networks(self.session, self.place, timeout)
        values = await self.session.properties(self.place.ref, timeout, "config.network.portgroup")
        groups = port_groups(values.get("config.network.portgroup"))
        summaries = []
        for name, network in sorted(found.items()):
            switch, vlan = groups.get(name, (network.switch or "", 0))
            summaries.append(NetworkSummary(name=name, type="bridge", bridge=switch, vlan=vlan or None))
        return summaries
