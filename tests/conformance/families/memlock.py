"""How much memory the process of a domain may lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance import fixedworld
from tests.conformance.families import qemu
from virtbus.domain import Domain
from virtbus_qemu import memlock

FAMILIES = frozenset({"qemumemlock"})

RECORDED = "tests/qemucapabilitiesdata/caps_*_{arch}.xml"


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The limit of the complete definition, in bytes."""
    text = (root / case["input"][0]).read_bytes()
    arch = Domain.parse(text).os.type.arch or "x86_64"
    case = {**case, "arch": arch, "caps_file": str(_newest(root, arch).relative_to(root)), "caps": "latest"}
    capabilities = qemu.capabilities_of(case, root)
    domain = qemu.complete(text, capabilities, fixedworld.settings(case), renew=False, forget=True)
    return {"answer": str(memlock.limit_of(domain))}


def _newest(root: Path, arch: str) -> Path:
    """What the newest recorded QEMU of an architecture can do."""
    return max(root.glob(RECORDED.format(arch=arch)), key=_version)


def _version(file: Path) -> list[int]:
    return [int(number) for number in file.name.split("_")[1].split(".")]
