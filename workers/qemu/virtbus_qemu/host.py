"""The QEMUs of one host: adopted when the worker comes, served while it is there, left running when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from virtbus.domain import Device, Domain
from virtbus.driver import HostSettings, Known, Target
from virtbus.errors import (
    ConfigUnsupported,
    HypervisorError,
    HypervisorGone,
    HypervisorSilent,
    VirtbusError,
    WrongState,
)
from virtbus.observations import LiveChanged, Observation, Observe, Observed, Started
from virtbus.state import DomainState
from virtbus.xml import drivers_notes
from virtbus_qemu import daemons, hugepagemounts, memoryfolders, network
from virtbus_qemu import journal as journal_file
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import context_of
from virtbus_qemu.command.parts import Parts
from virtbus_qemu.folder import DomainFolder, HostFolder
from virtbus_qemu.hostdevices import ANY_DEVICES
from virtbus_qemu.hotplug import described
from virtbus_qemu.journal import Journal
from virtbus_qemu.machine import Machine, incarnation, plugged
from virtbus_qemu.process import Identity, Process, find
from virtbus_qemu.settings import DisplaySettings, QemuSettings
from virtbus_qemu.vault import NO_VALUES, SecretFolder
from virtbus_qemu.witness import Witness

log = logging.getLogger(__name__)

ADOPT_LIMIT = 3.0
"""Seconds that a QEMU is given to answer when the worker comes; one that is stopped is adopted without its monitor."""
RECONNECT = 1.0
"""Seconds between tries to reach the monitor of a QEMU that did not answer."""

STATES: dict[str, tuple[DomainState, str]] = {
    "running": (DomainState.RUNNING, "unknown"),
    "prelaunch": (DomainState.PAUSED, "starting-up"),
    "paused": (DomainState.PAUSED, "user"),
    "io-error": (DomainState.PAUSED, "ioerror"),
    "watchdog": (DomainState.PAUSED, "watchdog"),
    "inmigrate": (DomainState.PAUSED, "migration"),
    "postmigrate": (DomainState.PAUSED, "migration"),
    "finish-migrate": (DomainState.PAUSED, "migration"),
    "save-vm": (DomainState.PAUSED, "save"),
    "restore-vm": (DomainState.PAUSED, "from-snapshot"),
    "guest-panicked": (DomainState.CRASHED, "panicked"),
    "internal-error": (DomainState.CRASHED, "unknown"),
    "shutdown": (DomainState.SHUTDOWN, "user"),
    "suspended": (DomainState.PMSUSPENDED, "unknown"),
    "debug": (DomainState.PAUSED, "unknown"),
}
"""QEMU's run states (QAPI RunState) in libvirt's words."""


class QemuHost:
    """What the facets of the driver share."""

    capabilities: Capabilities

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self.name = settings.name
        self.observe = observe
        self.folder = HostFolder(settings.run)
        self.settings = qemu_settings(settings)
        self.cache = settings.state.parent.parent / "capabilities"
        self.machines: dict[UUID, Machine] = {}
        self.refused: set[int] = set()
        """Ports for displays that QEMU could not have: somebody else on this machine listens there."""
        self.starting: dict[UUID, Domain] = {}
        """Domains whose start is under way: nobody else looks into their folders."""
        self._arriving: asyncio.Queue[Machine] = asyncio.Queue()
        self._numbers = 0

    def machine(self, target: Target) -> Machine:
        """The running QEMU of a domain.

        :raises WrongState: it has none.
        """
        machine = self.machines.get(target.uuid)
        if machine is None:
            raise WrongState("the domain is not running", host=self.name, domain=target.uuid, hint="start it first")
        return machine

    def parts(self, live: Domain, device: Device, folder: DomainFolder) -> Parts:
        """What a device of a live domain is made of in QEMU."""
        # Its names count here, not the values of its secrets or where devices of the host are, which may be gone.
        settings = replace(self.settings, vault=NO_VALUES, host_devices=ANY_DEVICES)
        return described(live, device, context_of(live, folder.path, self.capabilities, settings))

    def ports(self) -> set[int]:
        """The ports of the displays of all domains, also of those that are starting and do not listen yet."""
        domains = [*self.starting.values(), *(machine.live for machine in self.machines.values())]
        screens = [screen for domain in domains for screen in domain.devices.graphics]
        return self.refused | {screen.port for screen in screens if screen.port is not None and screen.port > 0}

    def next_number(self) -> int:
        """libvirt's id for the next domain that starts."""
        self._numbers += 1
        return self._numbers

    # ---- serving ----

    def arrive(self, machine: Machine) -> None:
        """Serve a machine from now on."""
        self.machines[machine.uuid] = machine
        self._numbers = max(self._numbers, machine.live.id or 0)
        self._arriving.put_nowait(machine)

    async def watch(self) -> None:
        """Serve every machine, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                machine = await self._arriving.get()
                group.create_task(self._serve(machine), name=f"machine {machine.uuid}")

    async def _serve(self, machine: Machine) -> None:
        """Handle what a machine tells until it has ended, and tell that too."""
        async with asyncio.TaskGroup() as group:
            again = machine.listen_again(functools.partial(self._clear_up, machine))
            others = [group.create_task(self._reach(machine)), group.create_task(again)]
            try:
                with contextlib.suppress(HypervisorError):
                    await machine.go_on()
                await machine.run()
            finally:
                for task in others:
                    task.cancel()
        self.machines.pop(machine.uuid, None)
        await self._clear_away(machine.live, machine.folder)
        self.observe(machine.ending())
        machine.gone.set()
        await machine.close()

    async def _clear_away(self, live: Domain, folder: DomainFolder) -> None:
        """Free what served a QEMU that has ended."""
        try:
            network.disconnect_all(live)
        except (HypervisorError, OSError) as error:
            log.warning("domain %s: its network devices stay: %s", folder.uuid, error)
        await asyncio.to_thread(memoryfolders.remove, live, self.settings)
        await daemons.end(live, folder, self.settings)

    async def _reach(self, machine: Machine) -> None:
        """Reach the monitor of a machine that did not answer when it was adopted."""
        while machine.monitor is None:
            try:
                await machine.connect(ADOPT_LIMIT)
                machine.poke()
            except (HypervisorSilent, HypervisorGone):
                await asyncio.sleep(RECONNECT)

    async def _clear_up(self, machine: Machine) -> None:
        """After a silence: see whether QEMU has the device that was being plugged."""
        async with machine.changing:
            if not machine.doubtful:
                return
            with contextlib.suppress(VirtbusError):
                await self._prune(machine)
                machine.doubtful = False
                self.observe(LiveChanged(domain=machine.uuid, live=machine.live))

    async def close(self) -> None:
        """Let go of every machine; they run on."""
        await asyncio.gather(*(machine.close() for machine in self.machines.values()))
        self.machines.clear()

    # ---- adoption ----

    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """What is there, by the runtime folders; each QEMU that lives is adopted."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._look_safely(folder, known)) for folder in self.folder.domains()]
        return [observed for task in tasks if (observed := task.result()) is not None]

    async def _look_safely(self, folder: DomainFolder, known: Mapping[UUID, Known]) -> Observed | None:
        """As `_look`; a folder that makes no sense hides no other domain, and its own counts as it was recorded."""
        try:
            return await self._look(folder, known)
        except (VirtbusError, ValueError, KeyError, OSError) as error:
            log.error("host %s: the runtime folder %s makes no sense: %s", self.name, folder.path, error)
        record = known.get(folder.uuid)
        if record is None or not record.active:
            return None
        return Observed(
            domain=folder.uuid, name=str(folder.uuid), state=DomainState.RUNNING, reason="unknown", state_known=False
        )

    async def _look(self, folder: DomainFolder, known: Mapping[UUID, Known]) -> Observed | None:
        if folder.uuid in self.starting:
            return None
        if folder.uuid in self.machines:
            return await self._state(self.machines[folder.uuid], ())
        identity = _identity(folder)
        text = folder.read_definition()
        record = known.get(folder.uuid)
        if identity is not None and text is not None and identity.alive():
            return await self._adopt(folder, identity, _read(text), record)
        told = record is not None and record.incarnation == _name(identity)
        if text is not None and identity is not None and record is not None and told and record.active:
            return await self._ended(folder, _read(text), record.position)
        if text is not None and identity is not None and not told and _ran(folder):
            # It came and went while nobody looked.
            live = _read(text)
            began = Started(domain=folder.uuid, incarnation=incarnation(identity), id=live.id or 0, live=live)
            return await self._ended(folder, live, 0, began)
        # Nobody counts on what it tells any more.
        folder.remove()
        return None

    async def _adopt(
        self, folder: DomainFolder, identity: Identity, live: Domain, record: Known | None
    ) -> Observed | None:
        try:
            process = Process.adopt(identity)
        except HypervisorGone:
            return None
        machine = Machine(folder, process, live, self.observe, self.parts)
        machine.recall()
        try:
            return await self._take_over(machine, record)
        except BaseException:
            # An open monitor would keep the next one out.
            await machine.close()
            raise

    async def _take_over(self, machine: Machine, record: Known | None) -> Observed:
        try:
            await machine.connect(ADOPT_LIMIT)
        except (HypervisorSilent, HypervisorGone) as error:
            log.warning("%s", error.at(self.name))
        same = record is not None and record.incarnation == machine.incarnation
        missed: list[Observation] = []
        if same and record is not None:
            machine.journal.position = record.position
            for event in machine.journal.read():
                missed.extend(await machine.meaning(event))
        else:
            # What an unknown run told before is nobody's; its devices are what QEMU has now.
            machine.journal.position = machine.journal.end()
        with contextlib.suppress(HypervisorError):
            await self._prune(machine)
        observed = await self._state(machine, tuple(missed))
        self.arrive(machine)
        return observed

    async def _prune(self, machine: Machine) -> None:
        """Take out of the live definition what QEMU does not have: an attach that was cut off."""
        if machine.monitor is None:
            return
        await machine.free_strays()
        there = await plugged(machine)
        for device in list(machine.live.devices.every()):
            if self.parts(machine.live, device, machine.folder).device is not None and device.alias not in there:
                await machine.removed(str(device.alias), "guest", {"domain": machine.uuid})
        if machine.outdated:
            machine.rewrite()

    async def _state(self, machine: Machine, missed: tuple[Observation, ...]) -> Observed:
        state, reason, known = DomainState.RUNNING, "unknown", False
        if machine.monitor is not None:
            try:
                status = await machine.execute("query-status", timeout=ADOPT_LIMIT)
                known = status["status"] in STATES
                state, reason = STATES.get(status["status"], (state, reason))
            except HypervisorError as error:
                log.warning("%s", error.at(self.name))
        return Observed(
            domain=machine.uuid,
            name=machine.live.name,
            state=state,
            reason=reason,
            state_known=known,
            incarnation=machine.incarnation,
            id=machine.live.id,
            live=machine.live,
            position=machine.journal.position,
            missed=missed,
        )

    async def _ended(self, folder: DomainFolder, live: Domain, position: int, *before: Observation) -> Observed:
        """A QEMU that ended while nobody watched: its journal tells how.

        :param position: how far the journal has been recorded.
        """
        await self._clear_away(live, folder)
        witness = Witness(folder, live)
        witness.recall()
        witness.journal.position = position
        missed: list[Observation] = list(before)
        for event in witness.journal.read():
            missed.extend(await witness.meaning(event))
        last = witness.ending()
        return Observed(
            domain=folder.uuid, name=live.name, state=DomainState.SHUTOFF, reason=last.reason or last.detail,
            missed=(*missed, last), stopped=last.detail,
        )  # fmt: skip


def _ran(folder: DomainFolder) -> bool:
    """Whether the guest's processors ever ran: the journal has it."""
    return any(event.name == "RESUME" for event in Journal(folder.journal).read())


def _name(identity: Identity | None) -> str | None:
    return None if identity is None else incarnation(identity)


def _identity(folder: DomainFolder) -> Identity | None:
    """The process of a folder, also where its start was cut off before that was noted."""
    started = folder.read_process()
    if started is not None:
        return started.identity
    found = find(journal_file.arguments(folder.journal)[1])
    return found[0] if found else None


def _read(text: str) -> Domain:
    """A live definition as the folder has it, with what was noted of its block nodes."""
    with drivers_notes():
        return Domain.parse(text)


def _launcher(text: str) -> tuple[str, ...]:
    """The words of a launcher, its program by its path.

    :raises ConfigUnsupported: there is no such program.
    """
    words = shlex.split(text)
    if not words:
        return ()
    program = shutil.which(words[0])
    if program is None:
        raise ConfigUnsupported(f"there is no launcher {words[0]}", hint="install it, or give its path")
    return (program, *words[1:])


def qemu_settings(settings: HostSettings) -> QemuSettings:
    """The settings of QEMU on a host, from the worker's options.

    :raises VirtbusError: an option is unknown.
    """
    options = dict(settings.options)
    lasting = settings.state
    chosen = QemuSettings(
        emulator=Path(options.pop("emulator", "/usr/bin/qemu-system-x86_64")),
        nvram=Path(options.pop("nvram", lasting / "nvram")),
        memory=Path(options.pop("memory", lasting / "ram")),
        tpm=Path(options.pop("tpm", lasting / "tpm")),
        hugepages=hugepagemounts.found(),
        vault=SecretFolder(Path(options.pop("secrets", lasting / "secrets"))),
        sandbox=options.pop("sandbox", "on") == "on",
        launcher=_launcher(options.pop("launcher", "")),
        run_as=options.pop("run_as", None),
        display=DisplaySettings(vnc_listen=options.pop("vnc_listen", "127.0.0.1")),
    )
    if options:
        raise VirtbusError(f"the QEMU driver has no option {', '.join(sorted(options))}", host=settings.name)
    return chosen
