"""The notes that libvirt's QEMU driver keeps of running domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virtbus.domain import complete
from virtbus.domain.status import Status, renew

FAMILIES = frozenset({"qemustatusxml"})


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The notes as they are written again."""
    status = Status.parse((root / case["input"][0]).read_bytes())
    renew(status, "/var/lib/libvirt/qemu/ram")
    complete(status.domain)
    return dict.fromkeys(case["expected"], status.format())
