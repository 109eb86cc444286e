"""What belongs to the board: firmware, kernel, boot menu, sleep, the clock's ticks; and what was overridden."""

from __future__ import annotations

from typing import Any

from tests.qemu.readings.view import Readings, View
from virtbus.domain.boot import LoaderType
from virtbus.domain.clock import TickPolicy, TimerName
from virtbus.domain.domain import DomainType
from virtbus.domain.qemu import QemuPropertyType

_UNATTACHED = "/machine/unattached"

#: The chip that puts the guest to sleep, of each chipset.
_SLEEP = ("ICH9-LPC", "PIIX4_PM")


async def firmware(view: View) -> Readings:
    """The firmware's code, and its variables, which are the domain's own."""
    os = view.live.os
    if os is None or os.loader is None:
        return
    if os.loader.type is not LoaderType.PFLASH:
        yield "firmware", os.loader.path, await view.get("/machine", "firmware")
        return
    nodes = {each["node-name"]: each for each in await view.ask("query-named-block-nodes")}
    yield "code", os.loader.path, nodes["libvirt-pflash0-storage"]["file"]
    yield "code is read-only", True, nodes["libvirt-pflash0-format"]["ro"]
    if os.nvram is not None:
        file = os.nvram.path or (os.nvram.source.file if os.nvram.source else None)
        yield "variables", file, nodes["libvirt-pflash1-storage"]["file"]
        yield "variables are read-only", False, nodes["libvirt-pflash1-storage"]["ro"]


async def boot(view: View) -> Readings:
    """A kernel of the host, the menu, the reboot."""
    os = view.live.os
    assert os is not None
    for name, value in (("kernel", os.kernel), ("initrd", os.initrd), ("append", os.cmdline)):
        yield name, value or "", await view.get("/machine", name)
    found = await view.get("/machine", "boot")
    yield "boots only what is asked for", True, found.get("strict")
    if os.bootmenu is not None:
        yield "menu", bool(os.bootmenu.enable), bool(found.get("menu"))
        if os.bootmenu.enable and os.bootmenu.timeout:
            yield "splash-time", os.bootmenu.timeout, found.get("splash-time")
    if os.bios is not None and os.bios.useserial:
        yield "screen on the serial line", True, "sga" in (await view.kinds("/machine/peripheral-anon")).values()
    if os.bios is not None and os.bios.reboot_timeout is not None:
        yield "reboot-timeout", os.bios.reboot_timeout, found.get("reboot-timeout")


async def sleep(view: View) -> Readings:
    """Whether the guest may sleep, and how lost ticks come back."""
    chips = {kind: f"{_UNATTACHED}/{name}" for name, kind in (await view.kinds(_UNATTACHED)).items()}
    # That of older boards stands on its bridge.
    chip = next((chips[kind] for kind in _SLEEP if kind in chips), None)
    power = view.live.pm
    for name, state in (
        ("disable_s3", power.suspend_to_mem if power else None),
        ("disable_s4", power.suspend_to_disk if power else None),
    ):
        if chip is not None and state is not None and state.enabled is not None:
            yield name, int(not state.enabled), await view.get(chip, name)
    for timer in view.live.clock.timers if view.live.clock else ():
        if timer.name is TimerName.RTC and timer.tick_policy is TickPolicy.CATCHUP:
            yield "rtc catches up", "slew", await view.get(chips["mc146818rtc"], "lost_tick_policy")
        if timer.name is TimerName.PIT and view.live.type is DomainType.KVM and timer.tick_policy is not None:
            asked = timer.tick_policy.value
            yield "pit", asked, await view.get(chips["kvm-pit"], "lost_tick_policy")


async def overrides(view: View) -> Readings:
    """Properties that the user has set past the model."""
    override = view.live.qemu_override
    for device in override.devices if override else ():
        for each in device.frontend.properties if device.frontend else ():
            if each.type is not QemuPropertyType.REMOVE:
                yield (
                    f"{device.alias}.{each.name}",
                    _value(each.type, each.value),
                    await view.of(device.alias, each.name),
                )


def _value(kind: QemuPropertyType, text: str | None) -> Any:
    if kind is QemuPropertyType.BOOL:
        return text == "true"
    return text if kind is QemuPropertyType.STRING else int(text or "0", 0)
