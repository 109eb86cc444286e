"""The driver of the simulated hypervisor: a client of the process that simulates the host.

URIs are `simulated:///default?domains=100&...` (`virtbus_simulated.hypervisor.parameters`). Settings: `socket` (a
hypervisor that several hosts share), `log` (its effect log, if this starts it), `sweep` (seconds).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from virtbus.domain import Domain, Form
from virtbus.driver import Driver, HostFacts, HostSettings, Known
from virtbus.observations import Observation, Observe, Observed
from virtbus_simulated.capabilities import capabilities
from virtbus_simulated.console import SimulatedConsole
from virtbus_simulated.definition import complete
from virtbus_simulated.devices import SimulatedDevices
from virtbus_simulated.hypervisor.parameters import parse_uri
from virtbus_simulated.lifecycle import SimulatedLifecycle
from virtbus_simulated.session import Session
from virtbus_simulated.statistics import SimulatedStatistics
from virtbus_simulated.translation import STATES, observation
from virtbus_simulated.tuning import SimulatedTuning


class SimulatedDriver(
    SimulatedLifecycle, SimulatedDevices, SimulatedTuning, SimulatedStatistics, SimulatedConsole, Driver
):
    """Serves one simulated host. It has every facet but Monitor, so that there is a driver that lacks one."""

    family = "simulated"

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        super().__init__(settings, observe)
        self.session = Session(settings, observe)

    async def connect(self) -> HostFacts:
        """See Driver; the hypervisor is started where none runs.

        :raises InvalidArgument: the URI is no simulated host's.
        """
        parse_uri(self.settings.uri)
        facts = await self.session.open()
        return HostFacts(
            version=f"simulated {facts['version']}",
            machine=facts["machine"],
            boot=facts["boot"],
            fqdn=facts["fqdn"],
            capabilities=capabilities(facts["machine"]),
        )

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """See Driver.

        The domains that came up with the host are defined too, as `test` of libvirt's test:///default is. The
        hypervisor keeps no definitions, so theirs is given only until the record knows the domain: what becomes of
        it then (it may be undefined) is the record's.
        """
        positions = {uuid: domain.position for uuid, domain in known.items()}
        return [self._observed(entry, known) for entry in await self.session.inventory(positions)]

    def _observed(self, entry: dict[str, Any], known: Mapping[UUID, Known]) -> Observed:
        uuid = UUID(entry["uuid"])
        missed = [told for one in entry["missed"] if (told := observation(one, None)) is not None]
        live = None if entry["xml"] is None else Domain.parse(entry["xml"])
        persistent = None
        if live is not None and entry["seeded"] and uuid not in known:
            persistent = Domain.parse(live.format(Form.INACTIVE))
        return Observed(
            domain=uuid,
            name=entry["name"],
            state=STATES[entry["state"]],
            reason=entry["reason"] if live is not None else entry["stopped"],
            incarnation=entry["incarnation"],
            id=entry["id"] if live is not None else None,
            live=live,
            persistent=persistent,
            position=entry["position"],
            missed=tuple[Observation, ...](missed),
            stopped=None if live is not None else entry["stopped"],
        )

    async def watch(self) -> None:
        """See Driver."""
        await self.session.watch()

    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """See Driver."""
        return complete(domain, previous)

    async def close(self) -> None:
        """See Driver."""
        await self.session.close()
