"""Disks in a domain of their own, and what QEMU is told of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus_qemu import live
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import command_line, context_of
from virtbus_qemu.definition import fill
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.probing.digest import Flag
from virtbus_qemu.settings import QemuSettings
from virtbus_qemu.vault import NO_VALUES

SETTINGS = QemuSettings(vault=NO_VALUES, cdroms=frozenset({"/dev/sr0"}))


def domain_of(*disks: str, inner: str = "", machine: str = "q35") -> Domain:
    return Domain.parse(
        f"<domain type='qemu'><name>d</name><uuid>{UUID(int=1)}</uuid><memory unit='MiB'>64</memory>"
        f"<os><type machine='{machine}'>hvm</type></os>{inner}<devices>{''.join(disks)}</devices></domain>"
    )


_MASKS = "blockjob.backing-mask-protocol"


def older() -> Capabilities:
    """A QEMU whose block jobs want a format node over raw images."""
    found = invented.capabilities()
    found.digest.head.flags = [flag for flag in found.digest.head.flags if flag.name != _MASKS]
    return found


def newer() -> Capabilities:
    """A QEMU whose block jobs can do without."""
    found = older()
    found.digest.head.flags.append(Flag(name=_MASKS))
    return found


def words_of(domain: Domain, capabilities: Capabilities | None = None, settings: QemuSettings = SETTINGS) -> list[str]:
    """The command line of a domain."""
    capabilities = capabilities or newer()
    fill(domain, capabilities, settings, renew=True)
    folder = DomainFolder(Path("/run/virtbus/d"), UUID(int=1))
    running = live.prepare(domain, folder, settings, choose_ports=False)
    return command_line(context_of(running, folder.path, capabilities, settings))


def told(
    *disks: str, option: str = "-blockdev", settings: QemuSettings = SETTINGS, **more: Any
) -> list[dict[str, Any]]:
    """The values of one option for some disks."""
    words = words_of(domain_of(*disks, **more), settings=settings)
    values = [json.loads(value) for name, value in pairwise(words) if name == option]
    return [each for each in values if "masterKey0" not in str(each.get("id"))]
