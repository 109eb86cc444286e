"""What can be done with the domains of a pool: their lives, their devices, their size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from virtbus.domain import Device, Disk, Domain, Interface, complete_device, described, find, insert, replace
from virtbus.domain.interface import LinkState
from virtbus.domain.memory import CurrentMemory
from virtbus.driver import Devices, Lifecycle, Target, Tuning, Work
from virtbus.errors import ConfigUnsupported, Conflict, InvalidArgument, NoDomain, WrongState
from virtbus.eventkinds import EventKind
from virtbus.observations import DeviceAdded, LiveChanged, PoweredOff, Resumed, Started, Suspended
from virtbus_xen import aliases
from virtbus_xen.devices import link_of
from virtbus_xen.xapi import devices, translation
from virtbus_xen.xapi.host import Machine, PoolHost
from virtbus_xen.xapi.rpc import CALL_SECONDS, Failure

UNANSWERED = ("DEVICE_DETACH_REJECTED", "DEVICE_DETACH_TIMEOUT")


@contextmanager
def hold(machine: Machine) -> Iterator[None]:
    """While a machine is changed, only the changer tells what becomes of it."""
    machine.held += 1
    try:
        yield
    finally:
        machine.held -= 1


class XapiLifecycle(Lifecycle):
    """The facet; the driver brings the host."""

    host: PoolHost

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle."""
        host, uuid = self.host, target.uuid
        host.starting.add(uuid)
        try:
            machine = host.machines.get(uuid)
            if machine is not None and machine.live is not None:
                if machine.record["other_config"].get(translation.JOB_KEY) == work.job:
                    self._tell(machine, work)
                return
            await work.before_effect()
            machine = await self._made(machine, definition)
            with hold(machine):
                incarnation = uuid4().hex
                machine.gone.clear()
                await host.note(machine, translation.RUN_KEY, incarnation)
                await host.note(machine, translation.JOB_KEY, work.job)
                machine.live = translation.read(machine.record)
                aliases.assign(machine.live)
                await host.keep(machine)
                try:
                    await work.until(host.pool.run("VM.start", machine.ref, paused, False, timeout=work.remaining()))
                except BaseException:
                    machine.live = None
                    raise
                await host.refresh(machine)
                machine.incarnation, machine.live.id = incarnation, machine.domid
                await host.keep(machine)
                self._tell(machine, work)
        finally:
            host.starting.discard(uuid)

    def _tell(self, machine: Machine, work: Work) -> None:
        assert machine.live is not None
        paused = machine.power == "Paused"
        self.host.observe(Started(domain=machine.uuid, cause=work.job, incarnation=machine.incarnation,
                                  id=machine.domid, live=machine.live.copy(), paused=paused))  # fmt: skip

    async def _made(self, machine: Machine | None, definition: Domain) -> Machine:
        """The pool's machine as it is defined now: one of an older definition is made anew."""
        host, text = self.host, definition.format(secure=True)
        if machine is not None and machine.record["other_config"].get(translation.DEFINITION_KEY) == text:
            return machine
        if machine is not None:
            machine.held += 1
            await host.pool.call("VM.destroy", machine.ref)
        ref = await host.pool.call("VM.create", translation.written(definition))
        try:
            for device in (*definition.devices.disks, *definition.devices.interfaces):
                await devices.create(host.pool, ref, device, definition)
        except BaseException:
            await host.pool.call("VM.destroy", ref)
            raise
        assert definition.uuid is not None
        made = Machine(definition.uuid, ref, await host.pool.call("VM.get_record", ref))
        host.machines[made.uuid] = made
        return made

    # ---- asking the guest ----

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await work.progress("waiting-for-guest")
            await work.until(self._off(machine, work))
            if machine.live is None:
                return
            await self.host.refresh(machine)
            self.host.observe(PoweredOff(domain=machine.uuid, cause=work.job))
            await self.host.stopped(machine, "shutdown", work.job)

    async def _off(self, machine: Machine, work: Work) -> None:
        """Ask the guest to power off, and wait until it is off, whoever did it."""
        asked = self.host.pool.run("VM.clean_shutdown", machine.ref, timeout=work.remaining() + 1)
        both = [asyncio.ensure_future(asked), asyncio.ensure_future(machine.gone.wait())]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                await each
        except WrongState:
            await self.host.refresh(machine)
            if machine.power != "Halted":
                raise
            # Somebody has ended it meanwhile, and tells how.
            async with asyncio.timeout(CALL_SECONDS):
                await machine.gone.wait()
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await work.progress("waiting-for-guest")
            await self._ask(machine, "VM.clean_reboot", work)
            await self.host.rebooted(machine, work.job)

    async def _ask(self, machine: Machine, method: str, work: Work) -> None:
        await work.until(self.host.pool.run(method, machine.ref, timeout=work.remaining() + 1))
        await self.host.refresh(machine)

    # ---- at once ----

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await self.host.pool.run("VM.hard_reboot", machine.ref, timeout=work.remaining() + 1)
            await self.host.refresh(machine)
            await self.host.rebooted(machine, work.job)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await self.host.pool.run("VM.hard_shutdown", machine.ref, timeout=work.remaining() + 1)
            with suppress(NoDomain):
                await self.host.refresh(machine)
            await self.host.stopped(machine, "destroyed", work.job)

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await self._ask(machine, "VM.pause", work)
            self.host.observe(Suspended(domain=machine.uuid, cause=work.job))

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        machine = self.host.machine(target)
        with hold(machine):
            await work.before_effect()
            await self._ask(machine, "VM.unpause", work)
            self.host.observe(Resumed(domain=machine.uuid, cause=work.job))


class XapiDevices(Devices):
    """The facet; the driver brings the host."""

    host: PoolHost

    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """See Devices."""
        machine = self.host.machine(target)
        live = machine.live
        assert live is not None
        plugged = device.copy()
        complete_device(live, plugged)
        _check_pluggable(target, plugged, "attached")
        mark = (work.begun or {}).get("alias")
        plugged.alias = plugged.alias or mark or aliases.new_alias(live, plugged)
        if mark is not None and any(each.alias == mark for each in live.devices.every()):
            return find(live, mark)
        _check_clash(target, live, plugged)
        await work.before_effect(alias=plugged.alias)
        found = await devices.find(self.host.pool, machine.ref, plugged.alias) if mark is not None else None
        kind, ref = found[:2] if found is not None else await devices.create(self.host.pool, machine.ref, plugged, live)
        try:
            await work.until(self.host.pool.run(f"{kind}.plug", ref, timeout=work.remaining() + 1))
        except BaseException:
            async with asyncio.timeout(CALL_SECONDS):
                await self.host.pool.call(f"{kind}.destroy", ref)
            raise
        insert(live, plugged.copy())
        await self.host.keep(machine)
        self.host.observe(DeviceAdded(domain=machine.uuid, cause=work.job, alias=plugged.alias, live=live.copy()))
        return plugged

    def check_detach(self, target: Target, device: Device) -> None:
        """See Devices."""
        _check_pluggable(target, device, "detached")

    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """See Devices. The pool waits for the guest within the call; it is asked for as long as the job may go on."""
        machine = self.host.machine(target)
        found = await devices.find(self.host.pool, machine.ref, alias)
        machine.removals[alias] = work.job
        await work.before_effect()
        if found is not None and found[2]["currently_attached"]:
            try:
                await self.host.pool.run(f"{found[0]}.unplug", found[1], timeout=min(work.remaining(), CALL_SECONDS))
            except Failure as error:
                if error.words[0] not in UNANSWERED:
                    machine.removals.pop(alias, None)
                    raise
                # The guest has not let go; a reset or its end completes it.
                return
        if alias in machine.removals:
            job = machine.removals.pop(alias)
            await self.host.removed(machine, alias, job, "guest")

    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """See Devices. What can be changed is an interface's link."""
        machine = self.host.machine(target)
        assert machine.live is not None
        old = find(machine.live, alias)
        new = device.copy()
        new.alias, new.address = old.alias, new.address or old.address
        complete_device(machine.live, new)
        link = link_of(target, old, new)
        found = await devices.find(self.host.pool, machine.ref, alias)
        if link is None or found is None:
            return old
        await work.before_effect()
        # A card that is locked passes nothing, as one without a cable.
        mode = "disabled" if link is LinkState.DOWN else "network_default"
        await self.host.pool.call("VIF.set_locking_mode", found[1], mode)
        replace(machine.live, old, new.copy())
        await self.host.keep(machine)
        self.host.observe(LiveChanged(domain=machine.uuid, cause=work.job, live=machine.live.copy(), subject=alias,
                                      kind=EventKind.DEVICE_UPDATED, detail={"alias": alias}))  # fmt: skip
        return new


class XapiTuning(Tuning):
    """The facet; the driver brings the host."""

    host: PoolHost

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning."""
        machine = self.host.machine(target)
        assert machine.live is not None
        vcpu = machine.live.vcpu
        most = vcpu.count if vcpu is not None else 1
        _check_size(target, "virtual CPUs", count, most)
        await work.before_effect()
        await work.until(self.host.pool.run("VM.set_VCPUs_number_live", machine.ref, str(count),
                                            timeout=work.remaining() + 1))  # fmt: skip
        if vcpu is not None:
            vcpu.current = count if count < most else None
        await self._changed(machine, work, EventKind.TUNABLE, {"vcpus.current": count})

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning."""
        machine = self.host.machine(target)
        assert machine.live is not None
        _check_size(target, "KiB of memory", kibibytes, machine.live.memory.kib if machine.live.memory else 0)
        await work.before_effect()
        size = str(kibibytes * 1024)
        await self.host.pool.call("VM.set_memory_dynamic_range", machine.ref, size, size)
        machine.live.current_memory = CurrentMemory(kib=kibibytes)
        await self._changed(machine, work, EventKind.BALLOON_CHANGE, {"actual": kibibytes})

    async def _changed(self, machine: Machine, work: Work, kind: EventKind, detail: dict[str, int]) -> None:
        assert machine.live is not None
        await self.host.keep(machine)
        self.host.observe(LiveChanged(domain=machine.uuid, cause=work.job, live=machine.live.copy(), kind=kind,
                                      detail=dict(detail)))  # fmt: skip


def _check_size(target: Target, what: str, wanted: int, most: int) -> None:
    if not 1 <= wanted <= most:
        raise InvalidArgument(
            f"{wanted} {what} were asked for; the running domain can have 1 to {most}",
            host=target.host, domain=target.uuid,
            hint="raise the maximum in the persistent definition and start the domain anew",
        )  # fmt: skip


def _check_pluggable(target: Target, device: Device, verb: str) -> None:
    if not isinstance(device, Disk | Interface):
        raise ConfigUnsupported(
            f"the device ({described(device)}) cannot be {verb} while the domain runs: "
            f"<{device.element_tag}> devices come and go with the domain",
            host=target.host, domain=target.uuid, hint="change the persistent definition, and start the domain anew",
            evidence={"alias": device.alias, "path": f"/{device.element_tag}"},
        )  # fmt: skip


def _check_clash(target: Target, live: Domain, device: Device) -> None:
    for other in live.devices.every():
        same = other.alias == device.alias
        if isinstance(device, Disk) and isinstance(other, Disk):
            same = same or other.target.dev == device.target.dev
        if isinstance(device, Interface) and isinstance(other, Interface) and device.mac and other.mac:
            same = same or other.mac.address == device.mac.address
        if same:
            raise Conflict(f"{described(other)} already exists", host=target.host, domain=target.uuid,
                           hint="give the device another place", evidence={"alias": other.alias})  # fmt: skip
