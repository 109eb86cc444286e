"""Every operation, declared once.

HTTP routes, CLI verbs, SDK calls, worker dispatch and documentation read these declarations; a module per object.
Importing this package registers all of them in `OPERATIONS`.
"""

from virtbus.operations import (
    console,
    copying,
    device,
    domain,
    host,
    job,
    network,
    offer,
    process,
    qemu,
    saving,
    snapshot,
    statistics,
    storage,
    tuning,
)
from virtbus.operations.declaration import OPERATIONS, DomainOperation, HostOperation, Kind, Operation
from virtbus.operations.fields import Affect

__all__ = [
    "OPERATIONS",
    "Affect",
    "DomainOperation",
    "HostOperation",
    "Kind",
    "Operation",
    "console",
    "copying",
    "device",
    "domain",
    "host",
    "job",
    "network",
    "offer",
    "process",
    "qemu",
    "saving",
    "snapshot",
    "statistics",
    "storage",
    "tuning",
]
