"""What a file says of the guest as a whole: name, size, features, clock, and what follows its end."""

from __future__ import annotations

from uuid import UUID, uuid4

from virtbus.domain import Domain
from virtbus.domain.boot import OsTypeName
from virtbus.domain.clock import Clock, ClockBasis, ClockOffset, Timer, TimerMode, TimerName
from virtbus.domain.features import Apic, Features, Hap, State, XenFeatures, XenPassthrough
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import Vcpu
from virtbus.errors import ConfigUnsupported, InvalidArgument
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.syntax import Settings

KIB = 1024
LEAST_MIB = 128
"""What a guest gets of which nothing is said."""

_ACTIONS = {
    "on_poweroff": LifecycleAction.DESTROY,
    "on_reboot": LifecycleAction.RESTART,
    "on_crash": LifecycleAction.DESTROY,
}
"""What follows a guest's end where the file does not say it."""

TSC_MODES = {
    "default": TimerMode.AUTO,
    "always_emulate": TimerMode.EMULATE,
    "native": TimerMode.NATIVE,
    "native_paravirt": TimerMode.PARAVIRT,
}


def is_full(domain: Domain) -> bool:
    """Whether the guest runs on a full virtual machine (HVM)."""
    return domain.os is not None and domain.os.type.name is OsTypeName.HVM


def read_name(settings: Settings) -> str:
    """:raise InvalidArgument: there is none."""
    name = settings.text("name")
    if not name:
        raise InvalidArgument("config value name was missing")
    return name


def read_uuid(settings: Settings) -> UUID:
    """The file's, else a random one.

    :raise InvalidArgument: it is none.
    """
    text = settings.text("uuid")
    if text is None:
        return uuid4()
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidArgument(f"config value uuid not parsable: {text:.80}") from error


def write_identity(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    settings["name"] = domain.name
    settings["uuid"] = str(domain.uuid)


def read_size(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    memory = settings.number("memory", LEAST_MIB) or LEAST_MIB
    domain.current_memory = CurrentMemory(kib=memory * KIB)
    domain.memory = Memory(kib=(settings.number("maxmem", memory) or memory) * KIB)
    count = settings.number("vcpus", 1) or 1
    most = settings.number("maxvcpus", count) or count
    domain.vcpu = Vcpu(count=most, current=count if count < most else None, cpuset=settings.text("cpus"))


def write_size(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    most = domain.memory.kib if domain.memory is not None else LEAST_MIB * KIB
    settings["maxmem"] = -(-most // KIB)
    settings["memory"] = -(-(domain.current_memory.kib if domain.current_memory is not None else most) // KIB)
    vcpu = domain.vcpu or Vcpu(count=1)
    if vcpu.current is not None and vcpu.current < vcpu.count:
        settings["maxvcpus"] = vcpu.count
    settings["vcpus"] = vcpu.current or vcpu.count
    if vcpu.cpuset is not None:
        settings["cpus"] = vcpu.cpuset


def read_features(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    features = Features()
    if is_full(domain):
        features.pae = settings.flag("pae", default=True)
        features.acpi = settings.flag("acpi", default=True)
        features.apic = Apic() if settings.flag("apic", default=True) else None
        features.hap = None if settings.flag("hap", default=True) else Hap(state=False)
        features.viridian = settings.flag("viridian")
    xen = XenFeatures()
    if not is_full(domain) and settings.flag("e820_host"):
        xen.e820_host = State(state=True)
    passthrough = settings.text("passthrough")
    if passthrough not in (None, "disabled", "unknown"):
        mode = None if passthrough == "enabled" else passthrough
        if mode not in (None, "sync_pt", "share_pt"):
            raise InvalidArgument(f"Invalid passthrough mode {mode}")
        xen.passthrough = XenPassthrough(state=True, mode=mode)
    features.xen = None if xen.is_blank() else xen
    domain.features = None if features.is_blank() else features


def write_features(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    features = domain.features or Features()
    xen = features.xen or XenFeatures()
    if is_full(domain):
        settings["pae"] = int(features.pae)
        settings["acpi"] = int(features.acpi)
        settings["apic"] = int(features.apic is not None)
        if features.hap is not None and features.hap.state is False:
            settings["hap"] = 0
        settings["viridian"] = int(features.viridian)
    elif xen.e820_host is not None and xen.e820_host.state is True:
        settings["e820_host"] = 1
    if xen.passthrough is not None and xen.passthrough.state is True:
        settings["passthrough"] = xen.passthrough.mode or "enabled"


def read_timers(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    domain.clock = Clock()
    mode = settings.text("tsc_mode")
    if mode is not None:
        if mode not in TSC_MODES:
            raise InvalidArgument(f"unknown tsc_mode {mode:.40}")
        domain.clock.timers.append(Timer(name=TimerName.TSC, present=True, mode=TSC_MODES[mode]))
    if is_full(domain) and "hpet" in settings:
        domain.clock.timers.append(Timer(name=TimerName.HPET, present=settings.flag("hpet")))


def write_timers(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    names = {mode: name for name, mode in TSC_MODES.items()}
    for timer in domain.clock.timers if domain.clock is not None else ():
        if timer.name is TimerName.TSC:
            settings["tsc_mode"] = names.get(timer.mode or TimerMode.AUTO, "default")
        elif timer.name is TimerName.HPET:
            settings["hpet"] = int(timer.present is not False)
        else:
            raise ConfigUnsupported(f"unsupported timer type (name) '{timer.name}'", domain=domain.name)


def read_clock(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    """A full guest's clock is the host's with an offset that it changes itself, another's is what the host says."""
    domain.clock = clock = domain.clock or Clock()
    local = settings.flag("localtime")
    if is_full(domain):
        clock.offset = ClockOffset.VARIABLE
        clock.basis = ClockBasis.LOCALTIME if local else ClockBasis.UTC
        clock.adjustment = str(settings.number("rtc_timeoffset", 0))
    else:
        clock.offset = ClockOffset.LOCALTIME if local else ClockOffset.UTC
        clock.adjustment = "reset"


def clock_of(domain: Domain) -> tuple[int, bool]:
    """By how many seconds the guest's clock differs, and whether from local time.

    :raise ConfigUnsupported: it is meant otherwise.
    """
    clock = domain.clock or Clock()
    if clock.offset not in (ClockOffset.UTC, ClockOffset.LOCALTIME, ClockOffset.VARIABLE):
        raise ConfigUnsupported(f"unsupported clock offset='{clock.offset}'", domain=domain.name)
    adjustment = 0 if clock.adjustment in (None, "reset") else int(clock.adjustment)
    return adjustment, ClockOffset.LOCALTIME is clock.offset or clock.basis is ClockBasis.LOCALTIME


def write_clock(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    adjustment, local = clock_of(domain)
    if is_full(domain):
        settings["rtc_timeoffset"] = adjustment
    elif adjustment:
        raise ConfigUnsupported("unsupported clock adjustment of a paravirtual guest", domain=domain.name)
    settings["localtime"] = int(local)


def read_actions(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    for name, default in _ACTIONS.items():
        text = (settings.text(name) or default).replace("_", "-")
        if text not in [str(each) for each in LifecycleAction]:
            raise InvalidArgument(f"unexpected value {text:.40} for {name}")
        setattr(domain, name, LifecycleAction(text))


def write_actions(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    for name, default in _ACTIONS.items():
        settings[name] = str(getattr(domain, name) or default)
    if is_full(domain) and domain.devices.emulator is not None:
        settings["device_model_override"] = domain.devices.emulator
