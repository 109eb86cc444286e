"""The contract that a hypervisor family fulfils: a Driver, and the facets that it supports by implementing them.

A driver serves one host. It never touches the bus: it is told what to do, does it, and hands what it sees to
`observe`, in order for each domain (virtbus.observations). What a job brings about is observed the same way, before
the method returns, so the runtime has recorded it before the job ends.

Every method on the outside world is given its time limit by `work` or as seconds, and keeps to it. Failures are
raised as the errors of virtbus.errors. Which facets a family has is what its driver class inherits:

    class QemuDriver(Driver, Lifecycle, Devices, Tuning, Statistics, Console, Monitor): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import Event as Signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

from virtbus.domain import Device, Domain
from virtbus.observations import Observe, Observed
from virtbus.operations.copying import Clone
from virtbus.operations.network import NetworkSummary
from virtbus.operations.process import Completed
from virtbus.operations.snapshot import SnapshotSummary
from virtbus.operations.statistics import DomainStatistics, Group
from virtbus.operations.storage import PoolSummary, VolumeSummary
from virtbus.state import DomainState

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """What a driver is given to serve its host."""

    name: str
    uri: str
    run: Path
    """The host's runtime folder: survives the worker, not the machine's boot."""
    state: Path
    """The host's lasting folder."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The family's own settings, from file, environment or flags."""


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What a driver says of its host once it is connected."""

    version: str
    """The hypervisor's own version."""
    machine: str
    """The identity of the machine: two machines must never serve one host name."""
    boot: str
    """Differs after each boot of the machine."""
    fqdn: str
    capabilities: str
    """libvirt's <capabilities> document."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the record knows of a domain, handed to `inventory`."""

    incarnation: str | None
    """Its run, or the last one."""
    position: int
    """How far the hypervisor's history of that run is recorded."""
    active: bool = True
    """Whether it should be running."""
    pending: tuple[str, ...] = ()
    """Aliases whose removal is pending."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The domain that an operation is for, as the record has it."""

    host: str
    uuid: UUID
    name: str
    state: DomainState
    reason: str = "unknown"
    id: int | None = None
    incarnation: str | None = None
    persistent: Domain | None = None
    live: Domain | None = None
    """None unless the domain is active."""


class Work(Protocol):
    """One attempt at a job: its limits, and what it must say on the way."""

    @property
    def job(self) -> str:
        """The job's id."""

    @property
    def attempt(self) -> int:
        """1 for the first."""

    @property
    def begun(self) -> Mapping[str, Any] | None:
        """What earlier attempts gave to `before_effect` (and `run`, the incarnation they found); None if nothing
        irreversible can have happened before this attempt."""

    @property
    def cancelled(self) -> Signal:
        """Set when the job is to be given up: asked for, overtaken or past its time."""

    def remaining(self) -> float:
        """Seconds until the time limit; never negative."""

    async def before_effect(self, **mark: Any) -> None:
        """Must be awaited before each irreversible step. The first call makes `mark` durable, so that a later attempt
        can tell by looking at the hypervisor whether the effect happened.

        :raises Cancelled, Expired, Overtaken, Unavailable: the step must not be taken.
        """

    async def until(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Await something for as long as the job may go on.

        :raises Cancelled, Expired, Overtaken: it may not any more.
        """

    async def progress(
        self, phase: str, done: int | None = None, total: int | None = None, unit: str | None = None
    ) -> None:
        """Tell how far the job has come."""


class Facet(ABC):  # noqa: B024  its subclasses have the methods
    """A part of the contract that a family may lack."""


class Driver(ABC):
    """What every family provides. Create it, `connect`, begin to `watch`, take the `inventory`."""

    family: ClassVar[str]
    local: ClassVar[bool] = True
    """Whether the hypervisor lives on the worker's machine: then a lock on the runtime folder fences the host."""
    keeps_definitions: ClassVar[bool] = False
    """Whether the hypervisor itself keeps the definitions of domains that are off: then they are its, and what it says
    of them (Defined, Undefined, and `persistent` of an inventory) goes before the record."""

    def __init__(self, settings: HostSettings, observe: Observe) -> None:
        self.settings = settings
        self.observe = observe

    @abstractmethod
    async def connect(self) -> HostFacts:
        """Reach the hypervisor and say what it is.

        :raises HypervisorError: it cannot be reached; the message says what to install, start or grant.
        """

    @abstractmethod
    async def inventory(self, known: Mapping[UUID, Known]) -> list[Observed]:
        """Everything that is, now. Changes are observed from here on, and `watch` may have begun before: what it
        observes meanwhile is taken after the inventory.

        :param known: what the record has; a hypervisor with a history tells what was `missed` since.
        """

    @abstractmethod
    async def watch(self) -> None:
        """Observe what the hypervisor tells, until cancelled. Returns or raises only if it cannot be watched any more:
        then the runtime connects anew."""

    @abstractmethod
    def complete(self, domain: Domain, previous: Domain | None) -> Domain:
        """The definition as this hypervisor will run it: defaults, controllers and addresses filled in.

        :param previous: the definition that it replaces.
        :raises ConfigUnsupported: it asks for what this hypervisor cannot do; `evidence["path"]` says where.
        """

    async def define(self, definition: Domain, previous: Domain | None, work: Work) -> Domain:
        """A complete definition is about to be recorded: a hypervisor that keeps definitions is given it first. A
        repeated attempt (`work.begun` is set) may find it there.

        :param previous: the definition that it replaces.
        :returns: the definition as it is kept.
        :raises AlreadyExists: another domain of the hypervisor has the name.
        """
        return definition

    async def undefined(  # noqa: B027  most have none
        self, domain: Domain, work: Work, *, nvram: bool, keep_nvram: bool
    ) -> None:
        """The definition is about to go: remove it from a hypervisor that keeps it, and the files that belong to it
        alone. A repeated attempt may find nothing there.

        :raises WrongState: it has such files and it was not said what becomes of them.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of the hypervisor; domains run on."""

    @classmethod
    def facets(cls) -> frozenset[str]:
        """The names of the facets that this driver implements."""
        return frozenset(
            facet.__name__ for facet in Facet.__subclasses__() if issubclass(cls, facet)
        )


class Lifecycle(Facet):
    """Starting, stopping and pausing. Each returns when the change is observed.

    A repeated attempt (`work.begun` is set) first looks whether the earlier one did it already.
    """

    @abstractmethod
    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """Start the domain from this definition; observes Started (and Suspended, Resumed as they come)."""

    @abstractmethod
    async def shutdown(self, target: Target, work: Work) -> None:
        """Ask the guest to power off and wait until the domain is gone; observes PoweredOff and Stopped."""

    @abstractmethod
    async def reboot(self, target: Target, work: Work) -> None:
        """Ask the guest to reboot and wait until it was reset; observes Rebooted."""

    @abstractmethod
    async def reset(self, target: Target, work: Work) -> None:
        """Reset at once; observes Rebooted."""

    @abstractmethod
    async def destroy(self, target: Target, work: Work) -> None:
        """End the domain at once, by force where needed; observes Stopped."""

    @abstractmethod
    async def suspend(self, target: Target, work: Work) -> None:
        """Stop the CPUs; observes Suspended."""

    @abstractmethod
    async def resume(self, target: Target, work: Work) -> None:
        """Let the CPUs run; observes Resumed."""


class Devices(Facet):
    """Live devices; the persistent definition is the runtime's."""

    @abstractmethod
    async def attach(self, target: Target, device: Device, work: Work) -> Device:
        """Plug a device; observes DeviceAdded. Either all of it is there afterwards or nothing.

        :returns: the device with its alias and address.
        """

    @abstractmethod
    def check_detach(self, target: Target, device: Device) -> None:
        """Refuse, before anything is marked or sent, what can never be unplugged.

        :raises ConfigUnsupported, WrongState: why it cannot.
        """

    @abstractmethod
    async def detach(self, target: Target, alias: str, work: Work) -> None:
        """Ask for the device to be unplugged and return as soon as that is sent. That it is being asked for is
        durable already, in the domain's record.

        The outcome comes as an observation, whenever it comes: DeviceRemoved after the teardown, or RemovalRefused.
        A device that is already gone is torn down and observed as removed.
        """

    @abstractmethod
    async def update(self, target: Target, alias: str, device: Device, work: Work, *, force: bool) -> Device:
        """Change a device to what is described, in place; observes LiveChanged.

        :raises ConfigUnsupported: something differs that cannot be changed in place; the message names it.
        """


class Tuning(Facet):
    """The size of a running domain."""

    @abstractmethod
    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """Plug or unplug virtual CPUs; observes LiveChanged."""

    @abstractmethod
    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """Set the balloon's target; observes LiveChanged."""


class Statistics(Facet):
    """Measurement."""

    @abstractmethod
    def statistics(
        self, targets: Sequence[Target], groups: frozenset[Group], patience: float
    ) -> AsyncIterator[DomainStatistics]:
        """The figures of each domain as it answers, none older than the call; one that does not answer within
        `patience` seconds comes with `timed_out` and delays no other."""


class Snapshots(Facet):
    """Points in a domain's life that it can be taken back to, kept by the hypervisor."""

    @abstractmethod
    async def snapshots(self, target: Target, timeout: float) -> list[SnapshotSummary]:
        """All of a domain's snapshots, parents before children."""

    @abstractmethod
    async def create_snapshot(
        self, target: Target, name: str, description: str, work: Work, *, disks_only: bool
    ) -> SnapshotSummary:
        """Take a snapshot; the domain is in the same state afterwards as before. One of that name that an earlier
        attempt made is the one.

        :raises AlreadyExists: there is another one of that name.
        :raises ConfigUnsupported: the domain cannot be held in a snapshot so.
        """

    @abstractmethod
    async def revert_snapshot(self, target: Target, name: str, work: Work) -> None:
        """Take the domain back; observes Stopped and Started (`from-snapshot`) as they come.

        :raises NoSnapshot: there is none of that name.
        """

    @abstractmethod
    async def delete_snapshot(self, target: Target, name: str, work: Work, *, children: bool) -> None:
        """Delete a snapshot, and with `children` all that stand on it.

        :raises NoSnapshot: there is none of that name.
        """


class Saving(Facet):
    """A running domain in a file of the host."""

    @abstractmethod
    async def save(self, target: Target, file: str, work: Work) -> None:
        """Write the domain to the file and end it; observes Stopped (`saved`). What fails leaves it running and no
        file."""

    @abstractmethod
    async def restore(self, target: Target, definition: Domain, file: str, work: Work, *, paused: bool) -> None:
        """Let the domain run on from the file; observes Started (`restored`)."""


class Copying(Facet):
    """Copies and moves that the hypervisor makes by itself."""

    @abstractmethod
    async def clone(self, target: Target, name: str, work: Work) -> Clone:
        """Copy a domain with its disks; the copy is observed as a new domain (Appeared), or is told of by the next
        inventory. One of that name that an earlier attempt made is the one."""

    @abstractmethod
    async def relocate(self, target: Target, destination: str | None, pool: str | None, work: Work) -> None:
        """Move a domain. Where it leaves this host, it is observed as gone (Vanished), and as new by the driver of
        the other.

        :raises InvalidArgument: there is no such host or pool beside this one.
        """


class Storage(Facet):
    """What the hypervisor keeps disks in."""

    @abstractmethod
    async def pools(self, timeout: float) -> list[PoolSummary]:
        """The host's storage pools, by name."""

    @abstractmethod
    async def volumes(self, pool: str, timeout: float) -> list[VolumeSummary]:
        """The volumes of a pool, by name.

        :raises NotFound: there is no such pool.
        """


class Networks(Facet):
    """What cards are connected to."""

    @abstractmethod
    async def networks(self, timeout: float) -> list[NetworkSummary]:
        """The host's networks, by name."""


class Offers(Facet):
    """What the hypervisor could give to domains."""

    @abstractmethod
    async def domain_capabilities(self, machine: str | None, kind: str | None) -> str:
        """libvirt's <domainCapabilities> of a machine type and a domain type (kvm, qemu); None for the usual ones.

        :raises ConfigUnsupported: the hypervisor has no such thing.
        """

    @abstractmethod
    async def compare_cpu(self, xml: str) -> str:
        """How a processor stands to what guests can be given here: incompatible, identical or superset.

        :raises XmlError: it is no <cpu>.
        """

    @abstractmethod
    async def baseline_cpu(self, documents: Sequence[str], *, expanded: bool, migratable: bool) -> str:
        """The richest <cpu> that several have in common."""


class Processes(Facet):
    """Programs inside the guest."""

    @abstractmethod
    async def run_process(
        self, target: Target, command: Sequence[str], environment: Mapping[str, str], text: str, work: Work
    ) -> Completed:
        """Run a program in the guest, with `text` as its standard input, and wait for its end. Where the job is given
        up, the program is ended too."""


class Console(Facet):
    """A domain's screen and keyboard."""

    @abstractmethod
    async def screenshot(self, target: Target, screen: int, timeout: float) -> bytes:
        """The screen as PNG."""

    @abstractmethod
    async def send_keys(self, target: Target, keys: Sequence[str], hold: int, work: Work) -> None:
        """Press the keys together for `hold` milliseconds; Linux key names (KEY_...)."""


class Monitor(Facet):
    """The hypervisor's own language."""

    @abstractmethod
    async def monitor_command(
        self, target: Target, command: str, arguments: Mapping[str, Any], work: Work, *, human: bool
    ) -> Any:
        """What the hypervisor's monitor answers."""
