"""The host's capabilities as libvirt's <capabilities> document: its processor, topology, caches, and its guests."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import UUID

from virtbus.capabilities import Capabilities as Document
from virtbus.capabilities import Host, Sysfs, Topology
from virtbus.capabilities.document import Iommu, Migration, PowerManagement, UriTransports
from virtbus.cpu import HostCpu, decode
from virtbus.cpu.host import HostTopology, PageSize
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.guestcpu import value_of
from virtbus_qemu.probing.guests import guest_of
from virtbus_qemu.probing.hostmodel import cpu_data

_SYSTEM = Path("/sys/devices/system")
_RESCTRL = Path("/sys/fs/resctrl")
_IOMMUS = Path("/sys/class/iommu")
_HUGE_PAGES = Path("/sys/kernel/mm/hugepages")


def host_capabilities(capabilities: Capabilities, machine: str) -> str:
    """libvirt's document on what guests this host can run. Reads /sys: not for the event loop.

    :param machine: the machine's identity, 32 hexadecimal digits where it has a machine-id.
    """
    sysfs = Sysfs(_SYSTEM, _RESCTRL if (_RESCTRL / "info").is_dir() else None)
    topology = sysfs.topology()
    caches = sysfs.caches()
    host = Host(
        uuid=UUID(hex=machine) if len(machine) == 32 else None,
        cpu=_processor(capabilities, topology),
        power_management=_power(),
        iommu=Iommu(support=_IOMMUS.is_dir() and any(_IOMMUS.iterdir())),
        migration=Migration(live=True, uri_transports=UriTransports(transports=["tcp"])),
        topology=topology,
        cache=caches,
        memory_bandwidth=sysfs.memory_bandwidth(caches),
    )
    return Document(host=host, guests=[guest_of(capabilities.digest)]).format()


def _processor(capabilities: Capabilities, topology: Topology | None) -> HostCpu:
    """The processor by the name of the model that comes nearest to what guests can be given."""
    known, offered = capabilities.processors, capabilities.accelerator().host
    cpu = HostCpu()
    if known is not None and offered is not None:
        values = {each.name: value_of(each) for each in offered.properties}
        # One that no model fits has no name, and runs guests all the same.
        with contextlib.suppress(ConfigUnsupported):
            cpu = decode(known.table, cpu_data(known.table, values), host=True).host()
    cpu.arch = capabilities.arch
    cpu.topology = _arrangement(topology)
    cpu.pages = [PageSize(unit="KiB", size=size) for size in _page_sizes()]
    return cpu


def _arrangement(topology: Topology | None) -> HostTopology:
    """Sockets, cores of each and threads of each, by what /sys says of the processors."""
    places = [cpu for cell in topology.cells.cells for cpu in cell.cpus.cpus] if topology is not None else []
    told = [cpu for cpu in places if cpu.socket_id is not None and cpu.core_id is not None]
    if not told:
        return HostTopology(sockets=1, dies=1, clusters=1, cores=os.cpu_count() or 1, threads=1)
    sockets = {cpu.socket_id for cpu in told}
    cores = {(cpu.socket_id, cpu.die_id, cpu.core_id) for cpu in told}
    return HostTopology(
        sockets=len(sockets),
        dies=1,
        clusters=1,
        cores=max(1, len(cores) // len(sockets)),
        threads=max(1, len(told) // len(cores)),
    )


def _page_sizes() -> list[int]:
    """In KiB, the smallest first."""
    names = [entry.name for entry in _HUGE_PAGES.iterdir()] if _HUGE_PAGES.is_dir() else []
    huge = sorted(int(name.removeprefix("hugepages-").removesuffix("kB")) for name in names)
    return [os.sysconf("SC_PAGE_SIZE") // 1024, *huge]


def _power() -> PowerManagement:
    """How deep the host itself can sleep (Linux: Documentation/admin-guide/pm/sleep-states)."""
    try:
        states = Path("/sys/power/state").read_text().split()
    except OSError:
        states = []
    return PowerManagement(suspend_mem="mem" in states, suspend_disk="disk" in states)
