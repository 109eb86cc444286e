"""Virtual switches as networks."""

from __future__ import annotations

from virtbus.driver import Networks
from virtbus.operations.network import NetworkSummary
from virtbus_hyperv.classes import CONNECTION, SWITCH
from virtbus_hyperv.session import Session

EXTERNAL = "Msvm_ExternalEthernetPort"
WORKING = 2
"""EnabledState."""


class HypervNetworks(Networks):
    """The facet; the driver brings the session."""

    session: Session

    async def networks(self, timeout: float) -> list[NetworkSummary]:
        """See Networks. A switch with a network card of the host behind it is a bridge, any other is isolated."""
        switches = await self.session.machines.query(f"SELECT * FROM {SWITCH}", timeout)
        self.session.witness.switches = {each.text("Name").lower(): each.text("ElementName") for each in switches}
        ports = await self.session.machines.query(f"SELECT * FROM {CONNECTION}", timeout)
        external = {
            guid
            for guid in self.session.witness.switches
            for port in ports
            if guid in port.text("InstanceID").lower() and any(EXTERNAL in path for path in port.texts("HostResource"))
        }
        return sorted(
            (
                NetworkSummary(
                    name=each.text("ElementName"),
                    type="bridge" if each.text("Name").lower() in external else "isolated",
                    bridge=each.text("ElementName"),
                    active=each.number("EnabledState", WORKING) == WORKING,
                )
                for each in switches
            ),
            key=lambda network: network.name,
        )
