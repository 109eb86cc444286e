"""The size of running QEMU domains."""

from __future__ import annotations

from typing import Any

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import ConfigUnsupported, HypervisorError, NotSupported
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus.worker.size import set_vcpus, vcpus
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine

PLUGGED = "vcpu"
"""Aliases of virtual CPUs that were plugged in begin so."""


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
                await self._remove_cpus(machine, there[count:] if count else [], len(there) - count, work, target)
            self._observe(machine, count, work)

    async def _add_cpu(self, machine: Machine, slot: dict[str, Any], number: int) -> None:
        await machine.execute(
            "device_add", {"driver": slot["type"], "id": f"{PLUGGED}{number}", **slot["props"]}
        )

    async def _remove_cpus(
        self, machine: Machine, _: list[dict[str, Any]], surplus: int, work: Work, target: Target
    ) -> None:
        slots = await machine.execute("query-hotpluggable-cpus")
        paths = [str(slot.get("qom-path", "")) for slot in slots]
        names = [path.rpartition("/")[2] for path in paths if path.startswith("/machine/peripheral/")]
        removable = sorted(names, key=lambda name: int(name.removeprefix(PLUGGED) or 0), reverse=True)
        if len(removable) < surplus:
            raise ConfigUnsupported(
                "virtual CPUs that the domain started with cannot be unplugged", host=target.host,
                domain=target.uuid, hint="change the persistent definition, and start the domain anew",
            )  # fmt: skip
        for name in removable[:surplus]:
            gone = machine.expect("DEVICE_DELETED")
            await machine.execute("device_del", {"id": name})
            await work.progress("waiting-for-guest")
            while (await machine.expected(gone, work)).data.get("device") != name:
                gone = machine.expect("DEVICE_DELETED")

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
