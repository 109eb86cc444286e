"""The notes that libvirt's QEMU driver keeps of a running domain, to find it again after a restart.

    status = Status.parse(xml)
    status.domain                    # the live definition
    status.format()                  # with everything secret, and names of block nodes

Values whose meaning belongs to one version of libvirt (capability flags, phases of jobs) are kept as they are.
"""

from __future__ import annotations

from copy import deepcopy
from enum import StrEnum
from typing import Self

from lxml import etree

from virtbus.domain import Domain, ImageFormat, StorageSource, StorageType, legacynotes
from virtbus.domain.cpu import Cpu
from virtbus.domain.devicedefaults import default_audio
from virtbus.domain.disk import Mirror
from virtbus.snapshot.backup import Backup
from virtbus.xml import (
    Element,
    Form,
    Hex,
    Ranges,
    UInt,
    attribute,
    child,
    children,
    drivers_notes,
    flag,
    text,
)


class DomainState(StrEnum):
    """What the domain does."""

    NOSTATE = "no state"
    RUNNING = "running"
    BLOCKED = "idle"
    PAUSED = "paused"
    SHUTDOWN = "in shutdown"
    SHUTOFF = "shut off"
    CRASHED = "crashed"
    PM_SUSPENDED = "pmsuspended"


class Named(Element):
    """An element that is only a name."""

    name: str = attribute()


class Taint(Element, tag="taint"):
    """Something about the domain that makes it hard to support."""

    flag: str = attribute()
    message: str | None = text()


class Monitor(Element, tag="monitor"):
    """Where the hypervisor is controlled."""

    path: str = attribute()
    type: str = attribute()


class MountNamespace(Element, tag="namespaces", empty=True):
    """Which namespaces of the host the hypervisor has for itself."""

    mount: bool = flag()


class VcpuThread(Element, tag="vcpu"):
    """The thread of a virtual processor."""

    id: UInt = attribute()
    pid: UInt = attribute()


class VcpuThreads(Element, tag="vcpus"):
    """The threads of the virtual processors."""

    threads: list[VcpuThread] = children("vcpu")


class Flags(Element, tag="qemuCaps"):
    """What the running hypervisor can do."""

    flags: list[str] = children("flag", attribute="name")


class MigrationParameter(Element, tag="param"):
    """A migration parameter as it was before the job."""

    name: str = attribute()
    value: str = attribute()


class MigrationParameters(Element, tag="migParams"):
    """Migration parameters as they were before the job."""

    parameters: list[MigrationParameter] = children("param")


class MigrationSource(Element, tag="migrationSource"):
    """Where a disk is being copied to. Older notes have the source's words in the element itself."""

    type: StorageType = attribute()
    image_format: ImageFormat = attribute("format")
    source: StorageSource | None = child()

    @classmethod
    def read(cls, node: etree._Element) -> Self:
        if node.find("source") is None and set(node.attrib) > {"type", "format"}:
            inner = deepcopy(node)
            inner.tag = "source"
            for name in ("type", "format"):
                del inner.attrib[name]
            for kid in list(node):
                node.remove(kid)
            for name in map(str, inner.attrib):
                del node.attrib[name]
            node.append(inner)
        return super().read(node)


class JobDisk(Element, tag="disk"):
    """Whether a disk is being copied."""

    dev: str = attribute()
    migrating: bool = attribute()
    source: MigrationSource | None = child("migrationSource")


class TemporaryBitmap(Element, tag="bitmap"):
    """A bitmap that lasts as long as the job."""

    name: str = attribute()
    node: str = attribute("nodename")


class TemporaryBitmaps(Element, tag="tempBlockDirtyBitmaps"):
    """The bitmaps that last as long as the job."""

    bitmaps: list[TemporaryBitmap] = children("bitmap")


class Job(Element, tag="job"):
    """What is being done to the domain."""

    type: str = attribute()
    kind: str | None = attribute("async")
    phase: str | None = attribute()
    flags: Hex | None = attribute()
    started: UInt | None = attribute("asyncStarted")
    disks: list[JobDisk] = children("disk")
    bitmaps: TemporaryBitmaps | None = child("tempBlockDirtyBitmaps")
    parameters: MigrationParameters | None = child("migParams")


class LiveDevices(Element, tag="devices"):
    """The aliases of the hypervisor's devices."""

    aliases: list[str] = children("device", attribute="alias")


class AutomaticNuma(Element, tag="numad"):
    """Where numad placed the domain."""

    nodeset: Ranges | None = attribute()
    cpuset: Ranges | None = attribute()


class BlockJobDisk(Element, tag="disk"):
    """The disk of a block job."""

    target: str = attribute("dst")


class BlockJobStore(Element, tag="store"):
    """The image that a block job writes."""

    type: StorageType = attribute()
    image_format: ImageFormat = attribute("format")
    source: StorageSource | None = child()


class BlockJob(Element, tag="blockjob"):
    """A job of the hypervisor's block layer."""

    name: str = attribute()
    type: str = attribute()
    state: str = attribute()
    new_state: str | None = attribute("newstate")
    broken: str | None = attribute("brokentype")
    flags: Hex | None = attribute("jobflags")
    disk: BlockJobDisk | None = child()
    bitmap: Named | None = child()
    store: BlockJobStore | None = child()
    mirror: Mirror | None = child()
    error: str | None = child("errmsg")


class BlockJobs(Element, tag="blockjobs"):
    """The jobs of the hypervisor's block layer."""

    active: bool = attribute()
    jobs: list[BlockJob] = children("blockjob")


class Backups(Element, tag="backups"):
    """The backup that runs."""

    backup: Backup | None = child()


class Status(Element, tag="domstatus"):
    """A running domain and what its driver notes of it."""

    state: DomainState = attribute()
    reason: str = attribute()
    pid: UInt = attribute()
    taints: list[Taint] = children()
    deprecations: list[str] = children("deprecation")
    monitor: Monitor | None = child()
    namespaces: MountNamespace | None = child()
    vcpus: VcpuThreads | None = child()
    flags: Flags | None = child("qemuCaps")
    lock_state: str | None = child("lockstate")
    job: Job | None = child()
    fake_reboot: bool = flag("fakereboot")
    devices: LiveDevices | None = child()
    numad: AutomaticNuma | None = child()
    library: str | None = child("libDir", attribute="path")
    channels: str | None = child("channelTargetDir", attribute="path")
    memory_backing: str | None = child("memoryBackingDir", attribute="path")
    cpu: Cpu | None = child()
    logged_by_daemon: bool = flag("chardevStdioLogd")
    remembers_owner: bool = flag("rememberOwner")
    allow_reboot: bool | None = child("allowReboot", attribute="value")
    node_name: UInt | None = child("nodename", attribute="index")
    fd_set: UInt | None = child("fdset", attribute="index")
    block_jobs: BlockJobs | None = child("blockjobs")
    agent_timeout: int | None = child("agentTimeout")
    backups: Backups | None = child()
    domain: Domain = child()

    @classmethod
    def parse(cls, xml: str | bytes) -> Self:
        with drivers_notes():
            return super().parse(xml)

    @classmethod
    def from_json(cls, value: object) -> Self:
        with drivers_notes():
            return super().from_json(value)

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        with drivers_notes():
            return super().json_schema()

    def format(self, form: Form = Form.STATUS, secure: bool = True) -> str:
        """The notes in libvirt's layout; they are a secret file's."""
        return super().format(form, secure)


AGENT_TIMEOUT_FOREVER = -2
"""libvirt's value for an agent that is waited for without limit."""


def renew(status: Status, memory_folder: str) -> None:
    """Fill in what older versions of libvirt did not note yet, so that the notes are today's.

    :param memory_folder: where the files behind the guests' memory lie.
    """
    if status.memory_backing is None:
        status.memory_backing = f"{memory_folder}/{status.domain.id}-{status.domain.name}"
    status.node_name = status.node_name or 0
    status.fd_set = status.fd_set or 0
    if status.agent_timeout is None:
        status.agent_timeout = AGENT_TIMEOUT_FOREVER
    legacynotes.renew(status.domain)
    audio = default_audio(status.domain)
    if audio is not None:
        status.domain.devices.audios.append(audio)
    if status.job is not None and status.job.started is None:
        status.job.started = 0
