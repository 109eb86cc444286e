"""The threads that serve disks, and the limits that several disks share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtbus.domain.domain import Domain
from virtbus.domain.tuning import Iothread, ThrottleGroup
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given

#: A group's limits, in QEMU's order, by libvirt's names.
_LIMITS = {
    "total_bytes_sec": "bps-total",
    "read_bytes_sec": "bps-read",
    "write_bytes_sec": "bps-write",
    "total_iops_sec": "iops-total",
    "read_iops_sec": "iops-read",
    "write_iops_sec": "iops-write",
    "total_bytes_sec_max": "bps-total-max",
    "read_bytes_sec_max": "bps-read-max",
    "write_bytes_sec_max": "bps-write-max",
    "total_iops_sec_max": "iops-total-max",
    "read_iops_sec_max": "iops-read-max",
    "write_iops_sec_max": "iops-write-max",
    "size_iops_sec": "iops-size",
}

_LENGTHS = {
    "total_bytes_sec_max_length": "bps-total-max-length",
    "read_bytes_sec_max_length": "bps-read-max-length",
    "write_bytes_sec_max_length": "bps-write-max-length",
    "total_iops_sec_max_length": "iops-total-max-length",
    "read_iops_sec_max_length": "iops-read-max-length",
    "write_iops_sec_max_length": "iops-write-max-length",
}


def iothreads(context: Context) -> list[str]:
    """The threads that serve disks, and the settings of QEMU's own."""
    words = [word for each in numbered(context.domain) for word in _thread(each).options()]
    own = context.domain.default_iothread
    if own is not None:
        pool = {"thread-pool-min": own.thread_pool_min, "thread-pool-max": own.thread_pool_max}
        words += _object({"qom-type": "main-loop", "id": "main-loop", **given(pool)}).options()
    return words


def numbered(domain: Domain) -> list[Iothread]:
    """The domain's threads, those without a number with the free ones."""
    named = domain.iothread_ids.iothreads if domain.iothread_ids else []
    taken = {each.id for each in named}
    free = (number for number in range(1, (domain.iothreads or 0) + len(named) + 1) if number not in taken)
    return [*named, *(Iothread(id=next(free)) for _ in range((domain.iothreads or 0) - len(named)))]


def throttle_groups(context: Context) -> list[str]:
    """The limits that several disks share."""
    groups = context.domain.throttle_groups.groups if context.domain.throttle_groups else []
    return [word for group in groups for word in throttle_group(group).options()]


def throttle_group(group: ThrottleGroup) -> Backend:
    """The limits that some disks share; bursts last a second unless a length is said."""
    limits: dict[str, Any] = {qemu: getattr(group, own) or 0 for own, qemu in _LIMITS.items()}
    limits |= {qemu: length for own, qemu in _LENGTHS.items() if (length := getattr(group, own))}
    return _object({"qom-type": "throttle-group", "id": f"throttle-{group.group_name}", "limits": limits})


def _thread(thread: Iothread) -> Backend:
    return _object({"qom-type": "iothread", "id": f"iothread{thread.id}", **dict(_settings(thread))})


def _settings(thread: Iothread) -> Iterator[tuple[str, int]]:
    poll = thread.poll
    for name, value in (
        ("thread-pool-min", thread.thread_pool_min),
        ("thread-pool-max", thread.thread_pool_max),
        ("poll-max-ns", poll.max if poll else None),
        ("poll-grow", poll.grow if poll else None),
        ("poll-shrink", poll.shrink if poll else None),
    ):
        if value is not None:
            yield name, value


def _object(properties: dict[str, Any]) -> Backend:
    return Backend(BackendKind.OBJECT, properties)
