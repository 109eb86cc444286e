"""Domain XML as the QEMU worker completes it, with the abilities of a recorded QEMU."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from virtbus.domain import Domain, Form, check, pair_console
from virtbus.domain import complete as complete_neutrally
from virtbus.domain.defaults import forget_nodes
from virtbus_qemu import addresses, controllers, defaults, pci
from virtbus_qemu.capabilities import Capabilities, Machine, _cpu, _machine, _variants
from virtbus_qemu.firmware import found
from virtbus_qemu.probing.replies import documents
from virtbus_qemu.settings import QemuSettings

FAMILIES = frozenset({"qemuxmlactive", "qemuxmlconf"})

FIRMWARE = ("tests/qemufirmwaredata/etc/qemu/firmware", "tests/qemufirmwaredata/usr/share/qemu/firmware")
"""Where the firmware of these cases is described."""

SOME_ID = 1337
"""The id of a running domain that says none."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The definition, and for a running domain its live form; of command lines nothing yet."""
    path = root / case["input"][0]
    aliases = not case.get("strip_machine_aliases", case.get("caps") == "latest")
    capabilities = _capabilities((root / _replies(case)).read_text(), case["arch"], aliases)
    capabilities = capabilities.model_copy(update={"firmware": found(root / folder for folder in FIRMWARE)})
    emulator = Path(f"/usr/bin/qemu-system-{case['arch']}")
    settings = QemuSettings(emulator=emulator, nvram=Path("/var/lib/libvirt/qemu/nvram"), spare_root_ports=0)
    running = any("-active." in name for name in case["expected"])
    domain = complete(
        path.read_bytes(), capabilities, settings, renew=case["case"].endswith(".abi-update"), forget=not running
    )
    if running and domain.id is None:
        domain.id = SOME_ID
    return {
        name: domain.format(Form.LIVE if "-active." in name else Form.INACTIVE, secure=True)
        for name in case["expected"]
        if name.endswith(".xml")
    }


def complete(text: bytes, capabilities: Capabilities, settings: QemuSettings, *, renew: bool, forget: bool) -> Domain:
    """As the worker does when a domain is defined, but without trying out its command line."""
    domain = Domain.parse(text)
    if forget:
        forget_nodes(domain)
    defaults.fill_machine(domain, capabilities, settings)
    controllers.add_defaults(domain)
    with (
        patch("virtbus.domain.devicedefaults.urandom", bytes),
        patch("virtbus.domain.defaults.urandom", lambda size: bytes(range(size))),
    ):
        complete_neutrally(domain, renew=renew)
    defaults.fill_devices(domain)
    addresses.assign_drives(domain)
    controllers.add_needed(domain)
    pci.assign(domain, spare_ports=settings.spare_root_ports)
    addresses.assign_ports(domain)
    pair_console(domain)
    check(domain)
    return domain


def _replies(case: dict[str, Any]) -> str:
    return str(case.get("replies_file") or case["caps_file"].replace(".xml", ".replies"))


def _by_alias(machine: Machine) -> Machine:
    """Names such as pc stay as they are where the newest QEMU is meant."""
    return machine.model_copy(update={"name": machine.alias or machine.name, "alias": None})


@lru_cache(maxsize=16)
def _capabilities(text: str, arch: str, aliases: bool) -> Capabilities:
    answers: dict[str, Any] = {}
    properties: dict[str, frozenset[str]] = {}
    command: dict[str, Any] = {}
    for entry in documents(text):
        if "execute" in entry:
            command = entry
        elif "return" in entry and command["execute"] == "device-list-properties":
            properties[command["arguments"]["typename"]] = frozenset(each["name"] for each in entry["return"])
        elif "return" in entry:
            answers.setdefault(command["execute"], entry["return"])
    version = answers["query-version"]
    machines = [_machine(entry) for entry in answers["query-machines"] if entry["name"] != "none"]
    return Capabilities(
        fingerprint="recorded",
        emulator=f"/usr/bin/qemu-system-{arch}",
        arch=arch,
        version=tuple(version["qemu"][part] for part in ("major", "minor", "micro")),
        package=version["package"],
        kvm_present=True,
        kvm_usable=True,
        machines=tuple(machines if aliases else map(_by_alias, machines)),
        cpus=tuple(_cpu(entry) for entry in answers["query-cpu-definitions"]),
        commands=frozenset(entry["name"] for entry in answers["query-qmp-schema"] if entry["meta-type"] == "command"),
        device_types=frozenset(entry["name"] for entry in answers["qom-list-types"]),
        properties=properties,
        **_variants(answers["query-qmp-schema"]),
    )
