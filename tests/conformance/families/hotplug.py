"""Devices and processors plugged into and out of running domains, with what QEMU answers written down beforehand.

The worker's own facets do it; only the monitor is not QEMU's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import UUID

from tests.conformance import fixedworld
from tests.conformance.families import qemu
from tests.conformance.refusal import Refused
from virtbus.domain import Form, find, parse_device, resolve
from virtbus.driver import HostSettings, Target
from virtbus.errors import HypervisorError, NoDevice
from virtbus.state import DomainState
from virtbus.xml.codec import numbers
from virtbus_qemu import aliases
from virtbus_qemu.devices import QemuDevices
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.host import QemuHost
from virtbus_qemu.machine import Machine
from virtbus_qemu.tuning import QemuTuning

FAMILIES = frozenset({"qemuhotplug", "qemuhotplugcpu"})

ID = 7
"""The id of the running domain."""

RECORDED = "tests/qemucapabilitiesdata/caps_{version}_{arch}.xml"

T = TypeVar("T")


class Script:
    """A monitor that knows what it is asked, in which order, and what it answers."""

    is_open = True

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self.steps = list(steps)
        self.sent: list[str] = []
        self.events: list[QmpEvent] = []

    async def execute(
        self, command: str, arguments: Any = None, *, timeout: float, descriptor: int | None = None
    ) -> Any:
        """As Monitor; a command that the script does not have next is refused."""
        self.sent.append(command)
        if not self.steps or self.steps[0]["command"] != command:
            raise HypervisorError(f"QEMU refused {command}", evidence={"answer": "it is not in the script"})
        answer = None
        for message in _messages(self.steps.pop(0)["reply"]):
            if "event" in message:
                self.events.append(QmpEvent.parse(message))
            elif "error" in message:
                raise HypervisorError(f"QEMU refused {command}", evidence={"answer": message["error"]["desc"]})
            else:
                answer = message["return"]
        return answer


def _messages(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while match := re.compile(r"\s*(?=\S)").match(text, at):
        message, at = decoder.raw_decode(text, match.end())
        yield message


class Attempt:
    """A job that nothing stands in the way of."""

    job = "scripted"
    attempt = 1
    begun = None

    def remaining(self) -> float:
        """As Work."""
        return 10.0

    async def before_effect(self, **mark: Any) -> None:
        """As Work."""

    async def until(self, awaited: Coroutine[Any, Any, T]) -> T:
        """As Work."""
        return await awaited

    async def progress(self, phase: str, *_: Any) -> None:
        """As Work."""


class Folder(DomainFolder):
    """A runtime folder that is only a path."""

    def write_definition(self, xml: str) -> None:
        """Nowhere."""

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Nowhere."""


class Scene:
    """A running domain, and the worker that serves it."""

    def __init__(self, case: dict[str, Any], root: Path) -> None:
        first = (case.get("before") or [case])[0]
        path = root / first["input"][0]
        self.capabilities = qemu.capabilities_of(case, root)
        settings = fixedworld.settings(case)
        live = qemu.complete(path.read_bytes(), self.capabilities, settings, renew=False, forget=False)
        live.id = ID
        uuid = live.uuid or UUID(int=0)
        folder = Folder(Path(f"{fixedworld.LIBRARY}/domain-{ID}-{live.name}"), uuid)
        nowhere = HostSettings(name="host", uri="qemu:///system", run=path.parent, state=path.parent)
        self.host = QemuHost(nowhere, _ignore)
        self.host.settings, self.host.capabilities = settings, self.capabilities
        process: Any = SimpleNamespace(ended=None)
        self.machine = Machine(folder, process, live, _ignore, self.host.parts)
        self.machine.nodes = 0
        self.host.machines[uuid] = self.machine
        self.target = Target(host="host", uuid=uuid, name=live.name, state=DomainState.RUNNING, live=live)

    def play(self, script: Script) -> None:
        """Have QEMU answer so from now on."""
        monitor: Any = script
        self.machine.monitor = monitor


def _ignore(_: Any) -> None:
    """What is observed is of no matter here."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The live definition afterwards, and the commands that were sent."""
    with (
        patch("virtbus_qemu.devices.check_image"),
        # This host is one that provides everything.
        patch("virtbus_qemu.hotplug.provided.check_device"),
        patch("virtbus_qemu.hotplug.refuse_unread"),
        patch("virtbus_qemu.handover.listener", _nothing),
        patch("virtbus_qemu.handover.opened", _nothing),
    ):
        return asyncio.run((_run if case["family"] == "qemuhotplug" else _run_cpus)(case, root))


@contextlib.contextmanager
def _nothing(path: str) -> Iterator[int]:
    """A descriptor that nobody uses."""
    yield -1


async def _run(case: dict[str, Any], root: Path) -> dict[str, str]:
    version = case.get("caps_version", "")
    case = {**case, "caps_file": RECORDED.format(version=version, arch=case["arch"])}
    scene = Scene(case, root)
    for step in case.get("before", ()):
        try:
            await _step(scene, step, root)
        except Refused:
            # It is known of some steps that the guest does not answer.
            continue
    script = await _step(scene, case, root)
    text = scene.machine.live.format(Form.LIVE, secure=True)
    return {**dict.fromkeys(case["expected"], text), "monitor": "\n".join(script.sent)}


async def _step(scene: Scene, step: dict[str, Any], root: Path) -> Script:
    script = Script(step["options"].get("monitor") or [])
    scene.play(script)
    devices = QemuDevices()
    devices.host = scene.host
    device = parse_device((root / step["input"][1]).read_bytes())
    work: Any = Attempt()
    action = step["options"]["action"]
    if action == "attach":
        await devices.attach(scene.target, device, work)
    elif action == "update":
        there = resolve(scene.machine.live, device)
        await devices.update(scene.target, str(there.alias), device, work, force=False)
    else:
        there = resolve(scene.machine.live, device)
        devices.check_detach(scene.target, there)
        await devices.detach(scene.target, str(there.alias), work)
        await _settle(scene, script, str(there.alias))
    return script


async def _settle(scene: Scene, script: Script, alias: str) -> None:
    """Tell the worker what QEMU has told; a device that is still there then is not let go of."""
    for event in script.events:
        await scene.machine.handle(event)
    try:
        find(scene.machine.live, alias)
    except NoDevice:
        return
    raise Refused(f"the guest does not let go of {alias}")


class Record(Script):
    """A monitor that answers each question as it was answered at the time."""

    def __init__(self, text: str) -> None:
        messages = list(_messages(text))
        steps = zip(messages[::2], messages[1::2], strict=True)
        super().__init__(
            [{"command": asked["execute"], "reply": json.dumps(answer), "asked": asked} for asked, answer in steps]
        )

    async def execute(self, command: str, arguments: Any = None, **limits: Any) -> Any:
        """As Script; a plugged processor is one that was plugged then, too."""
        asked = self.steps[0]["asked"].get("arguments") if self.steps else None
        if asked is not None and asked != dict(arguments or {}):
            raise HypervisorError(f"QEMU refused {command}", evidence={"answer": "it was asked for something else"})
        return await super().execute(command, arguments, **limits)


async def _run_cpus(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The live and the persistent definition after processors were plugged."""
    version = case.get("caps_version") or _LATEST[case["arch"]]
    case = {**case, "caps_file": RECORDED.format(version=version, arch=case["arch"])}
    scene = Scene(case, root)
    aliases.assign(scene.machine.live)
    scene.play(Record((root / case["input"][1]).read_text()))
    tuning = QemuTuning()
    tuning.host = scene.host
    work: Any = Attempt()
    target, state = case["options"]["target"].strip('"'), case["options"].get("state")
    if state is None:
        await tuning.set_vcpus(scene.target, int(target), work)
    else:
        await tuning.set_vcpu(scene.target, numbers(target), work, enabled=state == "true")
    live = scene.machine.live
    persistent = live.copy()
    for each in persistent.vcpus.vcpus if persistent.vcpus is not None else ():
        each.order = None
    forms = {"live": live.format(Form.LIVE), "conf": persistent.format(Form.INACTIVE)}
    return {name: forms[Path(name).stem.rpartition("-")[2]] for name in case["expected"]}


_LATEST = {"x86_64": "10.0.0", "ppc64": "7.1.0"}
"""The newest recorded QEMU of an architecture."""
