"""A host of the fake: what its WMI classes have, and what its methods do."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

from tests.hyperv.fake import soap
from tests.hyperv.fake.jobs import Jobs
from tests.hyperv.fake.machine import RUNNING, Machine, Thing, cim_time, ref_of
from tests.hyperv.fake.methods import METHODS, misfortune
from tests.hyperv.fake.soap import Request, WsmanFault
from tests.hyperv.fake.wql import Query, parse

_CONTEXTS = itertools.count(1)
SYSTEM, SETTINGS = "Msvm_ComputerSystem", "Msvm_VirtualSystemSettingData"
SERVICES = ("Msvm_VirtualSystemManagementService", "Msvm_VirtualSystemSnapshotService")


class FakeHost:
    """One Hyper-V host, which keeps its state as long as the process lives."""

    def __init__(self, name: str, users: dict[str, str], *, basic: bool = False, job_seconds: float = 0.01) -> None:
        self.name = name
        self.users = users
        self.basic = basic
        self.identity = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        self.booted = cim_time()
        self.jobs = Jobs(job_seconds)
        self.machines: dict[str, Machine] = {}
        self.switches = {str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}-{switch}")).upper(): switch
                         for switch in ("External", "Private")}  # fmt: skip
        self.pids = itertools.count(4000, 4)
        self.open_lists: dict[str, tuple[list[str], bool]] = {}
        self.asked: list[str] = []
        """What was asked, for tests."""
        self.most_envelope = 512_000
        """Bytes: MaxEnvelopeSizekb, as it is unless somebody raises it."""
        self.fault: WsmanFault | None = None
        """What the next request is answered with."""

    # ---- WS-Management ----

    async def answer(self, data: bytes) -> tuple[int, bytes]:
        """What a message is answered with, and the HTTP status."""
        request = None
        try:
            request = soap.read(data)
            self.asked.append(f"{request.action.rpartition('/')[2]} {request.kind}")
            del self.asked[:-1000]
            if request.limit > self.most_envelope:
                raise WsmanFault("w:EncodingLimit", "MaxEnvelopeSize is larger than the host allows.", 0x80338044)
            if self.fault is not None:
                fault, self.fault = self.fault, None
                raise fault
            return 200, self._operate(request)
        except WsmanFault as fault:
            return 500, soap.write_fault(request, fault)

    def _operate(self, request: Request) -> bytes:
        actions = {
            f"{soap.N}/Enumerate": self._enumerate, f"{soap.N}/Pull": self._pull,
            f"{soap.N}/Release": self._release, f"{soap.X}/Get": self._get,
        }  # fmt: skip
        operation = actions.get(request.action)
        if operation is not None:
            return operation(request)
        if not request.action.startswith(f"{request.uri}/"):
            raise WsmanFault("w:ActionNotSupported", "The action is not supported by the service.", 0x80338065)
        return self._invoke(request, request.action.rpartition("/")[2])

    def _invoke(self, request: Request, method: str) -> bytes:
        target = self._find(request) if request.selectors else Thing(request.kind, {})
        function = METHODS.get((request.kind, method))
        if function is None:
            raise WsmanFault("w:InvalidParameter", f"The method {method} does not exist.", 0x80041055)
        result = function(self, target, soap.arguments(request.body))
        return soap.write(request, f"{request.action}Response", soap.output(request.uri, method, result))

    def _find(self, request: Request) -> Thing:
        wanted = {name.lower(): text.lower() for name, text in request.selectors.items()}
        for thing in self.things(request.namespace):
            if thing.kind == request.kind:
                values = {name.lower(): str(value).lower() for name, value in thing.values.items()}
                if all(values.get(name) == text for name, text in wanted.items()):
                    return thing
        raise WsmanFault("w:InvalidSelectors", f"There is no such instance of {request.kind}.", 0x80041002)

    def _get(self, request: Request) -> bytes:
        thing = self._find(request)
        body = soap.instance(thing.kind, request.namespace, thing.values)
        return soap.write(request, f"{soap.X}/GetResponse", body)

    def _enumerate(self, request: Request) -> bytes:
        node = request.body
        assert node is not None
        text = node.findtext(f"{{{soap.W}}}Filter")
        query = parse(text) if text else Query(request.kind)
        references = node.findtext(f"{{{soap.W}}}EnumerationMode") == "EnumerateEPR"
        items = [self._item(thing, request.namespace, references) for thing in self._found(query, request.namespace)]
        context = f"uuid:{uuid.uuid4()}"
        self.open_lists[context] = (items, references)
        if node.find(f"{{{soap.W}}}OptimizeEnumeration") is None:
            body = f"<n:EnumerateResponse><n:EnumerationContext>{context}</n:EnumerationContext></n:EnumerateResponse>"
            return soap.write(request, f"{soap.N}/EnumerateResponse", body)
        most = int(node.findtext(f"{{{soap.W}}}MaxElements", "1"))
        return self._batch(request, context, most, "Enumerate", "w")

    def _pull(self, request: Request) -> bytes:
        node = request.body
        assert node is not None
        context = node.findtext(f"{{{soap.N}}}EnumerationContext", "")
        if context not in self.open_lists:
            raise WsmanFault("n:InvalidEnumerationContext", "The enumeration context is invalid.", 0x80338032)
        return self._batch(request, context, int(node.findtext(f"{{{soap.N}}}MaxElements", "1")), "Pull", "n")

    def _release(self, request: Request) -> bytes:
        assert request.body is not None
        self.open_lists.pop(request.body.findtext(f"{{{soap.N}}}EnumerationContext", ""), None)
        return soap.write(request, f"{soap.N}/ReleaseResponse", "")

    def _batch(self, request: Request, context: str, most: int, action: str, prefix: str) -> bytes:
        """As many items as are asked for and fit."""
        items, references = self.open_lists.pop(context)
        taken, room = [], request.limit - 2000
        while items and len(taken) < most and len(items[0].encode()) <= room:
            room -= len(items[0].encode())
            taken.append(items.pop(0))
        if items and not taken:
            raise WsmanFault("w:EncodingLimit", "The item exceeds the maximum envelope size.", 0x80338043)
        end = "" if items else f"<{prefix}:EndOfSequence/>"
        if items:
            self.open_lists[context] = (items, references)
        mark = f"<n:EnumerationContext>{context if items else ''}</n:EnumerationContext>"
        body = f"<{prefix}:Items>{''.join(taken)}</{prefix}:Items>{end}"
        text = f"<n:{action}Response>{mark}{body}</n:{action}Response>"
        return soap.write(request, f"{soap.N}/{action}Response", text)

    @staticmethod
    def _item(thing: Thing, namespace: str, references: bool) -> str:
        if references:
            return f"<a:EndpointReference>{soap.reference(ref_of(thing))}</a:EndpointReference>"
        return soap.instance(thing.kind, namespace, thing.values)

    # ---- what there is ----

    def _found(self, query: Query, namespace: str) -> Iterator[Thing]:
        if query.source is not None:
            found = self._associated(query)
            yield from (each for each in found if not query.result or each.kind == query.result)
            return
        there = [thing for thing in self.things(namespace) if thing.kind.lower() == query.kind.lower()]
        if not there and not query.kind.startswith(("Msvm_", "Win32_")):
            raise WsmanFault("w:InvalidParameter", f"The class {query.kind} does not exist.", 0x80041010)
        yield from (thing for thing in there if query.fits(thing.values))

    def _associated(self, query: Query) -> list[Thing]:
        assert query.source is not None
        machine = self.machine_of(next(iter(query.source.keys.values())), query.source.keys)
        if machine is None:
            raise WsmanFault("w:InvalidSelectors", "There is no such instance.", 0x80041002)
        components = list(machine.things.values())
        known = {
            "Msvm_SettingsDefineState": [machine.realized()],
            "Msvm_VirtualSystemSettingDataComponent": components,
            "Msvm_SnapshotOfVirtualSystem": list(machine.snapshots.values()),
            "Msvm_SystemDevice": machine.helpers(),
        }
        return known.get(query.association, [])

    def machine_of(self, key: str, keys: dict[str, str]) -> Machine | None:
        """The machine that a reference to its system, its settings or one of its resources means."""
        text = keys.get("Name") or keys.get("SystemName") or keys.get("InstanceID") or key
        for guid, machine in self.machines.items():
            if guid.lower() in text.lower() or text in machine.snapshots:
                return machine
        return None

    def things(self, namespace: str) -> Iterator[Thing]:
        """Every instance of a namespace."""
        if namespace == "root/cimv2":
            yield from self._windows()
            return
        yield Thing(SYSTEM, {
            "Caption": "Hosting Computer System", "CreationClassName": SYSTEM, "Name": self.name,
            "ElementName": self.name, "EnabledState": 2,
        })  # fmt: skip
        for service in SERVICES:
            yield Thing(service, {
                "CreationClassName": service, "Name": "vmms", "SystemCreationClassName": SYSTEM,
                "SystemName": self.name,
            })  # fmt: skip
        for guid, name in self.switches.items():
            yield Thing("Msvm_VirtualEthernetSwitch", {
                "CreationClassName": "Msvm_VirtualEthernetSwitch", "Name": guid, "ElementName": name,
                "EnabledState": 2, "HealthState": 5,
            })  # fmt: skip
        external = next(guid for guid, name in self.switches.items() if name == "External")
        yield Thing("Msvm_EthernetPortAllocationSettingData", {
            "InstanceID": f"Microsoft:{external}\\{uuid.uuid5(uuid.NAMESPACE_DNS, external)}", "ResourceType": 33,
            "HostResource": [f'\\\\{self.name}\\root\\virtualization\\v2:Msvm_ExternalEthernetPort.DeviceID="nic"'],
        })  # fmt: skip
        yield from self._definitions()
        for machine in list(self.machines.values()):
            yield machine.system()
            yield machine.realized()
            yield from machine.snapshots.values()
            yield from machine.things.values()
            yield from machine.helpers()
        for job in list(self.jobs.all.values()):
            yield job.thing()

    def _definitions(self) -> Iterator[Thing]:
        """What resources are made from, and the disks of the host."""
        root = "Microsoft:Definition\\6B2E8B3C-0000-4000-8000-0123456789AB"
        yield Thing("Msvm_ResourceAllocationSettingData", {
            "InstanceID": f"{root}\\Default", "ResourceType": 17, "ElementName": "Physical Disk Drive",
            "ResourceSubType": "Microsoft:Hyper-V:Physical Disk Drive",
        })  # fmt: skip
        for number in range(2):
            yield Thing("Msvm_DiskDrive", {
                "CreationClassName": "Msvm_DiskDrive", "DeviceID": f"Microsoft:{root[-36:]}\\{number}",
                "SystemCreationClassName": SYSTEM, "SystemName": self.name, "DriveNumber": number,
            })  # fmt: skip

    def _windows(self) -> Iterator[Thing]:
        yield Thing("Win32_OperatingSystem", {
            "Name": "Microsoft Windows Server 2022", "Caption": "Microsoft Windows Server 2022 Datacenter",
            "Version": "10.0.20348", "CSName": self.name, "LastBootUpTime": self.booted,
            "FreePhysicalMemory": 16 * 1024**2, "TotalVisibleMemorySize": 32 * 1024**2,
        })  # fmt: skip
        yield Thing("Win32_ComputerSystem", {
            "Name": self.name, "DNSHostName": self.name.lower(), "Domain": "example.test", "PartOfDomain": True,
            "NumberOfLogicalProcessors": 8, "TotalPhysicalMemory": 32 * 1024**3,
        })  # fmt: skip
        yield Thing("Win32_ComputerSystemProduct", {"UUID": self.identity.upper(), "Name": "Virtual Iron"})
        for machine in self.machines.values():
            yield from _counters(machine)

    async def control(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What tests do behind Virtbus's back."""
        return misfortune(self, asked)


def _counters(machine: Machine) -> Iterator[Thing]:
    """The performance counters of an active machine, by the names that Windows gives their instances."""
    if not machine.active:
        return
    count = next(each for each in machine.things.values() if each.kind == "Msvm_ProcessorSettingData")
    for number in range(int(count.values["VirtualQuantity"])):
        yield Thing("Win32_PerfRawData_HvStats_HyperVHypervisorVirtualProcessor", {
            "Name": f"{machine.name}:Hv VP {number}", "PercentTotalRunTime": machine.uptime() * 10000 + 1,
        })  # fmt: skip
    for thing in machine.things.values():
        if thing.kind == "Msvm_StorageAllocationSettingData":
            yield Thing("Win32_PerfRawData_Counters_HyperVVirtualStorageDevice", {
                "Name": str(thing.values["HostResource"][0]).replace("\\", "-").replace("/", "-"),
                "ReadBytesPersec": 4096, "WriteBytesPersec": 512, "ReadOperationsPerSec": 8, "WriteOperationsPerSec": 1,
                "ErrorCount": 0,
            })  # fmt: skip
        elif thing.values.get("ResourceType") == 10:
            yield Thing("Win32_PerfRawData_NvspNicStats_HyperVVirtualNetworkAdapter", {
                "Name": f"{machine.name}_{thing.values['ElementName']}_{thing.id.removeprefix('Microsoft:')}"
                .replace("\\", "--"),
                "BytesReceivedPersec": 1000, "BytesSentPersec": 2000, "PacketsReceivedPersec": 10,
                "PacketsSentPersec": 20, "DroppedPacketsIncomingPersec": 0, "DroppedPacketsOutgoingPersec": 0,
            })  # fmt: skip


def populate(host: FakeHost, count: int) -> None:
    """Machines that run already."""
    for number in range(count):
        guid = str(uuid.uuid4()).upper()
        machine = Machine(guid, f"{host.name.lower()}-vm{number}", host.name)
        machine.settings = {"BIOSGUID": f"{{{uuid.uuid4()}}}".upper(), "CreationTime": cim_time()}
        machine.furnish()
        machine.pid = next(host.pids)
        machine.enter(RUNNING)
        host.machines[guid] = machine
