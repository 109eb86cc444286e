"""The page against a running stack: what it lists, and what can be done with it by keyboard alone."""

from __future__ import annotations

import re

from playwright.async_api import Route, expect

from tests.page.browser import Tab
from tests.stack import Stack
from virtbus.operations.domain import ResumeDomain, SuspendDomain
from virtbus_gateway.auth import Role

DISK = "<disk type='file' device='disk'><source file='/x.img'/><target dev='vdb' bus='virtio'/></disk>"
EVENT = '{"kind":"lifecycle","host":"sim","detail":{"event":"started","detail":"booted"},"time":"2026-01-01T00:00:00Z"}'


async def open_domain(tab: Tab, name: str, host: str = "sim") -> None:
    """Open a domain of a host by keyboard."""
    page = tab.page
    await page.locator("#domains").focus()
    await page.keyboard.press("/")
    await page.get_by_label("Name").fill(name.replace("test", "[t]est"))
    await page.get_by_label("Host", exact=True).fill(host)
    await expect(page.locator("#count")).to_have_text("1 domain")
    await tab.row(name).wait_for()
    await page.locator("#domains").focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(page.locator("#domain-title")).to_have_text(name)


async def test_a_token_that_is_not_known_is_refused_with_what_to_do(blank: Tab) -> None:
    await blank.load()
    await blank.page.get_by_label("Token").fill("vbt_wrong")
    await blank.page.keyboard.press("Enter")
    await expect(blank.page.get_by_role("alert")).to_contain_text("the token is not known")
    await expect(blank.page.get_by_role("alert")).to_contain_text("virtbus token list")
    # A browser writes every 401 on its console.
    assert all("401" in complaint for complaint in blank.complaints)
    blank.complaints.clear()


async def test_the_token_stays_in_its_tab_and_goes_with_signing_out(tab: Tab, stack: Stack) -> None:
    token = stack.tokens[Role.OPERATOR]
    kept = "[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie, location.href]"
    session, *elsewhere = await tab.page.evaluate(kept)
    assert token in session
    assert all(token not in place for place in elsewhere)
    await tab.page.get_by_role("button", name="Sign out").click()
    await expect(tab.page.get_by_label("Token")).to_be_focused()
    assert token not in (await tab.page.evaluate(kept))[0]
    await expect(tab.page.locator(".rows .row:visible")).to_have_count(0)


async def test_the_list_has_every_domain_with_its_live_figures(tab: Tab) -> None:
    await expect(tab.page.locator("#count")).to_have_text("14 domains")
    row = tab.row("test12")
    await expect(row.locator(".state-cell")).to_have_text("running")
    await expect(row.locator(".cpu")).to_have_text(re.compile(r"\d %"))
    await expect(row.locator(".used")).to_have_text(re.compile(r"\d MiB"))


async def test_the_filter_narrows_by_name_state_host_and_label(tab: Tab) -> None:
    page, count = tab.page, tab.page.locator("#count")
    await page.get_by_label("Name").fill("test1?")
    await expect(count).to_have_text("3 domains")
    await page.get_by_label("Name").fill("est1")
    await expect(count).to_have_text("4 domains")
    await page.get_by_label("State").select_option("shutoff")
    await expect(page.get_by_text("No domain fits.")).to_be_visible()
    await page.get_by_label("State").select_option("")
    await page.get_by_label("Name").fill("")
    await page.get_by_label("Host", exact=True).fill("deaf")
    await expect(count).to_have_text("1 domain")
    await page.get_by_label("Label", exact=True).fill("tier=web")
    await expect(count).to_have_text("0 domains")


async def test_a_domain_is_destroyed_and_started_by_keyboard_alone(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test3")
    await page.keyboard.press("x")
    dialog = page.get_by_role("dialog", name="Destroy test3 on sim?")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#domain .place")).to_contain_text("running")
    await page.keyboard.press("x")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#domain .place")).to_contain_text("shutoff (destroyed)")
    await expect(page.locator("#notices")).to_contain_text("domain.destroy of test3 succeeded")
    await page.keyboard.press("s")
    await expect(page.locator("#domain .place")).to_contain_text("running (booted)")
    await page.keyboard.press("Escape")
    await expect(page.locator("#domains")).to_be_focused()
    await expect(tab.row("test3").locator(".state-cell")).to_have_text("running")


async def test_an_event_changes_list_and_domain_at_once(tab: Tab, stack: Stack) -> None:
    async with stack.client() as client:
        domain = await client.domain("sim/test5")
        await open_domain(tab, "test5")
        await client.run(SuspendDomain(host="sim", domain=domain.uuid))
        await expect(tab.row("test5").locator(".state-cell")).to_have_text("paused")
        await expect(tab.page.locator("#domain .place")).to_contain_text("paused (user)")
        await tab.page.get_by_label("State").select_option("paused")
        await expect(tab.page.locator("#count")).to_have_text("1 domain")
        await client.run(ResumeDomain(host="sim", domain=domain.uuid))
        await expect(tab.page.locator("#count")).to_have_text("0 domains")
    await tab.page.get_by_role("link", name="Events").click()
    await expect(tab.page.locator("#events")).to_contain_text("resumed unpaused")


async def test_a_job_shows_its_progress_and_can_be_cancelled(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test", "deaf")
    await page.keyboard.press("d")
    await page.get_by_role("tab", name="Jobs").click()
    job = page.locator("#domain .job").first
    await expect(job.get_by_role("progressbar", name="Progress of domain.shutdown")).to_be_visible()
    await expect(job).to_contain_text("waiting for the guest")
    await job.get_by_role("button", name="Cancel domain.shutdown").focus()
    await page.keyboard.press("Enter")
    await expect(job).to_contain_text("cancelled")
    await expect(job.get_by_role("progressbar")).to_have_count(0)
    await page.keyboard.press("3")
    row = page.locator("#jobs .rows .row:visible").filter(has_text="domain.shutdown").first
    await expect(row).to_contain_text("cancelled")
    await row.click()
    await expect(page.get_by_role("dialog", name="domain.shutdown")).to_contain_text("Asked by")


async def test_a_device_is_attached_from_xml_and_detached_by_its_alias(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test7")
    await page.get_by_role("tab", name="Devices").click()
    await page.get_by_role("button", name="Attach a device…").click()
    xml = page.get_by_label("The device, as libvirt's XML")
    await expect(xml).to_be_focused()
    await xml.fill("<disk")
    await page.get_by_role("button", name="Attach", exact=True).click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).not_to_be_empty()
    # A browser writes every 400 on its console.
    assert all("400" in complaint for complaint in tab.complaints)
    tab.complaints.clear()
    await xml.fill(DISK)
    await page.get_by_role("button", name="Attach", exact=True).click()
    device = page.locator("#domain .device").filter(has_text="virtio-disk1")
    await expect(device).to_contain_text("vdb")
    await device.get_by_role("button", name="Detach virtio-disk1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Detach").click()
    await expect(device).to_have_count(0)


async def test_a_removal_that_the_guest_does_not_answer_is_shown_as_pending(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test", "deaf")
    await page.get_by_role("tab", name="Devices").click()
    await page.get_by_role("button", name="Attach a device…").click()
    await page.get_by_label("The device, as libvirt's XML").fill(DISK)
    await page.get_by_role("button", name="Attach", exact=True).click()
    device = page.locator("#domain .device").filter(has_text="virtio-disk")
    await device.get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name="Detach").click()
    await expect(device).to_contain_text("waits for the guest to let go of it")
    await expect(device.get_by_role("button")).to_be_disabled()


async def test_a_domain_shows_its_xml_and_its_screen(tab: Tab) -> None:
    page = tab.page
    await open_domain(tab, "test9")
    await page.get_by_role("tab", name="Overview").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="XML")).to_be_focused()
    await expect(page.get_by_label("The domain's XML")).to_contain_text("<name>test9</name>")
    await page.keyboard.press("End")
    screen = page.get_by_role("img", name="The screen of test9")
    await screen.wait_for()
    await page.wait_for_function("image => image.naturalWidth > 0", arg=await screen.element_handle())


async def test_a_refused_job_is_told_with_its_hint(tab: Tab, stack: Stack) -> None:
    page = tab.page
    await open_domain(tab, "test11")
    problem = {"detail": "host sim: it is too late", "hint": "come earlier", "code_name": "VIR_ERR_OPERATION_INVALID"}
    await page.route("**/suspend", lambda route: route.fulfill(status=409, json=problem))
    await page.keyboard.press("p")
    await expect(page.get_by_role("alert").filter(has_text="it is too late")).to_contain_text("come earlier")
    assert all("409" in complaint for complaint in tab.complaints)
    tab.complaints.clear()


async def test_who_may_only_look_is_offered_no_action(blank: Tab, stack: Stack) -> None:
    await blank.sign_in(stack.tokens[Role.VIEWER])
    await open_domain(blank, "test2")
    await expect(blank.page.get_by_role("group", name="Actions").get_by_role("button")).to_have_count(0)
    await expect(blank.page.get_by_role("tab", name="Screen")).to_have_count(0)
    await blank.page.get_by_role("tab", name="Devices").click()
    await expect(blank.page.locator("#domain .device").first).to_be_visible()
    await expect(blank.page.locator("#domain .panel").get_by_role("button")).to_have_count(0)


async def test_the_event_stream_is_resumed_by_its_cursor(blank: Tab, stack: Stack) -> None:
    asked: list[str | None] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) == 1:
            body = f"retry: 20\nid: foreign\n: connected\n\nid: further\nevent: lifecycle\ndata: {EVENT}\n\n"
            await route.fulfill(body=body, content_type="text/event-stream")
        else:
            await route.continue_()

    await blank.page.route("**/v1/events", answer)
    await blank.sign_in(stack.tokens[Role.OPERATOR])
    await blank.page.get_by_role("link", name="Events").click()
    # The gateway does not know this cursor, and says that something is missing; the page then reads all anew.
    await expect(blank.page.locator("#events")).to_contain_text("gap")
    await expect(blank.page.locator("#events")).to_contain_text("started booted")
    assert asked == [None, "further"]
    await blank.page.get_by_role("link", name="Domains").click()
    await expect(blank.page.locator("#count")).to_have_text("14 domains")
