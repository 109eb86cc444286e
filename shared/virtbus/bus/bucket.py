"""A bucket: the latest value of each key, changed by compare-and-set, and watched.

It is NATS's key-value layout (a stream with one message a subject), so `nats kv` can look into it.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Generic, TypeVar

from virtbus.bus.codec import DecodeError, decode, encode
from virtbus.bus.link import NOT_FOUND, WRONG_SEQUENCE, ApiError, Link
from virtbus.bus.reading import Entry, Reader
from virtbus.errors import Conflict
from virtbus.records import Record

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
OPERATION = "KV-Operation"


class Exists(Conflict):
    """The key has a value already."""


class Stale(Conflict):
    """The value was changed by somebody else since it was read."""


@dataclass(frozen=True)
class Stored(Generic[R]):
    """A value as it is stored."""

    key: str
    record: R
    revision: int
    written: datetime
    """The broker's timestamp."""


@dataclass(frozen=True)
class Change(Generic[R]):
    """A value that was written, or None where the key was deleted."""

    key: str
    record: R | None
    revision: int
    written: datetime


@dataclass(frozen=True)
class Synced:
    """A watch has given everything that there was; `revision` is the bucket's last."""

    revision: int


class Bucket(Generic[R]):
    """One bucket of one kind of record."""

    def __init__(self, link: Link, name: str, model: type[R], *, direct: bool = False) -> None:
        """:param direct: read by subject-scoped direct get, as workers may; else from the bucket's leader."""
        self._link = link
        self._name = name
        self._model = model
        self._direct = direct
        self.stream = link.subjects.bucket(name)

    def _subject(self, key: str) -> str:
        return self._link.subjects.key(self._name, key)

    async def get(self, key: str) -> Stored[R] | None:
        """The value of a key.

        :raises Unavailable: the bus does not answer.
        :raises DecodeError: the value makes no sense; `evidence["revision"]` is its revision.
        """
        return await (self._get_direct(key) if self._direct else self._get_from_leader(key))

    async def _get_from_leader(self, key: str) -> Stored[R] | None:
        try:
            reply = await self._link.api(f"STREAM.MSG.GET.{self.stream}", {"last_by_subj": self._subject(key)})
        except ApiError as error:
            if error.err_code in NOT_FOUND:
                return None
            raise
        message = reply["message"]
        if OPERATION.encode() in base64.b64decode(message.get("hdrs", "")):
            return None
        data = base64.b64decode(message.get("data", ""))
        written = datetime.fromisoformat(message["time"][:26].rstrip("Z") + "+00:00")
        return self._stored(key, data, int(message["seq"]), written)

    async def _get_direct(self, key: str) -> Stored[R] | None:
        answer = await self._link.request(f"$JS.API.DIRECT.GET.{self.stream}.{self._subject(key)}", b"", 5.0)
        headers = dict(answer.headers or {})
        if headers.get("Status") or OPERATION in headers:
            return None
        written = datetime.fromisoformat(headers["Nats-Time-Stamp"][:26].rstrip("Z") + "+00:00")
        return self._stored(key, answer.data, int(headers["Nats-Sequence"]), written)

    def _stored(self, key: str, data: bytes, revision: int, written: datetime) -> Stored[R]:
        try:
            return Stored(key, decode(self._model, data), revision, written)
        except DecodeError as error:
            error.evidence |= {"bucket": self._name, "key": key, "revision": revision}
            raise

    async def create(self, key: str, record: R, *, after: int = 0) -> int:
        """Store the first value of a key, or the first after a deletion of revision `after`; returns its revision.

        :raises Exists: it has one.
        """
        try:
            return await self.update(key, record, after)
        except Stale as error:
            raise Exists(f"{self._name} has {key} already") from error

    async def update(self, key: str, record: R, revision: int) -> int:
        """Replace the value of that revision; returns the new revision.

        :raises Stale: the key has another revision by now.
        """
        payload = encode(record)
        headers = {EXPECTED: str(revision)}
        try:
            sequence, _ = await self._link.write(self._subject(key), payload, headers)
        except ApiError as error:
            if error.err_code != WRONG_SEQUENCE:
                raise
            # An earlier try may have been stored although its answer was lost.
            stored = await self.get(key)
            if stored is not None and stored.revision > revision and encode(stored.record) == payload:
                return stored.revision
            raise Stale(f"{self._name}/{key} is not at revision {revision} any more") from error
        return sequence

    async def put(self, key: str, record: R) -> int:
        """Store a value whatever was there; returns its revision."""
        sequence, _ = await self._link.write(self._subject(key), encode(record))
        return sequence

    async def delete(self, key: str) -> None:
        """Remove a key's value."""
        await self._link.write(self._subject(key), b"", {OPERATION: "DEL"})

    async def watch(self, pattern: str = ">", *, reader: str | None = None) -> AsyncIterator[Change[R] | Synced]:
        """Every value there is, then Synced, then every change, for ever.

        :param pattern: which keys, with NATS's wildcards.
        :param reader: the consumer's name, where the role's rights tie it; else one is made up.
        """
        source = self.reader(pattern, reader)
        await source.open()
        async for change in self.changes(source):
            yield change

    def reader(self, pattern: str = ">", name: str | None = None) -> Reader:
        """A reader of the bucket's values and changes; `changes` gives what it reads."""
        return Reader(
            self._link,
            self.stream,
            [self._subject(pattern)],
            start={"deliver_policy": "last_per_subject"},
            name=name or f"watch_{token_hex(6)}",
        )

    async def changes(self, source: Reader) -> AsyncIterator[Change[R] | Synced]:
        """What an opened reader gives, with Synced in its place."""
        left = source.initial or 0
        if left == 0:
            yield Synced(await self.last_revision())
        async for entry in source.entries():
            yield self._change(entry)
            if left > 0:
                left -= 1
                if left == 0 or entry.pending == 0:
                    left = 0
                    yield Synced(entry.sequence)

    async def everything(self, pattern: str = ">", *, reader: str | None = None) -> list[Stored[R]]:
        """Every value there is now."""
        found: dict[str, Stored[R]] = {}
        source = self.reader(pattern, reader)
        await source.open()
        changes = self.changes(source)
        async for change in changes:
            if isinstance(change, Synced):
                break
            if change.record is None:
                found.pop(change.key, None)
            else:
                found[change.key] = Stored(change.key, change.record, change.revision, change.written)
        await changes.aclose()  # type: ignore[attr-defined]
        await source.close()
        return list(found.values())

    async def history(self, key: str, *, reader: str | None = None) -> list[Stored[R]]:
        """The values that are kept of one key, the oldest first."""
        source = Reader(
            self._link, self.stream, [self._subject(key)], start={"deliver_policy": "all"},
            name=reader or f"watch_{token_hex(6)}",
        )  # fmt: skip
        await source.open()
        found: list[Stored[R]] = []
        if source.initial:
            entries = source.entries()
            async for entry in entries:
                change = self._change(entry)
                if change.record is not None:
                    found.append(Stored(key, change.record, change.revision, change.written))
                if entry.pending == 0:
                    break
        await source.close()
        return found

    async def last_revision(self) -> int:
        """The revision of the latest write to the bucket."""
        reply = await self._link.api(f"STREAM.INFO.{self.stream}")
        return int(reply["state"]["last_seq"])

    def _change(self, entry: Entry) -> Change[R]:
        key = entry.subject.removeprefix(self._subject(""))
        try:
            record = None if OPERATION in entry.headers else decode(self._model, entry.data)
        except DecodeError as error:
            # One value that makes no sense must not hide all the others.
            log.error("%s/%s cannot be read and is left out: %s", self._name, key, error)
            record = None
        return Change(key, record, entry.sequence, entry.time.astimezone(UTC))


