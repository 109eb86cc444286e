"""Capabilities of a QEMU that need not be installed: enough for command lines of every supported device."""

from __future__ import annotations

from virtbus_qemu.capabilities import Capabilities, CpuModel, Machine
from virtbus_qemu.firmware import Firmware

_CARDS = (
    "virtio-net-pci virtio-net-pci-transitional virtio-net-pci-non-transitional e1000 e1000e rtl8139 VGA secondary-vga "
    "cirrus-vga virtio-vga virtio-gpu-pci bochs-display"
)


def capabilities(*, kvm: bool = False) -> Capabilities:
    """A QEMU 7.2, with or without KVM."""
    return Capabilities(
        fingerprint="invented",
        emulator="/usr/bin/qemu-system-x86_64",
        arch="x86_64",
        version=(7, 2, 0),
        package="",
        kvm_present=kvm,
        kvm_usable=kvm,
        machines=(
            Machine(name="pc-i440fx-7.2", alias="pc", default=True, vcpus=255, default_cpu="qemu64"),
            Machine(name="pc-q35-7.2", alias="q35", vcpus=288, default_cpu="qemu64"),
        ),
        cpus=tuple(CpuModel(name=name) for name in ("qemu64", "max", "host", "Skylake-Client")),
        commands=frozenset(),
        device_types=frozenset(_CARDS.split()),
        properties={},
        block_drivers=frozenset(),
        network_backends=frozenset(),
        object_types=frozenset(),
        character_backends=frozenset(),
        firmware=(
            Firmware(
                descriptor="60-uefi.json",
                code="/usr/share/OVMF/OVMF_CODE.fd",
                code_format="raw",
                template="/usr/share/OVMF/OVMF_VARS.fd",
                machines=(("x86_64", "pc-q35-*"),),
                features=frozenset({"acpi-s3"}),
            ),
        ),
    )
