"""What ends the guest, and whether it may sleep."""

from __future__ import annotations

from virtbus.domain.controller import ControllerType, PciModel
from virtbus.domain.domain import Domain
from virtbus.domain.power import LifecycleAction
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import machine
from virtbus_qemu.command.parts import Context, on_off

#: What QEMU does by itself when the guest ends so; what needs more, the worker does to the paused guest.
_SHUTDOWN = {LifecycleAction.DESTROY: "poweroff", LifecycleAction.RESTART: "pause", LifecycleAction.PRESERVE: "pause"}
_REBOOT = {LifecycleAction.RESTART: "reset", LifecycleAction.DESTROY: "shutdown"}
_PANIC = {LifecycleAction.DESTROY: "shutdown", LifecycleAction.RESTART: "pause", LifecycleAction.PRESERVE: "pause"}


def endings(domain: Domain) -> dict[str, str]:
    """What set-action is told of what happens when the guest powers off, reboots or crashes.

    :raise ConfigUnsupported: an action that QEMU and the worker do not have.
    """
    actions = {}
    for event, action, table, path in (
        ("reboot", domain.on_reboot or LifecycleAction.RESTART, _REBOOT, "on_reboot"),
        ("shutdown", domain.on_poweroff or LifecycleAction.DESTROY, _SHUTDOWN, "on_poweroff"),
        ("panic", domain.on_crash or LifecycleAction.DESTROY, _PANIC, "on_crash"),
    ):
        if action not in table:
            raise ConfigUnsupported(
                f"{path} {action} is not supported", domain=domain.name, evidence={"path": f"/domain/{path}"}
            )
        actions[event] = table[action]
    return actions


def power_management(context: Context) -> list[str]:
    """QEMU stays when the guest powers off (what is done then is set over the monitor: `endings`); whether the guest
    may sleep."""
    options = ["-no-shutdown", *machine.no_acpi(context)]
    pm = context.domain.pm
    chip = "ICH9-LPC" if context.platform.express else "PIIX4_PM"
    for state, name in ((pm.suspend_to_mem, "disable_s3"), (pm.suspend_to_disk, "disable_s4")) if pm else ():
        if state is not None and state.enabled is not None:
            options += ["-global", f"{chip}.{name}={0 if state.enabled else 1}"]
    return options


def root_hotplug(context: Context) -> list[str]:
    """Whether the guest may plug into the root bus of an i440fx."""
    for controller in context.domain.devices.controllers:
        if controller.type is ControllerType.PCI and controller.model == PciModel.PCI_ROOT and not controller.index:
            hotplug = controller.target.hotplug if controller.target else None
            if hotplug is not None and context.has("piix4.acpi-root-pci-hotplug"):
                return ["-global", f"PIIX4_PM.acpi-root-pci-hotplug={on_off(hotplug)}"]
    return []
