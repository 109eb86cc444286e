"""What every command line begins and ends with: name, identity, monitor, confinement, the user's own arguments."""

from __future__ import annotations

from pathlib import Path

from virtbus.domain.domain import Domain
from virtbus_qemu.command.parts import Context, compact, escape

#: libvirt lets a program find the caller's own settings under these names; QEMU gets the domain's folder instead.
_HOMES = {
    "HOME": "",
    "XDG_DATA_HOME": ".local/share",
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
}


def name(context: Context) -> list[str]:
    """-name; the processors wait."""
    return ["-name", f"guest={escape(context.domain.name)},debug-threads=on", "-S"]


def iothreads(context: Context) -> list[str]:
    """The threads that serve disks."""
    domain = context.domain
    named = [each.id for each in domain.iothread_ids.iothreads] if domain.iothread_ids else []
    free = (number for number in range(1, (domain.iothreads or 0) + len(named) + 1) if number not in named)
    numbers = [*named, *(next(free) for _ in range((domain.iothreads or 0) - len(named)))]
    return [
        word for number in numbers for word in ("-object", compact({"qom-type": "iothread", "id": f"iothread{number}"}))
    ]


def identity(context: Context) -> list[str]:
    """What the guest is told of who it is."""
    domain = context.domain
    options = ["-uuid", str(domain.uuid)] if domain.uuid else []
    if domain.genid:
        options += ["-device", compact({"driver": "vmgenid", "guid": str(domain.genid), "id": "vmgenid0"})]
    if domain.features and domain.features.vmcoreinfo and domain.features.vmcoreinfo.state is not False:
        options += ["-device", compact({"driver": "vmcoreinfo"})]
    return options


def plain(context: Context) -> list[str]:
    """Nothing but what is asked for."""
    return ["-display", "none", "-no-user-config", "-nodefaults"]


def monitor(context: Context) -> list[str]:
    """The monitor, on a socket that listens already."""
    number = context.settings.descriptors.monitor
    return [
        *("-chardev", f"socket,id=charmonitor,fd={number},server=on,wait=off"),
        *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
    ]


def no_shutdown(context: Context) -> list[str]:
    """QEMU stays when the guest powers off; what is done then is set over the monitor (`machine.endings`)."""
    return ["-no-shutdown"]


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


def messages(context: Context) -> list[str]:
    """The log's lines bear the time."""
    return ["-msg", "timestamp=on"]


def environment(live: Domain, folder: Path | None = None) -> dict[str, str]:
    """The environment variables that QEMU gets besides the worker's.

    :param folder: the domain's runtime folder, which stands for the home of QEMU; None leaves the home alone.
    """
    variables = {} if folder is None else {name: str(folder / below) for name, below in _HOMES.items()}
    if live.qemu_commandline is not None:
        variables |= {each.name: each.value or "" for each in live.qemu_commandline.variables}
    return variables
