"""-rtc, and what timers want."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from virtbus.domain.clock import Clock, ClockBasis, ClockOffset, TickPolicy, Timer, TimerName, TimerTrack
from virtbus_qemu.command.parts import Context

_FORMAT = "%Y-%m-%dT%H:%M:%S"

#: What the real-time clock follows.
_TRACKS = {TimerTrack.GUEST: "vm", TimerTrack.WALL: "host", TimerTrack.REALTIME: "rt"}


def clock(context: Context) -> list[str]:
    """-rtc and what timers want."""
    said = context.domain.clock or Clock()
    words = [f"base={_base(said)}"]
    timers = [each for each in said.timers if each.name is TimerName.RTC]
    for timer in timers:
        words += [f"clock={_TRACKS[timer.track]}"] if timer.track in _TRACKS else []
        words += ["driftfix=slew"] if timer.tick_policy is TickPolicy.CATCHUP else []
        # A clock is always there.
        _ = timer.present
    options = ["-rtc", ",".join(words)]
    for timer in said.timers:
        options += _options(context, timer)
    return options


def now() -> datetime:
    """The time, in the host's time zone."""
    return datetime.now().astimezone()


def _options(context: Context, timer: Timer) -> list[str]:
    if timer.name is TimerName.PIT and context.has("kvm-pit-lost-tick-policy"):
        _ = timer.present
        # KVM's own default is to catch up.
        policy = timer.tick_policy or TickPolicy.DELAY
        if policy in (TickPolicy.DELAY, TickPolicy.DISCARD):
            return ["-global", f"kvm-pit.lost_tick_policy={policy}"]
    if timer.name is TimerName.HPET and timer.present is False and not context.has("machine-hpet"):
        return ["-no-hpet"]
    return []


def _base(clock: Clock) -> str:
    """What the guest's clock shows at start."""
    match clock.offset:
        case ClockOffset.LOCALTIME | ClockOffset.TIMEZONE:
            return "localtime"
        case ClockOffset.VARIABLE:
            moment = now() + timedelta(seconds=int(clock.adjustment or 0))
            return (moment if clock.basis is ClockBasis.LOCALTIME else moment.astimezone(UTC)).strftime(_FORMAT)
        case ClockOffset.ABSOLUTE if clock.start is not None:
            # Not by fromtimestamp, which stops at the year 9999 of some time zones.
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=clock.start)).strftime(_FORMAT)
    return "utc"
