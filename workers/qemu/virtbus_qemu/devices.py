"""Devices of running QEMU domains: plugging, unplugging and changing, one mechanism for every kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from virtbus.domain import Device, Disk, Interface, check, find, insert, remove
from virtbus.driver import Devices, Target, Work
from virtbus.errors import Conflict, HypervisorError, HypervisorGone, HypervisorSilent, WrongState
from virtbus.observations import DeviceAdded, DeviceRemoved, RemovalRefused
from virtbus_qemu import chains, hotplug, network
from virtbus_qemu.change import changed
from virtbus_qemu.command.parts import Command
from virtbus_qemu.host import QemuHost
from virtbus_qemu.hotplug import Plug
from virtbus_qemu.images import check_image
from virtbus_qemu.live import highest_node, prepare_device
from virtbus_qemu.machine import Machine, plugged

PLUG_LIMIT = 20.0
"""Seconds for one command that opens images or backends."""
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
                check_image(device, target)
                await chains.discover_disk(device, timeout=PLUG_LIMIT)
            new = prepare_device(machine.live, device, machine.folder, self.host.settings, nodes=machine.nodes)
            self._check_new(machine, new, target)
            plug = self._plug(machine, new, strict=True)
            await work.before_effect(alias=new.alias)
            await self._add(machine, new, plug)
        self.host.observe(DeviceAdded(domain=machine.uuid, cause=work.job, alias=str(new.alias), live=machine.live))
        return new

    def _plug(self, machine: Machine, device: Device, *, strict: bool = False) -> Plug:
        host = self.host
        return Plug.of(machine.live, device, host.capabilities, host.settings, machine.folder, strict=strict)

    def _check_new(self, machine: Machine, device: Device, target: Target) -> None:
        """Refuse what clashes with a device that is there, in libvirt's words."""
        trial = machine.live.copy()
        insert(trial, device)
        check(trial)
        if isinstance(device, Interface) and device.mac is not None:
            for other in machine.live.devices.interfaces:
                if other.mac is not None and str(other.mac.address).lower() == str(device.mac.address).lower():
                    raise Conflict(
                        f"network device with mac {device.mac.address} already exists",
                        host=target.host, domain=target.uuid, evidence={"alias": other.alias},
                    )  # fmt: skip

    async def _add(self, machine: Machine, device: Device, plug: Plug) -> None:
        """Plug it; either all of it is there afterwards or nothing. The folder knows of it first."""
        live = machine.live.copy()
        insert(live, device)
        machine.number(highest_node(live))
        machine.live = live
        machine.rewrite()
        added: list[Command] = []
        try:
            if isinstance(device, Interface):
                network.connect(device)
            await self._send(machine, plug.additions, added)
            await _run(machine, plug.settle)
        except asyncio.CancelledError:
            # What became of the last command is not known: whoever takes the host finds the device in the folder,
            # and takes out what QEMU does not have.
            raise
        except BaseException:
            for command in plug.unwind(added):
                try:
                    await machine.execute(command.execute, command.arguments)
                except HypervisorError:
                    # What could not be added cannot be taken away either; the first error is the one to tell.
                    continue
            if isinstance(device, Interface):
                network.disconnect(device)
            live = machine.live.copy()
            remove(live, find(live, str(device.alias)))
            machine.live = live
            machine.rewrite()
            raise

    async def _send(self, machine: Machine, commands: Sequence[Command], done: list[Command]) -> None:
        """Send commands without waiting in between: QEMU does them in order, and refuses what needs one that failed.

        :param done: gets those that were done.
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

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        machine = self.host.machine(target)
        hotplug.check_detach(machine.live, device)

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices. QEMU cannot tell a guest that ignores it from one that is slow: the outcome is an event.

        The runtime's mark in the domain's record is durable; the job needs none besides.
        """
        machine = self.host.machine(target)
        try:
            await machine.execute("device_del", {"id": alias})
        except HypervisorSilent:
            # QEMU does it when it goes on: the mark waits.
            return
        except HypervisorGone:
            raise
        except HypervisorError as error:
            if error.evidence.get("class") == NOT_FOUND:
                gone = await machine.removed(alias, "guest", {"domain": machine.uuid, "cause": work.job})
                if gone is not None:
                    self.host.observe(gone)
                    machine.rewrite()
                    return
                self.host.observe(DeviceRemoved(domain=machine.uuid, cause=work.job, alias=alias, live=machine.live))
            elif ALREADY not in str(error.evidence.get("answer")):
                self.host.observe(
                    RemovalRefused(domain=machine.uuid, cause=work.job, alias=alias, reason=error.message)
                )

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices."""
        machine = self.host.machine(target)
        async with machine.changing:
            old = find(machine.live, alias)
            if type(old) is not type(device):
                raise WrongState(
                    f"a {device.element_tag} cannot take the place of {alias}", host=target.host, domain=target.uuid
                )
            if isinstance(device, Disk):
                check_image(device, target)
            return await changed(self.host, machine, old, device.copy(), work, force=force)


async def _run(machine: Machine, commands: Iterable[Command]) -> None:
    for command in commands:
        await machine.execute(command.execute, command.arguments)
