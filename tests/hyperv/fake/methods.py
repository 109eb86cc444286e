"""The methods of the fake's WMI classes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.hyperv.fake import resources
from tests.hyperv.fake.jobs import Job, Refused
from tests.hyperv.fake.machine import OFF, PAUSED, RUNNING, SAVED, STARTING, Machine, Thing, cim_time, ref_of
from tests.hyperv.fake.soap import Embedded, Ref

if TYPE_CHECKING:
    from tests.hyperv.fake.host import FakeHost

Arguments = dict[str, list[Any]]
Result = dict[str, Any]
Method = Callable[["FakeHost", Thing, Arguments], Result]
STARTED, INVALID_PARAMETER, INVALID_STATE = 4096, 32773, 32775
SETTINGS = "Msvm_VirtualSystemSettingData"


def _job(host: FakeHost, job: Job) -> Result:
    return {"Job": ref_of(job.thing()), "ReturnValue": STARTED}


def _first(arguments: Arguments, name: str) -> Any:
    found = arguments.get(name)
    if not found:
        raise Refused(INVALID_PARAMETER)
    return found[0]


def _machine(host: FakeHost, ref: Any) -> Machine:
    machine = host.machine_of("", ref.keys) if isinstance(ref, Ref) else None
    if machine is None:
        raise Refused(INVALID_PARAMETER)
    return machine


def guarded(method: Method) -> Method:
    """A refusal is a return value."""

    def call(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
        try:
            return method(host, target, arguments)
        except Refused as refused:
            return {"ReturnValue": refused.code}

    return call


# ---- Msvm_ComputerSystem ----

_ALLOWED = {
    2: (OFF, SAVED, PAUSED), 3: (RUNNING, PAUSED, SAVED, STARTING), 6: (RUNNING, PAUSED), 9: (RUNNING,),
    11: (RUNNING, PAUSED), 32768: (RUNNING,), 32769: (RUNNING, PAUSED),
}  # fmt: skip
_JOB_TYPES = {2: 12, 3: 13, 6: 14, 9: 26, 11: 28, 32768: 26, 32769: 14}


def request_state(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """RequestStateChange of a machine."""
    machine = host.machines[target.values["Name"]]
    wanted = int(_first(arguments, "RequestedState"))
    if machine.state not in _ALLOWED.get(wanted, ()):
        raise Refused(INVALID_STATE if wanted in _ALLOWED else INVALID_PARAMETER)
    if wanted == 2 and machine.state in (OFF, SAVED):
        machine.state = STARTING
    held = machine.hung and wanted != 3
    job = host.jobs.begin(_JOB_TYPES[wanted], lambda: _enter(host, machine, wanted), held=held)
    if held:
        machine.waiting.append(lambda: job.fail(INVALID_STATE, "The virtual machine was turned off."))
    return _job(host, job)


def _enter(host: FakeHost, machine: Machine, wanted: int) -> None:
    if wanted == 3 and machine.state == OFF:
        return
    if wanted == 11:
        machine.enter(RUNNING, reset=True)
    elif wanted == 2:
        if machine.pid is None:
            _check_files(host, machine)
            machine.pid, machine.health = next(host.pids), 5
        machine.enter(RUNNING)
    else:
        machine.enter({3: OFF, 6: SAVED, 32769: SAVED, 9: PAUSED, 32768: PAUSED}[wanted])


def _check_files(host: FakeHost, machine: Machine) -> None:
    missing = [path for path in _paths(machine) if "missing" in path]
    if missing:
        machine.enter(OFF)
        raise Refused(32768, f"'{machine.name}' failed to start. The file {missing[0]} was not found. (0x80070002)")


def _paths(machine: Machine) -> list[str]:
    storage = [each for each in machine.things.values() if each.kind == resources.STORAGE]
    return [str(path) for each in storage for path in each.values.get("HostResource") or []]


# ---- the guest ----


def initiate_shutdown(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Ask the guest to shut down."""
    return _ask_guest(host, target, lambda machine: machine.enter(OFF))


def initiate_reboot(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Ask the guest to reboot."""
    return _ask_guest(host, target, lambda machine: machine.enter(RUNNING, reset=True))


def _ask_guest(host: FakeHost, target: Thing, act: Callable[[Machine], None]) -> Result:
    machine = host.machines[target.values["SystemName"]]
    if machine.state != RUNNING:
        raise Refused(INVALID_STATE)
    if not machine.deaf:
        pid = machine.pid
        host.jobs.begin(16, lambda: act(machine) if machine.pid == pid else None)
    return {"ReturnValue": 0}


def press_key(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Press a key down."""
    host.machines[target.values["SystemName"]].typed.append(f"+{_first(arguments, 'keyCode')}")
    return {"ReturnValue": 0}


def release_key(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Let a key go."""
    host.machines[target.values["SystemName"]].typed.append(f"-{_first(arguments, 'keyCode')}")
    return {"ReturnValue": 0}


# ---- Msvm_VirtualSystemManagementService ----


def define_system(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """A new machine; several may have one name."""
    given = _first(arguments, "SystemSettings").values
    guid = str(uuid.uuid4()).upper()
    generation = int(str(given.get("VirtualSystemSubType") or "1")[-1])
    machine = Machine(guid, given.get("ElementName") or "New Virtual Machine", host.name, generation)
    machine.settings = {
        "BIOSGUID": f"{{{uuid.uuid4()}}}".upper(), "CreationTime": cim_time(), "SecureBootEnabled": True,
        "BootOrder": ["1", "2", "3", "0"],
    }  # fmt: skip
    _configure(machine, given)
    machine.furnish()
    host.machines[guid] = machine
    return {"ResultingSystem": ref_of(machine.system()), "ReturnValue": 0}


def _configure(machine: Machine, given: dict[str, Any]) -> None:
    machine.name = given.get("ElementName") or machine.name
    if "Notes" in given:
        machine.notes = given["Notes"] or []
    known = ("BIOSGUID", "BootOrder", "SecureBootEnabled", "AutomaticStartupAction", "AutomaticShutdownAction")
    machine.settings |= {name: given[name] for name in known if given.get(name) is not None}
    machine.reconfigured()


def modify_system(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Change a machine's settings, or the name and the notes of a snapshot."""
    given = _first(arguments, "SystemSettings").values
    for machine in host.machines.values():
        if given.get("InstanceID") in machine.snapshots:
            snapshot = machine.snapshots[given["InstanceID"]]
            snapshot.values |= {name: given[name] for name in ("ElementName", "Notes") if name in given}
            return {"ReturnValue": 0}
        if given.get("InstanceID") == machine.settings_id:
            if machine.active and (given.get("BIOSGUID") or given.get("BootOrder")):
                raise Refused(INVALID_STATE)
            _configure(machine, given)
            return {"ReturnValue": 0}
    raise Refused(INVALID_PARAMETER)


def destroy_system(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Remove a machine; its disks stay."""
    machine = _machine(host, _first(arguments, "AffectedSystem"))
    if machine.active:
        raise Refused(INVALID_STATE)
    return _job(host, host.jobs.begin(3, lambda: host.machines.pop(machine.guid, None) and None))


def add_resources(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Plug resources: at once where the machine is off, by a job where it runs."""
    machine = _machine(host, _first(arguments, "AffectedConfiguration"))
    added: list[Thing] = []

    def work() -> None:
        for given in arguments.get("ResourceSettings", []):
            assert isinstance(given, Embedded)
            files = _open_files(host, machine)
            added.append(resources.add(machine, given.kind, dict(given.values), files, set(host.switches)))
        machine.reconfigured()

    if machine.active:
        return {"ResultingResourceSettings": None} | _job(host, host.jobs.begin(30, work))
    work()
    return {"ResultingResourceSettings": [ref_of(each) for each in added], "ReturnValue": 0}


def _open_files(host: FakeHost, beside: Machine) -> dict[str, str]:
    """The files that other machines have open, with the names of these."""
    others = [other for other in host.machines.values() if other is not beside and other.active]
    return {path.lower(): other.name for other in others for path in _paths(other)}


def modify_resources(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Change resources."""
    given = [each for each in arguments.get("ResourceSettings", []) if isinstance(each, Embedded)]
    machine = host.machine_of("", {"InstanceID": str(given[0].values.get("InstanceID"))}) if given else None
    if machine is None:
        raise Refused(INVALID_PARAMETER)
    found = machine

    def work() -> None:
        for each in given:
            resources.modify(found, dict(each.values), set(host.switches))
        found.reconfigured()

    if machine.active:
        return _job(host, host.jobs.begin(31, work))
    work()
    return {"ReturnValue": 0}


def remove_resources(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Take resources out. The guest of a machine that runs must let go of them first."""
    refs: list[Ref] = arguments.get("ResourceSettings", [])
    machine = _machine(host, refs[0]) if refs else None
    things = [] if machine is None else [machine.things.get(ref.keys.get("InstanceID", "")) for ref in refs]
    if machine is None or not all(things):
        raise Refused(INVALID_PARAMETER)
    there, found = [thing for thing in things if thing is not None], machine

    def work() -> None:
        for thing in there:
            found.unplugging.pop(thing.id, None)
            resources.remove(found, thing)
        found.reconfigured()

    for thing in there:
        resources.removable(machine, thing)
    if not machine.active:
        work()
        return {"ReturnValue": 0}
    waits = machine.deaf and any(thing.kind != resources.STORAGE for thing in there)
    job = host.jobs.begin(32, work, held=waits)
    if waits:
        machine.unplugging |= {thing.id: job.finish for thing in there}
    return _job(host, job)


_SUMMARY: dict[int, Callable[[Machine], Result]] = {
    0: lambda machine: {"Name": machine.guid},
    1: lambda machine: {"ElementName": machine.name},
    2: lambda machine: {"CreationTime": machine.settings["CreationTime"]},
    4: lambda machine: {"NumberOfProcessors": _quantity(machine, "Msvm_ProcessorSettingData")},
    100: lambda machine: {"EnabledState": machine.state},
    101: lambda machine: {"ProcessorLoad": 5 if machine.active else None},
    103: lambda machine: {
        "MemoryUsage": _quantity(machine, "Msvm_MemorySettingData") if machine.active else None
    },
    104: lambda machine: {"Heartbeat": 2 if machine.active and not machine.deaf else 12},
    105: lambda machine: {"UpTime": machine.uptime()},
    106: lambda machine: {"GuestOperatingSystem": None},
    107: lambda machine: {
        "Snapshots": [Embedded(SETTINGS, each.values) for each in machine.snapshots.values()]
    },
    108: lambda machine: {"AsynchronousTasks": []},
    109: lambda machine: {"HealthState": machine.health},
    110: lambda machine: {"OperationalStatus": [2] if machine.health == 5 else [3, 32768]},
}  # fmt: skip


def _quantity(machine: Machine, kind: str) -> int:
    return next(int(each.values["VirtualQuantity"]) for each in machine.things.values() if each.kind == kind)


def summary(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """GetSummaryInformation: of the machines that are named, or of all."""
    refs = [ref for ref in arguments.get("SettingData", []) if isinstance(ref, Ref)]
    machines = [_machine(host, ref) for ref in refs] or list(host.machines.values())
    wanted = [int(text) for text in arguments.get("RequestedInformation", [])]
    found = []
    for machine in machines:
        values: Result = {}
        for number in wanted:
            values |= _SUMMARY[number](machine)
        found.append(Embedded("Msvm_SummaryInformation", values))
    return {"SummaryInformation": found, "ReturnValue": 0}


def thumbnail(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """The screen as raw RGB565."""
    machine = _machine(host, _first(arguments, "TargetSystem"))
    if not machine.active:
        raise Refused(INVALID_STATE)
    width, height = int(_first(arguments, "WidthPixels")), int(_first(arguments, "HeightPixels"))
    pixels = bytes(part for y in range(height) for x in range(width) for part in ((x ^ y) & 0xFF, 0xF8))
    return {"ImageData": list(pixels), "ReturnValue": 0}


# ---- Msvm_VirtualSystemSnapshotService ----


def create_snapshot(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Take a snapshot; it gets a name from the time."""
    machine = _machine(host, _first(arguments, "AffectedSystem"))
    if int(_first(arguments, "SnapshotType")) not in (2, 32768):
        raise Refused(INVALID_PARAMETER)
    identity = f"Microsoft:{str(uuid.uuid4()).upper()}"

    def work() -> None:
        values = machine.realized().values | {
            "InstanceID": identity, "VirtualSystemType": "Microsoft:Hyper-V:Snapshot:Realized",
            "ElementName": f"{machine.name} - ({cim_time()})", "CreationTime": cim_time(), "Notes": None,
            "IsSaved": machine.active,
        }  # fmt: skip
        machine.snapshots[identity] = Thing(SETTINGS, values)
        copied = {key: Thing(thing.kind, dict(thing.values)) for key, thing in machine.things.items()}
        machine.stored[identity] = (copied, machine.state)
        machine.stands_on = identity

    job = host.jobs.begin(70, work)
    return {"ResultingSnapshot": None} | _job(host, job)


def apply_snapshot(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Take a machine back; it must be off or saved."""
    identity = _first(arguments, "Snapshot").keys["InstanceID"]
    machine = _with_snapshot(host, identity)
    if machine.active:
        raise Refused(INVALID_STATE)

    def work() -> None:
        things, state = machine.stored[identity]
        machine.things = {key: Thing(thing.kind, dict(thing.values)) for key, thing in things.items()}
        machine.stands_on = identity
        machine.enter(OFF if state == OFF else SAVED)
        machine.reconfigured()

    return _job(host, host.jobs.begin(71, work))


def _with_snapshot(host: FakeHost, identity: str) -> Machine:
    for machine in host.machines.values():
        if identity in machine.snapshots:
            return machine
    raise Refused(INVALID_PARAMETER)


def destroy_snapshot(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Delete a snapshot; what stands on it stands on its parent then."""
    identity = _first(arguments, "AffectedSnapshot").keys["InstanceID"]
    machine = _with_snapshot(host, identity)
    return _job(host, host.jobs.begin(72, lambda: _forget(machine, identity)))


def _forget(machine: Machine, identity: str) -> None:
    gone = machine.snapshots.pop(identity)
    for each in machine.snapshots.values():
        if identity in str(each.values.get("Parent")):
            each.values["Parent"] = gone.values.get("Parent")
    if machine.stands_on == identity:
        parents = [key for key in machine.snapshots if key in str(gone.values.get("Parent"))]
        machine.stands_on = parents[0] if parents else None


def destroy_tree(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Delete a snapshot with all that stand on it."""
    identity = _first(arguments, "SnapshotSettingData").keys["InstanceID"]
    machine = _with_snapshot(host, identity)

    def work() -> None:
        doomed = [identity]
        for parent in doomed:
            doomed += [key for key, each in machine.snapshots.items() if parent in str(each.values.get("Parent"))]
        for each in reversed(doomed):
            _forget(machine, each)

    return _job(host, host.jobs.begin(72, work))


# ---- Msvm_ConcreteJob ----


def request_job_state(host: FakeHost, target: Thing, arguments: Arguments) -> Result:
    """Terminate (4) or kill (5) a job."""
    job = host.jobs.all[target.values["InstanceID"]]
    state = int(_first(arguments, "RequestedState"))
    if state not in (4, 5) or job.kind == 32:
        raise Refused(32770)
    job.cancel(state)
    return {"ReturnValue": 0}


_SERVICE, _SNAPSHOTS = "Msvm_VirtualSystemManagementService", "Msvm_VirtualSystemSnapshotService"
METHODS: dict[tuple[str, str], Method] = {
    (kind, name): guarded(method)
    for kind, name, method in (
        ("Msvm_ComputerSystem", "RequestStateChange", request_state),
        ("Msvm_ShutdownComponent", "InitiateShutdown", initiate_shutdown),
        ("Msvm_ShutdownComponent", "InitiateReboot", initiate_reboot),
        ("Msvm_Keyboard", "PressKey", press_key),
        ("Msvm_Keyboard", "ReleaseKey", release_key),
        (_SERVICE, "DefineSystem", define_system),
        (_SERVICE, "ModifySystemSettings", modify_system),
        (_SERVICE, "DestroySystem", destroy_system),
        (_SERVICE, "AddResourceSettings", add_resources),
        (_SERVICE, "ModifyResourceSettings", modify_resources),
        (_SERVICE, "RemoveResourceSettings", remove_resources),
        (_SERVICE, "GetSummaryInformation", summary),
        (_SERVICE, "GetVirtualSystemThumbnailImage", thumbnail),
        (_SNAPSHOTS, "CreateSnapshot", create_snapshot),
        (_SNAPSHOTS, "ApplySnapshot", apply_snapshot),
        (_SNAPSHOTS, "DestroySnapshot", destroy_snapshot),
        (_SNAPSHOTS, "DestroySnapshotTree", destroy_tree),
        ("Msvm_ConcreteJob", "RequestStateChange", request_job_state),
    )
}


def misfortune(host: FakeHost, asked: dict[str, Any]) -> dict[str, Any]:
    """What happens to a machine by itself, asked for by its UUID (as the firmware shows it) or its name."""
    for machine in host.machines.values():
        if asked.get("domain", "").lower() in (machine.settings["BIOSGUID"].strip("{}").lower(), machine.name.lower()):
            _HAPPENINGS[asked["happens"]](host, machine)
            return {"state": machine.state, "typed": machine.typed, "things": sorted(machine.things)}
    return {"error": "there is no such machine", "machines": len(host.machines)}


def _die(host: FakeHost, machine: Machine) -> None:
    machine.enter(OFF)
    machine.health = 20


def _pause(host: FakeHost, machine: Machine) -> None:
    machine.enter(PAUSED)


def _reset(host: FakeHost, machine: Machine) -> None:
    machine.enter(machine.state, reset=True)


def _hang(host: FakeHost, machine: Machine) -> None:
    machine.hung = True


def _start(host: FakeHost, machine: Machine) -> None:
    machine.pid = next(host.pids)
    machine.enter(RUNNING)


def _vanish(host: FakeHost, machine: Machine) -> None:
    host.machines.pop(machine.guid)


def _rename(host: FakeHost, machine: Machine) -> None:
    machine.name = f"{machine.name}-renamed"
    machine.reconfigured()


_HAPPENINGS: dict[str, Callable[[FakeHost, Machine], None]] = {
    "look": lambda host, machine: None, "dies": _die, "pauses": _pause, "resets": _reset, "hangs": _hang,
    "stops": lambda host, machine: machine.enter(OFF), "starts": _start, "vanishes": _vanish, "renamed": _rename,
}  # fmt: skip
