"""The size of a running Xen domain."""

from __future__ import annotations

from virtbus.domain.memory import CurrentMemory
from virtbus.driver import Target, Tuning, Work
from virtbus.errors import InvalidArgument
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus_xen.host import Host


class XenTuning(Tuning):
    """The facet; the driver brings the host."""

    host: Host

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning."""
        run = self.host.run(target)
        vcpu = run.live.vcpu
        most = vcpu.count if vcpu is not None else 1
        _check(target, "virtual CPUs", count, most)
        await work.before_effect()
        await work.until(self.host.xl.ask("vcpu-set", "--ignore-host", str(run.domid), str(count)))
        if vcpu is not None:
            vcpu.current = count if count < most else None
        await self.host.notes.define(run.uuid, run.live)
        self.host.observe(LiveChanged(domain=run.uuid, cause=work.job, live=run.live.copy(), kind=EventKind.TUNABLE,
                                      detail={"vcpus.current": count}))  # fmt: skip

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning."""
        run = self.host.run(target)
        _check(target, "KiB of memory", kibibytes, run.live.memory.kib if run.live.memory is not None else 0)
        await work.before_effect()
        await work.until(self.host.xl.ask("mem-set", str(run.domid), f"{kibibytes}k"))
        run.live.current_memory = CurrentMemory(kib=kibibytes)
        await self.host.notes.define(run.uuid, run.live)
        self.host.observe(LiveChanged(domain=run.uuid, cause=work.job, live=run.live.copy(),
                                      kind=EventKind.BALLOON_CHANGE, detail={"actual": kibibytes}))  # fmt: skip


def _check(target: Target, what: str, wanted: int, most: int) -> None:
    if not 1 <= wanted <= most:
        raise InvalidArgument(
            f"{wanted} {what} were asked for; the running domain can have 1 to {most}",
            host=target.host, domain=target.uuid,
            hint="raise the maximum in the persistent definition and start the domain anew",
        )  # fmt: skip
