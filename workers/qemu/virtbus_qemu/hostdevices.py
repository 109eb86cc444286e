"""Devices of the host that definitions name by what they are: found where they are now.

The kernel tells of them in /sys/bus (Documentation/ABI/testing/sysfs-bus-usb, sysfs-bus-scsi of the kernel).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import ScsiHostAddress, StartupPolicy, UsbHostdev, UsbHostSource
from virtbus.errors import ConfigUnsupported


class HostDevices(Protocol):
    """Who knows the host's devices."""

    def scsi_generic(self, adapter: str, unit: ScsiHostAddress) -> str:
        """The node by which a SCSI unit is spoken to, such as /dev/sg0.

        :raise ConfigUnsupported: there is no such unit.
        """
        ...

    def usb(self, source: UsbHostSource) -> tuple[int, int]:
        """The bus and the number there of a USB device.

        :raise ConfigUnsupported: there is no such device, or there are several.
        """
        ...


@dataclass(frozen=True)
class KernelDevices:
    """The devices that the kernel tells of."""

    bus: Path = Path("/sys/bus")

    def scsi_generic(self, adapter: str, unit: ScsiHostAddress) -> str:
        """See HostDevices."""
        place = f"{adapter.removeprefix('scsi_host')}:{unit.bus}:{unit.target}:{unit.unit}"
        nodes = sorted((self.bus / "scsi" / "devices" / place / "scsi_generic").glob("sg*"))
        if not nodes:
            raise _missing(f"the host has no SCSI unit {place}")
        return f"/dev/{nodes[0].name}"

    def usb(self, source: UsbHostSource) -> tuple[int, int]:
        """See HostDevices."""
        said = source.address
        if said is not None and said.bus and said.device:
            return said.bus, said.device
        found = [place for place, vendor, product, port in self._usb() if _is(source, place[0], vendor, product, port)]
        if len(found) == 1:
            return found[0]
        ids = f"{source.vendor.id if source.vendor else 0:x}:{source.product.id if source.product else 0:x}"
        if found:
            raise ConfigUnsupported(
                f"Multiple USB devices for {ids}, use <address> to specify one",
                evidence={"path": "/domain/devices/hostdev/source", "candidates": found},
            )
        raise _missing(f"Did not find USB device {ids}")

    def _usb(self) -> Iterator[tuple[tuple[int, int], int, int, str]]:
        """Of each USB device: bus and number, vendor, product, and the port that it is plugged into."""
        for device in sorted((self.bus / "usb" / "devices").glob("*")):
            files = [device / name for name in ("busnum", "devnum", "idVendor", "idProduct", "devpath")]
            if all(file.exists() for file in files):
                bus, number, vendor, product, port = (file.read_text().strip() for file in files)
                yield (int(bus), int(number)), int(vendor, 16), int(product, 16), port


class AnyDevices:
    """Devices for trials: whatever is asked for is there."""

    def scsi_generic(self, adapter: str, unit: ScsiHostAddress) -> str:
        """See HostDevices."""
        return "/dev/sg0"

    def usb(self, source: UsbHostSource) -> tuple[int, int]:
        """See HostDevices."""
        said = source.address
        return (said.bus or 1, said.device or 1) if said is not None else (1, 1)


def note_missing(domain: Domain, known: HostDevices) -> None:
    """Note which USB devices are not plugged in now and need not be: the guest starts without them."""
    for device in domain.devices.hostdevs:
        if isinstance(device, UsbHostdev) and device.source.startup_policy is StartupPolicy.OPTIONAL:
            try:
                known.usb(device.source)
            except ConfigUnsupported as error:
                # Of several one is there; which is meant must be said.
                device.source.missing = "candidates" not in error.evidence


KERNEL_DEVICES = KernelDevices()
ANY_DEVICES = AnyDevices()


def _is(source: UsbHostSource, bus: int, vendor: int, product: int, port: str) -> bool:
    """Whether a device is the one that is meant."""
    if source.vendor is not None and source.vendor.id != vendor:
        return False
    if source.product is not None and source.product.id != product:
        return False
    said = source.address
    if said is None:
        return source.vendor is not None
    return said.port == port and said.bus in (None, bus)


def _missing(message: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, hint="plug it in", evidence={"path": "/domain/devices/hostdev/source"})
