"""What a definition says beside the hardware: kept with the machine as it is written, since Hyper-V has no place for
it.

Only what changes nothing of how the machine runs is kept so, or what Hyper-V does anyway; all else is refused.
"""

from __future__ import annotations

from virtbus.domain import Domain, DomainType
from virtbus.domain.clock import Clock, ClockOffset
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import Placement, Vcpu

KEPT = ("title", "metadata", "features", "clock", "on_poweroff", "on_reboot", "on_crash")


def frame_of(domain: Domain) -> Domain:
    """A domain without devices: what of a definition is kept."""
    frame = Domain(type=DomainType.HYPERV, name=domain.name, uuid=domain.uuid)
    twin = domain.copy()
    for name in KEPT:
        setattr(frame, name, getattr(twin, name))
    frame.vcpu = Vcpu(count=1 if domain.vcpu is None else domain.vcpu.count, placement=Placement.STATIC)
    return frame


def usual_frame(domain: Domain) -> Domain:
    """The frame of a machine that Virtbus did not define."""
    frame = Domain(type=DomainType.HYPERV, name=domain.name, uuid=domain.uuid)
    frame.clock = Clock(offset=ClockOffset.UTC)
    frame.on_poweroff, frame.on_reboot = LifecycleAction.DESTROY, LifecycleAction.RESTART
    frame.on_crash = LifecycleAction.DESTROY
    return frame


ALLOWED: tuple[tuple[str, str, frozenset[object]], ...] = (
    ("on_poweroff", "/domain/on_poweroff", frozenset({None, LifecycleAction.DESTROY})),
    ("on_reboot", "/domain/on_reboot", frozenset({None, LifecycleAction.RESTART})),
    ("on_crash", "/domain/on_crash", frozenset({None, LifecycleAction.DESTROY, LifecycleAction.RESTART})),
)
"""What Hyper-V does when a guest ends, which cannot be chosen."""
FEATURES = ("acpi", "apic", "pae")
"""The features that every machine has."""


def refusal(domain: Domain) -> tuple[str, str] | None:
    """The path and the reason of what the frame cannot keep; None where it can keep everything."""
    for name, path, allowed in ALLOWED:
        if getattr(domain, name) not in allowed:
            return path, f"Hyper-V cannot do '{getattr(domain, name).value}' there"
    if domain.clock is not None and (domain.clock.timers or domain.clock.adjustment or domain.clock.basis):
        return "/domain/clock", "Hyper-V has no timers and no clock adjustment that could be chosen"
    if domain.clock is not None and domain.clock.offset not in (ClockOffset.UTC, ClockOffset.LOCALTIME):
        return "/domain/clock/@offset", f"Hyper-V cannot set the clock to '{domain.clock.offset.value}'"
    for name, value in vars(domain.features).items() if domain.features is not None else ():
        if value and name not in FEATURES:
            return f"/domain/features/{name}", "Hyper-V has no such feature"
    return None
