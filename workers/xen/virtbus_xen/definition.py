"""What a definition becomes on a Xen host: defaults filled in; contradictions and what Xen does not have refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from virtbus import domain as vocabulary
from virtbus.domain import Domain, DomainType
from virtbus.domain.boot import OsTypeName
from virtbus.errors import ConfigUnsupported
from virtbus_xen import config, implied

SYSTEMS = (OsTypeName.HVM, OsTypeName.LINUX, OsTypeName.XEN, OsTypeName.XENPVH)


def complete(domain: Domain, previous: Domain | None, check: Callable[[Domain], object] = config.write) -> Domain:
    """See Driver.complete.

    :param check: refuses what the hypervisor cannot be told; without it, what xl's file cannot say.
    """
    if domain.type is not DomainType.XEN:
        _refuse(domain, "/domain/@type", f"a Xen host runs domains of type 'xen', not '{domain.type}'")
    if domain.os is not None and domain.os.type.name not in SYSTEMS:
        _refuse(domain, "/domain/os/type", f"a Xen host runs no '{domain.os.type.name}' guests")
    for name, given in (
        ("launchSecurity", domain.launch_security), ("qemu:override", domain.qemu_override),
        ("maxMemory", domain.max_memory), ("devices/memory", domain.devices.memories),
        ("devices/rng", domain.devices.rngs), ("devices/watchdog", domain.devices.watchdogs),
        ("devices/filesystem", domain.devices.filesystems), ("devices/shmem", domain.devices.shmems),
    ):  # fmt: skip
        if given:
            _refuse(domain, f"/domain/{name}", f"Xen's guests have no <{name.rpartition('/')[2]}>")
    made = domain.copy()
    made.id = None
    if made.uuid is None and previous is not None:
        made.uuid = previous.uuid
    implied.furnish(made)
    vocabulary.complete(made, renew=True)
    vocabulary.check(made)
    # It is refused now, not at the start.
    check(made)
    return made


def _refuse(domain: Domain, path: str, message: str) -> NoReturn:
    raise ConfigUnsupported(
        message, domain=domain.uuid or domain.name, hint="change it, or choose another host", evidence={"path": path}
    )
