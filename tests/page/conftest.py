"""A running stack with simulated hosts, a browser, and a tab of it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.page.browser import Tab, chromium
from tests.stack import Host, Stack
from virtbus_gateway.auth import Role


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Two hosts: `sim` with 12 domains and `test`, and `deaf`, whose guests answer nothing."""
    hosts = [Host("sim", "simulated:///default?domains=12"), Host("deaf", "simulated:///default?fail=deaf-guest")]
    async with Stack.running(hosts) as stack:
        yield stack


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for the session; tests keep apart by contexts."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def blank(browser: Browser, stack: Stack) -> AsyncIterator[Tab]:
    """A tab that nobody has signed in to."""
    tab = await Tab.open(browser, stack.url)
    yield tab
    await tab.close()


@pytest.fixture
async def tab(blank: Tab, stack: Stack) -> Tab:
    """A tab with an operator's token, on the list of domains."""
    await blank.sign_in(stack.tokens[Role.OPERATOR])
    await blank.row("test12").wait_for()
    return blank
