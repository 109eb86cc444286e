"""Watchdogs, and the devices by which a guest tells that it has crashed."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.device import Device
from virtbus.xml import attribute


class WatchdogModel(StrEnum):
    """Which card the guest sees."""

    I6300ESB = "i6300esb"
    IB700 = "ib700"
    DIAG288 = "diag288"
    ITCO = "itco"


class WatchdogAction(StrEnum):
    """What happens when the guest stops feeding it."""

    RESET = "reset"
    SHUTDOWN = "shutdown"
    POWEROFF = "poweroff"
    PAUSE = "pause"
    DUMP = "dump"
    NONE = "none"
    INJECT_NMI = "inject-nmi"


class Watchdog(Device, tag="watchdog"):
    """A watchdog card: what happens when the guest stops feeding it."""

    model: WatchdogModel = attribute()
    action: WatchdogAction = attribute(default=WatchdogAction.RESET)


class PanicModel(StrEnum):
    """Which device tells of a crash."""

    PSERIES = "pseries"
    ISA = "isa"
    HYPERV = "hyperv"
    S390 = "s390"
    PVPANIC = "pvpanic"


class Panic(Device, tag="panic"):
    """A device by which the guest tells that it has crashed."""

    model: PanicModel | None = attribute()
