"""Looking now and then: Windows need not tell of events (MS-WSMV makes them a SHOULD), so a summary of all machines is
asked for, compared, and what differs is looked at."""

from __future__ import annotations

import asyncio
import logging

from virtbus.errors import TooLarge, Unavailable, VirtbusError
from virtbus_hyperv.classes import HEALTHY, MANAGEMENT, POWER, SUMMARY, Power
from virtbus_hyperv.known import Known
from virtbus_hyperv.machines import Machines
from virtbus_hyperv.management import Management
from virtbus_hyperv.witness import Witness
from virtbus_hyperv.wsman.instance import Instance

log = logging.getLogger(__name__)

ASK_SECONDS = 20.0
LOOK_SECONDS = 20.0
PATIENCE = 3
"""How many polls in a row may fail before the host is connected to anew."""
CONFIGURATION_EVERY = 3
"""Every how many polls the times at which configurations were written are compared too."""
_WANTED = [SUMMARY[name] for name in ("name", "element", "state", "uptime", "health")]


class Poll:
    """Polls a host."""

    def __init__(self, machines: Machines, management: Management, witness: Witness, seconds: float) -> None:
        """:param seconds: between two polls."""
        self._machines = machines
        self._management = management
        self._witness = witness
        self._seconds = seconds
        self._too_large = False
        self._count = 0

    async def watch(self) -> None:
        """Poll for ever.

        :raises Unavailable: the host has not answered several times in a row.
        """
        failures = 0
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.once()
            except VirtbusError as error:
                failures += 1
                log.warning("a poll failed: %s", error)
                if failures >= PATIENCE:
                    raise Unavailable(f"the host does not answer: {error.message}", hint=error.hint) from None
            else:
                failures = 0

    async def once(self) -> None:
        """Ask once, and look at every machine that is not as it was."""
        async with self._witness.defining:
            asked = asyncio.get_running_loop().time()
            summaries = await self._summaries()
        found = {each.text("Name").lower(): each for each in summaries}
        changed = [known.guid for known in self._witness.directory.all()
                   if known.looked < asked and _differs(known, found.get(known.guid.lower()), asked)]  # fmt: skip
        changed += [each.text("Name") for guid, each in found.items() if self._witness.directory.of_guid(guid) is None]
        self._count += 1
        if self._count % CONFIGURATION_EVERY == 0:
            changed += [guid for guid in await self._reconfigured() if guid not in changed]
        for guid in changed:
            await self._look(guid)

    async def _look(self, guid: str) -> None:
        try:
            await self._witness.look(guid, LOOK_SECONDS)
        except Unavailable:
            raise
        except VirtbusError as error:
            # One machine that cannot be read hides no other.
            log.warning("the machine %s cannot be read: %s", guid, error)

    async def _summaries(self) -> list[Instance]:
        """A summary of every machine."""
        if not self._too_large:
            service = await self._management.service(MANAGEMENT, ASK_SECONDS)
            try:
                result, _ = await self._management.begin(
                    service, "GetSummaryInformation", {"RequestedInformation": _WANTED}, ASK_SECONDS
                )
            except TooLarge:
                # Lists come in parts, the results of methods do not.
                self._too_large = True
            else:
                return result.instances("SummaryInformation")
        return await self._machines.systems(ASK_SECONDS)

    async def _reconfigured(self) -> list[str]:
        changed = []
        for system in await self._machines.systems(ASK_SECONDS):
            known = self._witness.directory.of_guid(system.text("Name"))
            if known is not None and known.configured != system.text("TimeOfLastConfigurationChange"):
                changed.append(known.guid)
        return changed


def _differs(known: Known, summary: Instance | None, asked: float) -> bool:
    """Whether a summary shows that a machine is not as it was at the last look."""
    if summary is None or known.unsettled or known.removals:
        return True
    power = POWER.get(summary.number("EnabledState"))
    if power is None or power is Power.STARTING:
        return False
    uptime = summary.number("UpTime", summary.number("OnTimeInMilliseconds")) / 1000
    healthy = summary.number("HealthState", HEALTHY) == HEALTHY
    return (
        power is not known.power
        or healthy is not known.healthy
        or summary.text("ElementName") != known.name
        or (power.active and known.was_reset(uptime, asked, runs=power is Power.RUNNING))
    )
