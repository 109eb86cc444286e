"""The size of a running machine: its memory; Hyper-V changes the number of processors of machines that are off only."""

from __future__ import annotations

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus.eventkinds import EventKind
from virtbus_hyperv.classes import MEMORY
from virtbus_hyperv.conversion.parse import MEMORY_STEP
from virtbus_hyperv.known import Change
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.session import Session
from virtbus_hyperv.wsman.instance import Embedded

_KIB = 1024
LEAST_MEMORY = 32
"""MiB."""


class HypervTuning(Tuning):
    """The facet; the driver brings the session."""

    session: Session

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning."""
        raise ConfigUnsupported(
            "Hyper-V cannot plug processors into a running machine", host=target.host, domain=target.uuid,
            hint="change the definition (config), and start the domain anew",
        )  # fmt: skip

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning. Hyper-V counts in 2 MiB: an odd size is rounded up."""
        session, known = self.session, self.session.known(target)
        machine = await session.machine(target, work)
        memory = machine.of(MEMORY)[0]
        if memory.truth("DynamicMemoryEnabled"):
            raise ConfigUnsupported(
                "the machine's memory is dynamic: Hyper-V itself gives it what it needs", host=target.host,
                domain=target.uuid, hint="set the maximum in the definition",
            )  # fmt: skip
        size = -(-kibibytes // (MEMORY_STEP * _KIB)) * MEMORY_STEP
        if size < LEAST_MEMORY:
            raise InvalidArgument(f"a Hyper-V machine has at least {LEAST_MEMORY} MiB of memory", host=target.host,
                                  domain=target.uuid)  # fmt: skip
        notes = machine.notes
        notes.memory = max(notes.memory, memory.number("VirtualQuantity"))
        await work.before_effect()
        async with session.witness.hold(known.guid):
            await session.settling.pin(machine, target.persistent, known, work, notes)
            changed = Embedded(MEMORY, {"InstanceID": memory.text("InstanceID"), "VirtualQuantity": size})
            await session.plugging.modify(changed, work)
            known.change = Change(EventKind.BALLOON_CHANGE, "", {"actual": size * _KIB})
            await work.until(session.witness.look_held(known.guid, request_seconds(work), work.job))
