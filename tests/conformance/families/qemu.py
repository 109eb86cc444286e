"""Domain XML as the QEMU worker completes it, and the command line of it, with the abilities of a recorded QEMU."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from tests.conformance import fixedworld, storageworld
from tests.conformance.refusal import Refused
from virtbus.cpu import CpuTable
from virtbus.domain import Domain, Form
from virtbus.domain.defaults import forget_nodes
from virtbus.errors import VirtbusError
from virtbus_qemu import checks, definition, images, live
from virtbus_qemu.capabilities import Capabilities, Processors
from virtbus_qemu.command import command_line, context_of, frame
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.probing.descriptors import installed
from virtbus_qemu.probing.digest import Digest, Flag
from virtbus_qemu.settings import QemuSettings

FAMILIES = frozenset({"qemuxmlactive", "qemuxmlconf"})

FIRMWARE = ("tests/qemufirmwaredata/etc/qemu/firmware", "tests/qemufirmwaredata/usr/share/qemu/firmware")
"""Where the firmware of these cases is described."""

SHORT_NAME = 20
"""How much of a domain's name is in the names of its folders."""

SOME_ID = 1337
"""The id of a running domain that says none."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The definition or its live form, and the command line."""
    path = root / case["input"][0]
    capabilities = capabilities_of(case, root)
    settings = fixedworld.settings(case)
    running = any("-active." in name for name in case["expected"])
    domain = complete(path.read_bytes(), capabilities, settings, renew=_renewed(case), forget=not running)
    if running and domain.id is None:
        domain.id = SOME_ID
    documents = {
        name: domain.format(Form.LIVE if "-active." in name else Form.INACTIVE, secure=True)
        for name in case["expected"]
        if name.endswith(".xml")
    }
    wanted = [name for name in case["expected"] if name.endswith(".args")]
    if not wanted:
        return documents
    try:
        text = command_text(domain, capabilities, settings, (case.get("options") or {}).get("migrate_from"))
    except VirtbusError as error:
        raise Refused(error.wording, documents) from error
    return {**documents, **dict.fromkeys(wanted, text)}


def complete(text: bytes, capabilities: Capabilities, settings: QemuSettings, *, renew: bool, forget: bool) -> Domain:
    """As the worker does when a domain is defined."""
    domain = Domain.parse(text)
    if forget:
        forget_nodes(domain)
    with (
        patch("virtbus.domain.devicedefaults.urandom", bytes),
        patch("virtbus.domain.defaults.urandom", lambda size: bytes(range(size))),
    ):
        definition.fill(domain, capabilities, settings, renew=renew, running=not forget)
    return domain


def command_text(
    domain: Domain, capabilities: Capabilities, settings: QemuSettings, incoming: str | None = None
) -> str:
    """The command line as a shell would have it, with what of the environment is the domain's.

    :param incoming: where a guest that comes from elsewhere is read from.
    """
    folder = DomainFolder(
        Path(f"{fixedworld.LIBRARY}/domain--1-{domain.name[:SHORT_NAME]}"), domain.uuid or UUID(int=0)
    )
    connected = domain.copy()
    fixedworld.connect(connected)
    images.drop_absent(connected, storageworld.is_present)
    running = live.prepare(connected, folder, settings, choose_ports=False)
    checks.check_start(running, capabilities, settings)
    context = replace(context_of(running, folder.path, capabilities, settings), incoming=incoming)
    with (
        patch("virtbus_qemu.command.clock.now", fixedworld.now),
        patch("virtbus_qemu.vault.urandom", lambda size: bytes(range(size))),
        patch("virtbus_qemu.command.secret.master_key", lambda context: storageworld.MASTER_KEY),
    ):
        argv = command_line(context)
    variables = fixedworld.ENVIRONMENT | frame.environment(running, settings, folder.path)
    return fixedworld.shell_text(variables, argv)


def _renewed(case: dict[str, Any]) -> bool:
    return "VIR_DOMAIN_DEF_PARSE_ABI_UPDATE" in (case.get("options") or {}).get("parse_flags", ())


def capabilities_of(case: dict[str, Any], root: Path) -> Capabilities:
    """What the recorded QEMU of a case can do."""
    options = case.get("options") or {}
    aliases = not case.get("strip_machine_aliases", case.get("caps") == "latest")
    changes = tuple(options.get("caps_add", ())), tuple(options.get("caps_del", ()))
    text = (root / case["caps_file"]).read_bytes()
    digest = _digest(text, aliases, *changes)
    processors = Processors(_table(root / "cpu_map"), fixedworld.host_processor(options.get("caps_host_cpu_model")))
    return Capabilities(digest, tuple(installed(root / folder for folder in FIRMWARE)), "recorded", processors)


@lru_cache(maxsize=1)
def _table(folder: Path) -> CpuTable:
    return CpuTable.load(folder)


@lru_cache(maxsize=32)
def _digest(text: bytes, aliases: bool, added: tuple[str, ...], dropped: tuple[str, ...]) -> Digest:
    digest = Digest.parse(text)
    gone = {_flag(name) for name in dropped}
    digest.head.flags = [flag for flag in digest.head.flags if flag.name not in gone]
    digest.head.flags += [Flag(name=_flag(name)) for name in added]
    for accelerator in digest.accelerators:
        for machine in list(accelerator.machines) if not aliases else ():
            if machine.alias is not None:
                own = machine.copy()
                machine.name, machine.alias, own.alias = machine.alias, None, None
                accelerator.machines.append(own)
    return digest


def _flag(name: str) -> str:
    """The name of a flag by its constant."""
    word = name.removeprefix("QEMU_CAPS_").lower()
    return _FLAGS.get(word) or word.replace("_", "-")


#: Flags whose names are not their constants' words.
_FLAGS = {
    "piix3_usb_uhci": "piix3-usb-uhci",
    "device_qemu_xhci": "qemu-xhci",
    "nec_usb_xhci": "nec-usb-xhci",
    "chardev_json": "chardev.json",
}
