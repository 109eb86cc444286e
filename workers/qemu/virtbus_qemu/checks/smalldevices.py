"""What the guest's small devices may not be: a function for each kind (libvirt: qemuValidateDomainDeviceDef...)."""

from __future__ import annotations

from virtbus.domain.address import AddressType
from virtbus.domain.checks.problem import Problems, internal, malformed, unsupported
from virtbus.domain.hub import Hub
from virtbus.domain.input import Input, InputBus, InputModel, InputType
from virtbus.domain.iommu import Iommu, IommuModel
from virtbus.domain.memballoon import Memballoon, MemballoonModel
from virtbus.domain.nvram import Nvram
from virtbus.domain.pstore import Pstore
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng
from virtbus.domain.smalldevice import Crypto, Vsock
from virtbus.domain.smartcard import Smartcard, SmartcardMode
from virtbus.domain.sound import CodecType, Sound, SoundModel
from virtbus.domain.tpm import Tpm, TpmBackendType, TpmModel, TpmVersion
from virtbus.domain.watchdog import Panic, PanicModel, Watchdog, WatchdogModel
from virtbus_qemu.checks.scene import Scene
from virtbus_qemu.platform import PPC, Board


def check_iommu(scene: Scene, path: str, iommu: Iommu) -> Problems:
    """An IOMMU is part of the board."""
    model, board = iommu.model, scene.platform.board
    boards, words, flag = _IOMMUS[model]
    if board not in boards:
        yield unsupported(f"IOMMU device: '{model}' is only supported with {words} machines", f"{path}/@model")
    if not scene.has(flag):
        yield unsupported(f"IOMMU device: '{model}' is not supported with this QEMU binary", f"{path}/@model")
    if model is IommuModel.VIRTIO and (iommu.address is None or iommu.address.type is not AddressType.PCI):
        yield unsupported(f"IOMMU device: '{model}' needs a PCI address", f"{path}/address")
    for name, flag, words in _IOMMU_SETTINGS:
        if iommu.driver is not None and getattr(iommu.driver, name) is not None and not scene.has(flag):
            yield unsupported(f"iommu: {words} is not supported with this QEMU binary", f"{path}/driver/@{name}")


_IOMMUS = {
    IommuModel.INTEL: (frozenset({Board.Q35}), "Q35", "intel-iommu"),
    IommuModel.SMMUV3: (frozenset({Board.ARM_VIRT}), "ARM Virt", "machine.virt.iommu"),
    IommuModel.VIRTIO: (frozenset({Board.Q35, Board.ARM_VIRT}), "Q35 and ARM Virt", "virtio-iommu-pci"),
}

_IOMMU_SETTINGS = (
    ("intremap", "intel-iommu.intremap", "interrupt remapping"),
    ("caching_mode", "intel-iommu.caching-mode", "caching mode"),
    ("eim", "intel-iommu.eim", "eim"),
    ("iotlb", "intel-iommu.device-iotlb", "device IOTLB"),
    ("aw_bits", "intel-iommu.aw-bits", "aw_bits"),
    ("dma_translation", "intel-iommu.dma-translation", "updating dma translation"),
)


def check_panic(scene: Scene, path: str, panic: Panic) -> Problems:
    """A panic device belongs to an architecture, and most have no place of their own."""
    model, at = panic.model, panic.address.type if panic.address is not None else None
    if model is None:
        words = "no panic model provided, and no default for the architecture and machine type"
        yield unsupported(words, f"{path}/@model")
        return
    for kind, fits, guests in _PANIC_GUESTS:
        if model is kind and not fits(scene):
            yield unsupported(f"only {guests} guests support panic device of model '{model}'", f"{path}/@model")
        if model is kind and at is not None:
            yield unsupported(
                f"setting the panic device address is not supported for model '{model}'", f"{path}/address"
            )
    if model is PanicModel.ISA:
        if not scene.has("pvpanic"):
            yield unsupported("the QEMU binary does not support the ISA panic device", f"{path}/@model")
        if at not in (None, AddressType.ISA):
            yield unsupported("panic is supported only with ISA address type", f"{path}/address")
    if model is PanicModel.PVPANIC:
        if not scene.has("pvpanic-pci"):
            yield unsupported("the QEMU binary does not support the PCI panic device", f"{path}/@model")
        if at not in (None, AddressType.PCI):
            yield unsupported("pvpanic is supported only with PCI address type", f"{path}/address")


_PANIC_GUESTS = (
    (PanicModel.S390, lambda scene: scene.platform.is_s390, "S390"),
    (PanicModel.HYPERV, lambda scene: scene.platform.is_x86, "i686 and x86_64"),
    (PanicModel.PSERIES, lambda scene: scene.platform.board is Board.PSERIES, "pSeries"),
)


def check_watchdog(scene: Scene, path: str, watchdog: Watchdog) -> Problems:
    """A watchdog is a card, or part of the board."""
    model, at = watchdog.model, watchdog.address.type if watchdog.address is not None else None
    if watchdog.action is not scene.domain.devices.watchdogs[0].action:
        words = "watchdogs with different actions are not supported with this QEMU binary"
        yield unsupported(words, f"{path}/@action")
    if model is WatchdogModel.I6300ESB and at not in (None, AddressType.PCI):
        yield unsupported(f"{model} model of watchdog can go only on PCI bus", f"{path}/address")
    if model is WatchdogModel.IB700 and scene.platform.board is not Board.I440FX:
        yield unsupported(f"{model} model of watchdog cannot be used with this machine type", f"{path}/@model")
    if model is WatchdogModel.IB700 and at is not None:
        yield unsupported(f"{model} model of watchdog does not support configuring the address", f"{path}/address")
    if model is WatchdogModel.DIAG288 and at is not None:
        yield unsupported(f"{model} model of watchdog is virtual and cannot go on any bus.", f"{path}/address")
    if model is WatchdogModel.ITCO and at is not None:
        words = f"{model} model of watchdog is part of the machine and cannot have any address set."
        yield unsupported(words, f"{path}/address")
    if model is WatchdogModel.DIAG288 and not scene.platform.is_s390:
        yield unsupported(f"{model} model of watchdog is allowed for s390 and s390x only", f"{path}/@model")
    if model is WatchdogModel.ITCO and scene.platform.board is not Board.Q35:
        yield unsupported(f"{model} model of watchdog is only part of q35 machine", f"{path}/@model")


def check_tpm(scene: Scene, path: str, tpm: Tpm) -> Problems:
    """A TPM's model, backend and version fit together."""
    kind, version, model = tpm.backend.type, tpm.backend.version, tpm.model
    emulator = scene.domain.devices.emulator or scene.capabilities.emulator
    if version is TpmVersion.V1_2:
        if model is TpmModel.TPM_CRB and kind is TpmBackendType.EMULATOR:
            yield unsupported(f"Unsupported interface '{model}' for TPM 1.2", f"{path}/@model")
        elif model is TpmModel.TPM_SPAPR:
            yield unsupported("TPM 1.2 is not supported with the SPAPR device model", f"{path}/backend/@version")
        elif scene.platform.board is Board.ARM_VIRT:
            yield unsupported("TPM 1.2 is not supported on ARM", f"{path}/backend/@version")
    offered = scene.settings.tpm_versions
    if kind is TpmBackendType.EMULATOR and version is not None and offered is not None and version not in offered:
        yield unsupported(f"TPM version '{version}' is not supported", f"{path}/backend/@version")
    flag = _TPM_BACKENDS.get(kind)
    if flag is not None and not scene.has(flag):
        words = f"The QEMU executable {emulator} does not support TPM backend type {kind}"
        yield unsupported(words, f"{path}/backend/@type")
    flag = _TPM_MODELS.get(model) if model is not None else None
    if flag is not None and not scene.has(flag):
        yield unsupported(f"The QEMU executable {emulator} does not support TPM model {model}", f"{path}/@model")


_TPM_BACKENDS = {
    TpmBackendType.PASSTHROUGH: "tpm-passthrough",
    TpmBackendType.EMULATOR: "tpm-emulator",
    TpmBackendType.EXTERNAL: "tpm-emulator",
}
_TPM_MODELS = {
    TpmModel.TPM_TIS: "tpm-tis",
    TpmModel.TPM_CRB: "tpm-crb",
    TpmModel.TPM_SPAPR: "tpm-spapr",
    TpmModel.SPAPR_TPM_PROXY: "spapr-tpm-proxy",
}


def check_input(scene: Scene, path: str, device: Input) -> Problems:
    """An input device's bus and model."""
    odd = device.model in (InputModel.VIRTIO_TRANSITIONAL, InputModel.VIRTIO_NON_TRANSITIONAL)
    if device.type is InputType.EVDEV:
        if not scene.has("input-linux"):
            yield unsupported("input-linux is not supported by this QEMU binary", f"{path}/@type")
        return
    if device.bus is not InputBus.VIRTIO:
        return
    if odd and device.type is not InputType.PASSTHROUGH:
        words = f"virtio (non-)transitional models are not supported for input type={device.type}"
        yield unsupported(words, f"{path}/@model")
    base = "virtio-input-host" if device.type is InputType.PASSTHROUGH else f"virtio-{device.type}"
    if not scene.has(f"{base}-ccw" if scene.platform.is_s390 and base != "virtio-input-host" else base):
        yield unsupported(f"{base} is not supported by this QEMU binary", f"{path}/@bus")


def check_sound(scene: Scene, path: str, sound: Sound) -> Problems:
    """A sound card and its codecs."""
    if sound.model is SoundModel.ICH7:
        yield internal(f"sound card model '{sound.model}' is not supported by qemu", f"{path}/@model")
    flag, words = _SOUND_FLAGS.get(sound.model, ("", ""))
    if flag and not scene.has(flag):
        yield unsupported(words, f"{path}/@model")
    for codec in sound.codecs:
        name = f"hda-{codec.type}"
        if not scene.has("hda-output" if codec.type is CodecType.OUTPUT else name):
            yield unsupported(f"{name} not supported in this QEMU binary", f"{path}/codec/@type")


_SOUND_FLAGS = {
    SoundModel.USB: ("usb-audio", "usb-audio controller is not supported by this QEMU binary"),
    SoundModel.ICH9: ("ich9-intel-hda", "The ich9-intel-hda audio controller is not supported in this QEMU binary"),
    SoundModel.VIRTIO: ("virtio-sound", "virtio-sound controller is not supported in this QEMU binary"),
}


def check_balloon(scene: Scene, path: str, balloon: Memballoon) -> Problems:
    """The balloon."""
    if balloon.model is MemballoonModel.XEN:
        words = f"Memory balloon device type '{balloon.model}' is not supported by this version of qemu"
        yield unsupported(words, f"{path}/@model")
    if balloon.autodeflate is not None and not scene.has("virtio-balloon-pci.deflate-on-oom"):
        yield unsupported("deflate-on-oom is not supported by this QEMU binary", f"{path}/@autodeflate")
    if balloon.free_page_reporting is not None and not scene.has("virtio-balloon.free-page-reporting"):
        yield unsupported("freePageReporting is not supported by this QEMU binary", f"{path}/@freePageReporting")


def check_rng(scene: Scene, path: str, rng: Rng) -> Problems:
    """A random number generator and its source."""
    backend = rng.backend.model
    if not scene.has("virtio-rng"):
        yield unsupported("virtio-rng is not supported by this QEMU binary", f"{path}/@model")
    if not scene.has(f"rng-{backend}"):
        yield unsupported(f"this qemu doesn't support the rng-{backend} backend", f"{path}/backend/@model")


def check_smartcard(scene: Scene, path: str, smartcard: Smartcard) -> Problems:
    """A smartcard reader."""
    passed = smartcard.mode is SmartcardMode.PASSTHROUGH
    if not scene.has("ccid-passthru" if passed else "ccid-emulated"):
        words = f"this QEMU binary lacks smartcard {'passthrough' if passed else 'host'} mode support"
        yield unsupported(words, f"{path}/@mode")


def check_nvram(scene: Scene, path: str, nvram: Nvram) -> Problems:
    """The variable store of POWER guests."""
    if scene.platform.arch not in PPC or scene.platform.board is not Board.PSERIES:
        yield unsupported("nvram device is only supported for PPC64", path)
    elif not scene.has("nvram"):
        yield unsupported("nvram device is not supported by this QEMU binary", path)
    elif nvram.address is not None and nvram.address.type is not AddressType.SPAPR_VIO:
        yield malformed("nvram address type must be spaprvio", f"{path}/address/@type")


def check_flag(scene: Scene, path: str, device: Hub | Vsock | Crypto | Redirdev | Pstore) -> Problems:
    """Devices of which only the binary can lack something."""
    for kind, flag, words in _FLAGS:
        if isinstance(device, kind) and not scene.has(flag):
            yield unsupported(words, path)


_FLAGS = (
    (Hub, "usb-hub", "usb-hub not supported by QEMU binary"),
    (Vsock, "vhost-vsock", "vsock device is not supported with this QEMU binary"),
    (Crypto, "virtio-crypto", "crypto model virtio is not supported"),
    (Redirdev, "usb-redir", "USB redirection is not supported by this version of QEMU"),
    (Pstore, "acpi-erst", "acpi-erst backend of pstore device is not supported"),
)
