"""Every stream and bucket, declared in one place; made where they are missing, and held against what really runs."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import urlopen

from virtbus.bus.link import NOT_FOUND, ApiError, Link
from virtbus.bus.settings import MAX_PAYLOAD, BusSettings
from virtbus.bus.subjects import Subjects
from virtbus.errors import Unavailable

MIN_SERVER = (2, 12)
MONITOR_LIMIT = 2.0
"""Seconds that the monitoring port is given."""
DUPLICATE_WINDOW = 600.0
"""Seconds in which a repeated Msg-Id is known as a repeat: longer than any freeze that a supervisor lets pass."""


def _bucket(subjects: Subjects, name: str, **options: Any) -> dict[str, Any]:
    return {
        "name": subjects.bucket(name),
        "subjects": [subjects.key(name, ">")],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "deny_delete": True,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        **options,
    }


def declarations(settings: BusSettings) -> list[dict[str, Any]]:
    """JetStream's configuration of every stream."""
    subjects = Subjects(settings.prefix)
    streams: list[dict[str, Any]] = [
        {
            "name": subjects.stream("jobs"),
            "subjects": [f"{subjects.root}.job.>"],
            "retention": "workqueue",
            "duplicate_window": int(DUPLICATE_WINDOW * 1e9),
            "consumer_limits": {},
        },
        {
            "name": subjects.stream("events"),
            "subjects": [f"{subjects.root}.event.>"],
            "max_age": int(settings.events_max_age * 1e9),
            "max_bytes": settings.events_max_bytes,
            "duplicate_window": int(DUPLICATE_WINDOW * 1e9),
            "allow_direct": True,
        },
        {
            "name": subjects.stream("sessions"),
            "subjects": [f"{subjects.root}.session.>"],
            "max_msgs_per_subject": 1,
            "allow_msg_ttl": True,
            "allow_direct": True,
        },
        {
            "name": subjects.stream("audit"),
            "subjects": [subjects.audit],
            "max_age": int(settings.events_max_age * 1e9),
            "max_bytes": settings.events_max_bytes // 4,
        },
        _bucket(subjects, "hosts"),
        _bucket(subjects, "domains"),
        _bucket(subjects, "definitions", max_msgs_per_subject=2),
        _bucket(subjects, "jobs", max_age=int(settings.jobs_max_age * 1e9)),
    ]
    common = {"storage": "file", "num_replicas": settings.replicas, "max_consumers": -1}
    return [common | stream for stream in streams]


async def declare(link: Link) -> list[str]:
    """Make what is missing; says what a stream that is there has weaker than it is declared.

    :raises Unavailable: a stream is missing and this service may not make it.
    """
    findings: list[str] = []
    for wanted in declarations(link.settings):
        name = wanted["name"]
        try:
            found = (await link.api(f"STREAM.INFO.{name}"))["config"]
        except ApiError as error:
            if error.err_code not in NOT_FOUND:
                raise
            found = await _create(link, name, wanted)
        findings.extend(_weaker(name, wanted, found))
    return findings


async def look(link: Link) -> list[str]:
    """What `declare` would say, with nothing made: a missing stream is one more finding."""
    findings: list[str] = []
    for wanted in declarations(link.settings):
        name = wanted["name"]
        try:
            findings.extend(_weaker(name, wanted, (await link.api(f"STREAM.INFO.{name}"))["config"]))
        except ApiError as error:
            if error.err_code not in NOT_FOUND:
                raise
            findings.append(f"{name} is missing")
    return findings


async def _create(link: Link, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await link.api(f"STREAM.CREATE.{name}", wanted)
    except Unavailable as error:
        raise Unavailable(
            f"the stream {name} is missing and this service may not make it",
            hint="run `virtbus bus setup` with an account that may",
        ) from error
    config: dict[str, Any] = reply["config"]
    return config


def _weaker(name: str, wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    faults = []
    if found.get("storage") != "file":
        faults.append(f"{name} is kept in {found.get('storage')}, not in files")
    if found.get("num_replicas", 1) < wanted["num_replicas"]:
        faults.append(f"{name} has {found.get('num_replicas', 1)} replicas instead of {wanted['num_replicas']}")
    if found.get("retention", "limits") != wanted.get("retention", "limits"):
        faults.append(f"{name} has retention {found.get('retention')}")
    if found.get("max_consumers", -1) not in (-1, 0):
        faults.append(f"{name} allows only {found['max_consumers']} consumers")
    return faults


async def server_findings(link: Link) -> list[str]:
    """What the running server has weaker than Virtbus needs.

    :raises Unavailable: the server is too old to work with at all.
    """
    client = link.client
    version = client.connected_server_version
    if (version.major, version.minor) < MIN_SERVER:
        raise Unavailable(
            f"nats-server {version.major}.{version.minor}.{version.patch} is too old",
            hint=f"Virtbus needs {MIN_SERVER[0]}.{MIN_SERVER[1]} or newer: it leases hosts by per-message TTL",
        )
    findings = []
    if client.max_payload < MAX_PAYLOAD:
        findings.append(f"max_payload is {client.max_payload} bytes; set it to {MAX_PAYLOAD}")
    if link.settings.monitor is None:
        return [*findings, "sync_interval is not checked: no monitoring URL is set (VIRTBUS_NATS_MONITOR)"]
    return [*findings, *await asyncio.to_thread(_monitored, link.settings.monitor)]


def _monitored(monitor: str) -> list[str]:
    """What the server's monitoring port tells of JetStream's settings."""
    try:
        with urlopen(f"{monitor.rstrip('/')}/jsz?config=1", timeout=MONITOR_LIMIT) as answer:
            told = json.load(answer)
    except (OSError, ValueError) as error:
        return [f"sync_interval is not checked: {monitor} does not answer: {error}"]
    findings = []
    if not told.get("config", {}).get("sync_always"):
        findings.append("sync_interval is not `always`: a power failure loses what was acknowledged before it")
    if told.get("limits", {}).get("default_max_consumers", -1) not in (-1, 0):
        findings.append("default_max_consumers limits how many hosts a stream can serve; set it to -1")
    return findings
