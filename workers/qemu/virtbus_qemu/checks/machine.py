"""What the machine as a whole may not be: firmware, features, clock, sleep (libvirt: qemuValidateDomainDef)."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.boot import Firmware, LoaderType
from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.clock import TickPolicy, Timer, TimerName, TimerTrack
from virtbus.domain.domain import Domain, DomainType
from virtbus.domain.features import Features, IoapicDriver
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.platform import Board

_NO_FEATURES = Features()


def check_identity(scene: Scene) -> Problems:
    """Guarantees and identifiers that QEMU does not know."""
    domain = scene.domain
    if domain.memtune is not None and domain.memtune.min_guarantee:
        yield unsupported("Parameter 'min_guarantee' not supported by QEMU.", "/domain/memtune/min_guarantee")
    if domain.genid is not None and not scene.has("vmgenid"):
        yield unsupported("genid is not supported with this QEMU binary", "/domain/genid")


def check_acpi(scene: Scene) -> Problems:
    """UEFI and ACPI need each other, each on its own architecture; some machines have no ACPI at all."""
    acpi, efi, arch = _features(scene).acpi, has_efi(scene.domain), scene.platform.arch
    if efi and scene.platform.is_x86 and not acpi:
        yield unsupported("UEFI requires ACPI on this architecture", "/domain/features/acpi")
    if acpi and arch == "aarch64" and not efi:
        yield unsupported("ACPI requires UEFI on this architecture", "/domain/features/acpi")


def check_acpi_machine(scene: Scene) -> Problems:
    """Some machines have no ACPI."""
    if _features(scene).acpi and scene.machine is not None and scene.machine.acpi is False:
        yield unsupported(
            f"machine type '{scene.platform.machine}' does not support ACPI",
            "/domain/features/acpi",
        )


def has_efi(domain: Domain) -> bool:
    """Whether UEFI is chosen, by its kind or by an image in flash."""
    os = domain.os
    if os is None:
        return False
    return os.firmware is Firmware.EFI or (os.loader is not None and os.loader.type is LoaderType.PFLASH)


def check_serial_bios(scene: Scene) -> Problems:
    """A BIOS that talks over a serial port needs one."""
    os = scene.domain.os
    if os is not None and os.bios is not None and os.bios.useserial and not scene.domain.devices.serials:
        yield unsupported("need at least one serial port to use SGA", "/domain/os/bios/@useserial")


#: Features that only one family of boards has.
_OF_BOARDS: dict[str, frozenset[Board]] = {
    "hpt": frozenset({Board.PSERIES}),
    "htm": frozenset({Board.PSERIES}),
    "nested_hv": frozenset({Board.PSERIES}),
    "ccf_assist": frozenset({Board.PSERIES}),
    "cfpc": frozenset({Board.PSERIES}),
    "sbbc": frozenset({Board.PSERIES}),
    "ibs": frozenset({Board.PSERIES}),
    "gic": frozenset({Board.ARM_VIRT}),
    "ras": frozenset({Board.ARM_VIRT}),
    "aia": frozenset({Board.RISCV_VIRT}),
}

_FLAG_OF = (
    ("async_teardown", "run-with.async-teardown", "asynchronous teardown is not available with this QEMU binary"),
    ("ras", "machine.virt.ras", "ras feature is not available with this QEMU binary"),
    ("aia", "machine.virt.aia", "aia feature is not available with this QEMU binary"),
    ("vmcoreinfo", "vmcoreinfo", "vmcoreinfo is not available with this QEMU binary"),
)


def check_features(scene: Scene) -> Problems:
    """Features that the board or the binary lacks."""
    features, platform = _features(scene), scene.platform
    for name, boards in _OF_BOARDS.items():
        if getattr(features, name) is not None and platform.board not in boards:
            yield _not_here(scene, name)
    if features.ioapic is not None and not platform.is_x86:
        yield _not_here(scene, "ioapic")
    for name, flag, words in _FLAG_OF:
        value = getattr(features, name)
        if value is not None and getattr(value, "state", True) is not False and not scene.has(flag):
            yield unsupported(words, f"/domain/features/{name}")
    yield from _check_pc_features(scene, features)


def _check_pc_features(scene: Scene, features: Features) -> Problems:
    board = scene.platform.board
    if features.vmport is not None and not (
        scene.has("machine-vmport-opt") and board in (Board.Q35, Board.I440FX, Board.ISAPC)
    ):
        yield unsupported("vmport is not available with this QEMU binary", "/domain/features/vmport")
    if features.ps2 is not None:
        if not (scene.has("machine-i8042-opt") and board in (Board.Q35, Board.I440FX)):
            yield unsupported(
                "ps2 feature state cannot be controlled with this QEMU binary", "/domain/features/ps2/@state"
            )
        vmport = features.vmport is not None and features.vmport.state is not False
        if features.ps2.state is False and vmport:
            yield unsupported(
                "vmport feature requires the ps2 feature not to be disabled", "/domain/features/ps2/@state"
            )
    smm = features.smm
    if smm is None or smm.state is False:
        return
    if board not in (Board.Q35, Board.I440FX):
        yield unsupported("smm is not available with this QEMU binary", "/domain/features/smm")
    elif smm.tseg is not None and board is not Board.Q35:
        yield unsupported("SMM TSEG is only supported with q35 machine type", "/domain/features/smm/tseg")
    elif smm.tseg is not None and not scene.has("mch.extended-tseg-mbytes"):
        yield unsupported("Setting TSEG size is not supported with this QEMU binary", "/domain/features/smm/tseg")


def _not_here(scene: Scene, name: str) -> ConfigUnsupported:
    word, platform = name.replace("_", "-"), scene.platform
    return unsupported(
        f"The '{word}' feature is not supported for architecture '{platform.arch}' or machine type "
        f"'{platform.machine}'",
        f"/domain/features/{word}",
    )


def check_secure_boot(scene: Scene) -> Problems:
    """Secure boot needs the chipset that can lock its memory."""
    os = scene.domain.os
    if os is None or os.loader is None or not os.loader.secure:
        return
    path, smm = "/domain/os/loader/@secure", _features(scene).smm
    if scene.platform.board is not Board.Q35:
        yield unsupported("Secure boot is supported with q35 machine types only", path)
    elif scene.platform.arch != "x86_64":
        yield unsupported("Secure boot is supported for x86_64 architecture only", path)
    elif os.firmware is None and (smm is None or smm.state is False):
        yield unsupported("Secure boot requires SMM feature enabled", path)


def check_sleep(scene: Scene) -> Problems:
    """Only PCs sleep."""
    pm = scene.domain.pm
    if pm is None or scene.platform.board in (Board.Q35, Board.I440FX):
        return
    for name, word in (("suspend_to_mem", "S3"), ("suspend_to_disk", "S4")):
        state = getattr(pm, name)
        if state is not None and state.enabled is not None:
            yield unsupported(f"{word} not supported", f"/domain/pm/{name.replace('_', '-')}")


def check_timers(scene: Scene) -> Problems:
    """Timers that the guest's architecture does not have, or that QEMU cannot set so."""
    clock = scene.domain.clock
    for number, timer in enumerate(clock.timers if clock is not None else (), start=1):
        path = f"/domain/clock/timer[{number}]"
        for words, place in _timer_problems(scene, timer):
            yield unsupported(words, f"{path}{place}")


_ODD_POLICIES = {
    TimerName.RTC: (TickPolicy.MERGE, TickPolicy.DISCARD),
    TimerName.PIT: (TickPolicy.MERGE,),
}
_LOST_TICKS = (TickPolicy.CATCHUP, TickPolicy.DISCARD)
_PC_TIMERS = (TimerName.TSC, TimerName.KVMCLOCK, TimerName.HYPERVCLOCK)


def _timer_problems(scene: Scene, timer: Timer) -> Iterator[tuple[str, str]]:
    name, policy = timer.name, timer.tick_policy
    if name is TimerName.PLATFORM:
        yield f"unsupported timer type (name) '{name}'", "/@name"
    elif name in _PC_TIMERS and not scene.platform.is_x86 and timer.present is not None:
        yield _no_timer(scene, name), "/@name"
    elif name is TimerName.RTC and timer.track is TimerTrack.BOOT:
        yield f"unsupported rtc timer track '{timer.track}'", "/@track"
    elif policy is not None and policy in _ODD_POLICIES.get(name, ()):
        word = "rtc timer tickpolicy" if name is TimerName.RTC else "pit tickpolicy"
        yield f"unsupported {word} '{policy}'", "/@tickpolicy"
    elif name is TimerName.PIT and policy in _LOST_TICKS and not scene.has("kvm-pit-lost-tick-policy"):
        yield f"unsupported pit tickpolicy '{policy}'", "/@tickpolicy"
    elif name is TimerName.HPET and timer.present and not scene.platform.is_x86:
        yield "hpet timer is not supported", "/@name"
    elif name is TimerName.ARMVTIMER:
        yield from _arm_timer_problems(scene, timer)


def _arm_timer_problems(scene: Scene, timer: Timer) -> Iterator[tuple[str, str]]:
    if scene.domain.type is not DomainType.KVM or scene.platform.board is not Board.ARM_VIRT:
        yield _no_timer(scene, timer.name), "/@name"
    elif timer.present is False:
        yield f"The '{timer.name}' timer can't be disabled", "/@present"
    elif not scene.has("cpu.kvm-no-adjvtime"):
        yield f"Configuring the '{timer.name}' timer is not supported with this QEMU binary", "/@name"
    elif timer.tick_policy not in (None, TickPolicy.DELAY, TickPolicy.DISCARD):
        yield (
            f"The '{timer.name}' timer does not support tickpolicy '{timer.tick_policy}'",
            "/@tickpolicy",
        )


def _no_timer(scene: Scene, name: TimerName) -> str:
    platform = scene.platform
    return (
        f"Configuring the '{name}' timer is not supported for virtType={scene.domain.type} arch={platform.arch} "
        f"machine={platform.machine} guests"
    )


def check_launch_security(scene: Scene) -> Problems:
    """Protection that neither host nor QEMU has."""
    security = scene.domain.launch_security
    if security is None:
        return
    for flag, words in _PROTECTION.get(str(security.type), ()):
        if not scene.has(flag):
            yield unsupported(
                f"{words} launch security is not supported with this QEMU binary", "/domain/launchSecurity"
            )


_PROTECTION: dict[str, tuple[tuple[str, str], ...]] = {
    "sev": (("sev-guest", "SEV"),),
    "sev-snp": (("sev-snp-guest", "SEV SNP"),),
    "s390-pv": (("confidential-guest-support", "S390 PV"), ("s390-pv-guest", "S390 PV")),
}


def check_io_apic(scene: Scene) -> Problems:
    """Remapped interrupts come from QEMU's own I/O APIC; extended ones are remapped."""
    iommu = scene.domain.devices.iommu
    driver = iommu.driver if iommu is not None else None
    if driver is None:
        return
    if driver.intremap and _features(scene).ioapic is not IoapicDriver.QEMU:
        yield unsupported(
            "IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')",
            "/domain/devices/iommu/driver/@intremap",
        )
    if driver.eim and not driver.intremap:
        yield unsupported("IOMMU eim requires interrupt remapping to be enabled", "/domain/devices/iommu/driver/@eim")


def _features(scene: Scene) -> Features:
    return scene.domain.features or _NO_FEATURES
