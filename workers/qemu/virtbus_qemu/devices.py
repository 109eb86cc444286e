"""Devices of running QEMU domains: plugging, unplugging and changing, one mechanism for every kind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from virtbus.domain import Device, Disk, Domain, Graphics, Interface, find, insert, remove, replace, resolve
from virtbus.domain.address import DriveAddress
from virtbus.domain.chardev import CharDevice, CharSource, CharType
from virtbus.domain.checks import WHEN_DEFINED, check
from virtbus.domain.controller import Controller, ControllerType
from virtbus.domain.disk import DiskBus, DiskTray
from virtbus.driver import Devices, Target, Work
from virtbus.errors import Conflict, HypervisorError, HypervisorGone, HypervisorSilent, VirtbusError, WrongState
from virtbus.observations import DeviceAdded, DeviceRemoved, RemovalRefused
from virtbus_qemu import chains, hotplug, network, storagecall
from virtbus_qemu.change import changed
from virtbus_qemu.command import context_of
from virtbus_qemu.command.block.notes import note_disk
from virtbus_qemu.command.parts import Command
from virtbus_qemu.handover import hand_over, take_back
from virtbus_qemu.host import QemuHost
from virtbus_qemu.hotplug import Plug
from virtbus_qemu.images import check_image
from virtbus_qemu.live import prepare_device
from virtbus_qemu.machine import Machine, plugged
from virtbus_qemu.nodenumbers import highest_node

PLUG_LIMIT = 20.0
"""Seconds for one command that opens images or backends."""
UNPLUG_LIMIT = 5.0
"""Seconds for a guest to let go of a device that was plugged in vain."""
NOT_FOUND = "DeviceNotFound"
ALREADY = "already in the process of unplug"


class QemuDevices(Devices):
    """The facet; the driver brings the host."""

    host: QemuHost

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        machine = self.host.machine(target)
        earlier = (work.begun or {}).get("alias")
        if earlier is not None and earlier in await plugged(machine):
            return find(machine.live, earlier)
        hotplug.check_attach(machine.live, device)
        device = device.copy()
        async with machine.changing:
            if isinstance(device, Disk):
                await _look_at_image(device, target)
                await chains.discover_disk(device, timeout=PLUG_LIMIT)
            new = prepare_device(
                machine.live,
                device,
                machine.folder,
                self.host.settings,
                self.host.capabilities,
                nodes=machine.nodes,
            )
            if isinstance(new, Disk):
                context = context_of(machine.live, machine.folder.path, self.host.capabilities, self.host.settings)
                note_disk(new, context)
            self._check_new(machine, new, target)
            missing = missing_controllers(machine.live, new)
            # Where it says what cannot be done it is refused before anything is done, if it can be told by then.
            plug = None if missing else self._plug(machine, new, strict=True)
            await work.before_effect(alias=new.alias)
            for controller in missing:
                await self._add_controller(machine, controller, work)
            await self._add(machine, new, plug or self._plug(machine, new, strict=True), work)
            self._tell(machine, new, work)
        return new

    def _tell(self, machine: Machine, device: Device, work: Work) -> None:
        self.host.observe(DeviceAdded(domain=machine.uuid, cause=work.job, alias=str(device.alias), live=machine.live))

    async def _add_controller(self, machine: Machine, controller: Controller, work: Work) -> None:
        """Plug what another device will sit on."""
        new = prepare_device(
            machine.live, controller, machine.folder, self.host.settings, self.host.capabilities, nodes=machine.nodes
        )
        await self._add(machine, new, self._plug(machine, new, strict=True), work)
        self._tell(machine, new, work)

    def _plug(self, machine: Machine, device: Device, *, strict: bool = False) -> Plug:
        host = self.host
        return Plug.of(machine.live, device, host.capabilities, host.settings, machine.folder, strict=strict)

    def _check_new(self, machine: Machine, device: Device, target: Target) -> None:
        """Refuse what clashes with a device that is there, in libvirt's words."""
        trial = machine.live.copy()
        insert(trial, device)
        check(trial, but=WHEN_DEFINED)
        if isinstance(device, Interface) and device.mac is not None:
            for other in machine.live.devices.interfaces:
                if other.mac is not None and str(other.mac.address).lower() == str(device.mac.address).lower():
                    raise Conflict(
                        f"network device with mac {device.mac.address} already exists",
                        host=target.host, domain=target.uuid, evidence={"alias": other.alias},
                    )  # fmt: skip

    async def _add(self, machine: Machine, device: Device, plug: Plug, work: Work) -> None:
        """Plug it; either all of it is there afterwards or nothing, unless the guest holds on to it. The folder knows
        of it first."""
        live = machine.live.copy()
        insert(live, device)
        machine.number(highest_node(live))
        machine.live = live
        machine.rewrite()
        added: list[Command] = []
        try:
            if isinstance(device, Interface):
                network.connect(device)
            await _run(machine, plug.earlier)
            plug = plug.with_backends(await hand_over(machine, device, plug.backends))
            answers = await self._send(machine, (*plug.additions, *_questions(device)), added)
            self._note(machine, device, answers)
            await _run(machine, plug.settle)
        except asyncio.CancelledError:
            # What became of the last command is not known: whoever takes the host finds the device in the folder,
            # and takes out what QEMU does not have.
            raise
        except HypervisorSilent:
            # The same; it is looked at when QEMU answers again.
            machine.doubtful = True
            raise
        except BaseException as error:
            if not plug.is_plugged(added) or isinstance(error, HypervisorGone):
                await self._unwind(machine, device, plug, added)
                raise
            became = await self._take_out(machine, device, plug, work)
            if isinstance(error, VirtbusError):
                error.hint = became
            raise

    async def _unwind(self, machine: Machine, device: Device, plug: Plug, added: Sequence[Command]) -> None:
        """Nothing stays of a device that the guest has not seen."""
        for command in plug.unwind(added):
            # What could not be added cannot be taken away either; the first error is the one to tell.
            with contextlib.suppress(HypervisorError):
                await machine.execute(command.execute, command.arguments)
        with contextlib.suppress(HypervisorError):
            await take_back(machine, device, plug.backends)
        if isinstance(device, Interface):
            network.disconnect(device)
        live = machine.live.copy()
        remove(live, find(live, plug.alias))
        machine.live = live
        machine.rewrite()

    async def _take_out(self, machine: Machine, device: Device, plug: Plug, work: Work) -> str:
        """Unplug a device that the guest has but that could not be made right. It goes as any other does, and like any
        other stays while the guest holds on to it.

        :returns: what became of it.
        """
        self._tell(machine, device, work)
        try:
            async with asyncio.timeout(UNPLUG_LIMIT):
                gone = machine.expect("DEVICE_DELETED")
                await machine.execute(plug.removal.execute, plug.removal.arguments)
                while any(each.alias == plug.alias for each in machine.live.devices.every()):
                    await machine.expected(gone, work)
                    gone = machine.expect("DEVICE_DELETED")
        except (HypervisorError, TimeoutError):
            return f"{plug.alias} is plugged all the same, as the guest holds on to it: detach it"
        return f"{plug.alias} was unplugged again"

    def _note(self, machine: Machine, device: Device, answers: Sequence[Any]) -> None:
        """Note in the live definition what QEMU told of a device that it has now."""
        if isinstance(device, Disk):
            note_tray(device, answers[-1])
        elif isinstance(device, CharDevice) and device.type is CharType.PTY:
            told = next((answer["pty"] for answer in answers if isinstance(answer, dict) and "pty" in answer), None)
            if told is not None:
                device.sources = [CharSource(path=told)]
        live = machine.live.copy()
        replace(live, find(live, str(device.alias)), device)
        if live != machine.live:
            machine.live = live
            machine.rewrite()

    async def _send(self, machine: Machine, commands: Sequence[Command], done: list[Command]) -> list[Any]:
        """Send commands without waiting in between: QEMU does them in order, and refuses what needs one that failed.

        :param done: gets those that were done.
        :returns: QEMU's answers.
        :raises HypervisorError: the first refusal.
        """
        answers = await asyncio.gather(
            *(machine.execute(command.execute, command.arguments, timeout=PLUG_LIMIT) for command in commands),
            return_exceptions=True,
        )
        refusals = [answer for answer in answers if isinstance(answer, BaseException)]
        done += [command for command, answer in zip(commands, answers, strict=True) if answer not in refusals]
        if refusals:
            raise refusals[0]
        return answers

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        machine = self.host.machine(target)
        hotplug.check_detach(machine.live, device)

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices. QEMU cannot tell a guest that ignores it from one that is slow: the outcome is an event.

        The runtime's mark in the domain's record is durable; the job needs none besides.
        """
        machine = self.host.machine(target)
        device = next((each for each in machine.live.devices.every() if each.alias == alias), None)
        if device is not None and not self._plug(machine, device).has_device:
            # The guest does not see it, and need not agree.
            await self._gone(machine, alias, work)
            return
        try:
            await machine.execute("device_del", {"id": alias})
        except HypervisorSilent:
            # QEMU does it when it goes on: the mark waits.
            return
        except HypervisorGone:
            raise
        except HypervisorError as error:
            if error.evidence.get("class") == NOT_FOUND:
                await self._gone(machine, alias, work)
            elif ALREADY not in str(error.evidence.get("answer")):
                self.host.observe(
                    RemovalRefused(domain=machine.uuid, cause=work.job, alias=alias, reason=error.message)
                )

    async def _gone(self, machine: Machine, alias: str, work: Work) -> None:
        """Free what serves a device that the guest does not have, and say that it is gone."""
        gone = await machine.removed(alias, "guest", {"domain": machine.uuid, "cause": work.job})
        if gone is None:
            gone = DeviceRemoved(domain=machine.uuid, cause=work.job, alias=alias, live=machine.live)
        self.host.observe(gone)
        machine.rewrite()

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        machine = self.host.machine(target)
        async with machine.changing:
            # Displays have no alias: their kind names them.
            old = resolve(machine.live, device) if isinstance(device, Graphics) else find(machine.live, alias)
            if type(old) is not type(device):
                raise WrongState(
                    f"a {device.element_tag} cannot take the place of {alias}", host=target.host, domain=target.uuid
                )
            if isinstance(device, Disk):
                await _look_at_image(device, target)
            return await changed(self.host, machine, old, device.copy(), work, force=force)


async def _look_at_image(disk: Disk, target: Target) -> None:
    await storagecall.answer(lambda: check_image(disk, target), timeout=PLUG_LIMIT)


def missing_controllers(live: Domain, device: Device) -> list[Controller]:
    """The SCSI controllers up to that of a disk which are not there yet, of the model of those that are."""
    address = device.address
    if not isinstance(device, Disk) or device.target.bus is not DiskBus.SCSI or not isinstance(address, DriveAddress):
        return []
    present = {each.index: each.model for each in live.devices.controllers if each.type is ControllerType.SCSI}
    model = next((model for _, model in sorted(present.items(), reverse=True)), None)
    return [
        Controller(type=ControllerType.SCSI, index=index, model=model)
        for index in range(address.controller + 1)
        if index not in present
    ]


def _questions(device: Device) -> tuple[Command, ...]:
    """What is asked of QEMU once it has the device."""
    return (Command("query-block", {}),) if isinstance(device, Disk) else ()


def note_tray(disk: Disk, drives: Sequence[Mapping[str, Any]]) -> None:
    """Note whether a drive's tray is open, by QEMU's own account (QMP query-block)."""
    for drive in drives:
        if str(drive.get("qdev", "")).split("/")[-1] == disk.alias and drive.get("tray_open"):
            disk.target.tray = DiskTray.OPEN


async def _run(machine: Machine, commands: Iterable[Command]) -> None:
    for command in commands:
        await machine.execute(command.execute, command.arguments)
