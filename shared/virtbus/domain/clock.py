"""The guest's clock and its timers."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, ULong, attribute, child, children


class ClockOffset(StrEnum):
    """What the guest's clock is set to at start."""

    UTC = "utc"
    LOCALTIME = "localtime"
    VARIABLE = "variable"
    TIMEZONE = "timezone"
    ABSOLUTE = "absolute"


class ClockBasis(StrEnum):
    """From where a variable offset counts."""

    UTC = "utc"
    LOCALTIME = "localtime"


class TimerName(StrEnum):
    """The timers a guest may have."""

    PLATFORM = "platform"
    PIT = "pit"
    RTC = "rtc"
    HPET = "hpet"
    TSC = "tsc"
    KVMCLOCK = "kvmclock"
    HYPERVCLOCK = "hypervclock"
    ARMVTIMER = "armvtimer"


class TimerTrack(StrEnum):
    """What a timer follows."""

    BOOT = "boot"
    GUEST = "guest"
    WALL = "wall"
    REALTIME = "realtime"


class TickPolicy(StrEnum):
    """What happens to ticks that the guest missed."""

    DELAY = "delay"
    CATCHUP = "catchup"
    MERGE = "merge"
    DISCARD = "discard"


class TimerMode(StrEnum):
    """How the time stamp counter is read."""

    AUTO = "auto"
    NATIVE = "native"
    EMULATE = "emulate"
    PARAVIRT = "paravirt"
    SMPSAFE = "smpsafe"


class Catchup(Element, tag="catchup"):
    """How fast missed ticks are made up for."""

    threshold: ULong | None = attribute()
    slew: ULong | None = attribute()
    limit: ULong | None = attribute()


class Timer(Element, tag="timer"):
    """One of the guest's timers."""

    name: TimerName = attribute()
    present: bool | None = attribute()
    tick_policy: TickPolicy | None = attribute("tickpolicy")
    track: TimerTrack | None = attribute()
    frequency: ULong | None = attribute()
    mode: TimerMode | None = attribute()
    catchup: Catchup | None = child()


class Clock(Element, tag="clock"):
    """The guest's clock; an adjustment is in seconds, a start in seconds since 1970."""

    offset: ClockOffset = attribute(default=ClockOffset.UTC)
    adjustment: str | None = attribute()
    basis: ClockBasis | None = attribute()
    timezone: str | None = attribute()
    start: ULong | None = attribute()
    timers: list[Timer] = children()
