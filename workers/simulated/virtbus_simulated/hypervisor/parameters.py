"""How a simulated host is set up: its URI, `simulated:///default?domains=100&unplug_ms=50&fail=slow-guest`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from virtbus.errors import InvalidArgument
from virtbus_simulated.hypervisor.failure import Failure, failures

SCHEME = "simulated"

MOST_DOMAINS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A host's world and its manners; times in milliseconds."""

    domains: int = 0
    """Running domains besides `test`."""
    start_ms: int = 0
    shutdown_ms: int = 50
    """How long a guest takes to power off after it was asked."""
    reboot_ms: int = 50
    unplug_ms: int = 50
    """How long a guest takes to let go of a device."""
    slow_ms: int = 3000
    """How long the slow failures take."""
    history: int = 256
    """Events kept for each domain."""
    fail: frozenset[Failure] = frozenset()
    """What fails for every domain of the host."""

    def seconds(self, name: str, *, slow: bool = False) -> float:
        """One of the times in seconds."""
        return float(self.slow_ms if slow else getattr(self, name)) / 1000


_NUMBERS = ("domains", "start_ms", "shutdown_ms", "reboot_ms", "unplug_ms", "slow_ms", "history")


def parse_uri(uri: str) -> Parameters:
    """The set-up that a URI asks for; `/default` is the only world.

    :raises InvalidArgument: it is no such URI, or has a parameter that does not exist or is out of bounds.
    """
    parts = urlsplit(uri)
    if parts.scheme != SCHEME or parts.netloc or parts.path not in ("", "/", "/default"):
        raise InvalidArgument(
            f"{uri!r} is no URI of a simulated host", hint="write simulated:///default, with ?domains=100 for more"
        )
    values: dict[str, int] = {}
    fail: frozenset[Failure] = frozenset()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "fail":
            fail |= failures(value.split(","))
        elif name in _NUMBERS:
            values[name] = _number(name, value)
        else:
            raise InvalidArgument(
                f"a simulated host has no parameter {name!r}", hint=f"there are fail, {', '.join(_NUMBERS)}"
            )
    return Parameters(**values, fail=fail)


def _number(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= MOST_DOMAINS or (name == "history" and number < 1):
        raise InvalidArgument(f"{name}={text} of a simulated host is not a number from 0 to {MOST_DOMAINS}")
    return number
