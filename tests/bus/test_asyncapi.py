"""The AsyncAPI document is up to date, well formed, and true of what travels and of the roles' rights."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Iterator
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft7Validator
from nats.aio.msg import Msg

from virtbus.bus.asyncapi import FILE, document, text
from virtbus.bus.audit import AuditEntry
from virtbus.bus.codec import pack, unpack
from virtbus.bus.connection import Bus
from virtbus.bus.rights import Rights, gateway_rights, reader_rights, worker_rights
from virtbus.bus.settings import BusSettings
from virtbus.bus.streams import declarations
from virtbus.bus.subjects import Subjects
from virtbus.errors import NoDomain
from virtbus.eventkinds import EventKind
from virtbus.operations import OPERATIONS, Kind
from virtbus.operations.statistics import DomainStatistics, GetDomainStatistics
from virtbus.records import (
    DefinitionRecord,
    DomainRecord,
    Event,
    HostRecord,
    JobRecord,
    SessionRecord,
)

DOMAIN = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
JOB = "0b5a1b53-6f2f-4c8e-9d8e-2c0f0a7f7b11"
MADE = document()
SAMPLE = {
    "host": "kvm1", "domain": str(DOMAIN), "uuid": str(DOMAIN), "job": JOB, "worker": "worker-kvm1", "process": "p1",
}  # fmt: skip

# The fields of each object, from the specification 3.0.0; x- is allowed everywhere.
ROOT = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
SERVER = {"host", "protocol", "protocolVersion", "pathname", "description", "title", "summary", "variables", "security",
          "tags", "externalDocs", "bindings"}  # fmt: skip
CHANNEL = {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "externalDocs",
           "bindings"}  # fmt: skip
PARAMETER = {"enum", "default", "description", "examples", "location"}
MESSAGE = {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags",
           "externalDocs", "bindings", "examples", "traits"}  # fmt: skip
OPERATION = {"action", "channel", "title", "summary", "description", "security", "tags", "externalDocs", "bindings",
             "traits", "messages", "reply"}  # fmt: skip
NATS_BINDING = {"queue", "bindingVersion"}
KEY = re.compile(r"^[\w.-]+$")


def only(found: dict[str, Any], allowed: set[str]) -> None:
    assert {name for name in found if not name.startswith("x-")} <= allowed


def follow(reference: str) -> Any:
    place: Any = MADE
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def holds(schema: dict[str, Any], value: Any) -> None:
    Draft7Validator(schema | {"components": MADE["components"]}).validate(value)


def matches(pattern: str, subject: str) -> bool:
    """Whether NATS's wildcards in the pattern cover the subject."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(given) > place
        if place >= len(given) or token not in ("*", given[place]):
            return False
    return len(wanted) == len(given)


def test_the_file_is_what_the_declarations_make() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m virtbus.bus.asyncapi"


def test_the_root_and_the_servers_have_the_specifications_fields() -> None:
    only(MADE, ROOT)
    assert MADE["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(MADE["info"])
    for server in MADE["servers"].values():
        only(server, SERVER)
        assert {"host", "protocol"} <= set(server)


def test_channels_have_the_specifications_fields_and_their_parameters() -> None:
    for name, channel in MADE["channels"].items():
        assert KEY.match(name), name
        only(channel, CHANNEL)
        named = set(re.findall(r"\{(\w+)\}", channel["address"] or ""))
        assert named == set(channel.get("parameters", {})), name
        for parameter in channel.get("parameters", {}).values():
            only(parameter, PARAMETER)
        assert channel["messages"], name
        for message in channel["messages"].values():
            only(message, MESSAGE)
            assert message["contentType"] == "application/msgpack"


def test_operations_name_messages_of_their_own_channel() -> None:
    for name, operation in MADE["operations"].items():
        assert KEY.match(name), name
        only(operation, OPERATION)
        assert operation["action"] in ("send", "receive")
        for side in (operation, *([operation["reply"]] if "reply" in operation else [])):
            for message in side["messages"]:
                assert message["$ref"].startswith(side["channel"]["$ref"] + "/messages/"), name
        for binding in operation.get("bindings", {}).values():
            only(binding, NATS_BINDING)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(MADE))
    assert found
    for reference in found:
        assert isinstance(follow(reference), dict), reference


def test_payloads_and_headers_are_schemas() -> None:
    for schema in MADE["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for channel in MADE["channels"].values():
        for message in channel["messages"].values():
            Draft7Validator.check_schema(message["payload"])
            Draft7Validator.check_schema(message.get("headers", {}))


def test_every_operation_kind_of_event_stream_and_bucket_is_in_it() -> None:
    channels = MADE["channels"]
    for name, operation in OPERATIONS.items():
        if operation.kind is Kind.JOB:
            assert channels["job"]["x-operations"][name]["version"] == operation.version
        elif operation.kind is Kind.QUERY:
            assert f"query-{name}" in channels
    kinds = {name.removeprefix("event-") for name in channels if name.startswith("event-")}
    assert kinds == {str(kind) for kind in EventKind} - {"gap"}
    streams = {stream["name"] for stream in declarations(BusSettings())}
    assert {channel["x-stream"] for channel in channels.values() if "x-stream" in channel} == streams
    assert MADE["x-jetstream"] == json.loads(json.dumps(declarations(BusSettings())))


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("gateway", gateway_rights(Subjects(), "gateway")),
        ("worker", worker_rights(Subjects(), SAMPLE["worker"], [SAMPLE["host"]])),
        ("reader", reader_rights(Subjects(), "reader")),
    ],
)
def test_a_role_may_publish_exactly_what_the_document_has_it_send(role: str, rights: Rights) -> None:
    for name, channel in MADE["channels"].items():
        if channel["address"] is None:
            continue
        subject = channel["address"].format(**SAMPLE)
        allowed = any(matches(pattern, subject) for pattern in rights.publish)
        assert allowed is (f"{role}-sends-{name}" in MADE["operations"]), (role, subject)


async def travelled(bus: Bus, channel: str) -> Msg:
    """The last message of the bus on a channel, as it lies in its stream."""
    made = MADE["channels"][channel]
    subject = made["address"].format(**SAMPLE).replace("virtbus", bus.subjects.prefix, 1)
    stream = made["x-stream"].replace("VIRTBUS", bus.subjects.prefix.upper()).replace("virtbus", bus.subjects.prefix)
    found = await bus.link.client.jetstream().get_last_msg(stream, subject)
    return Msg(_client=bus.link.client, subject=subject, data=found.data or b"", headers=found.headers)


async def write_one_of_each(bus: Bus) -> list[str]:
    """Write a message on every channel that is kept, through the code that the services use."""
    where: dict[str, Any] = {"host": SAMPLE["host"], "uuid": DOMAIN}
    job = JobRecord(id=JOB, operation="domain.start", host=SAMPLE["host"], domain=DOMAIN, arguments={"paused": False})
    await bus.queue.accept(job)
    key = f"{SAMPLE['host']}.{DOMAIN}"
    await bus.hosts.create(SAMPLE["host"], HostRecord(name=SAMPLE["host"], family="qemu", uri="qemu:///system"))
    event = Event(
        kind=EventKind.LIFECYCLE, host=SAMPLE["host"], family="qemu", domain=DOMAIN, name="web", generation=1,
        subject="started", detail={"event": "started", "detail": "booted"},
    )  # fmt: skip
    await bus.domains.create(key, DomainRecord(**where, name="web", outbox=[event]))
    await bus.definitions.create(key, DefinitionRecord(**where, persistent="<domain/>"))
    await bus.events.publish(event)
    await bus.audit.append(AuditEntry(principal="ann", operation="domain.start", job=JOB))
    record = SessionRecord(id=f"{SAMPLE['worker']}.{SAMPLE['process']}", machine="m", pid=1, family="qemu")
    await bus.sessions.new(record).begin()
    buckets = [f"bucket-{bucket}" for bucket in ("hosts", "domains", "definitions", "jobs")]
    return ["job", "session", "audit", "event-lifecycle", *buckets]


async def test_what_is_written_fits_the_document(bus: Bus) -> None:
    for channel in await write_one_of_each(bus):
        message = await travelled(bus, channel)
        wanted = MADE["channels"][channel]["messages"]["message"]
        holds(wanted["payload"], unpack(message.data))
        holds(wanted["headers"], dict(message.headers or {}))
        unknown = {name for name in message.headers or {} if name not in wanted["headers"]["properties"]}
        assert not unknown, channel


async def test_an_event_of_another_kind_does_not_fit(bus: Bus) -> None:
    await write_one_of_each(bus)
    payload = unpack((await travelled(bus, "event-lifecycle")).data)
    wanted = MADE["channels"]["event-reboot"]["messages"]["message"]["payload"]
    assert list(Draft7Validator(wanted | {"components": MADE["components"]}).iter_errors(payload))


async def test_a_query_its_answer_and_its_refusal_fit_the_document(bus: Bus) -> None:
    async def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["domain"] != str(DOMAIN):
            raise NoDomain("no such domain", host="kvm1", domain=arguments["domain"])
        return DomainStatistics(uuid=DOMAIN, name="web", stats={"vcpu.current": 1}).model_dump(mode="json")

    channels = MADE["channels"]
    async with asyncio.TaskGroup() as group:

        def start(awaited: Awaitable[None]) -> None:
            group.create_task(_finish(awaited))

        service = await bus.queries.serve("kvm1", {"domain.stats": answer}, start)
        for domain, outcome in ((DOMAIN, "result"), (UUID(int=1), "error")):
            payload = {**GetDomainStatistics(host="kvm1", domain=domain).payload(), "domain": str(domain)}
            holds(channels["query-domain.stats"]["messages"]["message"]["payload"], payload)
            subject = bus.subjects.query("kvm1", "domain.stats")
            reply = unpack((await bus.link.request(subject, pack(payload), 5)).data)
            assert list(reply) == [outcome]
            holds(channels["reply-query-domain.stats"]["messages"]["message"]["payload"], reply)
        await service.stop()


async def _finish(awaited: Awaitable[None]) -> None:
    await awaited
