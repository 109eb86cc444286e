"""The inventory: pages, filters and indexes over the watched record."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import HOST, Scene
from virtbus.operations.domain import DomainList, ListDomains
from virtbus.records import DomainRecord
from virtbus.state import DomainState
from virtbus_gateway.inventory import Inventory

HOSTS = ("a", "b", "c")
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def record(host: str, number: int, **fields: Any) -> DomainRecord:
    fields.setdefault("name", f"vm-{number}")
    return DomainRecord(host=host, uuid=UUID(int=number), changed=WHEN, **fields)


def put(inventory: Inventory, one: DomainRecord) -> None:
    inventory.apply(f"{one.host}.{one.uuid}", one)


def everything(*_: str) -> bool:
    return True


def walk(inventory: Inventory, visible: Any = everything, **query: Any) -> list[tuple[str, str]]:
    """Every page of a list, each checked to be a DomainList."""
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        page = inventory.page(ListDomains.model_validate(query | {"cursor": cursor}), visible)
        shown = DomainList.model_validate_json(page.json())
        assert len(shown.domains) <= query.get("limit", 500)
        found += [(domain.host, str(domain.uuid)) for domain in shown.domains]
        cursor = shown.cursor
        if cursor is None:
            return found
        assert shown.domains


records = st.builds(
    record,
    host=st.sampled_from(HOSTS),
    number=st.integers(0, 30),
    name=st.sampled_from(["web-1", "web-2", "db", "[x]"]),
    state=st.sampled_from([DomainState.RUNNING, DomainState.SHUTOFF, DomainState.PAUSED]),
    project=st.sampled_from(["default", "blue"]),
    labels=st.dictionaries(st.sampled_from(["tier", "owner"]), st.sampled_from(["x", "y=z", ""]), max_size=2),
    deleted=st.booleans(),
)
queries = st.fixed_dictionaries(
    {"limit": st.integers(1, 7)},
    optional={
        "host": st.sampled_from([*HOSTS, "nowhere"]),
        "state": st.sampled_from(["running", "paused"]),
        "name": st.sampled_from(["web-1", "web-*", "*", "db", "nothing", "[[]x]", "w?b-[12]"]),
        "project": st.sampled_from(["blue", "default"]),
        "label": st.lists(st.sampled_from(["tier", "owner", "tier=x", "owner=y=z", "tier="]), max_size=2),
    },
)


def fits(one: DomainRecord, query: dict[str, Any]) -> bool:
    """The filters, said plainly."""
    labels = [label.partition("=") for label in query.get("label", [])]
    name = query.get("name")
    return (
        query.get("host") in (None, one.host)
        and query.get("state") in (None, one.state)
        and query.get("project") in (None, one.project)
        and (name is None or fnmatchcase(one.name, name))
        and all(key in one.labels and (not has or one.labels[key] == value) for key, has, value in labels)
    )


@settings(max_examples=150, deadline=None)
@given(written=st.lists(records, max_size=60), query=queries, seen_at=st.integers(0, 60))
def test_pages_together_are_what_fits_in_order(
    written: list[DomainRecord], query: dict[str, Any], seen_at: int
) -> None:
    async def check() -> None:
        inventory = Inventory()
        truth: dict[tuple[str, str], DomainRecord] = {}
        for place, one in enumerate(written):
            if place == seen_at:
                inventory.settle()
                inventory.synced.set()
            put(inventory, one)
            truth[one.host, str(one.uuid)] = one
        inventory.settle()
        expected = sorted(key for key, one in truth.items() if not one.deleted and fits(one, query))
        assert walk(inventory, **query) == expected
        for uuid in {key[1] for key in truth}:
            hosts = [key[0] for key, one in sorted(truth.items()) if key[1] == uuid and not one.deleted]
            assert inventory.hosts_with(UUID(uuid)) == hosts

    asyncio.run(check())


async def test_a_page_shows_only_what_may_be_seen() -> None:
    inventory = Inventory()
    for number in range(6):
        put(inventory, record("a" if number < 3 else "b", number, project="blue" if number % 2 else "red"))
    inventory.settle()
    found = walk(inventory, lambda host, project: (host, project) != ("a", "red"))
    assert found == [(("a" if number < 3 else "b"), str(UUID(int=number))) for number in (1, 3, 4, 5)]


async def test_domains_that_come_and_go_between_pages_move_no_others() -> None:
    inventory = Inventory()
    for number in range(0, 20, 2):
        put(inventory, record("a", number))
    inventory.settle()
    inventory.synced.set()
    first = inventory.page(ListDomains(limit=4), everything)
    inventory.apply(f"a.{UUID(int=2)}", None)
    put(inventory, record("a", 3))
    put(inventory, record("a", 9))
    rest = inventory.page(ListDomains(limit=100, cursor=first.cursor), everything)
    assert [UUID(one.uuid).int for one in rest.domains] == [8, 9, 10, 12, 14, 16, 18]


async def test_lists_wait_for_the_revision_they_are_asked_for(scene: Scene) -> None:
    await scene.host()
    client = scene.client()
    domain = await scene.domain("first")
    before = await scene.bus.domains.get(f"{HOST}.{domain.uuid}")
    assert before is not None
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(client.get("/v1/domains", params={"min_revision": before.revision + 1}))
        await scene.domain("second")
    names = {one["name"] for one in (await asking).json()["domains"]}
    assert names == {"first", "second"}
    late = await client.get("/v1/domains", params={"min_revision": before.revision + 1000})
    assert late.status_code == 200
    assert late.json()["revision"] < before.revision + 1000


async def test_names_and_labels_filter_over_http(scene: Scene) -> None:
    await scene.host()
    await scene.domain("web-1", labels={"tier": "front"})
    last = await scene.domain("db-1", labels={"tier": "back"})
    stored = await scene.bus.domains.get(f"{HOST}.{last.uuid}")
    assert stored is not None
    client = scene.client()
    wait = {"min_revision": stored.revision}
    for query, names in (
        ({"name": "web-*"}, ["web-1"]),
        ({"name": "db-1"}, ["db-1"]),
        ({"label": "tier=back"}, ["db-1"]),
        ({"label": ["tier", "tier=front"]}, ["web-1"]),
        ({"state": "running"}, []),
    ):
        answer = await client.get("/v1/domains", params=wait | query)
        assert [one["name"] for one in answer.json()["domains"]] == names, query


async def test_forty_thousand_domains_are_listed_quickly() -> None:
    inventory = Inventory()
    for number in range(40_000):
        state = DomainState.RUNNING if number % 3 else DomainState.SHUTOFF
        put(inventory, record(f"h{number % 40}", number, state=state, labels={"n": str(number % 100)}))
    inventory.settle()
    inventory.synced.set()
    for query, limit in (
        ({"limit": 500}, 0.010),
        ({"limit": 500, "state": "shutoff"}, 0.050),
        ({"limit": 500, "label": ["n=7"]}, 0.050),
        ({"limit": 500, "name": "vm-3999?"}, 0.050),
        ({"limit": 500, "name": "vm-39999"}, 0.010),
    ):
        took: list[float] = []
        for _ in range(7):
            began = time.perf_counter()
            text = inventory.page(ListDomains.model_validate(query), everything).json()
            took.append(time.perf_counter() - began)
        assert json.loads(text)["domains"]
        print(f"{query}: {min(took) * 1000:.2f} ms, wanted {limit * 1000:.0f}")
