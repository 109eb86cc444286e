"""What can go wrong on purpose, by name."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from virtbus.errors import InvalidArgument


class Failure(StrEnum):
    """A way to fail; for a host, for a domain, or as the last parts of a domain's name (`web.slow-guest`)."""

    SLOW_GUEST = "slow-guest"
    """The guest takes `slow_ms` to answer an unplug, a shutdown or a reboot."""
    DEAF_GUEST = "deaf-guest"
    """The guest answers neither an unplug nor ACPI until it is reset, which lasts until its next start."""
    REFUSED_UNPLUG = "refused-unplug"
    """The guest refuses to let go of devices."""
    HUNG_MONITOR = "hung-monitor"
    """What is asked of this domain is not answered, and nothing of it happens, until the mode is taken away or the
    domain killed; the guest stands still too. Starting it works: it hangs from then on."""
    LOST_EVENT = "lost-event"
    """Events reach the history but no client."""
    START_FAILS = "start-fails"
    """A start is refused at once."""
    DIES_IN_START = "dies-in-start"
    """The domain's process ends while it starts."""
    SLOW_START = "slow-start"
    """A start takes `slow_ms`."""
    LOST_ANSWER = "lost-answer"
    """The next request that has an effect on this domain has it, and then the connection breaks without an answer.
    It happens once each time the mode is set."""


def failures(names: Iterable[str]) -> frozenset[Failure]:
    """The failures of these names.

    :raises InvalidArgument: there is no such failure.
    """
    try:
        return frozenset(Failure(name) for name in names if name)
    except ValueError as error:
        raise InvalidArgument(f"no such failure: {error.args[0]}", hint=f"there are {', '.join(Failure)}") from error


def named(name: str) -> frozenset[Failure]:
    """The failures that a domain's name asks for: `web.slow-guest.refused-unplug` has two."""
    known = set(Failure)
    return frozenset(Failure(part) for part in name.split(".")[1:] if part in known)
