"""The size of running QEMU domains."""

from __future__ import annotations

from collections.abc import Collection

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import HypervisorError, NotSupported, RemovalRejected
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus.worker.size import vcpus
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine
from virtbus_qemu.vcpus import Piece, Pieces
from virtbus_qemu.witness import OST_EJECT, OST_REFUSED

CPU_NEWS = ("DEVICE_DELETED", "ACPI_DEVICE_OST")
"""After which it is looked whether a CPU is gone: under TCG, QEMU 7.2 tells nothing of the CPU itself."""


class QemuTuning(Tuning):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning. A CPU that is taken out must be let go by the guest; those of the start stay."""
        machine = self.host.machine(target)
        async with machine.changing:
            pieces = await Pieces.of(machine)
            await work.before_effect()
            chosen = pieces.to_reach(count)
            for piece in chosen:
                await self._change(machine, piece, work, target)
                self._observe(machine, await Pieces.of(machine), work)
            if not chosen:
                self._observe(machine, pieces, work)

    async def set_vcpu(self, target: Target, numbers: Collection[int], work: Work, *, enabled: bool) -> None:
        """Plug chosen CPUs in, or take them out; they are such as QEMU plugs together.

        :raise InvalidArgument: they are not.
        :raise WrongState: they are there already, or not there.
        """
        machine = self.host.machine(target)
        async with machine.changing:
            piece = (await Pieces.of(machine)).piece(numbers, enabled=enabled)
            await work.before_effect()
            await self._change(machine, piece, work, target)
            self._observe(machine, await Pieces.of(machine), work)

    async def _change(self, machine: Machine, piece: Piece, work: Work, target: Target) -> None:
        """Plug a piece in where it is not there, else have the guest let go of it."""
        if piece.path is None:
            await machine.execute("device_add", piece.addition)
            return
        name = str(piece.alias)
        news = machine.expect(*CPU_NEWS)
        await machine.execute("device_del", {"id": name})
        await work.progress("waiting-for-guest")
        while name in await _plugged_cpus(machine):
            _check_answer(await machine.expected(news, work), name, target)
            news = machine.expect(*CPU_NEWS)

    def _observe(self, machine: Machine, pieces: Pieces, work: Work) -> None:
        """Note which CPUs are there now; that is told where it differs, and where an earlier attempt may not have."""
        live = machine.live.copy()
        pieces.note(live, ordered=True)
        count = vcpus(live)
        if vcpus(machine.live) == count and live.vcpus == machine.live.vcpus and work.begun is None:
            return
        machine.live = live
        machine.rewrite()
        self.host.observe(
            LiveChanged(
                domain=machine.uuid, cause=work.job, live=live, kind=EventKind.TUNABLE, subject="vcpus",
                detail={"vcpus.current": count},
            )
        )  # fmt: skip

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning. The guest gives memory back as it can; each step is a balloon-change event."""
        machine = self.host.machine(target)
        await work.before_effect()
        try:
            await machine.execute("balloon", {"value": kibibytes * 1024})
        except HypervisorError as error:
            if error.evidence.get("class") == "DeviceNotActive":
                raise NotSupported(
                    "the domain has no memory balloon", host=target.host, domain=target.uuid,
                    hint="give it one: <memballoon model='virtio'/>",
                ) from error  # fmt: skip
            raise


async def _plugged_cpus(machine: Machine) -> list[str]:
    """The aliases of the virtual CPUs that were plugged in, and are there."""
    return [piece.alias for piece in (await Pieces.of(machine)).all if piece.alias is not None]


def _check_answer(event: QmpEvent, name: str, target: Target) -> None:
    """:raises RemovalRejected: the guest refuses to let go of this CPU."""
    told = event.data.get("info", {})
    if told.get("device") == name and told.get("source") == OST_EJECT and told.get("status") in OST_REFUSED:
        raise RemovalRejected(
            "the guest refused to let go of a virtual CPU", host=target.host, domain=target.uuid,
            hint="see what the guest's kernel says of it", evidence={"alias": name, "answer": told},
        )  # fmt: skip
