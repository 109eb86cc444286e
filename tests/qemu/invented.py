"""Capabilities of a QEMU that need not be installed: enough for command lines of every supported device."""

from __future__ import annotations

from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.probing.descriptors import Descriptor, Image, Target
from virtbus_qemu.probing.digest import Accelerator, Digest, Flag, GuestModel, Head, MachineType
from virtbus_qemu.probing.flags import FLAGS

#: What QEMU 7.2 does not have.
_LATER = ("chardev.json", "ramfb", "netdev.user", "sgx-epc", "sev-guest", "tdx-guest")


def capabilities(*, kvm: bool = False) -> Capabilities:
    """A QEMU 7.2, with or without KVM."""
    flags = [Flag(name=name) for name in FLAGS if name not in _LATER]
    head = Head(emulator="/usr/bin/qemu-system-x86_64", flags=flags, version=7_002_000, package="", arch="x86_64")
    names = ("kvm", "tcg") if kvm else ("tcg",)
    return Capabilities(
        Digest(head, [_accelerator(name) for name in names]),
        (
            Descriptor(
                interfaces=("uefi",),
                device="flash",
                code=Image("/usr/share/OVMF/OVMF_CODE.fd", "raw"),
                mode="split",
                variables=Image("/usr/share/OVMF/OVMF_VARS.fd", "raw"),
                targets=(Target("x86_64", ("pc-q35-*",)),),
                features=("acpi-s3",),
            ),
        ),
        "invented",
    )


def _accelerator(name: str) -> Accelerator:
    def machine(version: str, alias: str, cpus: int, *, default: bool = False) -> MachineType:
        return MachineType(
            type=name,
            name=version,
            alias=alias,
            default=default or None,
            max_cpus=cpus,
            default_cpu="qemu64-x86_64-cpu",
            hotplug_cpus=True,
            default_ram_id="pc.ram",
        )

    return Accelerator(
        name,
        cpus=[
            GuestModel(type=name, name=model, typename=f"{model}-x86_64-cpu")
            for model in ("qemu64", "max", "host", "Skylake-Client")
        ],
        machines=[machine("pc-i440fx-7.2", "pc", 255, default=True), machine("pc-q35-7.2", "q35", 288)],
    )
