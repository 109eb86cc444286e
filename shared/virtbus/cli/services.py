"""Commands that installed services bring: found by entry point, so that the CLI knows none of them by import.

The group is `virtbus.commands`; each is a function that takes the words after the command and returns an exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import cast

from virtbus.cli.verbs import SERVICE_COMMANDS

GROUP = "virtbus.commands"


def run_service(name: str, words: Sequence[str]) -> int:
    """Run a service's command and return its exit code: 1 where it is not installed."""
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        extra = next(service.extra for service in SERVICE_COMMANDS if service.name == name)
        print(f"error: `virtbus {name}` is not installed (pip install 'virtbus[{extra}]')", file=sys.stderr)
        return 1
    command = cast(Callable[[Sequence[str]], int], found[0].load())
    return command(words)
