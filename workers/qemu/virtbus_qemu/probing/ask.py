"""Put all questions to a live QEMU that its digest needs.

    sessions = await interrogate(Path("/usr/bin/qemu-system-x86_64"))
    digest = digest_of(sessions, emulator="/usr/bin/qemu-system-x86_64")

QEMU is started once with the host's accelerator, and where that works once more with TCG alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.monitor import Monitor
from virtbus_qemu.probing.evidence import Answers
from virtbus_qemu.probing.flags import FLAGS
from virtbus_qemu.probing.replies import Session
from virtbus_qemu.process import Process

ASK_SECONDS = 20.0
"""For each answer: the longest, the schema, takes a fraction of a second."""

_KVM = Path("/dev/kvm")

#: What every QEMU is asked, as far as it has the command.
_PLAIN = (
    "query-version",
    "query-target",
    "query-kvm",
    "qom-list-types",
    "query-machines",
    "query-cpu-definitions",
    "query-tpm-models",
    "query-tpm-types",
    "query-command-line-options",
    "query-migrate-capabilities",
    "query-gic-capabilities",
    "query-sev-capabilities",
    "query-sgx-capabilities",
)

#: Where models are real processors, so that what each has is worth asking.
_NAMED_MODELS = frozenset({"x86_64", "i386"})

#: QOM types that are no devices, by their endings and beginnings: their properties have a question of their own.
_NO_DEVICES = ("-cpu", "-machine")
_OBJECTS = ("memory-backend-",)


async def interrogate(emulator: Path, launcher: Sequence[str] = ()) -> list[Session]:
    """The answers of a binary, with the host's accelerator first.

    :raise HypervisorError: the binary cannot be started or does not answer; `evidence["log"]` says why.
    """
    native = os.access(_KVM, os.R_OK | os.W_OK)
    first = await _session(emulator, launcher, ["kvm", "tcg"] if native else ["tcg"])
    if not (first.ask("query-kvm") or {}).get("enabled"):
        return [first]
    return [first, await _session(emulator, launcher, ["tcg"])]


async def _session(emulator: Path, launcher: Sequence[str], accelerators: list[str]) -> Session:
    with tempfile.TemporaryDirectory(prefix="virtbus-") as scratch:
        folder = DomainFolder(Path(scratch) / "probe", uuid4())
        folder.create()
        with folder.listen() as listener:
            process = Process.spawn(
                [
                    *launcher,
                    *(str(emulator), "-S", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "none"),
                    *(word for name in accelerators for word in ("-accel", name)),
                    *("-chardev", "socket,id=charmonitor,fd=3,server=on,wait=off"),
                    *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
                ],
                log=folder.log,
                descriptors={3: listener.fileno()},
            )
        try:
            monitor = await Monitor.connect(folder.monitor, timeout=ASK_SECONDS)
            try:
                return await _ask(monitor, accelerators[0])
            finally:
                await monitor.close()
        except HypervisorGone as error:
            error.evidence["log"] = folder.last_words()
            raise
        finally:
            await process.kill(timeout=ASK_SECONDS)
            process.close()


async def _ask(monitor: Monitor, accelerator: str) -> Session:
    session = Session()

    async def put(command: str, arguments: Mapping[str, Any] | None = None) -> None:
        try:
            answer = await monitor.execute(command, dict(arguments) if arguments else None, timeout=ASK_SECONDS)
        except (HypervisorGone, HypervisorSilent):
            raise
        except HypervisorError:
            # A refusal is an answer: what is asked about is not there.
            answer = None
        session.add(command, arguments, answer)

    await put("query-qmp-schema")
    answers = Answers(session)
    for command in _PLAIN:
        if command in answers.schema:
            await put(command)
    for command, name in _property_questions(answers):
        await put(command, {"typename": name})
    if "query-cpu-model-expansion" in answers.schema:
        for arguments in _expansions("max" if accelerator == "tcg" else "host"):
            await put("query-cpu-model-expansion", arguments)
        if answers.arch in _NAMED_MODELS:
            for name in sorted(answers.names("query-cpu-definitions", "name")):
                await put("query-cpu-model-expansion", {"type": "static", "model": {"name": name}})
    return session


def _property_questions(answers: Answers) -> Iterator[tuple[str, str]]:
    """The types whose properties the flags look at, as far as there are any, each with its question.

    Abstract machines are not listed among the types, yet have properties.
    """
    types = {name for evidence in FLAGS.values() for name in evidence.types}
    types |= {answers.machine(family) for evidence in FLAGS.values() for family in evidence.families}
    for name in sorted(types & answers.types | {name for name in types if name.endswith("-machine")}):
        plain = name.endswith(_NO_DEVICES) or name.startswith(_OBJECTS)
        yield "qom-list-properties" if plain else "device-list-properties", name


def _expansions(name: str) -> Iterator[dict[str, Any]]:
    """How the fullest model is asked about."""
    for kind in ("static", "full"):
        yield {"type": kind, "model": {"name": name}}
        yield {"type": kind, "model": {"name": name, "props": {"migratable": False}}}
    yield {"type": "full", "model": {"name": name, "props": {"hv-passthrough": True, "migratable": False}}}
