"""What the administrator decides about QEMU processes: paths, confinement, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class QemuSettings:
    """Settings of one host."""

    emulator: Path = Path("/usr/bin/qemu-system-x86_64")
    """The binary of domains that name none."""
    nvram: Path = Path("/var/lib/virtbus/qemu/nvram")
    """Where the variable stores of UEFI domains are kept."""
    memory: Path = Path("/var/lib/virtbus/qemu/ram")
    """Where file-backed memory lies."""
    hugepages: Mapping[int, Path] = field(default_factory=dict)
    """Mounts of hugetlbfs by page size in KiB; the first is the default."""
    sandbox: bool = True
    """Whether QEMU's seccomp filter is on."""
    run_as: str | None = None
    """The user that QEMU becomes once it has opened its files; None keeps the worker's."""
    vnc_listen: str = "127.0.0.1"
    """Where VNC servers listen that name no address."""
    vnc_ports: tuple[int, int] = (5900, 65535)
    """The first and the last port of VNC servers that choose their own."""
    vhost_net: bool = False
    """Whether virtio cards on a tap device use the kernel's vhost-net unless they say otherwise."""
    spare_root_ports: int = 1
    """How many free PCIe root ports a new q35 domain gets besides those it needs, for hot-plug."""
