"""A real Chromium, driven: pages that keep what they complain of, and what the tests ask of any page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE = {"width": 1280, "height": 760}
NARROW = {"width": 360, "height": 700}
PATIENCE = 15_000.0
"""Milliseconds for anything to show."""
INTERRUPTED = "net::ERR_NETWORK_CHANGED"
LOADS = 5

VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) => {
  violations.push(`${violatedDirective} ${blockedURI}`);
});
"""


@dataclass
class Tab:
    """A page with what it has complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and errors nobody caught."""
    interrupted: bool = False
    """Whether the machine's networks changed meanwhile."""

    async def load(self) -> None:
        """Open the page.

        Chromium gives up all that is under way when a network interface comes or goes on the machine, as it does where
        other tests make some; the page's own requests are repeated by it, but nobody repeats those for its files.
        """
        for _ in range(LOADS):
            self.interrupted = False
            await self.page.goto(self.url)
            if not self.interrupted:
                return

    async def sign_in(self, token: str) -> None:
        """Open the page and give it a token."""
        await self.load()
        await self.page.get_by_label("Token").fill(token)
        await self.page.keyboard.press("Enter")
        await self.page.locator("#link[data-state=live]").wait_for()

    async def close(self) -> None:
        """Close it. It must not have complained of anything, nor tried what the Content-Security-Policy forbids."""
        violations = await self.page.evaluate("window.violations")
        await self.page.context.close()
        assert self.complaints == []
        assert violations == []

    def row(self, name: str) -> Any:
        """The row in sight that has a cell with exactly this text."""
        cell = self.page.get_by_role("gridcell", name=name, exact=True)
        return self.page.locator(".rows .row:visible").filter(has=cell)

    def _hear(self, message: ConsoleMessage) -> None:
        if INTERRUPTED in message.text:
            self.interrupted = True
        elif message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @classmethod
    async def open(cls, browser: Browser, url: str, **options: Any) -> Tab:
        """A tab in a context of its own: nothing is kept from others."""
        context = await browser.new_context(**({"viewport": WIDE} | options))
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        await page.add_init_script(VIOLATIONS)
        tab = cls(page, url)
        page.on("console", tab._hear)
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        return tab


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
