"""The size of running containers: limits of their cgroups."""

from __future__ import annotations

from virtbus.domain.memory import CurrentMemory
from virtbus.driver import Target, Tuning, Work
from virtbus.errors import InvalidArgument
from virtbus.eventkinds import EventKind
from virtbus.observations import LiveChanged
from virtbus.worker.size import most_memory, most_vcpus, set_vcpus, vcpus
from virtbus_lxc.cgroups import PERIOD, quota_of
from virtbus_lxc.container import Container
from virtbus_lxc.host import LxcHost
from virtbus_lxc.tools import run


class LxcTuning(Tuning):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning. A container's virtual processors are so much processor time; a quota of its own goes before."""
        container = self.host.container(target)
        _check(target, "virtual CPUs", count, most_vcpus(container.live))
        async with container.changing:
            await work.before_effect()
            tune = container.live.cputune
            if tune is None or tune.quota is None:
                period = (tune.period if tune is not None else None) or PERIOD
                quota = quota_of(count, period) if count < self.host.place.processors else None
                for name, value in self.host.place.cgroups.bandwidth(quota, period):
                    await self._set(container, name, value, work)
            if vcpus(container.live) == count and work.begun is None:
                return
            changed = container.live.copy()
            set_vcpus(changed, count)
            container.live = changed
            container.rewrite()
            self.host.observe(
                LiveChanged(
                    domain=target.uuid, cause=work.job, live=changed, kind=EventKind.TUNABLE, subject="vcpus",
                    detail={"vcpus.current": count},
                )
            )  # fmt: skip

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning. The kernel refuses a limit below what it cannot take back from the container."""
        container = self.host.container(target)
        _check(target, "KiB of memory", kibibytes, most_memory(container.live))
        async with container.changing:
            await work.before_effect()
            await self._set(container, self.host.place.cgroups.memory_limit, str(kibibytes * 1024), work)
            changed = container.live.copy()
            changed.current_memory = CurrentMemory(kib=kibibytes)
            container.live = changed
            container.rewrite()
            self.host.observe(
                LiveChanged(
                    domain=target.uuid, cause=work.job, live=changed, kind=EventKind.BALLOON_CHANGE,
                    detail={"actual": kibibytes},
                )
            )  # fmt: skip

    async def _set(self, container: Container, name: str, value: str, work: Work) -> None:
        await work.until(run("lxc-cgroup", *container.where, "--", name, value, timeout=work.remaining()))
        container.notes.limits[name] = value
        container.note()


def _check(target: Target, what: str, wanted: int, most: int) -> None:
    if not 1 <= wanted <= most:
        raise InvalidArgument(
            f"{wanted} {what} were asked for; the running container can have 1 to {most}",
            host=target.host, domain=target.uuid,
            hint="raise the maximum in the persistent definition and start the domain anew",
        )  # fmt: skip
