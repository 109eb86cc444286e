"""Watchdogs."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.watchdog import Watchdog, WatchdogAction, WatchdogModel
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Command, Context, Parts


def describe(device: Watchdog, context: Context) -> Parts:
    """A watchdog card. That of the Q35 chipset is part of it (see `options`)."""
    earlier = (_command(device, context),)
    if device.model is WatchdogModel.ITCO:
        return Parts(earlier=earlier)
    guest = {"driver": device.model.value, "id": device.alias, **place.of(device, context)}
    return Parts(device=guest, earlier=earlier)


def _command(device: Watchdog, context: Context) -> Command:
    if context.has("set-action"):
        return Command("set-action", {"watchdog": _action(device)})
    return Command("watchdog-set-action", {"action": _action(device)})


def options(context: Context) -> Iterator[str]:
    """What all watchdogs have in common: QEMU has one action for all, and the chipset's own must be let act."""
    watchdogs = context.domain.devices.watchdogs
    if any(each.model is WatchdogModel.ITCO for each in watchdogs):
        yield from ("-global", "ICH9-LPC.noreboot=off")
    if watchdogs:
        yield from ("-watchdog-action", _action(watchdogs[-1]))


def _action(device: Watchdog) -> str:
    """QEMU's name of an action. It knows no dump: the guest is paused, and dumped by others."""
    return (WatchdogAction.PAUSE if device.action is WatchdogAction.DUMP else device.action).value
