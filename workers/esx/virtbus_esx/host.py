"""The host itself: where it is in its server's inventory, and what of it machines need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from virtbus.driver import HostFacts
from virtbus.errors import HypervisorError
from virtbus_esx.capabilities import capabilities
from virtbus_esx.collecting import everything, retrieve, specification
from virtbus_esx.config.devices import Network
from virtbus_esx.nodes import Node, Properties, content, every, find, ref, text
from virtbus_esx.soap import Session
from virtbus_esx.wire import Ref

ASK = 20.0

_CHAIN: dict[str, Sequence[str]] = {
    "HostSystem": ("name", "parent"),
    "ComputeResource": ("name", "parent", "resourcePool"),
    "Folder": ("name", "parent"),
    "Datacenter": ("name", "parent", "vmFolder"),
}
"""What makes the inventory's tree; a cluster is a ComputeResource too."""

_HOST = (
    "name", "config.product", "hardware.systemInfo", "summary.hardware", "runtime.bootTime", "datastore", "network",
    "configManager", "hardware.cpuInfo", "hardware.memorySize",
)  # fmt: skip


@dataclass
class HostPlace:
    """One host of a server."""

    ref: Ref
    name: str
    pool: Ref
    """The resource pool of new machines."""
    folder: Ref
    """The folder of new machines."""
    datacenter: Ref
    datacenter_path: str
    """Folders and datacenter, as libvirt's <vmware:datacenterpath>."""
    facts: Properties = field(default_factory=dict)

    def refs(self, name: str) -> list[Ref]:
        """The objects that a property of the host names."""
        node = self.facts.get(name)
        return [] if node is None else [found for each in node if (found := ref(each)) is not None]


async def find_host(session: Session, path: tuple[str, ...]) -> HostPlace:
    """The host that a URI means.

    :param path: empty for an ESX host by itself.
    :raises HypervisorError: there is none there.
    """
    tree = await everything(session, _CHAIN, ASK)
    hosts = [owner for owner in tree if owner.kind == "HostSystem"]
    paths = {host: list(_paths(tree, host)) for host in hosts}
    found = [host for host in hosts if not path or "/".join(path) in paths[host]]
    if len(found) != 1:
        known = ", ".join(sorted(ways[0] for ways in paths.values()))
        raise HypervisorError(
            f"{session.login.server} has no host /{'/'.join(path)}", hint=f"it has {known}" if known else None
        )
    place = _place(tree, found[0])
    details = await retrieve(session, [specification("HostSystem", _HOST, [place.ref])], ASK)
    place.facts = details.get(place.ref, {})
    return place


def _up(tree: dict[Ref, Properties], owner: Ref) -> Iterator[Ref]:
    """The object and what it is in, up to the root, which is left out."""
    at: Ref | None = owner
    while at is not None and at in tree:
        yield at
        at = ref(tree[at].get("parent"))


def _paths(tree: dict[Ref, Properties], host: Ref) -> Iterator[str]:
    """How a host may be named: a host without a cluster also without the resource that stands for it."""
    chain = list(_up(tree, host))[::-1]
    names: list[tuple[Ref, str]] = []
    for number, at in enumerate(chain):
        # A datacenter has its hosts in a folder of its own, which nobody names.
        if number == 0 or at.kind != "Folder" or chain[number - 1].kind != "Datacenter":
            names.append((at, content(tree[at], "name") or ""))
    yield "/".join(name for _, name in names)
    if len(names) > 1 and names[-2][0].kind == "ComputeResource":
        yield "/".join(name for at, name in names if at is not names[-2][0])


def _place(tree: dict[Ref, Properties], host: Ref) -> HostPlace:
    chain = list(_up(tree, host))
    resource = next(at for at in chain if at.kind in ("ComputeResource", "ClusterComputeResource"))
    datacenter = next(at for at in chain if at.kind == "Datacenter")
    above = list(_up(tree, datacenter))[::-1]
    pool, folder = ref(tree[resource].get("resourcePool")), ref(tree[datacenter].get("vmFolder"))
    if pool is None or folder is None:
        raise HypervisorError("the host has no resource pool or no folder for machines")
    return HostPlace(
        ref=host, name=content(tree[host], "name") or host.id, pool=pool, folder=folder, datacenter=datacenter,
        datacenter_path="/".join(content(tree[at], "name") or "" for at in above),
    )  # fmt: skip


def facts_of(place: HostPlace) -> HostFacts:
    """What the runtime wants to know of a host."""
    product = place.facts.get("config.product")
    system = _child(place.facts, "hardware.systemInfo", "uuid") or _child(place.facts, "summary.hardware", "uuid")
    version = "VMware ESXi" if product is None else f"{text(product, 'name')} {text(product, 'version')}"
    machine = system or f"{place.ref.id}"
    return HostFacts(
        version=version,
        machine=f"{machine}/{place.ref.id}",
        boot=content(place.facts, "runtime.bootTime") or "unknown",
        fqdn=place.name,
        capabilities=capabilities(system, place.facts),
    )


def _child(facts: Properties, name: str, path: str) -> str | None:
    node = facts.get(name)
    return None if node is None else text(node, path)


async def networks(session: Session, place: HostPlace, timeout: float) -> dict[str, Network]:
    """What cards can be connected to on this host, by name."""
    by_kind: dict[str, list[Ref]] = {}
    for owner in place.refs("network"):
        by_kind.setdefault(owner.kind, []).append(owner)
    names = {"DistributedVirtualPortgroup": ("name", "key", "config.distributedVirtualSwitch")}
    specs = [specification(kind, names.get(kind, ("name",)), owners) for kind, owners in by_kind.items()]
    found = await retrieve(session, specs, timeout) if specs else {}
    switches = await _switches(session, found, timeout)
    made: dict[str, Network] = {}
    for owner, values in found.items():
        name = content(values, "name") or owner.id
        switch = ref(values.get("config.distributedVirtualSwitch"))
        uuid = None if switch is None else switches.get(switch)
        made[name] = Network(name=name, ref=owner, switch=uuid, key=content(values, "key"))
    return made


async def _switches(session: Session, groups: dict[Ref, Properties], timeout: float) -> dict[Ref, str]:
    wanted: dict[str, list[Ref]] = {}
    for values in groups.values():
        switch = ref(values.get("config.distributedVirtualSwitch"))
        if switch is not None and switch not in wanted.get(switch.kind, []):
            wanted.setdefault(switch.kind, []).append(switch)
    if not wanted:
        return {}
    specs = [specification(kind, ("uuid",), owners) for kind, owners in wanted.items()]
    found = await retrieve(session, specs, timeout)
    return {owner: content(values, "uuid") or "" for owner, values in found.items()}


@dataclass(frozen=True)
class Datastore:
    """A datastore that the host has mounted."""

    ref: Ref
    name: str
    kind: str
    """VMFS, NFS, vsan, ..."""
    capacity: int
    free: int
    accessible: bool
    url: str
    browser: Ref | None


async def datastores(session: Session, place: HostPlace, timeout: float) -> dict[str, Datastore]:
    """The host's datastores by name."""
    owners = place.refs("datastore")
    if not owners:
        return {}
    found = await retrieve(session, [specification("Datastore", ("summary", "browser"), owners)], timeout)
    made: dict[str, Datastore] = {}
    for owner, values in found.items():
        summary: Node | None = values.get("summary")
        if summary is None:
            continue
        name = text(summary, "name") or owner.id
        made[name] = Datastore(
            ref=owner,
            name=name,
            kind=text(summary, "type") or "",
            capacity=int(text(summary, "capacity") or 0),
            free=int(text(summary, "freeSpace") or 0),
            accessible=text(summary, "accessible") != "false",
            url=text(summary, "url") or "",
            browser=ref(values.get("browser")),
        )
    return made


def port_groups(node: Node | None) -> dict[str, tuple[str, int]]:
    """The switch and VLAN of each standard port group, by name (HostNetworkInfo.portgroup)."""
    if node is None:
        return {}
    return {
        text(spec, "name") or "": (text(spec, "vswitchName") or "", int(text(spec, "vlanId") or 0))
        for group in every(node, "HostPortGroup")
        if (spec := find(group, "spec")) is not None
    }
