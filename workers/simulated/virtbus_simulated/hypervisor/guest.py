"""What a guest does in its own time, with the manners that were chosen for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from virtbus_simulated.hypervisor.failure import Failure
from virtbus_simulated.hypervisor.machine import Machine, State
from virtbus_simulated.hypervisor.refusal import Refused, Why


def ask_unplug(machine: Machine, alias: str) -> int:
    """Ask the guest to let go of a device; it answers later, or never."""
    position = machine.ask_unplug(alias)

    def answer() -> None:
        if machine.fails(Failure.REFUSED_UNPLUG):
            machine.refuse_unplug(alias)
        else:
            machine.remove(alias, by="guest")

    _later(machine, "unplug_ms", answer)
    return position


def ask_power_off(machine: Machine) -> int:
    """Press the power button."""
    _need_awake(machine)
    position = machine.happen("power-off-asked")

    def answer() -> None:
        machine.power_off()

    _later(machine, "shutdown_ms", answer)
    return position


def ask_reboot(machine: Machine) -> int:
    """Ask the guest to reboot."""
    _need_awake(machine)
    position = machine.happen("reboot-asked")

    def answer() -> None:
        machine.reset(by="guest")

    _later(machine, "reboot_ms", answer)
    return position


def _need_awake(machine: Machine) -> None:
    if not machine.up:
        raise Refused(Why.NO_DOMAIN, f"domain {machine.name} is not running")
    if machine.state is not State.RUNNING:
        raise Refused(Why.WRONG_STATE, f"domain {machine.name} is {machine.state}")


def _later(machine: Machine, delay: str, answer: Callable[[], None]) -> None:
    """Have the guest answer after a while; one that cannot act then does so when it can. A reset or the end of the
    domain takes that back."""
    if machine.fails(Failure.DEAF_GUEST) and not machine.awake:
        return

    def due() -> None:
        machine.timers = [timer for timer in machine.timers if not timer.cancelled() and timer is not handle]
        machine.deferred.append(answer)
        machine.catch_up()

    seconds = machine.host.parameters.seconds(delay, slow=machine.fails(Failure.SLOW_GUEST))
    handle = asyncio.get_running_loop().call_later(seconds, due)
    machine.timers.append(handle)
