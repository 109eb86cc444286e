"""What each role may say and hear on the bus, and the server's authorization block made from it.

Rights are per subject. A worker reads and writes only its hosts' keys; only the gateway reads through MSG.GET; a reader
of events may read events and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nkeys

from virtbus.bus.subjects import Subjects


@dataclass(frozen=True)
class Rights:
    """Subjects that a user may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def setup_rights() -> Rights:
    """Of the account that makes streams: everything of JetStream's API, no payloads."""
    return Rights(publish=("$JS.API.>",), subscribe=("_INBOX.setup.>",))


def gateway_rights(subjects: Subjects, name: str) -> Rights:
    """Of a gateway: accepts jobs, asks workers, reads every record."""
    streams = [subjects.stream(stream) for stream in ("events", "sessions")]
    streams += [subjects.bucket(bucket) for bucket in ("hosts", "domains", "definitions", "jobs")]
    reads = [
        f"$JS.API.{call}.{stream}{rest}"
        for stream in streams
        for call, rest in (
            ("CONSUMER.CREATE", ".>"), ("CONSUMER.DELETE", ".*"), ("CONSUMER.INFO", ".*"),
            ("CONSUMER.MSG.NEXT", ".*"), ("STREAM.MSG.GET", ""),
        )
    ]  # fmt: skip
    return Rights(
        publish=(
            "$JS.API.STREAM.INFO.*",
            *reads,
            subjects.key("jobs", ">"),
            f"{subjects.root}.job.>",
            f"{subjects.root}.query.>",
            subjects.audit,
            "$SRV.>",
        ),
        subscribe=(f"_INBOX.{name}.>",),
    )


def worker_rights(subjects: Subjects, name: str, hosts: Sequence[str]) -> Rights:
    """Of a worker: the keys, jobs and events of its hosts, its own sessions, and to see who else has one: workers of
    remote hypervisors share their hosts out."""
    sessions = subjects.stream("sessions")
    publish = [
        "$JS.API.STREAM.INFO.*",
        subjects.session(f"{name}.*"),
        f"$JS.API.DIRECT.GET.{sessions}.{subjects.root}.session.>",
        f"$JS.API.CONSUMER.CREATE.{sessions}.>",
        *(f"$JS.API.CONSUMER.{call}.{sessions}.*" for call in ("DELETE", "INFO", "MSG.NEXT")),
    ]
    subscribe = [f"_INBOX.{name}.>", "$SRV.>"]
    for host in hosts:
        consumer = subjects.consumer(host)
        publish += [subjects.key("hosts", host), f"{subjects.root}.event.{host}.>", f"{subjects.root}.job.{host}.*"]
        publish += [subjects.key(bucket, f"{host}.>") for bucket in ("domains", "definitions", "jobs")]
        publish += [
            f"$JS.API.DIRECT.GET.{subjects.bucket(bucket)}.{subjects.key(bucket, key)}"
            for bucket, key in (
                ("hosts", host), ("domains", f"{host}.>"), ("definitions", f"{host}.>"), ("jobs", f"{host}.>"),
            )
        ]  # fmt: skip
        readable = {subjects.stream("jobs"): subjects.jobs_of(host)}
        readable |= {subjects.bucket(b): subjects.key(b, f"{host}.>") for b in ("domains", "definitions", "jobs")}
        readable[subjects.stream("events")] = f"{subjects.root}.event.{host}.>"
        for stream, filter_subject in readable.items():
            publish += [f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.{filter_subject}"]
            publish += [f"$JS.API.CONSUMER.{call}.{stream}.{consumer}" for call in ("DELETE", "INFO", "MSG.NEXT")]
            publish += [f"$JS.ACK.{stream}.{consumer}.>"]
        subscribe.append(subjects.query(host, ">"))
    return Rights(tuple(publish), tuple(subscribe))


def reader_rights(subjects: Subjects, name: str) -> Rights:
    """Of a consumer of events."""
    stream = subjects.stream("events")
    return Rights(
        publish=(
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.>",
            *(f"$JS.API.CONSUMER.{call}.{stream}.*" for call in ("DELETE", "INFO", "MSG.NEXT")),
        ),
        subscribe=(f"_INBOX.{name}.>",),
    )


@dataclass(frozen=True)
class BusUser:
    """An NKEY user of the server."""

    name: str
    public: str
    rights: Rights


def new_seed() -> tuple[str, str]:
    """A new user's seed (secret) and public NKEY."""


    raw = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    pair = nkeys.from_seed(raw)
    return raw.decode(), pair.public_key.decode()


def write_seed(path: Path) -> None:
    """Make a new user's seed in a file that only its owner may read, unless the file is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(new_seed()[0] + "\n")


def public_key(seed: Path) -> str:
    """The public NKEY that belongs to the seed in a file."""
    key: str = nkeys.from_seed(seed.read_text().strip().encode()).public_key.decode()
    return key


def authorization(users: Sequence[BusUser]) -> str:
    """The server's authorization block for these users."""
    blocks = []
    for user in users:
        publish = json.dumps(list(user.rights.publish))
        subscribe = json.dumps(list(user.rights.subscribe))
        blocks.append(
            f"    # {user.name}\n    {{ nkey: {user.public}, permissions: {{"
            f" publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }},"
            " allow_responses: { max: 10, expires: \"1m\" } } }"
        )
    return "authorization {\n  users = [\n" + ",\n".join(blocks) + "\n  ]\n}\n"
