"""Starting, stopping and pausing QEMU domains.

A second attempt at a job looks at the folder and the journal first: QEMU has written there what the first one did.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable

from virtbus.domain import Domain, Form
from virtbus.domain.power import LifecycleAction
from virtbus.driver import Lifecycle, Target, Work
from virtbus.errors import HypervisorError, HypervisorGone, Unavailable, VirtbusError
from virtbus.observations import Started
from virtbus_qemu import (
    chains,
    daemons,
    guestcpu,
    hostdevices,
    journal,
    live,
    memlock,
    memoryfolders,
    network,
    nvram,
    storagecall,
)
from virtbus_qemu.command import build_argv, context_of, environment, settle
from virtbus_qemu.command.block.notes import note_nodes
from virtbus_qemu.event import QmpEvent
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.folder import Started as Process_
from virtbus_qemu.host import QemuHost
from virtbus_qemu.images import check_images, drop_absent, is_present
from virtbus_qemu.journal import Journal
from virtbus_qemu.machine import Machine
from virtbus_qemu.process import Process

PORT_TRIES = 5
PORT_TAKEN = "Failed to find an available port"
IMAGE_LIMIT = 20.0
"""Seconds for looking at a disk's images."""
START_LIMIT = 60.0
"""Seconds that QEMU is given to open its monitor."""
STANDARD_INPUT = 0


class QemuLifecycle(Lifecycle):
    """The facet; the driver brings the host."""

    host: QemuHost

    # ---- start ----

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle."""
        machine = self.host.machines.get(target.uuid)
        if machine is None and self._has_run(target, work):
            return
        if machine is None:
            self.host.starting[target.uuid] = definition
            try:
                await self._launch_where_ports_are_free(target, definition, work, paused)
            finally:
                self.host.starting.pop(target.uuid, None)
        else:
            # An earlier attempt launched it and died before it was told to run.
            if (await machine.execute("query-status"))["status"] == "prelaunch":
                await self._settle(machine)
            if not paused:
                await self._run_on(machine, work)

    def _has_run(self, target: Target, work: Work) -> bool:
        """Whether an earlier attempt at this job started it, and the guest has ended since."""
        started = self.host.folder.domain(target.uuid).read_process() if work.begun is not None else None
        return started is not None and started.job == work.job

    async def _launch_where_ports_are_free(self, target: Target, definition: Domain, work: Work, paused: bool) -> None:
        """As `_launch`; a display's port that somebody else took in the meantime is left to him, and another tried."""
        for left in reversed(range(PORT_TRIES)):
            try:
                await self._launch(target, definition, work, paused)
                return
            except HypervisorError as error:
                ports = {screen.port or 0 for screen in self.host.starting[target.uuid].devices.graphics}
                if PORT_TAKEN not in str(error.evidence.get("answer")) or not left or ports <= self.host.refused:
                    raise
                self.host.refused |= ports

    async def _launch(self, target: Target, definition: Domain, work: Work, paused: bool) -> None:
        folder = self.host.folder.domain(target.uuid)
        definition = definition.copy()
        await storagecall.answer(lambda: _look_at_images(definition, target), timeout=IMAGE_LIMIT)
        hostdevices.note_missing(definition, self.host.settings.host_devices)
        await chains.discover(definition, timeout=min(IMAGE_LIMIT, work.remaining()))
        domain = live.prepare(
            definition, folder, self.host.settings, number=self.host.next_number(), taken=self.host.ports()
        )
        domain.cpu = guestcpu.settled(domain, self.host.capabilities)
        self.host.starting[target.uuid] = domain
        note_nodes(domain, context_of(domain, folder.path, self.host.capabilities, self.host.settings))
        # The command line's secrets are encrypted with the key that the folder has.
        try:
            folder.create()
            argv = build_argv(domain, folder, self.host.capabilities, self.host.settings)
            await work.before_effect()
        except BaseException:
            folder.remove()
            raise
        machine: Machine | None = None
        try:
            make_nvram = functools.partial(nvram.create, domain, self.host.capabilities)
            await storagecall.answer(make_nvram, timeout=IMAGE_LIMIT)
            memoryfolders.create(domain, self.host.settings)
            network.connect_all(domain)
            await daemons.start(domain, folder, self.host.settings, timeout=min(START_LIMIT, work.remaining()))
            machine = self._spawn(folder, domain, argv)
            folder.write_process(Process_(machine.process.identity, work.job))
            await self._open(machine, work)
            if not paused:
                await machine.execute("cont")
        except HypervisorGone as error:
            # Whoever reads the error has QEMU's own words in it.
            why = await self._why(machine, folder, error)
            await self._undo(machine, folder, domain)
            raise why from error
        except BaseException:
            await self._undo(machine, folder, domain)
            raise
        self.host.observe(
            Started(
                domain=machine.uuid, cause=work.job, incarnation=machine.incarnation, id=domain.id or 0,
                live=machine.live, paused=paused,
            )
        )  # fmt: skip
        self.host.arrive(machine)

    def _spawn(self, folder: DomainFolder, domain: Domain, argv: list[str]) -> Machine:
        folder.write_definition(domain.format(Form.STATUS, secure=True))
        journal_input = journal.prepare(folder.journal)
        try:
            with folder.listen() as listener:
                descriptors = {STANDARD_INPUT: journal_input, self.host.settings.descriptors.monitor: listener.fileno()}
                process = Process.spawn(
                    [*self.host.settings.launcher, *argv], log=folder.log, descriptors=descriptors,
                    environment=environment(domain, self.host.settings),
                    locked_memory=memlock.limit_of(domain),
                )  # fmt: skip
        finally:
            os.close(journal_input)
        return Machine(folder, process, domain, self.host.observe, self.host.parts)

    async def _open(self, machine: Machine, work: Work) -> None:
        """Have the monitor answer, and set what can only be set there."""
        await work.until(machine.connect(min(START_LIMIT, work.remaining())))
        await self._settle(machine)

    async def _settle(self, machine: Machine) -> None:
        for command in settle(machine.live, machine.folder, self.host.capabilities, self.host.settings):
            await machine.execute(command.execute, command.arguments)

    async def _why(self, machine: Machine | None, folder: DomainFolder, error: HypervisorGone) -> HypervisorError:
        """What QEMU said when it ended in its start."""
        words = folder.last_words()
        code = None
        if machine is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    code = str(await machine.process.wait())
        said = next((line for line in reversed(words) if line.strip()), error.message)
        return HypervisorError(
            f"QEMU {code or 'ended'} while it was starting: {said}",
            domain=folder.uuid,
            hint="the definition asks for something that this host cannot give; QEMU's words say what",
            evidence={"answer": "\n".join(words), "exit": code},
        )

    async def _undo(self, machine: Machine | None, folder: DomainFolder, domain: Domain) -> None:
        """Nothing of a failed start stays."""
        if machine is not None:
            with contextlib.suppress(VirtbusError):
                await asyncio.shield(machine.kill())
            await machine.close()
        network.disconnect_all(domain)
        await asyncio.to_thread(memoryfolders.remove, domain, self.host.settings)
        await daemons.end(domain, folder, self.host.settings)
        folder.remove()

    async def _run_on(self, machine: Machine, work: Work) -> None:
        status = await machine.execute("query-status")
        if status["running"]:
            return
        resumed = machine.expect("RESUME")
        await work.before_effect()
        await machine.execute("cont")
        await machine.expected(resumed, work)

    # ---- the guest's own end ----

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        machine.shutdown_job = work.job
        if machine.reboot_job is not None:
            # An earlier reboot was given up: what it had QEMU do at a power-off counts no more.
            machine.reboot_job = None
            await machine.execute("set-action", at_power_off(machine.live))
        machine.note()
        try:
            await self._press_button(machine, work)
            await work.progress("waiting-for-guest")
        except HypervisorGone:
            if machine.process.ended is None:
                raise
        await work.until(_until_set(machine.gone))

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle.

        The guest is asked to power off and QEMU to wait then, instead of ending: the power-off becomes a reset.
        """
        machine = self.host.machine(target)
        try:
            if not self._happened(machine, work, _our_reset):
                await self._turn_power_off_into_reset(machine, work)
        except (asyncio.CancelledError, Unavailable):
            # The job is not over: whoever takes the host goes on with it, and the guest may power off before that.
            raise
        except VirtbusError:
            await self._let_power_off(machine)
            raise
        # Also after an attempt that was cut off behind the reset: the next power-off is one again.
        await self._let_power_off(machine)

    async def _turn_power_off_into_reset(self, machine: Machine, work: Work) -> None:
        reset = machine.expect("RESET")
        machine.reboot_job = work.job
        machine.note()
        await machine.execute("set-action", {"shutdown": "pause"})
        await self._press_button(machine, work)
        await work.progress("waiting-for-guest")
        await machine.expected(reset, work)

    async def _let_power_off(self, machine: Machine) -> None:
        machine.reboot_job = None
        if machine.process.ended is None:
            machine.note()
            with contextlib.suppress(HypervisorError):
                await machine.execute("set-action", at_power_off(machine.live))

    async def _press_button(self, machine: Machine, work: Work) -> None:
        """Press the power button, but not again where an earlier attempt did."""
        if self._happened(machine, work, lambda event: event.name == "POWERDOWN"):
            return
        pressed = machine.expect("POWERDOWN")
        await work.before_effect(position=machine.journal.position)
        await machine.execute("system_powerdown")
        await machine.expected(pressed, work)

    def _happened(self, machine: Machine, work: Work, wanted: Callable[[QmpEvent], bool]) -> bool:
        """Whether the journal has it since an earlier attempt's mark."""
        if work.begun is None or "position" not in work.begun:
            return False
        return any(wanted(event) for event in Journal(machine.folder.journal, work.begun["position"]).read())

    # ---- at once ----

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        if self._happened(machine, work, _our_reset):
            return
        reset = machine.expect("RESET")
        await work.before_effect(position=machine.journal.position)
        await machine.execute("system_reset")
        await machine.expected(reset, work)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle. SIGKILL through a pidfd gets through to a QEMU that answers nobody."""
        machine = self.host.machine(target)
        await work.before_effect()
        machine.destroyed_by = work.job
        machine.note()
        await machine.kill()
        await machine.gone.wait()

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        stopped = machine.expect("STOP")
        await work.before_effect(position=machine.journal.position)
        await machine.execute("stop")
        await machine.expected(stopped, work)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        status = await machine.execute("query-status")
        if status["status"] == "suspended":
            awake = machine.expect("WAKEUP")
            await work.before_effect(position=machine.journal.position)
            await machine.execute("system_wakeup")
            await machine.expected(awake, work)
            return
        await self._run_on(machine, work)


def at_power_off(domain: Domain) -> dict[str, str]:
    """What QEMU does by itself when the guest powers off, as its command line said it (QMP set-action)."""
    return {"shutdown": "poweroff" if domain.on_poweroff in (None, LifecycleAction.DESTROY) else "pause"}


def _look_at_images(definition: Domain, target: Target) -> None:
    """Refuse a definition whose images are not there, and leave out those that need not be."""
    check_images(definition, target)
    drop_absent(definition, is_present)


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()


def _our_reset(event: QmpEvent) -> bool:
    return event.name == "RESET" and not event.data.get("guest")
