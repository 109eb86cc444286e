"""Devices with few settings: rng, balloon, watchdog, input, panic, vsock, memory."""

from __future__ import annotations

from typing import Any

from virtbus.domain.address import DimmAddress
from virtbus.domain.input import Input, InputBus, InputType
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.memorydevice import MemoryAccess, MemoryDevice, MemoryModel
from virtbus.domain.rng import Rng, RngBackendModel
from virtbus.domain.smalldevice import Vsock
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogAction, WatchdogModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import memory, place
from virtbus_qemu.command.parts import Backend, BackendKind, Command, Context, Parts, given

_KIB = 1024


def rng(device: Rng, context: Context) -> Parts:
    """A random number generator."""
    source: dict[str, Any]
    if device.backend.model is RngBackendModel.BUILTIN:
        source = {"qom-type": "rng-builtin"}
    elif device.backend.model is RngBackendModel.RANDOM:
        source = {"qom-type": "rng-random", "filename": device.backend.path or "/dev/urandom"}
    else:
        raise _unsupported(context, "rng", "backend/@model", device.backend.model)
    host = Backend(BackendKind.OBJECT, {**source, "id": f"obj{device.alias}"})
    limit = device.rate
    rate = {} if limit is None else {"max-bytes": limit.bytes, "period": limit.period or 1000}
    return Parts(
        (host,),
        {
            "driver": place.virtio_name("virtio-rng", device.model),
            **place.virtio(device.driver),
            "rng": host.id,
            "id": device.alias,
            **rate,
            **place.pci(device, context),
        },
    )


def memballoon(device: Memballoon, context: Context) -> Parts:
    """The balloon."""
    if device.model is MemballoonModel.NONE:
        return Parts()
    if device.model is MemballoonModel.XEN:
        raise _unsupported(context, "memballoon", "@model", device.model)
    period = device.stats
    settle = () if period is None else (statistics_period(device.alias or "", period),)
    return Parts(
        device={
            "driver": place.virtio_name("virtio-balloon", device.model),
            "id": device.alias,
            **place.virtio(device.driver),
            **given({"deflate-on-oom": device.autodeflate, "free-page-reporting": device.free_page_reporting}),
            **place.pci(device, context),
        },
        settle=settle,
    )


def statistics_period(alias: str, seconds: int) -> Command:
    """The command that makes the guest report its memory every so many seconds."""
    path = f"/machine/peripheral/{alias}"
    return Command("qom-set", {"path": path, "property": "guest-stats-polling-interval", "value": seconds})


#: What -action calls libvirt's actions of a watchdog.
_ACTIONS = {
    WatchdogAction.RESET: "reset",
    WatchdogAction.SHUTDOWN: "shutdown",
    WatchdogAction.POWEROFF: "poweroff",
    WatchdogAction.PAUSE: "pause",
    WatchdogAction.NONE: "none",
    WatchdogAction.INJECT_NMI: "inject-nmi",
}


def watchdog(device: Watchdog, context: Context) -> Parts:
    """A watchdog; all of a domain have the same action, for QEMU has but one."""
    action = _ACTIONS.get(device.action)
    if action is None or any(each.action is not device.action for each in context.domain.devices.watchdogs):
        raise _unsupported(context, "watchdog", "@action", device.action)
    settle = (Command("watchdog-set-action", {"action": action}),)
    if device.model is WatchdogModel.ITCO and context.platform.express:
        # Built into the chipset; without this its action is never taken.
        return Parts(options=("-global", "ICH9-LPC.noreboot=off"), settle=settle)
    if device.model is WatchdogModel.I6300ESB:
        guest = {"driver": "i6300esb", "id": device.alias, **place.pci(device, context)}
        return Parts(device=guest, settle=settle)
    if device.model is WatchdogModel.IB700:
        return Parts(device={"driver": "ib700", "id": device.alias}, settle=settle)
    raise _unsupported(context, "watchdog", "@model", device.model)


_INPUTS: dict[InputType, tuple[str, str]] = {
    InputType.MOUSE: ("usb-mouse", "virtio-mouse"),
    InputType.TABLET: ("usb-tablet", "virtio-tablet"),
    InputType.KEYBOARD: ("usb-kbd", "virtio-keyboard"),
}


def input_device(device: Input, context: Context) -> Parts:
    """An input device; those on PS/2 are built in."""
    if device.bus is InputBus.PS2 and device.type is not InputType.TABLET:
        return Parts()
    names = _INPUTS.get(device.type)
    if names is None or device.bus not in (InputBus.USB, InputBus.VIRTIO):
        raise _unsupported(context, "input", "@bus", f"{device.type} on {device.bus}")
    if device.bus is InputBus.USB:
        return Parts(device={"driver": names[0], "id": device.alias, **place.usb(device, context)})
    name = place.virtio_name(names[1], device.model)
    options = place.virtio(device.driver)
    return Parts(device={"driver": name, "id": device.alias, **options, **place.pci(device, context)})


def panic(device: Panic, context: Context) -> Parts:
    """A device by which the guest tells that it has crashed."""
    if device.model is PanicModel.ISA:
        return Parts(device={"driver": "pvpanic", "id": device.alias})
    if device.model is PanicModel.PVPANIC:
        return Parts(device={"driver": "pvpanic-pci", "id": device.alias, **place.pci(device, context)})
    raise _unsupported(context, "panic", "@model", device.model)


def vsock(device: Vsock, context: Context) -> Parts:
    """Sockets between guest and host."""
    if device.cid is None or device.cid.address is None or device.cid.auto:
        raise _unsupported(context, "vsock", "cid/@auto", "a number of the worker's choice")
    return Parts(
        device={
            "driver": place.virtio_name("vhost-vsock", device.model),
            "id": device.alias,
            "guest-cid": device.cid.address,
            **place.virtio(device.driver),
            **place.pci(device, context),
        }
    )


def memory_device(device: MemoryDevice, context: Context) -> Parts:
    """A memory module."""
    if device.model is not MemoryModel.DIMM:
        raise _unsupported(context, "memory", "@model", device.model)
    source, target = device.source, device.target
    size = target.size * _KIB
    page = source.page_size if source else None
    share = None if device.access is None else device.access is MemoryAccess.SHARED
    host = memory.backend(context, f"mem{device.alias}", size, share=share, page_kib=page, discard=device.discard)
    address = device.address if isinstance(device.address, DimmAddress) else DimmAddress()
    node = target.node if context.domain.cpu and context.domain.cpu.numa else None
    return Parts(
        (host,),
        {
            "driver": "pc-dimm",
            **given(node=node),
            "memdev": host.id,
            "id": device.alias,
            **given(slot=address.slot, addr=address.base),
        },
    )


def _unsupported(context: Context, tag: str, path: str, what: object) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"{tag} {what} is not supported",
        domain=context.domain.name,
        evidence={"path": f"/domain/devices/{tag}/{path}"},
    )
