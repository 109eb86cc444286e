"""Leases that a lock manager takes while the domain runs; they are no devices of the guest."""

from __future__ import annotations

from virtbus.xml import Element, ULong, attribute, child


class LeaseTarget(Element, tag="target"):
    """The file that keeps a lease."""

    path: str = attribute()
    offset: ULong | None = attribute()


class Lease(Element, tag="lease"):
    """A lease that a lock manager takes while the domain runs."""

    lockspace: str | None = child()
    key: str = child()
    target: LeaseTarget = child()
