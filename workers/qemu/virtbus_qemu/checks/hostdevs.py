"""What devices of the host may not be (libvirt: qemuValidateDomainDeviceDefHostdev)."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.hostdev import (
    Hostdev,
    HostdevMode,
    HostdevModel,
    HostdevTail,
    MdevHostdev,
    PciHostdev,
    ScsiHostHostdev,
    UsbHostdev,
)
from virtbus_qemu.checks.scene import Scene

_MDEV_FLAGS = {
    HostdevModel.VFIO_PCI: ("vfio-pci", "VFIO PCI device assignment is not supported by this version of QEMU"),
    HostdevModel.VFIO_AP: ("vfio-ap", "VFIO AP device assignment is not supported by this version of QEMU"),
    HostdevModel.VFIO_CCW: ("vfio-ccw", "VFIO CCW device assignment is not supported by this version of QEMU"),
}


def check_hostdev(scene: Scene, path: str, hostdev: Hostdev) -> Problems:
    """One device of the host."""
    if hostdev.mode is HostdevMode.CAPABILITIES:
        words = f"hostdev mode 'capabilities' is not supported in {scene.domain.type}"
        yield unsupported(words, f"{path}/@mode")
        return
    yield from _check_boot(path, hostdev)
    match hostdev:
        case ScsiHostHostdev() if not scene.has("vhost-scsi"):
            yield unsupported("This QEMU doesn't support vhost-scsi devices", f"{path}/@type")
        case UsbHostdev(source=source) if source.guest_reset and not scene.has("usb-host.guest-resets-all"):
            words = "guestReset is not supported with this version of QEMU"
            yield unsupported(words, f"{path}/source/@guestReset")
        case PciHostdev() if not scene.has("vfio-pci"):
            yield unsupported("VFIO PCI device assignment is not supported by this version of qemu", f"{path}/@type")
        case PciHostdev(display=True) if not scene.domain.devices.graphics:
            words = "graphics device is needed for attribute value 'display=on' in <hostdev>"
            yield unsupported(words, f"{path}/@display")
        case PciHostdev(source=source) if source.write_filtering is not None:
            yield unsupported(
                "Write filtering of PCI device configuration space is not supported by qemu",
                f"{path}/source/@writeFiltering",
            )
        case MdevHostdev():
            yield from _check_mediated(scene, path, hostdev)


def _check_boot(path: str, hostdev: Hostdev) -> Problems:
    """Firmware boots from cards and drives, that of s390x from mediated ones too."""
    if not isinstance(hostdev, HostdevTail) or hostdev.boot is None:
        return
    if isinstance(hostdev, ScsiHostHostdev):
        yield unsupported("booting from assigned devices is not supported by vhost SCSI devices", f"{path}/boot")
    elif isinstance(hostdev, MdevHostdev) and hostdev.model is not HostdevModel.VFIO_CCW:
        yield unsupported(
            f"booting from assigned devices is not supported by mediated devices of model {hostdev.model}",
            f"{path}/boot",
        )


def _check_mediated(scene: Scene, path: str, hostdev: MdevHostdev) -> Problems:
    flag, words = _MDEV_FLAGS.get(hostdev.model, ("", ""))
    if flag and not scene.has(flag):
        yield unsupported(words, f"{path}/@model")
    others = [each for each in scene.domain.devices.hostdevs if isinstance(each, MdevHostdev)]
    if hostdev.model is HostdevModel.VFIO_AP and sum(each.model is hostdev.model for each in others) > 1:
        yield unsupported("Only one hostdev of model vfio-ap is supported", f"{path}/@model")
    if hostdev.model is not HostdevModel.VFIO_PCI:
        return
    if hostdev.display and not scene.domain.devices.graphics:
        yield unsupported("graphics device is needed for attribute value 'display=on' in <hostdev>", f"{path}/@display")
    if hostdev.ramfb and not hostdev.display:
        yield unsupported("'ramfb' requires attribute value 'display=on' in <hostdev>", f"{path}/@ramfb")
    if hostdev.ramfb and sum(bool(each.ramfb) for each in others) > 1:
        yield unsupported("Only one vgpu device can have 'ramfb' enabled", f"{path}/@ramfb")
