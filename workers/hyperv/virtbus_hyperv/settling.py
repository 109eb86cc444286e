"""What is done with a machine that stops: a transient one goes, and a definition that waited is put into force."""

from __future__ import annotations

from virtbus.domain import Domain
from virtbus.driver import Work
from virtbus_hyperv.applying import Applying
from virtbus_hyperv.definition import split
from virtbus_hyperv.errand import Errand
from virtbus_hyperv.known import Known
from virtbus_hyperv.machines import Machine
from virtbus_hyperv.management import Management
from virtbus_hyperv.notes import Notes
from virtbus_hyperv.reading import present_domain, text_of
from virtbus_hyperv.witness import GOING, Witness

SETTLE_SECONDS = 60.0


class Settling:
    """Definitions of machines: kept until they can take effect."""

    def __init__(self, applying: Applying, management: Management, witness: Witness) -> None:
        self._applying = applying
        self._management = management
        self._witness = witness

    async def settle(self, machine: Machine, known: Known) -> Machine | None:
        """See witness.Settle. Whoever calls it holds the machine."""
        work = Errand(SETTLE_SECONDS)
        notes = machine.notes
        if notes.transient == GOING:
            await self.remove(machine, work)
            return None
        if notes.pending:
            return await self.put_into_force(machine, Domain.parse(notes.pending), known, work)
        return machine

    async def remove(self, machine: Machine, work: Work) -> None:
        """Remove a machine that is off; its disks stay."""
        await self._management.manage("DestroySystem", {"AffectedSystem": machine.reference}, work)

    async def put_into_force(
        self, machine: Machine, definition: Domain, known: Known, work: Work, *, transient: str = ""
    ) -> Machine:
        """Make a machine that is off what a definition says, and know it so."""
        applied = await self._applying.apply(
            machine, split(definition), self._witness.switches, work, transient=transient
        )
        known.persistent = None if transient else present_domain(applied, self._witness.switches, known.uuid)
        known.name = applied.name
        known.configured = applied.system.text("TimeOfLastConfigurationChange")
        return applied

    async def keep(self, machine: Machine, definition: Domain | None, known: Known, work: Work, notes: Notes) -> None:
        """Keep a definition with a machine that is not off, until it is; None: the machine goes then.

        :param notes: the machine's, with what else is to be kept.
        """
        present = present_domain(machine, self._witness.switches, known.uuid)
        notes.transient = GOING if definition is None else ""
        notes.pending = "" if definition is None or definition == present else text_of(definition)
        await self._applying.write_notes(machine, notes, work)
        known.persistent = definition if definition is None or not notes.pending else Domain.parse(notes.pending)

    async def pin(self, machine: Machine, persistent: Domain | None, known: Known, work: Work, notes: Notes) -> None:
        """Before something is changed in what runs alone: keep the definition as it is.

        :param notes: the machine's, with what else is to be kept.
        """
        if persistent is not None and not notes.transient:
            notes.pending = text_of(persistent)
            known.persistent = Domain.parse(notes.pending)
        await self._applying.write_notes(machine, notes, work)


