"""LXC: a container's configuration as domain XML, and domain XML as the LXC worker completes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from virtbus.domain import Domain, check
from virtbus_lxc.config import read_config
from virtbus_lxc.definition import fill_neutrally

FAMILIES = frozenset({"lxcconf2xml", "lxcxml2xml"})

EMULATOR = "/usr/libexec/libvirt_lxc"
"""What libvirt runs containers with; LXC's own need none."""
SOMEBODY = UUID("c7a5fdbd-edaf-9455-926a-d65c16db1809")
"""A configuration has no UUID."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The definition as it is stored."""
    text = (root / case["input"][0]).read_text()
    if case["family"] == "lxcconf2xml":
        domain = read_config(text, SOMEBODY)
        domain.devices.emulator = EMULATOR
    else:
        domain = Domain.parse(text)
    with patch("virtbus.domain.devicedefaults.urandom", bytes):
        fill_neutrally(domain)
    check(domain)
    return dict.fromkeys(case["expected"], domain.format(secure=True))
