"""The threads of a domain in the form in which libvirt keeps them: one setting for each, and none for what is not."""

from __future__ import annotations

from virtbus.domain.tuning import CacheTune, CpuTune, IothreadSched, MemoryTune, VcpuSched
from virtbus.xml.codec import numbers, ranges, scale


def tidy(tune: CpuTune, vcpus: int) -> None:
    """Bring a domain's processor tuning into that form, in place."""
    tune.vcpu_pins.sort(key=lambda pin: pin.vcpu)
    tune.vcpu_scheds = [
        VcpuSched(vcpus=str(number), scheduler=each.scheduler, priority=each.priority)
        for number, each in sorted(
            ((number, each) for each in tune.vcpu_scheds for number in numbers(each.vcpus)), key=lambda pair: pair[0]
        )
    ]
    tune.iothread_scheds = [
        IothreadSched(iothreads=str(number), scheduler=each.scheduler, priority=each.priority)
        for number, each in sorted(
            ((number, each) for each in tune.iothread_scheds for number in numbers(each.iothreads)),
            key=lambda pair: pair[0],
        )
    ]
    tune.cache_tunes = [each for each in tune.cache_tunes if _confine(each, vcpus)]
    for allocation in tune.cache_tunes:
        for cache in allocation.caches:
            cache.size, cache.size_unit = _pretty(cache.size * scale(cache.size_unit or ""))
    tune.memory_tunes = [each for each in tune.memory_tunes if _confine(each, vcpus)]


def _confine(tune: CacheTune | MemoryTune, vcpus: int) -> bool:
    """Leave out processors that the domain does not have; whether any is left."""
    tune.vcpus = ranges([number for number in numbers(tune.vcpus) if number < vcpus])
    return bool(tune.vcpus)


def _pretty(size: int) -> tuple[int, str]:
    """A size in the largest unit that divides it."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = 0
    while size and size % 1024 == 0 and power + 1 < len(units):
        size //= 1024
        power += 1
    return size, units[power]
