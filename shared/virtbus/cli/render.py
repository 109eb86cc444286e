"""How results look: one function per result model, and one sentence per change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from virtbus.cli.progress import phase_of
from virtbus.cli.session import Session
from virtbus.cli.view import Table, View
from virtbus.errors import VirtbusError
from virtbus.operations.device import DeviceList
from virtbus.operations.domain import DomainSummary, DomainXml
from virtbus.operations.host import HostCapabilities, HostList, HostSummary
from virtbus.operations.network import NetworkList
from virtbus.operations.offer import OfferDocument
from virtbus.operations.snapshot import SnapshotList
from virtbus.operations.storage import PoolList, VolumeList
from virtbus.records import JobRecord

DONE = {
    "domain.define": "Domain '{name}' defined",
    "domain.create": "Domain '{name}' created",
    "domain.undefine": "Domain '{domain}' has been undefined",
    "domain.start": "Domain '{name}' started",
    "domain.shutdown": "Domain '{name}' has shut down",
    "domain.reboot": "Domain '{name}' has been rebooted",
    "domain.reset": "Domain '{name}' was reset",
    "domain.destroy": "Domain '{name}' destroyed",
    "domain.suspend": "Domain '{name}' suspended",
    "domain.resume": "Domain '{name}' resumed",
    "domain.autostart": "Domain '{domain}' changed",
    "domain.send-key": "Keys sent to '{domain}'",
    "domain.set-vcpus": "Domain '{domain}' has {vcpus} virtual CPUs",
    "domain.set-memory": "Domain '{domain}' may use {memory} KiB",
    "device.attach": "Device attached; its alias is {alias}",
    "device.update": "Device updated",
    "device.change-media": "Medium of {alias} changed",
    "device.detach": "Device {alias} {outcome}",
    "device.detach-described": "Device {alias} {outcome}",
    "domain.clone": "Domain '{domain}' copied to '{name}', uuid {uuid}",
    "domain.relocate": "Domain '{domain}' moved",
    "domain.save": "Domain '{name}' saved to {file}",
    "domain.restore": "Domain '{name}' restored",
    "domain.exec": "",
    "snapshot.create": "Snapshot {name} created",
    "snapshot.revert": "Domain '{domain}' is back at snapshot {snapshot}",
    "snapshot.delete": "Snapshot {snapshot} deleted",
    "qemu.monitor-command": "",
}
"""What is said once a change is done, from its result and the verb's arguments."""


def done(session: Session, result: BaseModel) -> str:
    """The sentence that says what was changed."""
    sentence = DONE[session.verb.operation or ""]
    return sentence.format_map(vars(session.arguments) | result.model_dump())


def shown(result: BaseModel) -> View:
    """A result as it is shown."""
    view = VIEWS[type(result)](result)
    return View(result.model_dump(mode="json"), facts=view.facts, table=view.table, text=view.text)


def _host_list(result: HostList) -> View:
    rows = [
        (host.record.name, host.record.family, host.record.version, "served" if host.served else "not served",
         host.running, host.domains, host.record.uri)
        for host in result.hosts
    ]  # fmt: skip
    headings = ("Name", "Family", "Hypervisor", "State", "Running", "Domains", "URI")
    return View(None, table=Table(headings, rows, frozenset({"Running", "Domains"})))


def _host(result: HostSummary) -> View:
    record = result.record
    return View(None, facts=[
        ("Name", record.name), ("Family", record.family), ("URI", record.uri), ("Hypervisor", record.version),
        ("Worker", record.worker_version), ("FQDN", record.fqdn), ("Served", result.served),
        ("Last seen", result.last_seen), ("Domains", f"{result.domains} ({result.running} running)"),
        ("Facets", ", ".join(record.facets) or "-"),
    ])  # fmt: skip


def _domain(result: DomainSummary) -> View:
    return View(None, facts=[
        ("Id", result.id), ("Name", result.name), ("UUID", result.uuid), ("Host", result.host),
        ("Family", result.family), ("State", f"{result.state} ({result.reason})"), ("CPU(s)", result.vcpus),
        ("Memory", f"{result.memory} KiB"), ("Persistent", result.persistent),
        ("Autostart", "enable" if result.autostart else "disable"), ("Project", result.project),
        ("Labels", ", ".join(f"{key}={value}" for key, value in sorted(result.labels.items())) or "-"),
        ("Being detached", ", ".join(mark.alias for mark in result.pending) or "-"),
    ])  # fmt: skip


def _devices(result: DeviceList) -> View:
    rows = [(device.alias, device.kind, "being detached" if device.pending else "") for device in result.devices]
    return View(None, table=Table(("Alias", "Kind", "State"), rows))


def _job(result: JobRecord) -> View:
    error = result.error
    return View(None, facts=[
        ("Id", result.id), ("Operation", result.operation), ("Host", result.host), ("Domain", result.domain),
        ("State", result.state), ("Phase", "-" if result.state.ended else phase_of(result)),
        ("Principal", result.principal or "-"), ("Accepted", result.accepted.isoformat(timespec="seconds")),
        ("Ended", result.ended and result.ended.isoformat(timespec="seconds")),
        ("Time limit", f"{result.timeout:g} s"), ("Attempts", result.attempts),
        ("Error", "-" if error is None else str(VirtbusError.from_reply(error))),
    ])  # fmt: skip


def _document(result: DomainXml | HostCapabilities | OfferDocument) -> View:
    return View(None, text=result.content)


def _snapshots(result: SnapshotList) -> View:
    rows = [
        (each.name, each.created and each.created.isoformat(timespec="seconds"), each.parent,
         "current" if each.current else "", each.description)
        for each in result.snapshots
    ]  # fmt: skip
    return View(None, table=Table(("Name", "Created", "Parent", "State", "Description"), rows))


def _pools(result: PoolList) -> View:
    rows = [
        (pool.name, "active" if pool.active else "inactive", pool.type, pool.capacity, pool.available, pool.location)
        for pool in result.pools
    ]
    headings = ("Name", "State", "Type", "Capacity", "Available", "Location")
    return View(None, table=Table(headings, rows, right=frozenset({"Capacity", "Available"})))


def _volumes(result: VolumeList) -> View:
    rows = [(each.name, each.format, each.capacity, each.allocation, each.path) for each in result.volumes]
    headings = ("Name", "Format", "Capacity", "Allocation", "Path")
    return View(None, table=Table(headings, rows, right=frozenset({"Capacity", "Allocation"})))


def _networks(result: NetworkList) -> View:
    rows = [
        (each.name, "active" if each.active else "inactive", each.type, each.bridge, each.vlan)
        for each in result.networks
    ]
    return View(None, table=Table(("Name", "State", "Type", "Bridge", "VLAN"), rows))


VIEWS: dict[type[BaseModel], Callable[[Any], View]] = {
    HostList: _host_list,
    HostSummary: _host,
    HostCapabilities: _document,
    OfferDocument: _document,
    DomainSummary: _domain,
    DomainXml: _document,
    DeviceList: _devices,
    SnapshotList: _snapshots,
    PoolList: _pools,
    VolumeList: _volumes,
    NetworkList: _networks,
    JobRecord: _job,
}
