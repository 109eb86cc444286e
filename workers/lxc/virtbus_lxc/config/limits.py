"""A container's limits: the settings `lxc.cgroup.*` of both versions of cgroups, as tuning of the domain."""

from __future__ import annotations

import re

from virtbus.domain import Domain
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.tuning import (
    BlkioDevice,
    BlkioTune,
    CpuTune,
    MemTune,
    NumaMemory,
    NumaMode,
    NumaTune,
    Vcpu,
)
from virtbus.errors import XmlInternal
from virtbus.xml.codec import numbers, ranges
from virtbus_lxc.config.settings import Settings
from virtbus_lxc.config.sizes import parse_size

DEFAULT_MEMORY = 64 * 1024
"""KiB of a container of which nothing is said, as libvirt has it."""
UNLIMITED = 2**53 - 1
"""In KiB; a limit that large is none, as for virDomainGetMemoryParameters."""

_CGROUPS = ("lxc.cgroup.", "lxc.cgroup2.")


def read_limits(domain: Domain, settings: Settings) -> None:
    """Tune the domain as the container is.

    :raise XmlInternal: a value is no number or no size.
    """
    _memory(domain, settings)
    domain.vcpu = Vcpu(count=1)
    _cpu(domain, settings)
    _placement(domain, settings)
    _blkio(domain, settings)


def _first(settings: Settings, *names: str) -> str | None:
    values = (settings.last(prefix + name) for name in names for prefix in _CGROUPS)
    return next((value for value in values if value is not None), None)


def _kib(settings: Settings, *names: str) -> int | None:
    text = _first(settings, *names)
    if text is None or text in ("max", "-1"):
        return None
    return min(parse_size(text) // 1024, UNLIMITED)


def _number(settings: Settings, name: str) -> int | None:
    text = _first(settings, name)
    if text is None:
        return None
    if not re.fullmatch(r"-?\d+", text):
        raise XmlInternal(f"failed to parse integer: '{text}'")
    return int(text)


def _memory(domain: Domain, settings: Settings) -> None:
    hard = _kib(settings, "memory.limit_in_bytes", "memory.max")
    soft = _kib(settings, "memory.soft_limit_in_bytes", "memory.high")
    swap = _kib(settings, "memory.memsw.limit_in_bytes")
    size = DEFAULT_MEMORY if hard is None else hard
    domain.memory, domain.current_memory = Memory(kib=size), CurrentMemory(kib=size)
    if (hard, soft, swap) != (None, None, None):
        domain.memtune = MemTune(hard_limit=hard, soft_limit=soft, swap_hard_limit=swap)


def _cpu(domain: Domain, settings: Settings) -> None:
    shares = _number(settings, "cpu.shares")
    quota, period = _number(settings, "cpu.cfs_quota_us"), _number(settings, "cpu.cfs_period_us")
    both = _first(settings, "cpu.max")
    if both is not None:
        first, _, second = both.partition(" ")
        quota = -1 if first == "max" else _whole(first)
        period = _whole(second) if second else None
    if (shares, quota, period) != (None, None, None):
        domain.cputune = CpuTune(shares=shares, quota=quota, period=period)


def _whole(text: str) -> int:
    if not text.isdigit():
        raise XmlInternal(f"failed to parse integer: '{text}'")
    return int(text)


def _placement(domain: Domain, settings: Settings) -> None:
    processors, nodes = _first(settings, "cpuset.cpus"), _first(settings, "cpuset.mems")
    if processors is not None and domain.vcpu is not None:
        domain.vcpu.cpuset = _ranges(processors)
    if nodes is not None:
        domain.numatune = NumaTune(memory=NumaMemory(mode=NumaMode.STRICT, nodeset=_ranges(nodes)))


def _ranges(text: str) -> str:
    packed = text.replace(" ", "")
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", packed):
        raise XmlInternal(f"Failed to parse bitmap '{text}'")
    return ranges(sorted(set(numbers(packed))))


_DEVICE: dict[str, str] = {
    "blkio.device_weight": "weight",
    "blkio.weight_device": "weight",
    "blkio.throttle.read_bps_device": "read_bytes_sec",
    "blkio.throttle.write_bps_device": "write_bytes_sec",
    "blkio.throttle.read_iops_device": "read_iops_sec",
    "blkio.throttle.write_iops_device": "write_iops_sec",
}
"""The limits of one device of the host, given as `MAJOR:MINOR NUMBER`."""


def _blkio(domain: Domain, settings: Settings) -> None:
    weight = _number(settings, "blkio.weight")
    devices: dict[str, BlkioDevice] = {}
    for line in settings.lines:
        name = next((line.key.removeprefix(prefix) for prefix in _CGROUPS if line.key.startswith(prefix)), "")
        if name in _DEVICE:
            match = re.fullmatch(r"(\d+):(\d+)\s+(\d+)", line.value)
            if match is None:
                raise XmlInternal(f"failed to parse device weight: '{line.value}'")
            path = f"/dev/block/{match.group(1)}:{match.group(2)}"
            setattr(devices.setdefault(path, BlkioDevice(path=path)), _DEVICE[name], int(match.group(3)))
    if weight is not None or devices:
        domain.blkiotune = BlkioTune(weight=weight, devices=list(devices.values()))
