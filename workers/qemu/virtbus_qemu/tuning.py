"""The size of running QEMU domains."""

from __future__ import annotations

from typing import Any

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import ConfigUnsupported, HypervisorError, NotSupported, RemovalRejected
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus.worker.size import set_vcpus, vcpus
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine
from virtbus_qemu.witness import OST_EJECT, OST_REFUSED

PLUGGED = "vcpu"
"""Aliases of virtual CPUs that were plugged in begin so."""
CPU_NEWS = ("DEVICE_DELETED", "ACPI_DEVICE_OST")
"""After which it is looked whether a CPU is gone: under TCG, QEMU 7.2 tells nothing of the CPU itself."""


class QemuTuning(Tuning):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning. A CPU that is taken out must be let go by the guest; those of the start stay."""
        machine = self.host.machine(target)
        async with machine.changing:
            slots = await machine.execute("query-hotpluggable-cpus")
            there = [slot for slot in slots if "qom-path" in slot]
            free = [slot for slot in reversed(slots) if "qom-path" not in slot]
            await work.before_effect()
            for slot in free[: max(0, count - len(there))]:
                await self._add_cpu(machine, slot, len(there))
                there.append(slot)
            if count < len(there):
                await self._remove_cpus(machine, len(there) - count, work, target)
            self._observe(machine, count, work)

    async def _add_cpu(self, machine: Machine, slot: dict[str, Any], number: int) -> None:
        await machine.execute("device_add", {"driver": slot["type"], "id": f"{PLUGGED}{number}", **slot["props"]})

    async def _remove_cpus(self, machine: Machine, surplus: int, work: Work, target: Target) -> None:
        names = await _plugged_cpus(machine)
        removable = sorted(names, key=lambda name: int(name.removeprefix(PLUGGED) or 0), reverse=True)
        if len(removable) < surplus:
            raise ConfigUnsupported(
                "virtual CPUs that the domain started with cannot be unplugged", host=target.host,
                domain=target.uuid, hint="change the persistent definition, and start the domain anew",
            )  # fmt: skip
        for name in removable[:surplus]:
            news = machine.expect(*CPU_NEWS)
            await machine.execute("device_del", {"id": name})
            await work.progress("waiting-for-guest")
            while name in await _plugged_cpus(machine):
                _check_answer(await machine.expected(news, work), name, target)
                news = machine.expect(*CPU_NEWS)

    def _observe(self, machine: Machine, count: int, work: Work) -> None:
        if vcpus(machine.live) == count and work.begun is None:
            return
        live = machine.live.copy()
        set_vcpus(live, count)
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
    slots = await machine.execute("query-hotpluggable-cpus")
    paths = [str(slot.get("qom-path", "")) for slot in slots]
    return [path.rpartition("/")[2] for path in paths if path.startswith("/machine/peripheral/")]


def _check_answer(event: QmpEvent, name: str, target: Target) -> None:
    """:raises RemovalRejected: the guest refuses to let go of this CPU."""
    told = event.data.get("info", {})
    if told.get("device") == name and told.get("source") == OST_EJECT and told.get("status") in OST_REFUSED:
        raise RemovalRejected(
            "the guest refused to let go of a virtual CPU", host=target.host, domain=target.uuid,
            hint="see what the guest's kernel says of it", evidence={"alias": name, "answer": told},
        )  # fmt: skip
