"""The list with 40,000 domains: quick to come, light to hold, whole at its end. Their hosts' workers are gone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from uuid import NAMESPACE_URL, uuid5

import httpx
import nats
import pytest
from playwright.async_api import Browser, expect

from tests.page.browser import Tab
from tests.stack import Stack
from virtbus.bus.codec import encode
from virtbus.operations import OPERATIONS
from virtbus.records import DomainRecord, HostRecord
from virtbus.state import DomainState
from virtbus_gateway.auth import Role

HOSTS = 20
DOMAINS = 2_000
"""On each host."""
ALL = HOSTS * DOMAINS
MEMORY = Path("/dev/shm")
"""A folder that is kept in memory, where there is one."""
MOST_ROWS = 60
"""Rows that a list of this height may hold as elements: those in sight, and eight before and behind."""
SLOWER = 3.0
"""The first rows may come this many times later than their bytes would by plain requests, one after the other."""
LOADS = 5

PLAIN = """async ({token, files}) => {
  const began = performance.now();
  for (const file of files) await (await fetch(file, {cache: "no-store"})).text();
  const headers = {Authorization: `Bearer ${token}`};
  await (await fetch("/v1/whoami", {headers})).json();
  await (await fetch("/v1/domains?limit=100", {headers})).json();
  return performance.now() - began;
}"""
FIRST_ROWS = """addEventListener("DOMContentLoaded", () => {
  const look = () => {
    const rows = document.querySelectorAll("#domains .rows .row:not([hidden]) .name");
    if ([...rows].some((row) => row.textContent.startsWith("vm-"))) window.firstRows = performance.now();
    else requestAnimationFrame(look);
  };
  look();
});"""
SCROLL = """async () => {
  const grid = document.getElementById("domains");
  const frames = [], rows = [];
  let last = await new Promise(requestAnimationFrame);
  for (let step = 0; step < 90; step += 1) {
    grid.scrollTop += 400;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
    rows.push(grid.querySelectorAll(".rows .row").length);
  }
  return {frames, rows: Math.max(...rows)};
}"""


def domain(host: int, index: int) -> DomainRecord:
    """A domain of the fleet."""
    return DomainRecord(
        host=f"node-{host:02}", uuid=uuid5(NAMESPACE_URL, f"{host}/{index}"), name=f"vm-{host:02}-{index:04}",
        family="simulated", state=DomainState.RUNNING if index % 3 else DomainState.SHUTOFF, vcpus=2, memory=1048576,
        labels={"tier": "web"} if index % 10 == 0 else {},
    )  # fmt: skip


async def fill(stack: Stack) -> None:
    """Put hosts and domains into the record, as if their workers had been here.

    Each host's domains are sent together, without waiting for an answer to each, and awaited together.
    """
    client = await nats.connect(stack.broker.url)
    revision = await stack.bus.domains.last_revision()
    for host in range(HOSTS):
        name = f"node-{host:02}"
        record = HostRecord(name=name, family="simulated", uri="simulated:///", operations=dict.fromkeys(OPERATIONS, 1))
        await stack.bus.hosts.put(name, record)
        for index in range(DOMAINS):
            one = domain(host, index)
            await client.publish(f"$KV.virtbus_domains.{one.host}.{one.uuid}", encode(one))
        await client.flush()
        revision += DOMAINS
        async with asyncio.timeout(30):
            while await stack.bus.domains.last_revision() < revision:
                pass
    await client.close()


@pytest.fixture(scope="module")
async def fleet() -> AsyncIterator[Stack]:
    """A gateway that shows 40,000 domains. Its bus writes to memory: 40,000 waits for a disk show nothing here."""
    with pytest.MonkeyPatch.context() as patch:
        if MEMORY.is_dir():
            patch.setattr(tempfile, "tempdir", str(MEMORY))
        async with Stack.running([]) as stack:
            yield await full(stack)


async def full(stack: Stack) -> Stack:
    """The stack once its gateway shows all domains."""
    await fill(stack)
    bearer = {"Authorization": f"Bearer {stack.tokens[Role.VIEWER]}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=bearer, timeout=30) as client, asyncio.timeout(60):
        revision = await stack.bus.domains.last_revision()
        while (await client.get("/v1/domains", params={"min_revision": revision})).json()["revision"] < revision:
            pass
    return stack


@pytest.fixture
async def many(browser: Browser, fleet: Stack) -> AsyncIterator[Tab]:
    """A tab on the list of all of them."""
    tab = await Tab.open(browser, fleet.url)
    await tab.sign_in(fleet.tokens[Role.VIEWER])
    await expect(tab.page.locator("#count")).to_have_text(f"{ALL} domains")
    yield tab
    await tab.close()


async def test_the_first_rows_come_about_as_soon_as_their_bytes(many: Tab, fleet: Stack) -> None:
    page = many.page
    files = await page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    asked = {"token": fleet.tokens[Role.VIEWER], "files": ["/", *(one for one in files if "/page/" in one)]}
    plain = median([await page.evaluate(PLAIN, asked) for _ in range(LOADS)])
    await page.add_init_script(FIRST_ROWS)
    shown = []
    for _ in range(LOADS):
        await many.load()
        await page.wait_for_function("() => window.firstRows")
        shown.append(await page.evaluate("window.firstRows"))
    rows = median(shown)
    print(f"first rows after {rows:.0f} ms, their bytes by plain requests after {plain:.0f} ms: {rows / plain:.2f} x")
    assert rows <= SLOWER * plain


async def test_scrolling_holds_only_the_rows_in_sight(many: Tab) -> None:
    seen = await many.page.evaluate(SCROLL)
    slow = [frame for frame in seen["frames"] if frame > 50]
    middle, longest = median(seen["frames"]), max(seen["frames"])
    print(f"frames: median {middle:.1f} ms, longest {longest:.0f} ms, {len(slow)} over 50 ms")
    assert seen["rows"] <= MOST_ROWS
    assert await many.page.locator("*").count() <= 1500


async def test_the_end_of_the_list_is_reached_and_all_of_it_is_there(many: Tab) -> None:
    page = many.page
    await page.locator("#domains").focus()
    await page.keyboard.press("End")
    last = max((domain(HOSTS - 1, index) for index in range(DOMAINS)), key=lambda one: str(one.uuid))
    row = page.locator(f"#domains [aria-rowindex='{ALL + 1}']")
    await expect(row).to_contain_text(last.name, timeout=30_000)
    await expect(page.locator("#domains")).to_have_attribute("aria-rowcount", str(ALL + 1))
    assert await page.locator("#domains .rows .row").count() <= MOST_ROWS
    active = await page.locator("#domains").get_attribute("aria-activedescendant")
    assert active == await row.get_attribute("id")


async def test_a_filter_over_all_of_them_shows_what_fits(many: Tab) -> None:
    page = many.page
    await page.get_by_label("Name").fill("vm-07-0010")
    await expect(page.locator("#count")).to_have_text("1 domain")
    await page.get_by_label("Name").fill("")
    await page.get_by_label("Label", exact=True).fill("tier=web")
    await page.get_by_label("Host", exact=True).fill("node-03")
    await page.locator("#domains").focus()
    await page.keyboard.press("End")
    await expect(page.locator("#count")).to_have_text("200 domains")
