"""Domain XML that belongs to no hypervisor in particular: read, completed, checked, written."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

from virtbus.domain import Domain, check, complete

FAMILIES = frozenset({"genericxml2xml"})

HOST_ARCH = "x86_64"
"""What the host of these cases is; guests that say nothing are like it. Its random numbers are zeros."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The definition as it is stored."""
    domain = Domain.parse((root / case["input"][0]).read_bytes())
    if domain.os is not None:
        domain.os.type.arch = domain.os.type.arch or HOST_ARCH
    with patch("virtbus.domain.devicedefaults.urandom", bytes):
        complete(domain)
    check(domain)
    text = domain.format(secure=True)
    return dict.fromkeys(case["expected"], text)
