"""Making machines of definitions, changing them to other definitions, and taking them away."""

from __future__ import annotations

from typing import cast

from virtbus.domain import Domain
from virtbus.driver import Work
from virtbus.errors import HypervisorError, NoSpace
from virtbus.observations import Defined, Undefined
from virtbus_esx.config.notes import DEFINITION, TRANSIENT, kept_definition
from virtbus_esx.config.writing import change, creation, is_empty
from virtbus_esx.host import HostPlace, datastores, networks
from virtbus_esx.machine import Machine
from virtbus_esx.nodes import ref
from virtbus_esx.settling import read, take_away
from virtbus_esx.soap import Session
from virtbus_esx.tasks import run
from virtbus_esx.vmx.files import split_place
from virtbus_esx.wire import Spec
from virtbus_esx.witness import Known, Witness

ASK = 20.0


class Maker:
    """Makes and changes the machines of one host."""

    def __init__(self, session: Session, place: HostPlace, witness: Witness, datastore: str | None) -> None:
        self._session = session
        self._place = place
        self._witness = witness
        self._datastore = datastore

    async def define(self, definition: Domain, work: Work) -> Domain:
        """Have the host keep a definition; returns it as it is kept."""
        assert definition.uuid is not None
        known = self._witness.of(definition.uuid)
        if known is None or known.machine is None:
            machine = await self.create(definition, work)
            return machine.persistent or definition
        async with self._witness.held(known.ref):
            machine = known.machine
            if machine.active:
                await self._defer(known, definition, work)
            else:
                await self.put(known, definition, work)
            found = await self._witness.look_held(known, but=Defined)
        if found is None or found.persistent is None:
            raise HypervisorError(f"the machine of {definition.name} is gone while it was defined")
        return found.persistent

    async def create(self, definition: Domain, work: Work, *, transient: bool = False) -> Machine:
        """A new machine, which is not told of. A repeated attempt may find it there."""
        async with self._witness.making:
            if work.begun is not None and (found := await self._found(definition)) is not None:
                self._witness.adopt(found)
                return found
            folder = await self._folder(definition)
            spec = creation(definition, folder, await networks(self._session, self._place, ASK))
            if transient:
                spec.values["extraConfig"].append(Spec("OptionValue", key=TRANSIENT, value="1"))
            await work.before_effect()
            result = await run(
                self._session, work, "CreateVM_Task", self._place.folder,
                config=spec, pool=self._place.pool, host=self._place.ref,
            )  # fmt: skip
            owner = ref(result)
            machine = None if owner is None else await read(self._session, owner)
            if machine is None:
                raise HypervisorError(f"the machine of {definition.name} is gone as soon as it was made")
            self._witness.adopt(machine)
            return machine

    async def _found(self, definition: Domain) -> Machine | None:
        """The machine that an earlier attempt made."""
        answer = await self._session.call(
            "FindByUuid", self._session.content["searchIndex"], ASK,
            datacenter=self._place.datacenter, uuid=str(definition.uuid), vmSearch=True,
        )  # fmt: skip
        owner = ref(answer.find("{urn:vim25}returnval"))
        return None if owner is None else await read(self._session, owner)

    async def _folder(self, definition: Domain) -> str:
        """Where the files of a new machine go: beside its first disk, where it has one."""
        there = await datastores(self._session, self._place, ASK)
        usable = {name: store for name, store in there.items() if store.accessible}
        wanted = self._datastore
        for disk in definition.devices.disks:
            found = split_place(disk.source.file) if disk.source is not None and disk.source.file else None
            if wanted is None and found is not None and found[0] in usable:
                wanted = found[0]
        if wanted is None and usable:
            wanted = max(usable.values(), key=lambda store: store.free).name
        if wanted is None or wanted not in usable:
            raise NoSpace(
                f"the host has no datastore {wanted or 'at all'} for the machine {definition.name}",
                hint=f"it has {', '.join(usable)}" if usable else "mount one",
            )
        return f"[{wanted}]"

    async def put(self, known: Known, definition: Domain, work: Work) -> None:
        """Change a machine that is off to a definition."""
        machine = cast(Machine, known.machine)
        spec = change(definition, machine.configured, await networks(self._session, self._place, ASK))
        options = spec.values.setdefault("extraConfig", [])
        if machine.configured.transient:
            options.append(Spec("OptionValue", key=TRANSIENT, value=""))
        if is_empty(spec):
            return
        await self.reconfigure(known, spec, work)

    async def _defer(self, known: Known, definition: Domain, work: Work) -> None:
        """Keep a definition for the time when the machine is off."""
        machine = cast(Machine, known.machine)
        running = change(definition, machine.configured, await networks(self._session, self._place, ASK))
        waiting = DEFINITION in machine.configured.options
        running.values["extraConfig"] = [
            option for option in running.values["extraConfig"] if option.values["key"] != DEFINITION
        ]
        note = "" if is_empty(running) else kept_definition(definition)
        options = []
        if note or waiting:
            options.append(Spec("OptionValue", key=DEFINITION, value=note))
        if machine.configured.transient:
            options.append(Spec("OptionValue", key=TRANSIENT, value=""))
        if options:
            await self.reconfigure(known, Spec("VirtualMachineConfigSpec", extraConfig=options), work)

    async def reconfigure(self, known: Known, spec: Spec, work: Work) -> None:
        """Change a machine's configuration, unless somebody else does so at the same time."""
        await work.before_effect()
        await run(self._session, work, "ReconfigVM_Task", known.ref, spec=spec)

    async def undefine(self, domain: Domain, work: Work, *, keep_files: bool) -> None:
        """Have the host forget a definition: an active machine goes when it stops."""
        assert domain.uuid is not None
        known = self._witness.of(domain.uuid)
        if known is None or known.machine is None:
            return
        async with self._witness.held(known.ref):
            machine = known.machine
            if machine.active:
                options = [Spec("OptionValue", key=TRANSIENT, value="1")]
                if DEFINITION in machine.configured.options:
                    options.append(Spec("OptionValue", key=DEFINITION, value=""))
                await self.reconfigure(known, Spec("VirtualMachineConfigSpec", extraConfig=options), work)
                await self._witness.look_held(known, but=Undefined)
                return
            self._witness.quiet.add(known.ref)
            try:
                await work.before_effect()
                await take_away(self._session, machine, keep_files=keep_files)
                self._witness.forget(known.ref)
            finally:
                self._witness.quiet.discard(known.ref)


def keep_definition(machine: Machine, spec: Spec) -> Spec:
    """Have a change of a running machine leave its definition as it is."""
    persistent = machine.persistent
    if persistent is not None and DEFINITION not in machine.configured.options:
        options = spec.values.setdefault("extraConfig", [])
        options.append(Spec("OptionValue", key=DEFINITION, value=kept_definition(persistent)))
    return spec
