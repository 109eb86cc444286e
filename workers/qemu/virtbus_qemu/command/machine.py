"""The machine itself: type, accelerator, processor, firmware, clock, boot, and what ends the guest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from virtbus.domain.boot import BootDevice, LoaderType, Nvram, Os
from virtbus.domain.clock import Clock, ClockOffset, TickPolicy, TimerName
from virtbus.domain.cpu import Cpu, CpuFeaturePolicy, CpuMode
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.features import Features
from virtbus.domain.power import LifecycleAction
from virtbus.domain.storage import ImageFormat
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import memory
from virtbus_qemu.command.parts import BackendKind, Context, backend, escape, on_off


def machine(context: Context) -> list[str]:
    """-machine and -accel."""
    domain = context.domain
    features = domain.features or Features()
    os = _os(domain)
    words = [os.type.machine or "", "usb=off"]
    toggles: dict[str, bool | None] = {
        "vmport": features.vmport.state is not False if features.vmport else None,
        "smm": features.smm.state is not False if features.smm else None,
        "dump-guest-core": bool(domain.memory and domain.memory.dump_core),
        "mem-merge": False if domain.memory_backing and domain.memory_backing.nosharepages else None,
        "hpet": _timer_present(domain.clock, TimerName.HPET),
        "acpi": features.acpi,
    }
    words += [f"{name}={on_off(value)}" for name, value in toggles.items() if value is not None]
    if os.loader is not None and os.loader.type is LoaderType.PFLASH:
        words.append("pflash0=libvirt-pflash0-format")
        words += ["pflash1=libvirt-pflash1-format"] if os.nvram else []
    if not (domain.cpu and domain.cpu.numa and domain.cpu.numa.cells):
        words.append(f"memory-backend={memory.RAM}")
    accelerator = "kvm" if domain.type is DomainType.KVM else "tcg"
    if features.tcg and features.tcg.tb_cache:
        accelerator += f",tb-size={features.tcg.tb_cache // 1024}"
    # The emulator was chosen by the architecture; the others change nothing for a guest of QEMU's, as with libvirt.
    _ = os.type.arch, os.type.name, features.pae, features.apic and features.apic.eoi
    return ["-machine", ",".join(words), "-accel", accelerator]


def _timer_present(clock: Clock | None, name: TimerName) -> bool | None:
    for timer in clock.timers if clock else ():
        if timer.name is name:
            return timer.present
    return None


#: Feature names of libvirt's that QEMU spells otherwise.
_FEATURE_NAMES = {"cmp_legacy": "cmp-legacy", "tsc_adjust": "tsc-adjust", "topoext": "topoext", "ibpb": "ibpb"}

_POLICIES = {
    CpuFeaturePolicy.FORCE: "on",
    CpuFeaturePolicy.REQUIRE: "on",
    CpuFeaturePolicy.DISABLE: "off",
    CpuFeaturePolicy.FORBID: "off",
}


def processor(context: Context) -> list[str]:
    """-cpu."""
    domain = context.domain
    cpu = domain.cpu or Cpu()
    words = [_cpu_model(domain, cpu, context)]
    for feature in cpu.features:
        policy = _POLICIES.get(feature.policy or CpuFeaturePolicy.REQUIRE)
        if policy is not None:
            words.append(f"{_FEATURE_NAMES.get(feature.name, feature.name).replace('_', '-')}={policy}")
    words += _cpu_properties(domain, cpu)
    return ["-cpu", ",".join(words)]


def topology(context: Context) -> list[str]:
    """-smp."""
    return ["-smp", _smp(context.domain, context.domain.cpu or Cpu())]


def _cpu_model(domain: Domain, cpu: Cpu, context: Context) -> str:
    is_kvm = domain.type is DomainType.KVM
    # How strictly the model is checked and replaced is decided when it is chosen.
    _ = cpu.match, cpu.check, cpu.model.fallback if cpu.model else None
    match cpu.mode:
        case CpuMode.HOST_PASSTHROUGH | CpuMode.HOST_MODEL | CpuMode.MAXIMUM:
            if cpu.mode is CpuMode.HOST_PASSTHROUGH and not is_kvm:
                raise _unsupported(domain, "host-passthrough needs KVM", "/domain/cpu/@mode")
            if cpu.mode is CpuMode.MAXIMUM or not is_kvm:
                return "max"
            migratable = True if cpu.migratable is None else cpu.migratable
            return f"host,migratable={on_off(migratable)}"
        case _:
            name = cpu.model.name if cpu.model and cpu.model.name else "qemu64"
            if name not in {each.name for each in context.capabilities.cpus}:
                raise _unsupported(domain, f"QEMU has no CPU model {name}", "/domain/cpu/model")
            return name


def _cpu_properties(domain: Domain, cpu: Cpu) -> list[str]:
    features = domain.features or Features()
    words = [f"vendor={cpu.vendor}"] if cpu.vendor and not cpu.model else []
    if cpu.model and cpu.model.vendor_id:
        words.append(f"vendor={cpu.model.vendor_id}")
    if features.pmu:
        words.append(f"pmu={on_off(features.pmu.state is not False)}")
    if features.kvm and features.kvm.hidden:
        words += ["kvm=off"] if features.kvm.hidden.state else []
    if features.pvspinlock:
        words.append(f"kvm-pv-unhalt={on_off(features.pvspinlock.state is not False)}")
    words += _hyperv(domain, features)
    for timer in domain.clock.timers if domain.clock else ():
        if timer.name in _CPU_TIMERS and timer.present is not None:
            name, default = _CPU_TIMERS[timer.name]
            words += [f"{name}={on_off(timer.present)}"] if timer.present is not default else []
    if cpu.maxphysaddr and cpu.maxphysaddr.mode == "emulate" and cpu.maxphysaddr.bits:
        words.append(f"phys-bits={cpu.maxphysaddr.bits}")
    elif cpu.maxphysaddr and cpu.maxphysaddr.mode == "passthrough":
        words.append("host-phys-bits=on")
    if cpu.cache and cpu.cache.mode == "passthrough":
        words.append("host-cache-info=on,l3-cache=off")
    elif cpu.cache and cpu.cache.mode == "emulate":
        words.append("l3-cache=on")
    return words


_CPU_TIMERS = {TimerName.KVMCLOCK: ("kvmclock", True), TimerName.HYPERVCLOCK: ("hv-time", False)}

#: libvirt's names of what Windows likes, and the properties of QEMU's processors for them.
_HYPERV = {
    "relaxed": "hv-relaxed",
    "vapic": "hv-vapic",
    "vpindex": "hv-vpindex",
    "runtime": "hv-runtime",
    "synic": "hv-synic",
    "stimer": "hv-stimer",
    "reset": "hv-reset",
    "frequencies": "hv-frequencies",
    "reenlightenment": "hv-reenlightenment",
    "tlbflush": "hv-tlbflush",
    "ipi": "hv-ipi",
    "evmcs": "hv-evmcs",
    "avic": "hv-avic",
}


def _hyperv(domain: Domain, features: Features) -> list[str]:
    hyperv = features.hyperv
    if hyperv is None:
        return []
    if hyperv.mode is not None and hyperv.mode.value == "passthrough":
        return ["hv-passthrough=on"]
    words = [qemu for own, qemu in _HYPERV.items() if (state := getattr(hyperv, own)) is not None and state.state]
    if hyperv.spinlocks is not None and hyperv.spinlocks.state:
        words.append(f"hv-spinlocks=0x{hyperv.spinlocks.retries or 4095:x}")
    if hyperv.vendor_id is not None and hyperv.vendor_id.state:
        words.append(f"hv-vendor-id={hyperv.vendor_id.value}")
    return [word if "=" in word else f"{word}=on" for word in words]


def _smp(domain: Domain, cpu: Cpu) -> str:
    if domain.vcpu is None:
        return "1"
    most = domain.vcpu.count
    current = domain.vcpu.current or most
    if domain.vcpu.placement is not None and domain.vcpu.placement.value != "static":
        raise _unsupported(domain, "automatic placement is not supported", "/domain/vcpu/@placement")
    shape = cpu.topology
    head = f"{current},maxcpus={most}" if current != most else f"{most}"
    if shape is None:
        return f"{head},sockets={most},cores=1,threads=1"
    if shape.sockets * (shape.dies or 1) * shape.cores * shape.threads != most:
        raise _unsupported(domain, "the topology does not have as many processors as <vcpu>", "/domain/cpu/topology")
    if shape.clusters not in (None, 1):
        raise _unsupported(domain, "x86 processors have no clusters", "/domain/cpu/topology/@clusters")
    return f"{head},sockets={shape.sockets},dies={shape.dies or 1},cores={shape.cores},threads={shape.threads}"


def firmware(context: Context) -> list[str]:
    """-bios or the flash memory of UEFI."""
    os = _os(context.domain)
    loader = os.loader
    # Which features the firmware had to have was decided when it was chosen.
    _ = os.firmware, os.firmware_choice and [(each.enabled, each.name) for each in os.firmware_choice.features]
    if loader is None or loader.type is LoaderType.NONE:
        return []
    _ = loader.stateless
    if loader.secure and not (context.domain.features and context.domain.features.smm):
        raise _unsupported(context.domain, "secure boot needs <smm state='on'/>", "/domain/os/loader/@secure")
    if loader.type in (None, LoaderType.ROM):
        return ["-bios", escape(loader.path or "")]
    words = _flash(0, loader.path or "", loader.image_format, read_only=loader.readonly is not False)
    if os.nvram is not None:
        words += _flash(1, nvram_path(context.domain, os.nvram), os.nvram.image_format, read_only=False)
    secure = ["-global", "driver=cfi.pflash01,property=secure,value=on"] if loader.secure else []
    return [*words, *secure]


def nvram_path(domain: Domain, nvram: Nvram) -> str:
    """The file of a domain's UEFI variables."""
    # What it is made from matters only when it is made.
    _ = nvram.template, nvram.template_format
    if nvram.path is None and nvram.source is not None and nvram.type is not None and nvram.type.value == "file":
        return nvram.source.file or ""
    if nvram.path is None:
        raise _unsupported(domain, "only a file can keep the UEFI variables", "/domain/os/nvram")
    return nvram.path


def _flash(number: int, path: str, layout: ImageFormat | None, *, read_only: bool) -> list[str]:
    storage = backend(
        BackendKind.BLOCKDEV,
        driver="file",
        filename=path,
        node_name=f"libvirt-pflash{number}-storage",
        auto_read_only=True,
        discard="unmap",
    )
    top = backend(
        BackendKind.BLOCKDEV,
        node_name=f"libvirt-pflash{number}-format",
        read_only=read_only,
        driver=(layout or ImageFormat.RAW).value,
        file=storage.id,
    )
    return [*storage.options(), *top.options()]


def clock(context: Context) -> list[str]:
    """-rtc and what timers want."""
    given = context.domain.clock or Clock()
    words = [f"base={_base(context.domain, given)}"]
    options: list[str] = []
    for timer in given.timers:
        if timer.name is TimerName.RTC and timer.tick_policy is TickPolicy.CATCHUP:
            words.append("driftfix=slew")
        elif timer.name is TimerName.RTC and timer.tick_policy in (None, TickPolicy.DELAY):
            continue
        elif timer.name is TimerName.PIT and timer.tick_policy in (TickPolicy.DELAY, TickPolicy.DISCARD):
            if context.domain.type is DomainType.KVM:
                options += ["-global", f"kvm-pit.lost_tick_policy={timer.tick_policy.value}"]
        elif timer.name not in (TimerName.HPET, *_CPU_TIMERS):
            raise _unsupported(context.domain, f"timer {timer.name} is not supported so", "/domain/clock/timer")
    return ["-rtc", ",".join(words), *options]


def _base(domain: Domain, clock: Clock) -> str:
    match clock.offset:
        case ClockOffset.UTC | ClockOffset.LOCALTIME:
            return clock.offset.value
        case ClockOffset.VARIABLE if clock.basis is None or clock.basis.value == "utc":
            now = datetime.now(UTC) + timedelta(seconds=int(clock.adjustment or 0))
            return now.strftime("%Y-%m-%dT%H:%M:%S")
        case ClockOffset.ABSOLUTE if clock.start is not None:
            return datetime.fromtimestamp(clock.start, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    raise _unsupported(domain, f"a clock offset {clock.offset} is not supported so", "/domain/clock/@offset")


def boot(context: Context) -> list[str]:
    """-boot, and a kernel of the host."""
    os = _os(context.domain)
    words = []
    if os.bootmenu is not None and os.bootmenu.enable is not None:
        words.append(f"menu={on_off(os.bootmenu.enable)}")
        words += [f"splash-time={os.bootmenu.timeout}"] if os.bootmenu.timeout else []
    if os.bios is not None and os.bios.reboot_timeout is not None:
        words.append(f"reboot-timeout={os.bios.reboot_timeout}")
    options = ["-boot", ",".join([*words, "strict=on"])]
    for name, value in (("kernel", os.kernel), ("initrd", os.initrd), ("append", os.cmdline), ("dtb", os.dtb)):
        options += [f"-{name}", value] if value else []
    return options


def boot_order(domain: Domain) -> dict[str, int]:
    """The boot index of devices by alias: their own order, or the first device of each kind that <boot> names."""
    own = {
        device.alias: boot.order
        for device in domain.devices.every()
        if device.alias and (boot := getattr(device, "boot", None)) is not None
    }
    if own:
        return own
    disks = domain.devices.disks
    firsts: dict[BootDevice, Any] = {
        BootDevice.HD: next((disk for disk in disks if disk.device.value in ("disk", "lun")), None),
        BootDevice.CDROM: next((disk for disk in disks if disk.device.value == "cdrom"), None),
        BootDevice.FD: next((disk for disk in disks if disk.device.value == "floppy"), None),
        BootDevice.NETWORK: next(iter(domain.devices.interfaces), None),
    }
    boots = domain.os.boots if domain.os else []
    chosen = [firsts[kind] for kind in boots]
    return {device.alias: index for index, device in enumerate(chosen, 1) if device is not None and device.alias}


#: What QEMU does by itself when the guest ends so; what needs more, the worker does to the paused guest.
_SHUTDOWN = {LifecycleAction.DESTROY: "poweroff", LifecycleAction.RESTART: "pause", LifecycleAction.PRESERVE: "pause"}
_REBOOT = {LifecycleAction.RESTART: "reset", LifecycleAction.DESTROY: "shutdown"}
_PANIC = {LifecycleAction.DESTROY: "shutdown", LifecycleAction.RESTART: "pause", LifecycleAction.PRESERVE: "pause"}


def endings(domain: Domain) -> dict[str, str]:
    """What set-action is told of what happens when the guest powers off, reboots or crashes.

    :raise ConfigUnsupported: an action that QEMU and the worker do not have.
    """
    actions = {}
    for event, action, table, path in (
        ("reboot", domain.on_reboot or LifecycleAction.RESTART, _REBOOT, "on_reboot"),
        ("shutdown", domain.on_poweroff or LifecycleAction.DESTROY, _SHUTDOWN, "on_poweroff"),
        ("panic", domain.on_crash or LifecycleAction.DESTROY, _PANIC, "on_crash"),
    ):
        if action not in table:
            raise _unsupported(domain, f"{path} {action} is not supported", f"/domain/{path}")
        actions[event] = table[action]
    return actions


def power_management(context: Context) -> list[str]:
    """Whether the guest may sleep."""
    pm = context.domain.pm
    if pm is None:
        return []
    chip = "ICH9-LPC" if context.platform.express else "PIIX4_PM"
    options: list[str] = []
    for state, name in ((pm.suspend_to_mem, "disable_s3"), (pm.suspend_to_disk, "disable_s4")):
        if state is not None and state.enabled is not None:
            options += ["-global", f"{chip}.{name}={0 if state.enabled else 1}"]
    return options


def _os(domain: Domain) -> Os:
    if domain.os is None:
        raise _unsupported(domain, "the definition is not complete", "/domain/os")
    return domain.os


def _unsupported(domain: Domain, message: str, path: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=domain.name, evidence={"path": path})
