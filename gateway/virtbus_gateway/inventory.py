"""The fleet from the record: every host and domain, kept current by watching the buckets.

Lists are answered from here; single objects are read from the bucket's leader. A domain is kept as the few fields
that filters look at, and its summary as finished JSON: a page of a list is those texts one after the other.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice
from re import compile as compile_pattern
from uuid import UUID

from virtbus.bus.bucket import Bucket, Synced
from virtbus.operations.domain import DomainSummary, ListDomains
from virtbus.records import DomainRecord, HostRecord
from virtbus.state import DomainState
from virtbus_gateway.cursor import pack_cursor, unpack_cursor

MIN_REVISION_WAIT = 1.0
"""Seconds that a list waits for the revision it is asked to show."""

Visible = Callable[[str, str], bool]
"""Whether a host and a project may be seen."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A domain in the inventory."""

    host: str
    uuid: str
    name: str
    state: DomainState
    project: str
    labels: dict[str, str] | None
    vcpus: int
    memory: int
    """KiB."""
    pending: int
    """How many removals the guest has not answered."""
    summary: bytes
    """DomainSummary as JSON."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list, and where it goes on."""

    domains: list[Listed]
    cursor: str | None
    revision: int

    def json(self) -> bytes:
        """DomainList as JSON."""
        cursor = b"null" if self.cursor is None else b'"%s"' % self.cursor.encode()
        rows = b",".join(domain.summary for domain in self.domains)
        return b'{"domains":[%s],"cursor":%s,"revision":%d}' % (rows, cursor, self.revision)


def summarize(record: DomainRecord) -> DomainSummary:
    """What lists and `dominfo` show of a domain's record."""
    return DomainSummary.model_validate(record, from_attributes=True)


class Inventory:
    """All hosts and domains. `run` keeps it; `synced` is set once it has seen everything that was there."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostRecord] = {}
        self.revision = 0
        """The revision of the domain bucket that is shown at least."""
        self.synced = asyncio.Event()
        self._domains: dict[str, dict[str, Listed]] = {}
        """By host, then by UUID."""
        self._order: dict[str, list[str]] = {}
        """The UUIDs of each host, sorted."""
        self._places: dict[str, list[str]] = {}
        """The hosts that have a UUID."""
        self._names: dict[str, set[tuple[str, str]]] = {}
        """(host, UUID) of the domains of a name."""
        self._loading: set[str] = set()
        """Hosts whose order is sorted when the first sight is complete."""
        self._advanced = asyncio.Condition()

    async def run(self, hosts: Bucket[HostRecord], domains: Bucket[DomainRecord]) -> None:
        """Follow both buckets until cancelled."""
        async with asyncio.TaskGroup() as group:
            hosts_seen = asyncio.Event()
            group.create_task(self._follow_hosts(hosts, hosts_seen), name="inventory-hosts")
            group.create_task(self._follow_domains(domains, hosts_seen), name="inventory-domains")

    async def _follow_hosts(self, bucket: Bucket[HostRecord], seen: asyncio.Event) -> None:
        async for change in bucket.watch():
            if isinstance(change, Synced):
                seen.set()
            elif change.record is None:
                self.hosts.pop(change.key, None)
            else:
                self.hosts[change.key] = change.record

    async def _follow_domains(self, bucket: Bucket[DomainRecord], hosts_seen: asyncio.Event) -> None:
        async for change in bucket.watch():
            if isinstance(change, Synced):
                self.settle()
                await hosts_seen.wait()
                self.synced.set()
            else:
                self.apply(change.key, change.record)
            await self._advance(change.revision)

    async def _advance(self, revision: int) -> None:
        if revision > self.revision:
            self.revision = revision
            async with self._advanced:
                self._advanced.notify_all()

    def apply(self, key: str, record: DomainRecord | None) -> None:
        """Take in what a key of the domain bucket holds now; None and tombstones take the domain away."""
        host, _, uuid = key.partition(".")
        known = self._domains.get(host, {}).get(uuid)
        if known is not None:
            self._names[known.name].discard((host, uuid))
            if not self._names[known.name]:
                del self._names[known.name]
        if record is None or record.deleted:
            if known is not None:
                self._forget(host, uuid)
            return
        if known is None:
            self._place(host, uuid)
        self._names.setdefault(record.name, set()).add((host, uuid))
        self._domains.setdefault(host, {})[uuid] = Listed(
            host=host,
            uuid=uuid,
            name=record.name,
            state=record.state,
            project=record.project,
            labels=record.labels or None,
            vcpus=record.vcpus,
            memory=record.memory,
            pending=len(record.pending),
            summary=summarize(record).model_dump_json().encode(),
        )

    def _place(self, host: str, uuid: str) -> None:
        self._places.setdefault(uuid, []).append(host)
        order = self._order.setdefault(host, [])
        if self.synced.is_set():
            insort(order, uuid)
        else:
            order.append(uuid)
            self._loading.add(host)

    def _forget(self, host: str, uuid: str) -> None:
        del self._domains[host][uuid]
        self._order[host].remove(uuid)
        self._places[uuid].remove(host)
        if not self._places[uuid]:
            del self._places[uuid]
        if not self._domains[host]:
            del self._domains[host], self._order[host]

    def settle(self) -> None:
        """Bring what was taken in unsorted into order."""
        for host in self._loading:
            self._order.get(host, []).sort()
        self._loading.clear()

    def domains_of(self, host: str) -> Iterable[Listed]:
        """A host's domains."""
        return self._domains.get(host, {}).values()

    def domain(self, host: str, uuid: UUID) -> Listed | None:
        """A domain, as far as it has been seen."""
        return self._domains.get(host, {}).get(str(uuid))

    def hosts_with(self, uuid: UUID) -> list[str]:
        """The hosts that have a domain of this UUID."""
        return sorted(self._places.get(str(uuid), ()))

    async def shows(self, revision: int) -> bool:
        """Wait a moment until a revision is shown; whether it is."""
        if self.revision >= revision:
            return True
        try:
            async with asyncio.timeout(MIN_REVISION_WAIT), self._advanced:
                await self._advanced.wait_for(lambda: self.revision >= revision)
        except TimeoutError:
            return False
        return True

    def page(self, query: ListDomains, visible: Visible) -> Page:
        """The domains that fit, in the order of (host, uuid), as many as were asked for.

        :raises InvalidArgument: the cursor is none of ours.
        """
        after = ("", "")
        if query.cursor is not None:
            host, uuid = unpack_cursor(query.cursor, str, str)
            after = (str(host), str(uuid))
        fitting = self._candidates(query, after)
        for test in _tests(query, visible):
            fitting = filter(test, fitting)
        found = list(islice(fitting, query.limit + 1))
        more = len(found) > query.limit
        page = found[: query.limit]
        return Page(page, pack_cursor(page[-1].host, page[-1].uuid) if more else None, self.revision)

    def _candidates(self, query: ListDomains, after: tuple[str, str]) -> Iterator[Listed]:
        """The domains behind a place, narrowed by the indexes that apply."""
        if query.domain_name is not None and not _is_glob(query.domain_name):
            for host, uuid in sorted(self._names.get(query.domain_name, ())):
                if (host, uuid) > after:
                    yield self._domains[host][uuid]
            return
        hosts = sorted(self._order) if query.host is None else [query.host]
        for host in hosts:
            if host < after[0] or host not in self._order:
                continue
            order, domains = self._order[host], self._domains[host]
            first = bisect_right(order, after[1]) if host == after[0] else 0
            for uuid in islice(order, first, None):
                yield domains[uuid]


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _tests(query: ListDomains, visible: Visible) -> list[Callable[[Listed], bool]]:
    """What the query asks for; last, what the caller may see, which is asked once for each host and project."""
    seen: dict[tuple[str, str], bool] = {}

    def allowed(domain: Listed) -> bool:
        place = (domain.host, domain.project)
        known = seen.get(place)
        if known is None:
            known = seen[place] = visible(*place)
        return known

    tests: list[Callable[[Listed], bool]] = []
    if query.host is not None:
        tests.append(lambda domain: domain.host == query.host)
    if query.state is not None:
        tests.append(lambda domain: domain.state is query.state)
    if query.project is not None:
        tests.append(lambda domain: domain.project == query.project)
    if query.domain_name is not None and _is_glob(query.domain_name):
        matches = compile_pattern(translate(query.domain_name)).match
        tests.append(lambda domain: matches(domain.name) is not None)
    tests.extend(_label_test(label) for label in query.label)
    return [*tests, allowed]


def _label_test(label: str) -> Callable[[Listed], bool]:
    key, has_value, value = label.partition("=")
    if has_value:
        return lambda domain: domain.labels is not None and domain.labels.get(key) == value
    return lambda domain: domain.labels is not None and key in domain.labels
