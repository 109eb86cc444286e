"""Verbs on devices for which people name something else than an alias: a target, or what an XML file describes."""

from __future__ import annotations

from typing import Any

from lxml import etree

from virtbus.cli.failure import UsageError
from virtbus.cli.render import done
from virtbus.cli.session import Session, read_document
from virtbus.cli.view import Table, View
from virtbus.errors import Ambiguous, NoDevice
from virtbus.operations.device import DeviceList, DeviceSummary, ListDevices
from virtbus.operations.domain import DomainSummary
from virtbus.xml.document import parse_document

KEYS = {
    "disk": ("target", "dev"),
    "interface": ("mac", "address"),
    "filesystem": ("target", "dir"),
    "channel": ("target", "name"),
}
"""What tells devices of a kind apart; of the other kinds a domain has one, or the alias must be given."""

SOURCES = ("file", "dev", "name", "dir", "bridge", "network", "path", "volume")
"""Attributes of <source> that say what is behind a device, the first that is there."""


async def domblklist(session: Session) -> View:
    """`domblklist`."""
    return await _listed(session, "disk", ("Target", "Source", "Device", "Alias"), _disk)


async def domiflist(session: Session) -> View:
    """`domiflist`."""
    return await _listed(session, "interface", ("Interface", "Type", "Source", "Model", "MAC", "Alias"), _interface)


async def change_media(session: Session) -> View:
    """`change-media DOMAIN PATH [SOURCE]`."""
    arguments = session.arguments
    if arguments.eject == (arguments.source is not None):
        raise UsageError("give a SOURCE to insert, or --eject")
    if arguments.eject and (arguments.insert or arguments.update):
        raise UsageError("--eject goes with neither --insert nor --update")
    domain = await session.domain()
    found = await _devices(session, domain, "disk")
    alias = next(
        (device.alias for device in found if arguments.path in (device.alias, _key(parse_document(device.xml)))), None
    )
    if alias is None:
        raise NoDevice(f"no disk has the target or alias {arguments.path!r}", host=domain.host, domain=domain.name)
    fields = {"alias": alias, "source": arguments.source} | ({"force": True} if arguments.force else {})
    job = await session.change(await session.operation(**fields))
    return View(job.record.model_dump(mode="json"), note=done(session, job.outcome()))


async def update_device(session: Session) -> View:
    """`update-device DOMAIN FILE`: the alias is given, stands in the file, or is that of the device it describes."""
    document = read_document(session.arguments.file)
    described = parse_document(document)
    alias = session.arguments.alias or _attribute(described, "alias", "name") or await _described(session, described)
    job = await session.change(await session.operation(alias=alias, xml=document))
    return View(job.record.model_dump(mode="json"), note=done(session, job.outcome()))


async def _described(session: Session, described: etree._Element) -> str:
    """The alias of the one device that is of this kind and has this key."""
    domain = await session.domain()
    kind = str(described.tag)
    key = _key(described)
    found = await _devices(session, domain, kind)
    fitting = [device.alias for device in found if key is None or _key(parse_document(device.xml)) == key]
    if len(fitting) == 1 and fitting[0] is not None:
        return fitting[0]
    what = kind if key is None else f"{kind} {key}"
    hint = "say which with --alias"
    if fitting:
        raise Ambiguous(
            f"{what!r} is not one device with an alias", host=domain.host, domain=domain.name, hint=hint,
            evidence={"candidates": fitting},
        )  # fmt: skip
    raise NoDevice(f"the domain has no {what}", host=domain.host, domain=domain.name, hint=hint)


async def _devices(
    session: Session, domain: DomainSummary, kind: str, *, live: bool | None = None
) -> list[DeviceSummary]:
    fields: dict[str, Any] = {"host": domain.host, "domain": domain.uuid, "device_kind": kind}
    if live is not None:
        fields["live"] = live
    return (await session.ask(ListDevices(**fields))).devices


async def _listed(session: Session, kind: str, headings: tuple[str, ...], row: Any) -> View:
    live: bool | None = session.arguments.inactive and None  # The flag makes it False, as the table says.
    found = await _devices(session, await session.domain(), kind, live=live)
    rows = [row(parse_document(device.xml), device.alias) for device in found]
    return View(DeviceList(devices=found).model_dump(mode="json"), table=Table(headings, rows))


def _disk(disk: etree._Element, alias: str | None) -> tuple[object, ...]:
    return _attribute(disk, "target", "dev"), _source(disk), disk.get("device", "disk"), alias


def _interface(card: etree._Element, alias: str | None) -> tuple[object, ...]:
    return (
        _attribute(card, "target", "dev"), card.get("type"), _source(card), _attribute(card, "model", "type"),
        _attribute(card, "mac", "address"), alias,
    )  # fmt: skip


def _source(device: etree._Element) -> str | None:
    return next((value for name in SOURCES if (value := _attribute(device, "source", name))), None)


def _key(device: etree._Element) -> str | None:
    return _attribute(device, *KEYS[str(device.tag)]) if device.tag in KEYS else None


def _attribute(device: etree._Element, child: str, name: str) -> str | None:
    found = device.find(child)
    return None if found is None else found.get(name)
