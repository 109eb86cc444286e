"""The command line of a definition that nobody starts: what `virtbus xml to-argv` shows."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import uuid4

from virtbus.domain import Domain
from virtbus_qemu import definition, live
from virtbus_qemu.capabilities import Capabilities, probe
from virtbus_qemu.command import build_argv
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.probing.descriptors import installed
from virtbus_qemu.probing.digest import Digest
from virtbus_qemu.settings import QemuSettings

HOST = HostFolder(Path("/run/virtbus/host"))
"""Where the folders of running domains are shown to lie."""

PROBE_LIMIT = 60.0
"""Seconds that QEMU has to say what it can do."""


def words(domain: Domain, abilities: Path | None = None) -> list[str]:
    """The command line that a worker with its default settings would start a definition with.

    :param abilities: what QEMU can do, as libvirt keeps it (a <qemuCaps> document); None asks the QEMU of this machine.
    :raise ConfigUnsupported: it asks for something that QEMU or this worker cannot do; `evidence["path"]` says where.
    :raise XmlError: it contradicts itself, or `abilities` is no such document.
    :raise HypervisorError: there is no such QEMU, or it does not say what it can do.
    :raise OSError: `abilities` cannot be read.
    """
    settings = QemuSettings(emulator=emulator_of(domain))
    capabilities = _asked(settings.emulator) if abilities is None else recorded(abilities)
    if abilities is not None and domain.devices.emulator is None:
        settings = QemuSettings(emulator=Path(capabilities.emulator))
    whole = definition.complete(domain, capabilities, settings)
    folder = HOST.domain(whole.uuid or uuid4())
    # Free ports are the starter's to choose; looking for some now would say nothing about then.
    running = live.prepare(whole, folder, settings, choose_ports=False)
    return build_argv(running, folder, capabilities, settings)


def emulator_of(domain: Domain) -> Path:
    """The binary that a domain names, or Debian's for its architecture."""
    if domain.devices.emulator is not None:
        return Path(domain.devices.emulator)
    arch = domain.os.type.arch if domain.os is not None else None
    return Path(f"/usr/bin/qemu-system-{arch}") if arch is not None else QemuSettings().emulator


def recorded(path: Path) -> Capabilities:
    """What another QEMU can do, as libvirt keeps it, with this host's firmware.

    :raise XmlError: the file is no <qemuCaps> document.
    """
    return Capabilities(Digest.parse(path.read_bytes()), tuple(installed()), "recorded")


def _asked(emulator: Path) -> Capabilities:
    async def ask() -> Capabilities:
        async with asyncio.timeout(PROBE_LIMIT):
            return await probe(emulator, cache=_cache())

    return asyncio.run(ask())


def _cache() -> Path:
    """Of this user: what a binary can do is asked once."""
    place = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(place).expanduser() / "virtbus" / "capabilities"
