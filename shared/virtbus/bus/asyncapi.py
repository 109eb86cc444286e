"""The contract of the bus as an AsyncAPI 3 document, made from the declarations and the models that travel.

`python -m virtbus.bus.asyncapi` writes it beside this module, where the gateway finds it; a test holds the file equal
to what is made here (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

The document is drawn for the prefix `virtbus`, and names each role's side of each channel: `gateway-sends-job`,
`worker-receives-job`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from virtbus import __version__
from virtbus.bus.audit import AuditEntry
from virtbus.bus.bucket import EXPECTED
from virtbus.bus.queries import SERVICE_VERSION
from virtbus.bus.settings import MAX_PAYLOAD, BusSettings
from virtbus.bus.streams import MIN_SERVER, declarations
from virtbus.bus.subjects import Subjects
from virtbus.errors import ErrorReply
from virtbus.eventkinds import LIFECYCLE_DETAILS, EventKind
from virtbus.operations import OPERATIONS, Kind, Operation
from virtbus.records import PROTOCOL, DefinitionRecord, DomainRecord, Event, HostRecord, JobRecord, SessionRecord

FILE = Path(__file__).with_suffix(".json")
MEDIA = "application/msgpack"
QUEUE_GROUP = "q"
"""Of the services protocol, by default (NATS ADR-32): one subscriber of a host's queries gets each."""

Schema = dict[str, Any]

_NOBODY = UUID(int=0)
_TEXT: Schema = {"type": "string"}
_REFERENCE = "#/components/schemas/{model}"

PARAMETERS = {
    "host": "A host's name.",
    "domain": "A domain's UUID; `_` stands for what concerns the whole host.",
    "uuid": "A domain's UUID.",
    "job": "A job's id.",
    "worker": "The worker's name on the bus.",
    "process": "New for every worker process.",
}
"""What the variable tokens of the subjects are."""


@dataclass(frozen=True)
class Traffic:
    """One channel: what travels there, who sends it, and who receives it."""

    name: str
    address: str
    summary: str
    payload: Schema
    senders: tuple[str, ...]
    receivers: tuple[str, ...] = ()
    headers: tuple[tuple[str, Schema], ...] = ()
    optional: frozenset[str] = frozenset()
    """Headers that are not always there."""
    stream: str | None = None
    """Where it is kept; None: it is not kept."""
    reply: Schema | None = None
    extensions: tuple[tuple[str, Any], ...] = ()


def document() -> dict[str, Any]:
    """The whole document, for the prefix `virtbus` and the settings' defaults."""
    subjects = Subjects()
    traffic = [*_kept(subjects), *_events(subjects), *_buckets(subjects), *_queries(subjects)]
    channels = {one.name: _channel(one) for one in traffic}
    channels |= {f"reply-{one.name}": _reply_channel(one) for one in traffic if one.reply is not None}
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:virtbus:bus:v{PROTOCOL}",
        "info": {
            "title": "Virtbus on NATS",
            "version": __version__,
            "description": " ".join(
                (
                    f"Protocol v{PROTOCOL}. Payloads are msgpack of the models below. The first token of every subject",
                    "and the beginning of every stream's and bucket's name is a setting. Unknown fields of events are",
                    "ignored, of records kept when they are rewritten, of a job's arguments refused.",
                )
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": {
            "nats": {
                "host": BusSettings().servers[0].removeprefix("nats://"),
                "protocol": "nats",
                "description": f"nats-server {MIN_SERVER[0]}.{MIN_SERVER[1]} or newer with JetStream,"
                " sync_interval always; each service is an NKEY user with rights per subject.",
                "x-max-payload": MAX_PAYLOAD,
            }
        },
        "defaultContentType": MEDIA,
        "channels": channels,
        "operations": {name: made for one in traffic for name, made in _operations(one)},
        "components": {"schemas": _schemas()},
        "x-jetstream": declarations(BusSettings()),
    }


# ---- what travels ----


def _kept(subjects: Subjects) -> Iterator[Traffic]:
    """The streams but that of events."""
    yield Traffic(
        name="job",
        address=subjects.job("{host}", _NOBODY).replace(str(_NOBODY), "{domain}"),
        summary="A job waits for the host's owner. Its record is the acceptance: a message without one is dropped.",
        payload={
            "type": "object",
            "properties": {"job": _TEXT, "operation": {"type": "string", "enum": sorted(_of_kind(Kind.JOB))}},
            "required": ["job", "operation"],
        },
        senders=("gateway", "worker"),
        receivers=("worker",),
        headers=(("Nats-Msg-Id", _TEXT),),
        stream=subjects.stream("jobs"),
        extensions=(("x-operations", {name: _declared(one) for name, one in sorted(_of_kind(Kind.JOB).items())}),),
    )
    yield Traffic(
        name="session",
        address=subjects.session("{worker}.{process}"),
        summary="A worker process lives for as long as it renews this; it goes by its time to live.",
        payload=_ref(SessionRecord),
        senders=("worker",),
        receivers=("gateway", "worker"),
        headers=(("Nats-TTL", _TEXT), (EXPECTED, _TEXT)),
        optional=frozenset({EXPECTED}),
        stream=subjects.stream("sessions"),
    )
    yield Traffic(
        name="audit",
        address=subjects.audit,
        summary="Every accepted change with its principal.",
        payload=_ref(AuditEntry),
        senders=("gateway",),
        headers=(("Nats-Msg-Id", _TEXT),),
        optional=frozenset({"Nats-Msg-Id"}),
        stream=subjects.stream("audit"),
    )


def _events(subjects: Subjects) -> Iterator[Traffic]:
    """One channel per kind, CloudEvents in binary mode; a gap is only ever made by a reader."""
    for kind in EventKind:
        if kind is EventKind.GAP:
            continue
        payload: Schema = {"allOf": [_ref(Event), {"properties": {"kind": {"const": str(kind)}}}]}
        if kind is EventKind.LIFECYCLE:
            payload["allOf"].append({"properties": {"detail": {"oneOf": list(_lifecycle())}}})
        yield Traffic(
            name=f"event-{kind}",
            address=subjects.event("{host}", _NOBODY, kind).replace(str(_NOBODY), "{domain}"),
            summary=f"The event `{kind}`.",
            payload=payload,
            senders=("worker",),
            receivers=("gateway", "reader"),
            headers=(
                ("Nats-Msg-Id", _TEXT),
                ("Virtbus-Generation", {"type": "string", "pattern": "^[0-9]+$"}),
                ("ce-specversion", {"const": "1.0"}),
                ("ce-id", _TEXT),
                ("ce-source", {"type": "string", "pattern": "^/virtbus/hosts/"}),
                ("ce-type", {"const": f"virtbus.v1.{kind}"}),
                ("ce-time", {"type": "string", "format": "date-time"}),
                ("ce-subject", {"type": "string", "description": "The domain's UUID."}),
                ("ce-datacontenttype", {"const": MEDIA}),
            ),
            optional=frozenset({"ce-subject"}),
            stream=subjects.stream("events"),
        )


def _lifecycle() -> Iterator[Schema]:
    for event, details in LIFECYCLE_DETAILS.items():
        yield {
            "type": "object",
            "properties": {"event": {"const": event}, "detail": {"enum": list(details)}},
            "required": ["event", "detail"],
        }


def _buckets(subjects: Subjects) -> Iterator[Traffic]:
    for bucket, key, model, senders in (
        ("hosts", "{host}", HostRecord, ("worker",)),
        ("domains", "{host}.{uuid}", DomainRecord, ("worker",)),
        ("definitions", "{host}.{uuid}", DefinitionRecord, ("worker",)),
        ("jobs", "{host}.{job}", JobRecord, ("gateway", "worker")),
    ):
        yield Traffic(
            name=f"bucket-{bucket}",
            address=subjects.key(bucket, key),
            summary=(model.__doc__ or "").strip().splitlines()[0],
            payload=_ref(model),
            senders=senders,
            receivers=("gateway", "worker"),
            headers=((EXPECTED, {"type": "string", "description": "The revision that this write replaces."}),),
            optional=frozenset({EXPECTED}),
            stream=subjects.bucket(bucket),
        )


def _queries(subjects: Subjects) -> Iterator[Traffic]:
    """What a host's worker answers at once; a cancel is the gateway's own operation, and nudges the worker."""
    for name, operation in sorted(_of_kind(Kind.QUERY).items()):
        arguments = _ref(operation)
        yield _query(subjects, name, operation.summary(), arguments, _ref(operation.result), operation)
    nudge: Schema = {
        "type": "object",
        "properties": {"job": _TEXT, "principal": _TEXT},
        "required": ["job", "principal"],
    }
    found: Schema = {"type": "object", "properties": {"found": {"type": "boolean"}}, "required": ["found"]}
    yield _query(subjects, "job.cancel", "Have a running or waiting job give up; its record says so too.", nudge, found)


def _query(
    subjects: Subjects, name: str, summary: str, arguments: Schema, result: Schema,
    operation: type[Operation[Any]] | None = None,
) -> Traffic:  # fmt: skip
    extensions = () if operation is None else (("x-operation", _declared(operation)),)
    return Traffic(
        name=f"query-{name}",
        address=subjects.query("{host}", name),
        summary=summary,
        payload=arguments,
        senders=("gateway",),
        receivers=("worker",),
        reply={
            "oneOf": [
                {"type": "object", "properties": {"result": result}, "required": ["result"]},
                {"type": "object", "properties": {"error": _ref(ErrorReply)}, "required": ["error"]},
            ]
        },
        extensions=(("x-service-version", SERVICE_VERSION), *extensions),
    )


def _of_kind(kind: Kind) -> dict[str, type[Operation[Any]]]:
    return {name: operation for name, operation in OPERATIONS.items() if operation.kind is kind}


def _declared(operation: type[Operation[Any]]) -> dict[str, Any]:
    """What an operation's declaration says beside its channel."""
    return {
        "version": operation.version,
        "summary": operation.summary(),
        "arguments": _ref(operation),
        "result": _ref(operation.result),
        "permission": operation.permission,
        "facet": operation.facet,
        "overtakes": operation.overtakes,
        "timeout": operation.timeout,
    }


# ---- the document's parts ----


def _channel(traffic: Traffic) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", traffic.address)
    made: dict[str, Any] = {
        "address": traffic.address,
        "summary": traffic.summary,
        "messages": {"message": _message(traffic.name, traffic.payload, traffic.headers, traffic.optional)},
    }
    if names:
        made["parameters"] = {name: {"description": PARAMETERS[name]} for name in names}
    if traffic.stream is not None:
        made["x-stream"] = traffic.stream
    return made | dict(traffic.extensions)


def _reply_channel(traffic: Traffic) -> dict[str, Any]:
    return {
        "address": None,
        "summary": f"The asker's inbox, for the answer to {traffic.name}.",
        "messages": {"message": _message(f"reply-{traffic.name}", traffic.reply or {})},
    }


def _message(
    name: str, payload: Schema, headers: tuple[tuple[str, Schema], ...] = (), optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "contentType": MEDIA, "payload": payload}
    if headers:
        made["headers"] = {
            "type": "object",
            "properties": dict(headers),
            "required": [header for header, _ in headers if header not in optional],
        }
    return made


def _operations(traffic: Traffic) -> Iterator[tuple[str, dict[str, Any]]]:
    sides: tuple[tuple[Literal["send", "receive"], tuple[str, ...]], ...] = (
        ("send", traffic.senders),
        ("receive", traffic.receivers),
    )
    for action, roles in sides:
        for role in roles:
            made: dict[str, Any] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{traffic.name}"},
                "messages": [{"$ref": f"#/channels/{traffic.name}/messages/message"}],
            }
            if traffic.reply is not None:
                reply = f"#/channels/reply-{traffic.name}"
                made["reply"] = {"channel": {"$ref": reply}, "messages": [{"$ref": f"{reply}/messages/message"}]}
                if action == "receive":
                    made["bindings"] = {"nats": {"queue": QUEUE_GROUP, "bindingVersion": "0.1.0"}}
            yield f"{role}-{action}s-{traffic.name}", made


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    """Everything that is referred to: what is written as it is written, arguments as they may be given."""
    served = [operation for operation in OPERATIONS.values() if operation.kind in (Kind.JOB, Kind.QUERY)]
    written: list[type[BaseModel]] = [
        HostRecord, DomainRecord, DefinitionRecord, JobRecord, SessionRecord, Event, AuditEntry, ErrorReply,
    ]  # fmt: skip
    written += sorted({operation.result for operation in served}, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "serialization") for model in written], ref_template=_REFERENCE)
    schemas: dict[str, Any] = made["$defs"]
    _, asked = models_json_schema([(model, "validation") for model in served], ref_template=_REFERENCE)
    for name, schema in asked["$defs"].items():
        schemas.setdefault(name, schema)
    for operation in served:
        schema = schemas[operation.__name__]
        # The host stands in the subject, and the domain beside a job's arguments.
        beside = {"host", "domain"} if operation.kind is Kind.JOB else {"host"}
        schema["properties"] = {name: each for name, each in schema["properties"].items() if name not in beside}
        schema["required"] = [name for name in schema.get("required", []) if name not in beside]
    return dict(sorted(schemas.items()))


def text() -> str:
    """The document as the file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
