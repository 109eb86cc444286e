"""The size of a running simulated domain."""

from __future__ import annotations

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import InvalidArgument, WrongState
from virtbus_simulated.definition import most_memory_of, most_vcpus_of
from virtbus_simulated.session import Session


class SimulatedTuning(Tuning):
    """The facet; the driver brings the session."""

    session: Session

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning."""
        _check(target, "virtual CPUs", count, None if target.live is None else most_vcpus_of(target.live))
        await self.session.once(target.uuid, "vcpus", "vcpus-changed", work, count=count)

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning."""
        _check(target, "KiB of memory", kibibytes, None if target.live is None else most_memory_of(target.live))
        await self.session.once(target.uuid, "memory", "memory-changed", work, kibibytes=kibibytes)


def _check(target: Target, what: str, wanted: int, most: int | None) -> None:
    if most is None:
        raise WrongState("the domain is not running", host=target.host, domain=target.uuid)
    if not 1 <= wanted <= most:
        raise InvalidArgument(
            f"{wanted} {what} were asked for; the running domain can have 1 to {most}",
            host=target.host,
            domain=target.uuid,
            hint="raise the maximum in the persistent definition and start the domain anew",
        )
