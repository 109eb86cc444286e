"""A domain's size and tuning as limits of a container's cgroups."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from virtbus.domain import Domain
from virtbus.domain.tuning import BlkioDevice, BlkioTune
from virtbus.worker.size import memory, most_memory, vcpus
from virtbus_lxc.cgroups import PERIOD, Layout, quota_of

Line = tuple[str, object]


def limit_lines(domain: Domain, cgroups: Layout, processors: int) -> Iterator[Line]:
    """The limits, by the keys of the version of cgroups that the host has."""
    yield from _memory(domain, cgroups)
    yield from _processors(domain, cgroups, processors)
    yield from _placement(domain, cgroups)
    if domain.blkiotune is not None:
        yield from _blkio(domain.blkiotune, cgroups)


def _memory(domain: Domain, cgroups: Layout) -> Iterator[Line]:
    tune = domain.memtune
    hard = tune.hard_limit if tune is not None else None
    kib = memory(domain) if hard is None else min(hard, memory(domain) or hard)
    prefix = cgroups.prefix("memory")
    if kib and most_memory(domain):
        yield f"{prefix}{cgroups.memory_limit}", kib * 1024
    if tune is None:
        return
    if tune.soft_limit is not None:
        yield f"{prefix}{cgroups.memory_soft_limit}", tune.soft_limit * 1024
    if tune.swap_hard_limit is None:
        return
    if cgroups.is_second("memory"):
        # Version 1 limits memory and swap together, version 2 swap alone.
        yield f"{prefix}memory.swap.max", max(tune.swap_hard_limit - kib, 0) * 1024
    else:
        yield f"{prefix}memory.memsw.limit_in_bytes", tune.swap_hard_limit * 1024


def _processors(domain: Domain, cgroups: Layout, processors: int) -> Iterator[Line]:
    tune = domain.cputune
    prefix = cgroups.prefix("cpu")
    if tune is not None and tune.shares is not None:
        yield f"{prefix}{cgroups.cpu_weight}", cgroups.weight_of(tune.shares)
    quota, period = (None, None) if tune is None else (tune.quota, tune.period)
    if quota is None and vcpus(domain) < processors:
        period = period or PERIOD
        quota = quota_of(vcpus(domain), period)
    if quota is None and period is None:
        return
    for name, value in cgroups.bandwidth(quota, period or PERIOD):
        yield f"{prefix}{name}", value


def _placement(domain: Domain, cgroups: Layout) -> Iterator[Line]:
    prefix = cgroups.prefix("cpuset")
    if domain.vcpu is not None and domain.vcpu.cpuset:
        yield f"{prefix}cpuset.cpus", domain.vcpu.cpuset
    nodes = domain.numatune.memory if domain.numatune is not None else None
    if nodes is not None and nodes.nodeset:
        yield f"{prefix}cpuset.mems", nodes.nodeset


_FIRST: dict[str, str] = {
    "weight": "blkio.weight_device",
    "read_bytes_sec": "blkio.throttle.read_bps_device",
    "write_bytes_sec": "blkio.throttle.write_bps_device",
    "read_iops_sec": "blkio.throttle.read_iops_device",
    "write_iops_sec": "blkio.throttle.write_iops_device",
}
_SECOND: dict[str, str] = {"read_bytes_sec": "rbps", "write_bytes_sec": "wbps", "read_iops_sec": "riops",
                           "write_iops_sec": "wiops"}  # fmt: skip


def _blkio(tune: BlkioTune, cgroups: Layout) -> Iterator[Line]:
    second = cgroups.is_second("blkio")
    prefix = cgroups.prefix("blkio")
    if tune.weight is not None:
        yield f"{prefix}{'io.weight' if second else 'blkio.weight'}", tune.weight
    for device in tune.devices:
        if second:
            limits = " ".join(f"{key}={value}" for name, key in _SECOND.items() if (value := getattr(device, name)))
            if limits:
                yield f"{prefix}io.max", f"{_numbers(device)} {limits}"
            continue
        for name, key in _FIRST.items():
            if (value := getattr(device, name)) is not None:
                yield f"{prefix}{key}", f"{_numbers(device)} {value}"


def _numbers(device: BlkioDevice) -> str:
    """MAJOR:MINOR of a device, which its path may say without there being one."""
    name = device.path.removeprefix("/dev/block/")
    if name != device.path and name.replace(":", "").isdigit():
        return name
    status = os.stat(device.path)
    number = status.st_rdev if stat.S_ISBLK(status.st_mode) else status.st_dev
    return f"{os.major(number)}:{os.minor(number)}"
