"""A definition's size: how many processors and how much memory, now and at most."""

from __future__ import annotations

from typing import Any

from virtbus.domain import Domain
from virtbus.domain.memory import CurrentMemory


def vcpus(domain: Domain) -> int:
    """Virtual processors that are plugged in."""
    if domain.vcpu is None:
        return 1
    return domain.vcpu.count if domain.vcpu.current is None else domain.vcpu.current


def most_vcpus(domain: Domain) -> int:
    """Virtual processors that there may be."""
    return 1 if domain.vcpu is None else domain.vcpu.count


def memory(domain: Domain) -> int:
    """KiB that the guest may use now."""
    return most_memory(domain) if domain.current_memory is None else domain.current_memory.kib


def most_memory(domain: Domain) -> int:
    """KiB that the guest has at most without plugging more in."""
    return 0 if domain.memory is None else domain.memory.kib


def set_vcpus(domain: Domain, count: int) -> None:
    """Have the domain start with that many processors."""
    if domain.vcpu is not None:
        domain.vcpu.current = None if count == domain.vcpu.count else count


def set_memory(domain: Domain, kib: int) -> None:
    """Have the guest use that much of its memory."""
    domain.current_memory = CurrentMemory(kib=kib)


def recorded(domain: Domain) -> dict[str, Any]:
    """What a domain's record says of its size."""
    return {"vcpus": vcpus(domain), "memory": memory(domain)}
