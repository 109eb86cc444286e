"""The pictures of docs/pictures, taken of a running stack: `python -m tests.page.pictures`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from playwright.async_api import Browser, expect

from tests.page.browser import Tab, chromium
from tests.stack import Host, Stack
from virtbus.client import Client
from virtbus.operations.domain import DefineDomain, SetLabels, StartDomain, SuspendDomain
from virtbus.operations.host import ListHosts
from virtbus_gateway.auth import Role

FOLDER = Path(__file__).parents[2] / "docs/pictures"
SIZE = {"width": 1200, "height": 680}
HOSTS = ("rack1-a", "rack1-b", "rack2-a")
TIERS = {"web": (5, 2, 4), "db": (2, 8, 32), "cache": (2, 2, 16), "build": (3, 4, 8), "mail": (1, 1, 2)}
"""How many of each a host has, with their processors and memory in GiB."""
MEASURED = 15_000
"""Milliseconds in which the line of the processor's use gets its points."""

DOMAIN = """<domain type='test'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='GiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <os><type arch='x86_64'>hvm</type><boot dev='hd'/></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/images/{name}.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><source network='lan'/><model type='virtio'/></interface>
  </devices>
</domain>"""


async def populate(client: Client) -> None:
    """Domains as a small firm has them."""
    assert (await client.read(ListHosts())).hosts
    for host in HOSTS:
        for tier, (count, vcpus, memory) in TIERS.items():
            for number in range(1, count + 1):
                name = f"{tier}-{number}"
                uuid = uuid5(NAMESPACE_URL, f"{host}/{name}")
                xml = DOMAIN.format(name=name, uuid=uuid, vcpus=vcpus, memory=memory)
                await client.run(DefineDomain(host=host, xml=xml))
                await client.run(SetLabels(host=host, domain=uuid, labels={"tier": tier, "site": host[:5]}))
                if tier != "build":
                    await client.run(StartDomain(host=host, domain=uuid))
                if name == "cache-2":
                    await client.run(SuspendDomain(host=host, domain=uuid))


async def picture(browser: Browser, stack: Stack, theme: str) -> None:
    """The list and a domain, in one theme."""
    tab = await Tab.open(browser, stack.url, viewport=SIZE, color_scheme=theme)
    page = tab.page
    await tab.sign_in(stack.tokens[Role.OPERATOR])
    await expect(page.locator(".rows .row:visible .cpu").first).to_contain_text("%")
    await page.get_by_label("Name").fill("*-*")
    await page.locator("#domains").focus()
    await page.wait_for_timeout(4_000)
    await page.screenshot(path=FOLDER / f"list-{theme}.png")
    web = uuid5(NAMESPACE_URL, f"{HOSTS[0]}/web-1")
    await page.evaluate(f"location.hash = '#/domains/{HOSTS[0]}/{web}'")
    await page.wait_for_timeout(MEASURED)
    await page.screenshot(path=FOLDER / f"domain-{theme}.png")
    if theme == "dark":
        await page.set_viewport_size({"width": 360, "height": 640})
        await page.get_by_role("button", name="Close the domain").click()
        await page.wait_for_timeout(500)
        await page.screenshot(path=FOLDER / "narrow.png")
    await tab.close()


async def main() -> None:
    """Take all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    hosts = [Host(name, "simulated:///default") for name in HOSTS]
    async with Stack.running(hosts) as stack, stack.client() as client, chromium() as browser:
        await populate(client)
        for theme in ("light", "dark"):
            await picture(browser, stack, theme)


if __name__ == "__main__":
    asyncio.run(main())
