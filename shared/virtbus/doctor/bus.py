"""The bus: whether it is reached, lets this service do its work, is as durable as asked, and shares its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from virtbus.bus.link import Link
from virtbus.bus.streams import look, server_findings
from virtbus.doctor.finding import Finding, Place, Verdict
from virtbus.errors import InternalError, VirtbusError

LIMIT = 10.0
"""Seconds for all questions together."""
ANSWER = 2.0
"""Seconds for one answer."""
SKEW = (1.0, 60.0)
"""Seconds between the clocks from which on it is worth a look, and from which on something is wrong. Services reckon
with the skew that they measure; people who compare logs do not."""


async def bus(place: Place) -> Sequence[Finding]:
    """Everything about the bus, over one connection."""
    try:
        link = await Link.open(place.bus, name=place.user, timeout=ANSWER * 2)
    except (VirtbusError, OSError, ValueError) as error:
        mend = getattr(error, "hint", None) or "see bus.servers, bus.nkey_seed and the TLS files in the settings"
        return [Finding("bus", Verdict.BAD, getattr(error, "message", str(error)), mend)]
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(LIMIT):
            findings += await _server(link)
            findings += await _rights(link, place)
    except TimeoutError:
        findings.append(Finding("bus", Verdict.BAD, f"it did not answer within {LIMIT:g} s", "see the server's log"))
    finally:
        await link.close()
    return findings


async def _server(link: Link) -> list[Finding]:
    version = link.client.connected_server_version
    where = link.client.connected_url.netloc if link.client.connected_url else ""
    reached = Finding("bus", Verdict.GOOD, f"nats-server {version} at {where}, as {link.name}")
    try:
        weak = await server_findings(link)
    except VirtbusError as error:
        return [Finding("bus", Verdict.BAD, error.message, error.hint or "upgrade it")]
    return [reached, *(Finding("bus", Verdict.WEAK, text, "see docs/bus.md, What the server needs") for text in weak)]


async def _rights(link: Link, place: Place) -> list[Finding]:
    """Streams as they are, then what this service must be able to read, asked for by names that nobody has."""
    before = time.time()
    try:
        answer = await link.api(f"STREAM.INFO.{link.subjects.bucket('hosts')}", timeout=ANSWER)
        skew = _skew(answer, before, time.time())
        weak = await look(link)
    except InternalError:
        mend = "virtbus bus setup, with an account that may make streams"
        return [Finding("streams", Verdict.BAD, "the bus has no streams of Virtbus yet", mend)]
    except VirtbusError as error:
        return [await _denied(link, error)]
    findings = [Finding("streams", Verdict.WEAK, text, "see docs/bus.md; virtbus bus setup") for text in weak]
    findings = findings or [Finding("streams", Verdict.GOOD, "all are there, as durable as asked")]
    return [*findings, skew, *[await _readable(link, place, host) for host in place.host_names or [""]]]


async def _readable(link: Link, place: Place, host: str) -> Finding:
    key = link.subjects.key("hosts", host or "doctor")
    stream = link.subjects.bucket("hosts")
    try:
        if host:
            await link.request(f"$JS.API.DIRECT.GET.{stream}.{key}", b"", ANSWER)
        else:
            with suppress(InternalError):
                await link.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": key}, ANSWER)
    except VirtbusError as error:
        return await _denied(link, error, host)
    what = f"the records of host {host}" if host else "every record"
    return Finding("rights", Verdict.GOOD, f"{place.user} may read {what}")


async def _denied(link: Link, error: VirtbusError, host: str = "") -> Finding:
    refused = link.denied[-1] if link.denied else error.message
    words = f"--worker {link.name}={host}" if host else f"--gateway {link.name}"
    mend = f"virtbus bus users {words} ..., and have the server read its block anew (docs/bus.md)"
    return Finding("rights", Verdict.BAD, f"{link.name} is refused: {refused}", mend)


def _skew(answer: dict[str, Any], before: float, after: float) -> Finding:
    """The leader of a stream stamps its answer with its own time, as it stamps messages."""
    stamp = str(answer["ts"])
    # Nanoseconds, of which datetime takes microseconds.
    told = datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp()
    skew = told - (before + after) / 2
    uncertain = (after - before) / 2
    said = f"the bus's clock is {skew:+.3f} s from this machine's (within {uncertain:.3f} s)"
    verdict = Verdict.GOOD if abs(skew) < SKEW[0] else Verdict.WEAK if abs(skew) < SKEW[1] else Verdict.BAD
    mend = "" if verdict is Verdict.GOOD else "have both machines keep time: timedatectl set-ntp true"
    return Finding("clock", verdict, said, mend)
