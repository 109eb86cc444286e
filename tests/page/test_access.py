"""For everybody: names, roles, focus, contrast, small screens, little motion."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.page.browser import NARROW, Tab
from tests.page.test_page import open_domain
from tests.stack import Stack
from virtbus_gateway.auth import Role

CHECK = r"""() => {
  const NAMED = "button, a, input, select, textarea, dialog, section, nav, [role=grid], [role=tab], [role=tabpanel]";
  const faults = [];
  const seen = (one) => one.checkVisibility();
  const text = (ids) => ids.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
  const name = (one) => one.getAttribute("aria-label")
    || (one.getAttribute("aria-labelledby") && text(one.getAttribute("aria-labelledby")))
    || [...(one.labels ?? [])].map((label) => label.textContent).join(" ").trim()
    || (one.matches("button, a, [role=tab], summary") && one.textContent.trim());
  const show = (one) => one.outerHTML.slice(0, 120);
  for (const one of document.querySelectorAll("*")) {
    if (!seen(one)) continue;
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant", "for"]) {
      for (const id of (one.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) faults.push(`${attribute} leads nowhere: ${show(one)}`);
      }
    }
    if (one.matches(NAMED) && !name(one)) faults.push(`no name: ${show(one)}`);
    const described = one.getAttribute("alt") !== null || name(one);
    if (one.matches("img, [role=img]") && !described) faults.push(`no alternative: ${show(one)}`);
    if (one.tabIndex > 0) faults.push(`an order of its own: ${show(one)}`);
    if (one.matches("button, nav a, input, select, textarea") && !one.matches("[type=checkbox]")) {
      const {width, height} = one.getBoundingClientRect();
      if (width < 24 || height < 24) faults.push(`smaller than 24 px: ${show(one)}`);
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push(`twice: #${id}`);
  const parents = {
    row: "[role=rowgroup]", rowgroup: "[role=grid]", gridcell: "[role=row]", columnheader: "[role=row]",
    tab: "[role=tablist]",
  };
  for (const [role, parent] of Object.entries(parents)) {
    for (const one of document.querySelectorAll(`[role=${role}]`)) {
      if (!one.parentElement.matches(parent)) faults.push(`out of place: ${show(one)}`);
    }
  }
  if (!document.documentElement.lang || !document.title) faults.push("no language or title");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  return faults;
}"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {tag: one.tagName, id: one.id, outline: style.outlineStyle, width: style.outlineWidth, x: box.x, y: box.y,
          within: !!one.closest("dialog"), text: one.textContent.slice(0, 40)};
}"""
COLOUR = """name => {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}"""
INKS = ("--ink", "--faint", "--accent", "--good", "--warm", "--bad", "--idle")
GROUNDS = ("--ground", "--surface", "--raised", "--chosen")
TEXT = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""
CONTROL = 3.0
"""The least contrast of what shows where a control is (1.4.11)."""


async def tab_through(page: Page, most: int = 40) -> list[dict[str, Any]]:
    """The stops of the tabulator from the page's start, up to where it leaves the page."""
    stops: list[dict[str, Any]] = []
    for _ in range(most):
        await page.keyboard.press("Tab")
        stop: dict[str, Any] = await page.evaluate(FOCUSED)
        if stop["tag"] == "BODY" or (stops and stop == stops[0]):
            break
        stops.append(stop)
    return stops


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `rgb(r, g, b)`."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_what_the_standard_says() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_colour_can_be_read(browser: Browser, stack: Stack, theme: Any) -> None:
    tab = await Tab.open(browser, stack.url, color_scheme=theme)
    await tab.load()
    found = {name: await tab.page.evaluate(COLOUR, name) for name in (*INKS, *GROUNDS, "--control", "--on-accent")}
    await tab.close()
    poor = {(ink, ground): round(contrast(found[ink], found[ground]), 2) for ink in INKS for ground in GROUNDS
            if contrast(found[ink], found[ground]) < TEXT}  # fmt: skip
    assert poor == {}
    assert contrast(found["--on-accent"], found["--accent"]) >= TEXT
    assert contrast(found["--surface"], found["--bad"]) >= TEXT
    assert min(contrast(found["--control"], found[ground]) for ground in ("--surface", "--ground")) >= CONTROL


async def test_the_switch_goes_through_light_and_dark_and_is_kept(tab: Tab) -> None:
    page = tab.page
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for name in ("Theme: auto", "Theme: light"):
        await page.get_by_role("button", name=name).click()
        seen.append(luminance(await page.evaluate(ground)))
    assert seen[0] > 0.8 > 0.1 > seen[1]
    await tab.load()
    assert luminance(await page.evaluate(ground)) == seen[1]


@pytest.mark.parametrize("size", [None, NARROW], ids=["wide", "360px"])
async def test_every_view_keeps_the_rules(browser: Browser, stack: Stack, size: dict[str, int] | None) -> None:
    tab = await Tab.open(browser, stack.url, **({} if size is None else {"viewport": size}))
    page = tab.page
    await tab.load()
    assert await page.evaluate(CHECK) == []
    await tab.sign_in(stack.tokens[Role.ADMIN])
    await tab.row("test12").wait_for()
    for view in ("Hosts", "Jobs", "Events", "Domains"):
        await page.get_by_role("link", name=view).click()
        assert await page.evaluate(CHECK) == [], view
    await open_domain(tab, "test12")
    for name in ("Overview", "Devices", "XML", "Jobs", "Screen"):
        await page.get_by_role("tab", name=name).click()
        await page.locator("#domain .panel > *").first.wait_for()
        assert await page.evaluate(CHECK) == [], name
    await page.get_by_role("tab", name="Devices").click()
    await page.get_by_role("button", name="Attach a device…").click()
    assert await page.evaluate(CHECK) == []
    await tab.close()


async def test_the_focus_goes_in_reading_order_and_is_seen(tab: Tab) -> None:
    await tab.load()
    await tab.row("test12").wait_for()
    stops = await tab_through(tab.page)
    assert stops[0]["text"] == "Skip to the content"
    assert [stop["id"] for stop in stops if stop["id"].startswith("filter-") or stop["id"] == "domains"] == [
        "filter-name", "filter-state", "filter-host", "filter-label", "domains",
    ]  # fmt: skip
    assert all(stop["outline"] == "solid" and float(stop["width"].removesuffix("px")) >= 2 for stop in stops)
    # Row by row, and from left to right within one; the skip link lies over the page.
    for before, after in pairwise(stops[1:]):
        assert after["y"] > before["y"] + 8 or after["x"] > before["x"], (before, after)


async def test_a_dialog_holds_the_focus_and_gives_it_back(tab: Tab) -> None:
    page = tab.page
    await page.get_by_role("button", name="Keyboard shortcuts").focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_be_visible()
    for key in ["Tab"] * 6 + ["Shift+Tab"] * 6:
        await page.keyboard.press(key)
        stop = await page.evaluate(FOCUSED)
        # Between two rounds the focus is with the browser's own controls; the page behind never has it.
        assert stop["within"] or stop["tag"] == "BODY"
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()


async def test_single_letters_can_be_turned_off(tab: Tab) -> None:
    page = tab.page
    await page.keyboard.press("?")
    await page.get_by_label("Single letters are shortcuts").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("2")
    await expect(page.get_by_role("link", name="Domains")).to_have_attribute("aria-current", "page")


async def test_what_happens_is_said_aloud(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test8")
    await page.keyboard.press("p")
    status = page.locator("#announcer")
    await expect(status).to_have_attribute("aria-live", "polite")
    await expect(status).to_have_text("domain.suspend of test8 succeeded")
    await page.keyboard.press("p")
    await expect(status).to_have_text("Suspend of test8 is not possible: the domain is paused")


async def test_nothing_moves_for_who_wants_little_motion(browser: Browser, stack: Stack) -> None:
    tab = await Tab.open(browser, stack.url, reduced_motion="reduce")
    await tab.sign_in(stack.tokens[Role.OPERATOR])
    await open_domain(tab, "test6")
    await tab.page.keyboard.press("p")
    await tab.page.locator(".notice").wait_for()
    assert await tab.page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0
    await tab.close()
