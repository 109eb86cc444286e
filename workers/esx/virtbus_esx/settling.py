"""What waits for a machine to be off: its deferred definition comes into force, and a transient one goes."""

from __future__ import annotations

from virtbus_esx.collecting import retrieve, specification
from virtbus_esx.config.reading import PATHS
from virtbus_esx.config.writing import change
from virtbus_esx.host import HostPlace, networks
from virtbus_esx.machine import Machine, read_machine
from virtbus_esx.nodes import kind
from virtbus_esx.soap import Session, returned
from virtbus_esx.tasks import finished
from virtbus_esx.wire import Raw, Ref, Spec

ASK = 20.0


async def settle(session: Session, place: HostPlace, machine: Machine) -> Machine | None:
    """Do what waited; None where the machine is gone by it."""
    if machine.configured.transient:
        await take_away(session, machine, keep_files=False)
        return None
    deferred = machine.configured.deferred
    if deferred is None:
        return machine
    spec = change(deferred, machine.configured, await networks(session, place, ASK))
    spec.values["changeVersion"] = machine.version or None
    await reconfigure(session, machine.ref, spec)
    return await read(session, machine.ref)


async def reconfigure(session: Session, owner: Ref, spec: Spec) -> None:
    """Change a machine, as no job's effect."""
    task = returned(await session.call("ReconfigVM_Task", owner, ASK, spec=spec))
    await finished(session, task, "ReconfigVM_Task")


async def read(session: Session, owner: Ref) -> Machine | None:
    """A machine as it is now."""
    found = await retrieve(session, [specification("VirtualMachine", PATHS, [owner])], ASK)
    values = found.get(owner)
    return None if values is None else read_machine(owner, values)


async def take_away(session: Session, machine: Machine, *, keep_files: bool) -> None:
    """Remove a machine that is off. Its disks are not its own, and stay: they are taken out of it before.

    :param keep_files: only forget it, and leave its folder as it is.
    """
    values = await session.properties(machine.ref, ASK, "snapshot")
    if keep_files or "snapshot" in values:
        # Disks with snapshots cannot be taken out, and destroying the machine would destroy them.
        await session.call("UnregisterVM", machine.ref, ASK)
        return
    drives = [node for node in machine.configured.hardware.nodes if kind(node) == "VirtualDisk"]
    if drives:
        changes = [Spec("VirtualDeviceConfigSpec", operation="remove", device=Raw(node)) for node in drives]
        await reconfigure(session, machine.ref, Spec("VirtualMachineConfigSpec", deviceChange=changes))
    task = returned(await session.call("Destroy_Task", machine.ref, ASK))
    await finished(session, task, "Destroy_Task")
