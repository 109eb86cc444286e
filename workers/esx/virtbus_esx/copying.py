"""Copies of machines, and moves between hosts and datastores, that the server makes by itself."""

from __future__ import annotations

from virtbus.driver import Copying, HostSettings, Target, Work
from virtbus.errors import AlreadyExists, HypervisorError, InvalidArgument
from virtbus.operations.copying import Clone
from virtbus_esx.collecting import everything
from virtbus_esx.host import HostPlace, datastores
from virtbus_esx.nodes import content, ref
from virtbus_esx.settling import read
from virtbus_esx.soap import Session
from virtbus_esx.tasks import ASK, run
from virtbus_esx.wire import Ref, Spec
from virtbus_esx.witness import Witness


class EsxCopying(Copying):
    """The facet; the driver brings the session."""

    settings: HostSettings
    session: Session
    place: HostPlace
    witness: Witness

    async def clone(self, target: Target, name: str, work: Work) -> Clone:
        """See Copying."""
        known = self.witness.require(target)
        for other in self.witness.all():
            if other.name == name:
                if work.begun is not None:
                    return Clone(uuid=other.uuid, name=name)
                raise AlreadyExists(
                    f"domain '{name}' already exists with uuid {other.uuid}", host=target.host, domain=target.uuid
                )
        await work.before_effect()
        location = Spec("VirtualMachineRelocateSpec", host=self.place.ref, pool=self.place.pool)
        spec = Spec("VirtualMachineCloneSpec", location=location, template=False, powerOn=False)
        result = await run(
            self.session, work, "CloneVM_Task", known.ref, folder=self.place.folder, name=name, spec=spec
        )
        owner = ref(result)
        machine = None if owner is None else await read(self.session, owner)
        if owner is None or machine is None:
            raise HypervisorError(f"the copy {name} is gone as soon as it was made", host=target.host)
        await self.witness.look(owner, cause=work.job)
        return Clone(uuid=machine.uuid, name=name)

    async def relocate(self, target: Target, destination: str | None, pool: str | None, work: Work) -> None:
        """See Copying. The destination is a host of the same vCenter, by its name there."""
        known = self.witness.require(target)
        location = Spec("VirtualMachineRelocateSpec")
        if pool is not None:
            location.values["datastore"] = await self._datastore(target, pool)
        if destination is not None:
            host, resources = await self._host(target, destination)
            location.values |= {"pool": resources, "host": host}
            known.expected.stopped = "migrated"
        try:
            await work.before_effect()
            await run(self.session, work, "RelocateVM_Task", known.ref, spec=location, priority="defaultPriority")
            await self.witness.look(known.ref, cause=work.job)
        finally:
            known.expected.stopped = None

    async def _datastore(self, target: Target, pool: str) -> Ref:
        there = await datastores(self.session, self.place, ASK)
        if pool not in there:
            raise InvalidArgument(
                f"the host has no storage pool {pool}", host=target.host, domain=target.uuid,
                hint=f"it has {', '.join(sorted(there))}",
            )  # fmt: skip
        return there[pool].ref

    async def _host(self, target: Target, destination: str) -> tuple[Ref, Ref]:
        """A host of the same server by its name there, whole or without its domain, and its resource pool."""
        kinds = {"HostSystem": ("name", "parent"), "ComputeResource": ("resourcePool",)}
        tree = await everything(self.session, kinds, ASK)
        names = {owner: content(values, "name") or "" for owner, values in tree.items() if owner.kind == "HostSystem"}
        for owner, name in names.items():
            if _token(name) == destination or _token(name.partition(".")[0]) == destination:
                parent = ref(tree[owner].get("parent"))
                pool = None if parent is None else ref(tree.get(parent, {}).get("resourcePool"))
                if pool is not None:
                    return owner, pool
        raise InvalidArgument(
            f"the server of this host has no host {destination}", host=target.host, domain=target.uuid,
            hint=f"it has {', '.join(sorted(_token(name) for name in names.values()))}",
        )  # fmt: skip


def _token(name: str) -> str:
    """A name as a fleet's hosts have them: lower case, and nothing but letters, digits, dashes and underscores."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name.lower())
