"""What every command line begins and ends with: name, identity, monitor, confinement, the user's own arguments."""

from __future__ import annotations

from pathlib import Path

from virtbus.domain.clock import ClockOffset
from virtbus.domain.domain import Domain
from virtbus_qemu.command import audio, graphics
from virtbus_qemu.command.parts import Context, compact, escape, on_off
from virtbus_qemu.command.stream import chardev
from virtbus_qemu.folder import MASTER_KEY
from virtbus_qemu.settings import QemuSettings

#: libvirt lets a program find the caller's own settings under these names; QEMU gets the domain's folder instead.
_HOMES = {
    "HOME": "",
    "XDG_DATA_HOME": ".local/share",
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
}


#: What QEMU does when it is asked for something deprecated, by libvirt's word for it.
_DEPRECATION: dict[str | None, dict[str, str]] = {
    "omit": {"deprecated-output": "hide"},
    "reject": {"deprecated-output": "hide", "deprecated-input": "reject"},
    "crash": {"deprecated-output": "hide", "deprecated-input": "crash"},
}


def name(context: Context) -> list[str]:
    """-name; the processors wait."""
    deprecation = context.domain.qemu_deprecation
    compatible = _DEPRECATION.get(deprecation.behavior) if deprecation else None
    options = ["-name", f"guest={escape(context.domain.name)},debug-threads=on"]
    return [*options, *(["-compat", compact(compatible)] if compatible else []), "-S"]


def master_key(context: Context) -> list[str]:
    """The key that secrets are encrypted with."""
    file = str(context.folder / MASTER_KEY)
    return ["-object", compact({"qom-type": "secret", "id": "masterKey0", "format": "raw", "file": file})]


def plain(context: Context) -> list[str]:
    """Nothing but what is asked for."""
    window = [] if context.domain.devices.graphics else ["-display", "none"]
    return [*window, "-no-user-config", "-nodefaults"]


def monitor(context: Context) -> list[str]:
    """The monitor, on a socket that listens already."""
    address = {"type": "fd", "data": {"str": str(context.settings.descriptors.monitor)}}
    data = {"addr": address, "server": True, "wait": False}
    socket = chardev({"id": "charmonitor", "backend": {"type": "socket", "data": data}}, context)
    return [*socket.options(), "-mon", "chardev=charmonitor,id=monitor,mode=control"]


def extras(context: Context) -> list[str]:
    """The user's own arguments."""
    extra = context.domain.qemu_commandline
    return [] if extra is None else [argument.value for argument in extra.arguments]


def confinement(context: Context) -> list[str]:
    """What QEMU may not do."""
    settings = context.settings
    options = ["-runas", settings.run_as] if settings.run_as is not None else []
    if settings.sandbox:
        # Changing the user is a change of privileges, which the filter would refuse.
        privileges = "" if settings.run_as else "elevateprivileges=deny,"
        options += ["-sandbox", f"on,obsolete=deny,{privileges}spawn=deny,resourcecontrol=deny"]
    return options


def incoming(context: Context) -> list[str]:
    """Where a guest that comes from elsewhere is read from."""
    return [] if context.incoming is None else ["-incoming", context.incoming]


def teardown(context: Context) -> list[str]:
    """Whether the host takes the memory back after the process has ended."""
    features = context.domain.features
    said = features.async_teardown if features else None
    if said is None or said.enabled is None or not context.has("run-with.async-teardown"):
        return []
    return ["-run-with", f"async-teardown={on_off(said.enabled)}"]


def messages(context: Context) -> list[str]:
    """The log's lines bear the time."""
    return ["-msg", "timestamp=on"]


def environment(live: Domain, settings: QemuSettings, folder: Path | None = None) -> dict[str, str]:
    """The environment variables that QEMU gets besides the worker's.

    :param folder: the domain's runtime folder, which stands for the home of QEMU; None leaves the home alone.
    """
    variables = {} if folder is None else {name: str(folder / below) for name, below in _HOMES.items()}
    variables |= audio.environment(live, settings) | graphics.environment(live, settings)
    if live.clock is not None and live.clock.offset is ClockOffset.TIMEZONE and live.clock.timezone is not None:
        variables["TZ"] = live.clock.timezone
    if live.qemu_commandline is not None:
        variables |= {each.name: each.value or "" for each in live.qemu_commandline.variables}
    return variables
