"""One device described alone, as options of a command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.domain.devices import parse_device
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import context_of, describe
from virtbus_qemu.command.parts import Context
from virtbus_qemu.probing.digest import Flag
from virtbus_qemu.settings import QemuSettings

DOMAIN = """
<domain type='qemu'>
  <name>streams</name>
  <uuid>11111111-1111-4111-8111-111111111111</uuid>
  <memory>1024</memory>
  <os><type arch='{arch}' machine='{machine}'>hvm</type></os>
  <devices>{devices}</devices>
</domain>
"""


def capabilities(*, more: tuple[str, ...] = (), less: tuple[str, ...] = ()) -> Capabilities:
    found = invented.capabilities()
    found.digest.head.flags = [flag for flag in found.digest.head.flags if flag.name not in less]
    found.digest.head.flags += [Flag(name=name) for name in more]
    return found


def context(
    *,
    settings: QemuSettings | None = None,
    known: Capabilities | None = None,
    devices: str = "",
    arch: str = "x86_64",
    machine: str = "pc-q35-7.2",
) -> Context:
    domain = Domain.parse(DOMAIN.format(devices=devices, arch=arch, machine=machine))
    return context_of(domain, Path("/run/streams"), known or capabilities(), settings or QemuSettings())


def words(xml: str, where: Context | None = None, alias: str = "dev0") -> list[str]:
    device = parse_device(xml)
    device.alias = alias
    return describe(device, where or context()).arguments()


def device_of(argv: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(argv[argv.index("-device") + 1])
    return found
