"""Which firmware a domain gets: chosen by what it asks for, from the host's descriptors (libvirt: qemu_firmware.c).

An image that is named by its path is looked up as well, so that what it can do is known.
"""

from __future__ import annotations

from pathlib import Path

from virtbus.domain.boot import (
    Firmware,
    FirmwareChoice,
    FirmwareFeature,
    FirmwareFeatureName,
    Loader,
    LoaderType,
    Nvram,
    Os,
)
from virtbus.domain.checks.firmware import check_loader, check_nvram
from virtbus.domain.domain import Domain
from virtbus.domain.features import Features, Smm
from virtbus.domain.security import SevLaunch, SnpLaunch
from virtbus.domain.storage import ImageFormat, StorageType
from virtbus.errors import NoFirmware
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.probing.descriptors import INTERFACES, Descriptor
from virtbus_qemu.settings import QemuSettings

#: Images that are known without a descriptor, by convention of the distributions, and the templates for their
#: variables (libvirt: qemu.conf, nvram).
_CONVENTIONAL = {
    "/usr/share/OVMF/OVMF_CODE.fd": "/usr/share/OVMF/OVMF_VARS.fd",
    "/usr/share/OVMF/OVMF_CODE.secboot.fd": "/usr/share/OVMF/OVMF_VARS.fd",
    "/usr/share/AAVMF/AAVMF_CODE.fd": "/usr/share/AAVMF/AAVMF_VARS.fd",
    "/usr/share/AAVMF/AAVMF32_CODE.fd": "/usr/share/AAVMF/AAVMF32_VARS.fd",
}

_ENDINGS = {ImageFormat.RAW: ".fd", ImageFormat.QCOW2: ".qcow2"}

#: Of a SEV guest's policy: its registers are encrypted too (AMD: SEV API, guest policy).
_ENCRYPTED_STATE = 0x4

#: How the feature of an image is called in a domain, in libvirt's order.
_SAID = (FirmwareFeatureName.ENROLLED_KEYS, FirmwareFeatureName.SECURE_BOOT)


def choose(domain: Domain, capabilities: Capabilities, settings: QemuSettings, *, renew: bool) -> None:
    """Fill in the firmware's images, their formats, and what they can do.

    :param renew: as when a domain is defined. Of a stored one the images stay raw, as they were before there were
        others, and where none fits it is left as it is until it is started.
    :raise NoFirmware: none of this host's fits.
    :raise XmlDetail: what is asked for contradicts itself.
    """
    os = domain.os
    if os is None:
        return
    if renew:
        for check in (check_loader, check_nvram):
            for problem in check(domain):
                raise problem.at(domain=domain.name or None)
    elif os.firmware is not None:
        os.loader = os.loader or Loader()
        variables = os.nvram.image_format if os.nvram else None
        os.loader.image_format = os.loader.image_format or variables or ImageFormat.RAW
    if os.firmware is None and (os.loader is None or os.loader.type in (None, LoaderType.ROM)):
        if os.loader is not None and os.loader.path:
            os.loader.type, os.loader.image_format = LoaderType.ROM, os.loader.image_format or ImageFormat.RAW
        return
    if os.loader is not None and (os.loader.type is LoaderType.NONE or (os.firmware is None and not os.loader.path)):
        return
    found = fitting(domain, capabilities)
    if found is not None:
        _take(domain, os, found)
    elif os.firmware is not None:
        if renew:
            raise missing(domain)
        return
    elif os.loader is not None:
        _take_conventional(os, os.loader)
    _ensure_variables(domain, os, settings)


def is_made(domain: Domain) -> bool:
    """Whether there was nothing to choose, or it is known which image is meant and what it can do."""
    os = domain.os
    if os is None or os.firmware is None:
        return True
    if os.firmware is Firmware.EFI and not (os.firmware_choice and os.firmware_choice.features):
        return False
    return os.loader is not None and bool(os.loader.path)


def missing(domain: Domain) -> NoFirmware:
    """What is said where no image fits."""
    kind = domain.os.firmware if domain.os else None
    return NoFirmware(
        f"Unable to find '{kind}' firmware that is compatible with the current configuration",
        domain=domain.name,
        hint="install one (Debian: apt install ovmf), or ask for less",
        evidence={"path": "/domain/os/@firmware"},
    )


def fitting(domain: Domain, capabilities: Capabilities) -> Descriptor | None:
    """The preferred firmware of those that fit."""
    return next((each for each in capabilities.firmware if _fits(domain, each)), None)


def _fits(domain: Domain, image: Descriptor) -> bool:
    os = domain.os
    if os is None or _interface(os) not in (INTERFACES.get(each) for each in image.interfaces):
        return False
    if not image.boots(os.type.arch or "", os.type.machine or ""):
        return False
    return _can(domain, os, image) and (_fits_flash(os, image) if image.device == "flash" else _fits_memory(os, image))


def _interface(os: Os) -> str:
    """The kind of firmware that is asked for, or that the way of loading it means."""
    if os.firmware is not None:
        return os.firmware.value
    return "efi" if os.loader is not None and os.loader.type is LoaderType.PFLASH else "bios"


def _can(domain: Domain, os: Os, image: Descriptor) -> bool:
    """Whether an image has the features that are asked for, and none that the domain cannot have."""
    has = frozenset(image.features)
    for feature in os.firmware_choice.features if os.firmware_choice else ():
        if (feature.name.value in has) is not feature.enabled:
            return False
    for state, name in (
        (domain.pm.suspend_to_mem if domain.pm else None, "acpi-s3"),
        (domain.pm.suspend_to_disk if domain.pm else None, "acpi-s4"),
    ):
        if state is not None and state.enabled and name not in has:
            return False
    smm = domain.features.smm if domain.features else None
    if "requires-smm" in has:
        if (smm is not None and smm.state is False) or (os.loader is not None and os.loader.secure is False):
            return False
    elif os.loader is not None and os.loader.secure:
        return False
    return _protects(domain) <= has


def _protects(domain: Domain) -> set[str]:
    """What a firmware must know of the protection of the guest's memory."""
    match domain.launch_security:
        case SnpLaunch():
            return {"amd-sev-snp"}
        case SevLaunch() as launch:
            return {"amd-sev", "amd-sev-es"} if launch.policy & _ENCRYPTED_STATE else {"amd-sev"}
    return set()


def _fits_flash(os: Os, image: Descriptor) -> bool:
    loader = os.loader or Loader()
    if loader.type not in (None, LoaderType.PFLASH):
        return False
    if image.mode != ("stateless" if loader.stateless else "split"):
        return False
    if loader.readonly is False or (os.firmware is None and loader.readonly is None):
        return False
    if loader.path and loader.path != image.code.filename:
        return False
    if loader.image_format is not None and loader.image_format.value != _format(image.code.format):
        return False
    if image.variables is None or os.nvram is None:
        return True
    return os.nvram.template in (None, image.variables.filename)


def _fits_memory(os: Os, image: Descriptor) -> bool:
    loader = os.loader or Loader()
    if image.device != "memory" or loader.type not in (None, LoaderType.ROM) or os.nvram is not None:
        return False
    if loader.stateless is False or loader.readonly is False:
        return False
    return loader.path in (None, "", image.code.filename)


def _format(said: str | None) -> str:
    return said or "raw"


def _take(domain: Domain, os: Os, image: Descriptor) -> None:
    loader = os.loader = os.loader or Loader()
    loader.path = image.code.filename
    loader.image_format = ImageFormat(_format(image.code.format))
    if image.device == "flash":
        loader.type, loader.readonly = LoaderType.PFLASH, True
        if image.variables is not None:
            _take_variables(os, image.variables.filename, ImageFormat(_format(image.variables.format)))
    else:
        loader.type = LoaderType.ROM
    if image.secure:
        domain.features = domain.features or Features()
        domain.features.smm = domain.features.smm or Smm()
        domain.features.smm.state = loader.secure = True
    os.firmware = Firmware(_interface(os))
    if os.firmware is Firmware.EFI:
        # Keys are enrolled in the template, and a store in the network is not made from one.
        remote = os.nvram is not None and os.nvram.type is StorageType.NETWORK
        said = [name for name in _SAID if not (remote and name is FirmwareFeatureName.ENROLLED_KEYS)]
        os.firmware_choice = os.firmware_choice or FirmwareChoice()
        os.firmware_choice.features = [
            FirmwareFeature(enabled=name.value in image.features, name=name) for name in said
        ]


def _take_variables(os: Os, template: str, layout: ImageFormat) -> None:
    nvram = os.nvram = os.nvram or Nvram()
    nvram.image_format = layout
    if nvram.type is not StorageType.NETWORK:
        nvram.template, nvram.template_format = template, layout


def _take_conventional(os: Os, loader: Loader) -> None:
    """An image of which no descriptor knows; it is raw unless said otherwise."""
    raw = loader.image_format in (None, ImageFormat.RAW)
    template = _CONVENTIONAL.get(loader.path or "")
    if template is not None and raw and loader.readonly and not loader.stateless:
        _take_variables(os, (os.nvram.template if os.nvram else None) or template, ImageFormat.RAW)
    loader.image_format = loader.image_format or ImageFormat.RAW


def _ensure_variables(domain: Domain, os: Os, settings: QemuSettings) -> None:
    """Where the firmware's variables are kept, if they are."""
    loader = os.loader
    if loader is None or loader.type is not LoaderType.PFLASH or not loader.readonly or loader.stateless:
        return
    nvram = os.nvram = os.nvram or Nvram()
    nvram.image_format = nvram.image_format or loader.image_format
    if nvram.path is None and nvram.source is None:
        ending = _ENDINGS.get(nvram.image_format or ImageFormat.RAW, ".fd")
        nvram.path = str(Path(settings.nvram) / f"{domain.name}_VARS{ending}")
